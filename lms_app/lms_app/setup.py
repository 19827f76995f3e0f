"""Make a new site its school's own."""

import sys
from collections.abc import Mapping

import frappe
from frappe.utils import validate_email_address
from frappe.utils.password import update_password
from frappe.utils.scheduler import enable_scheduler

from lms_app import access, golden
from lms_app.command_line import told_plainly
from lms_app.services import colours, first_setup


@told_plainly
def personalise(
    title: str,
    admin_email: str | None = None,
    locale: Mapping[str, str] | None = None,
    password_on_stdin: bool = False,
    login_minutes: int | None = None,
) -> dict[str, str | None]:
    """Give the site its school's name, colours to begin with, and its Administrator's address.

    With a locale (country, language, timezone, currency) the set-up wizard's work is done as well, so that nobody is
    led to the wizard: a company of that name, the country's chart of accounts and fiscal year, formats, and a user for
    the owner of the address. On a copy of a golden site all that is done already, but for what is the school's own.
    password_on_stdin: the first line of stdin is the Administrator's password, which belongs in no list of arguments.
    login_minutes: how long a link shall let the Administrator in, once; None makes none. Return the school_name, and as
    login the link's path on any of the school's hosts, if one was asked for.

    Run once for a new school with `bench --site SITE execute lms_app.setup.personalise --kwargs "{...}"`. Running it
    again changes nothing but a changed name or address: what the school has chosen since stays, and so does its
    company. Raises a ValidationError for an address that is none and for a locale that Frappe does not know, before
    anything is changed.
    """
    if admin_email:
        validate_email_address(admin_email, throw=True)
    checked = first_setup.checked(locale) if locale else None
    was_golden = golden.take_over(title)
    if checked:
        first_setup.complete(title, checked, admin_email)
        first_setup.let_head_in(admin_email)
    if password_on_stdin:
        update_password("Administrator", sys.stdin.readline().rstrip("\n"))
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
    if was_golden:
        # Not before: the wizard, where it still has to be gone through, notes this as its own doing.
        enable_scheduler()
    login = access.login_link(minutes=login_minutes)["path"] if login_minutes else None
    return {"school_name": title, "login": login}


def _name_website(title: str) -> None:
    """Show the school's name where people log in, and greet visitors with /learn unless a page was chosen."""
    website = frappe.get_doc("Website Settings")
    chosen = {"app_name": title, "home_page": website.home_page or "learn"}
    if any(website.get(field) != value for field, value in chosen.items()):
        website.update(chosen)
        website.save(ignore_permissions=True)
