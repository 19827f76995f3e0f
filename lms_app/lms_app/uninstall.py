"""Leave a site as if the app had never been there; Frappe itself removes DocTypes and the module."""

import frappe

from lms_app import jobs
from lms_app.services.access import ROLES

# What Frappe keeps about documents beside them, and the field that says of which DocType.
ABOUT = {
    "Comment": "reference_doctype",
    "Deleted Document": "deleted_doctype",
    "DocShare": "share_doctype",
    "Document Follow": "ref_doctype",
    "List Filter": "reference_doctype",
    "Notification Log": "document_type",
    "Property Setter": "doc_type",
    "Custom DocPerm": "parent",
    "Custom Field": "dt",
    "ToDo": "reference_type",
    "Version": "ref_doctype",
    "View Log": "reference_doctype",
    "__Auth": "doctype",
    "__global_search": "doctype",
    "__UserSettings": "doctype",
}


def before_uninstall() -> None:
    """Remove what Frappe leaves behind: settings, files, roles, traces, the front page if it is ours, times of jobs."""
    doctypes = frappe.get_all("DocType", {"module": "LMS App"}, ["name", "issingle"])
    names = [doctype.name for doctype in doctypes]
    for name in frappe.get_all("File", {"attached_to_doctype": ("in", names)}, pluck="name"):
        frappe.delete_doc("File", name, ignore_permissions=True, force=True, delete_permanently=True)
    frappe.db.delete("Singles", {"doctype": ("in", [doctype.name for doctype in doctypes if doctype.issingle])})
    for table, field in ABOUT.items():
        if frappe.db.table_exists(table) or table.startswith("__"):
            frappe.db.delete(table, {field: ("in", names)})
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
