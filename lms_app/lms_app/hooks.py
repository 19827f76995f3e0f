"""Where Frappe calls this app."""

app_name = "lms_app"
app_title = "LMS App"
app_publisher = "Schoolctl maintainers"
app_description = "Courses for schools that run on Frappe and ERPNext."
app_email = "maintainers@schoolctl.invalid"
app_license = "MIT"

after_install = "lms_app.install.after_install"
before_uninstall = "lms_app.uninstall.before_uninstall"
