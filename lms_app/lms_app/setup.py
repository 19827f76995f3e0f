"""Make a new site its school's own."""

import sys
from collections.abc import Mapping, Sequence

import frappe
from frappe.cache_manager import clear_user_cache
from frappe.utils import validate_email_address
from frappe.utils.password import update_password
from frappe.utils.scheduler import enable_scheduler

from lms_app import access, golden, jobs
from lms_app.command_line import told_plainly
from lms_app.demo import install as install_demo
from lms_app.services import branding, colours, first_setup
from lms_app.services.head import Head


@told_plainly
def personalise(
    title: str,
    admin_email: str | None = None,
    locale: Mapping[str, str] | None = None,
    password_on_stdin: bool = False,
    login_minutes: int | None = None,
    demo: Sequence[str] = (),
) -> dict[str, str | None]:
    """Give the site its school's name, colours to begin with, and its Administrator's address.

    With a locale (country, language, timezone, currency) the set-up wizard's work is done as well, so that nobody is
    led to the wizard: a company of that name, the country's chart of accounts and fiscal year, formats, and a user for
    the owner of the address. On a copy of a golden site all that is done already, but for what is the school's own.
    password_on_stdin: the first line of stdin is the Administrator's password, which belongs in no list of arguments.
    login_minutes: how long a link shall let the Administrator in, once; None makes none. demo: demo courses to begin
    with, such as `bread`. Return the school_name, and as
    login the link's path on any of the school's hosts, if one was asked for.

    Run once for a new school with `bench --site SITE execute lms_app.setup.personalise --kwargs "{...}"`. Running it
    again changes nothing but a changed name or address: what the school has chosen since stays, and so does its
    company. Raises a ValidationError for an address that is none and for a locale that Frappe does not know, before
    anything is changed.
    """
    if admin_email:
        validate_email_address(admin_email, throw=True)
    checked = first_setup.checked(locale) if locale else None
    head = Head.of(admin_email) if admin_email and checked else None
    was_golden = golden.take_over(title, head if head and first_setup.is_new(head) else None)
    if checked:
        first_setup.complete(title, checked, head)
    if head:
        first_setup.let_head_in(head)
    if password_on_stdin:
        update_password("Administrator", sys.stdin.readline().rstrip("\n"))
    known = frappe.db.get_value("Academy Settings", None, "school_name")
    if known != title:
        _name_school(title, is_new=not known)
    if not known:
        jobs.stop_idle()
    jobs.spread()
    branding.name_website(title)
    if admin_email and frappe.db.get_value("User", "Administrator", "email") != admin_email:
        frappe.db.set_value("User", "Administrator", "email", admin_email)
        # Of a new school nobody has seen anything yet.
        if known:
            clear_user_cache("Administrator")
    for kind in demo:
        install_demo(kind)
    if was_golden:
        # Not before: the wizard, where it still has to be gone through, notes this as its own doing.
        enable_scheduler()
    login = access.login_link(minutes=login_minutes)["path"] if login_minutes else None
    return {"school_name": title, "login": login}


def _name_school(title: str, *, is_new: bool) -> None:
    """Write down what the school is called, and for a new one the colours that go with it."""
    chosen = {"school_name": title, **(vars(colours.palette_for(title)) if is_new else {})}
    if is_new and not {"<", ">"} & {*title}:
        # Saving the document would change no more, and loads two dozen DocTypes that nobody has asked for yet.
        frappe.db.set_single_value("Academy Settings", chosen)
    else:
        frappe.get_doc("Academy Settings").update(chosen).save(ignore_permissions=True)
