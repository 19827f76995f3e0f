"""Leave a site as if the app had never been there; Frappe itself removes DocTypes and the module."""

import frappe

SINGLES = ("Academy Settings",)


def before_uninstall() -> None:
    """Remove what Frappe leaves behind: values of single DocTypes, their files, and the front page if it is ours."""
    for doctype in SINGLES:
        for name in frappe.get_all("File", filters={"attached_to_doctype": doctype}, pluck="name"):
            frappe.delete_doc("File", name, ignore_permissions=True, force=True)
        frappe.db.delete("Singles", {"doctype": doctype})
        frappe.db.delete("Version", {"ref_doctype": doctype})
    if frappe.db.get_single_value("Website Settings", "home_page") == "learn":
        frappe.db.set_single_value("Website Settings", "home_page", "")
    frappe.clear_cache()
