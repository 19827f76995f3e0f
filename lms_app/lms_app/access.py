"""Let somebody in from the command line: by a link that works once, or by a new password.

What these return is a secret that nothing keeps: it is in no table, and in no log until a link is used up.
"""

import secrets

import frappe
from frappe.sessions import clear_sessions, get_sessions_to_clear
from frappe.utils.password import delete_login_failed_cache, update_password
from frappe.www import login

from lms_app.command_line import told_plainly

LONGEST_MINUTES = 24 * 60


@told_plainly
def login_link(user: str = "Administrator", minutes: int = 10) -> dict[str, str | int]:
    """Return a link that logs a user in, once: user, path on any of the school's hosts, expires_in (seconds).

    It is of the kind that Frappe mails to those who ask for one, and works whether or not they may ask. Raises a
    ValidationError for a user who is unknown or disabled, and for a time other than 1 to 1440 minutes.
    """
    if not isinstance(minutes, int) or not 1 <= minutes <= LONGEST_MINUTES:
        frappe.throw(f"minutes: {minutes!r} is not a whole number from 1 to {LONGEST_MINUTES}")
    name = _who_may_log_in(user)
    address = login._generate_temporary_login_link(name, minutes)
    return {"user": name, "path": address[address.index("/api/method/") :], "expires_in": minutes * 60}


@told_plainly
def new_password(user: str = "Administrator") -> dict[str, str]:
    """Give a user a new password of 192 random bits, end their sessions, and return both: user, password.

    Raises a ValidationError for a user who is unknown or disabled.
    """
    name = _who_may_log_in(user)
    password = secrets.token_urlsafe(24)
    update_password(name, password)
    # Links by which this user could still set a password are as old as the password.
    values = {"reset_password_key": None, "last_password_reset_date": frappe.utils.today()}
    frappe.db.set_value("User", name, values, update_modified=False)
    # A hundred at a time is all that it ends.
    while get_sessions_to_clear(name, force=True):
        clear_sessions(name, force=True)
    delete_login_failed_cache(name)
    return {"user": name, "password": password}


def _who_may_log_in(user: str) -> str:
    """Return the user's name as the site writes it."""
    known = frappe.db.get_value("User", user, ["name", "enabled"], as_dict=True)
    if not known or known.name == "Guest":
        frappe.throw(f"user: nobody called `{user}` can log in to this school")
    # Frappe lets the Administrator in whatever that field says.
    if not known.enabled and known.name != "Administrator":
        frappe.throw(f"user: `{known.name}` is disabled")
    return known.name
