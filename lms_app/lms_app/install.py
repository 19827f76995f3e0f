"""What the app needs on a site beyond its own DocTypes."""

import frappe


def after_install() -> None:
    """Write the settings with their defaults, so that every page and the first edit begin from the same values."""
    frappe.get_doc("Academy Settings").save(ignore_permissions=True)
