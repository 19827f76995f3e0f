"""Where Frappe calls this app."""

app_name = "lms_app"
app_title = "LMS App"
app_publisher = "Schoolctl maintainers"
app_description = "Courses for schools that run on Frappe and ERPNext."
app_email = "maintainers@schoolctl.invalid"
app_license = "MIT"

before_install = "lms_app.install.make_roles"
after_install = "lms_app.install.after_install"
before_uninstall = "lms_app.uninstall.before_uninstall"
after_uninstall = "lms_app.uninstall.after_uninstall"

# Roles come before the DocTypes that name them: Frappe would make missing ones with access to the desk.
before_migrate = ["lms_app.install.make_roles", "lms_app.jobs.put_back"]
after_migrate = "lms_app.jobs.spread"

# Who sees which documents through Frappe's own doors. Pupils hold no permission at all.
_GUARDED = (
    *("Academy Certificate", "Academy Certificate Template"),
    *("Academy Category", "Academy Course", "Academy Slug History", "Academy Module", "Academy Lesson"),
    *("Academy Student", "Academy Enrollment", "Academy Lesson Progress", "Academy Invitation"),
    *("Academy Note", "Academy Event", "Academy Override"),
    *("Academy Question Bank", "Academy Question", "Academy Quiz", "Academy Quiz Attempt"),
    *("Academy Rubric", "Academy Assignment", "Academy Submission"),
)
# Rows inside documents are asked for by themselves as well.
_INSIDE = (
    "Academy Certificate Signature",
    *("Academy Course Instructor", "Academy Course Outcome", "Academy Course Prerequisite"),
    *("Academy Lesson Block", "Academy Caption"),
    *("Academy Question Option", "Academy Quiz Slot", "Academy Quiz Answer"),
    *("Academy Rubric Criterion", "Academy Rubric Level", "Academy Submission Score"),
)
permission_query_conditions = dict.fromkeys((*_GUARDED, *_INSIDE), "lms_app.services.access.query_conditions")
has_permission = dict.fromkeys(_GUARDED, "lms_app.services.access.has_permission")
require_type_annotated_api_methods = True

page_renderer = [
    "lms_app.services.media.MediaPage",
    "lms_app.certificate_file.CertificateFile",
    "lms_app.pages.LearnPage",
    "lms_app.overrides.visitor_page.VisitorPage",
]
website_route_rules = [
    {"from_route": "/learn/c/<slug>", "to_route": "learn/course"},
    {"from_route": "/learn/c/<slug>/l/<lesson>", "to_route": "learn/lesson"},
    {"from_route": "/learn/quiz/<quiz>", "to_route": "learn/quiz"},
    {"from_route": "/learn/attempt/<attempt>", "to_route": "learn/attempt"},
    {"from_route": "/learn/assignment/<assignment>", "to_route": "learn/assignment"},
    {"from_route": "/i/<token>", "to_route": "learn/invitation"},
    {"from_route": "/learn/me/certificates/<code>", "to_route": "learn/me/certificate"},
    {"from_route": "/learn/me/certificates/<code>.pdf", "to_route": "learn/me/certificate.pdf"},
    {"from_route": "/verify/<code>", "to_route": "verify"},
    {"from_route": "/teach/c/<slug>", "to_route": "teach/course"},
    {"from_route": "/teach/c/<slug>/settings", "to_route": "teach/settings"},
    {"from_route": "/teach/c/<slug>/l/<lesson>", "to_route": "teach/lesson"},
    {"from_route": "/teach/c/<slug>/l/<lesson>/preview", "to_route": "teach/preview"},
    {"from_route": "/teach/c/<slug>/questions", "to_route": "teach/questions"},
    {"from_route": "/teach/c/<slug>/questions/<bank>", "to_route": "teach/bank"},
    {"from_route": "/teach/c/<slug>/questions/<bank>/import", "to_route": "teach/questions_import"},
    {"from_route": "/teach/c/<slug>/questions/<bank>/q/<question>", "to_route": "teach/question"},
    {"from_route": "/teach/c/<slug>/quizzes/<quiz>", "to_route": "teach/quiz"},
    {"from_route": "/teach/c/<slug>/assignments", "to_route": "teach/assignments"},
    {"from_route": "/teach/c/<slug>/assignments/<assignment>", "to_route": "teach/assignment"},
    {"from_route": "/teach/c/<slug>/rubrics/<rubric>", "to_route": "teach/rubric"},
    {"from_route": "/teach/grading/<attempt>/<position>", "to_route": "teach/grade"},
    {"from_route": "/teach/grading/submission/<submission>", "to_route": "teach/grade_submission"},
    {"from_route": "/teach/c/<slug>/people", "to_route": "teach/people"},
    {"from_route": "/teach/c/<slug>/people/import", "to_route": "teach/people_import"},
    {"from_route": "/teach/c/<slug>/people/p/<enrollment>", "to_route": "teach/pupil"},
]
scheduler_events = {
    "daily": [
        "lms_app.services.enrolment.expire_overdue",
        "lms_app.services.certificates.issue_missed",
        "lms_app.services.sign_up.forget_unproven",
    ],
    "cron": {"*/5 * * * *": ["lms_app.services.quiz_engine.submit_overdue"]},
}

after_request = ["lms_app.guests.share"]
# What schools of one bench could reach of each other otherwise; a school's own settings cannot undo it.
before_request = "lms_app.overrides.private_files.send_by_the_edge"
make_email_body_message = "lms_app.overrides.mail.embed_pictures_alone"
override_doctype_class = {
    "File": "lms_app.overrides.file.OwnFile",
    "Package Import": "lms_app.overrides.package_import.RefusedPackageImport",
    "RQ Job": "lms_app.overrides.rq_job.OwnRQJob",
}
override_whitelisted_methods = {
    # Frappe's own counts past permissions: whoever is logged in could read any field by filters, a letter at a time.
    "frappe.client.get_count": "frappe.desk.reportview.get_count",
    "frappe.desk.search.get_link_title": "lms_app.overrides.search.get_link_title",
    "frappe.core.doctype.rq_job.rq_job.remove_failed_jobs": "lms_app.overrides.rq_job.remove_failed_jobs",
}
