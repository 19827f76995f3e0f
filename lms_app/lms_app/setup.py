"""Make a new site its school's own."""

from collections.abc import Mapping

import frappe
from frappe.utils import validate_email_address

from lms_app.command_line import told_plainly
from lms_app.services import colours, first_setup


@told_plainly
def personalise(title: str, admin_email: str | None = None, locale: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the site its school's name, colours to begin with, and its Administrator's address.

    With a locale (country, language, timezone, currency) the set-up wizard's work is done as well, so that nobody is
    led to the wizard: a company of that name, the country's chart of accounts and fiscal year, formats, and a user for
    the owner of the address.

    Run once for a new school with `bench --site SITE execute lms_app.setup.personalise --kwargs "{...}"`. Running it
    again changes nothing but a changed name or address: what the school has chosen since stays, and so does its
    company. Raises a ValidationError for an address that is none and for a locale that Frappe does not know, before
    anything is changed.
    """
    if admin_email:
        validate_email_address(admin_email, throw=True)
    if locale:
        first_setup.complete(title, first_setup.checked(locale), admin_email)
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
