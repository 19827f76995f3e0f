"""What the app needs on a site beyond its own DocTypes."""

import frappe

from lms_app import printing
from lms_app.services.access import ROLES


def make_roles() -> None:
    """Make the roles that are missing; what a school has changed in one stays."""
    for role, has_desk in ROLES.items():
        if not frappe.db.exists("Role", role):
            frappe.get_doc({"doctype": "Role", "role_name": role, "desk_access": has_desk}).insert(
                ignore_permissions=True
            )


def after_install() -> None:
    """Write the settings with their defaults, so that every page and the first edit begin from the same values.

    Frappe's default for the heads of printed documents is one that would leave them out of every PDF.
    """
    frappe.get_doc("Academy Settings").save(ignore_permissions=True)
    printing.keep_heads()
