"""Leave a site as if the app had never been there; Frappe itself removes DocTypes and the module."""

import frappe

from lms_app import jobs, printing
from lms_app.services import teacher_mails, traces
from lms_app.services.access import ROLES


def before_uninstall() -> None:
    """Remove what Frappe leaves behind: settings, files, roles, traces, and what we set of the site's own settings."""
    printing.put_back()
    doctypes = frappe.get_all("DocType", {"module": "LMS App"}, ["name", "issingle"])
    names = [doctype.name for doctype in doctypes]
    frappe.db.delete("Singles", {"doctype": ("in", [doctype.name for doctype in doctypes if doctype.issingle])})
    traces.remove_all_about(names)
    # What is about the DocTypes and roles, and not about documents, such as where a workspace leads.
    traces.remove_about({"DocType": names, "Role": [*ROLES]})
    frappe.db.delete("DefaultValue", {"defkey": ("like", f"{teacher_mails.PREFIX}%")})
    frappe.db.delete("Route History", {"route": ("like", "%/Academy %")})
    for table in ("Has Role", "Custom DocPerm", "DocPerm"):
        frappe.db.delete(table, {"role": ("in", [*ROLES])})
    frappe.db.delete("Role", {"name": ("in", [*ROLES])})
    own_jobs = frappe.get_all("Scheduled Job Type", {"method": ("like", "lms_app.%")}, pluck="name")
    frappe.db.delete("Scheduled Job Log", {"scheduled_job_type": ("in", own_jobs)})
    frappe.db.delete("Scheduled Job Type", {"name": ("in", own_jobs)})
    if frappe.db.get_single_value("Website Settings", "home_page") == "learn":
        frappe.db.set_single_value("Website Settings", "home_page", "")
    jobs.put_back()
    frappe.clear_cache()


def after_uninstall() -> None:
    """Remove what Frappe writes down while it removes the rest."""
    for doctype, name in (("DocType", "Academy %"), ("Module Def", "LMS App")):
        frappe.db.delete("Deleted Document", {"deleted_doctype": doctype, "deleted_name": ("like", name)})
    frappe.db.delete("Patch Log", {"patch": ("like", "%lms_app.%")})
    # Nobody does after this.
    frappe.db.commit()
