"""Say the title of a document to those alone who may see it.

Frappe's own asks for no permission, and takes filters in the place of a name: whoever is logged in could read any field
of any document by them, a letter at a time.
"""

import frappe
from frappe.desk import search


@frappe.whitelist(methods=["GET", "POST"])
def get_link_title(doctype: str, docname: str) -> str | None:
    """Return what links to a document show: its title, and its name alone to whoever may neither read nor choose it."""
    if not frappe.get_meta(doctype).show_title_field_in_link or not frappe.db.exists(doctype, docname):
        return docname
    is_open = any(frappe.has_permission(doctype, kind, docname) for kind in ("select", "read"))
    return search.get_link_title(doctype, docname) if is_open else docname
