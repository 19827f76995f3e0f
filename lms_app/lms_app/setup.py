"""Make a new site its school's own."""

import frappe
from frappe.utils import validate_email_address

from lms_app.services import colours


def personalise(title: str, admin_email: str | None = None) -> dict[str, str]:
    """Give the site its school's name, colours to begin with, and its Administrator's address.

    Run once for a new school with `bench --site SITE execute lms_app.setup.personalise --kwargs "{...}"`. Running it
    again changes nothing but a changed name or address: what the school has chosen since stays. Raises a
    ValidationError for an address that is none.
    """
    if admin_email:
        validate_email_address(admin_email, throw=True)
    settings = frappe.get_doc("Academy Settings")
    if not settings.school_name:
        settings.update(vars(colours.palette_for(title)))
    if settings.school_name != title:
        settings.school_name = title
        settings.save(ignore_permissions=True)
    _name_website(title)
    if admin_email and frappe.db.get_value("User", "Administrator", "email") != admin_email:
        frappe.db.set_value("User", "Administrator", "email", admin_email)
        frappe.clear_cache(user="Administrator")
    return {"school_name": title}


def _name_website(title: str) -> None:
    """Show the school's name where people log in, and greet visitors with /learn unless a page was chosen."""
    website = frappe.get_doc("Website Settings")
    chosen = {"app_name": title, "home_page": website.home_page or "learn"}
    if any(website.get(field) != value for field, value in chosen.items()):
        website.update(chosen)
        website.save(ignore_permissions=True)
