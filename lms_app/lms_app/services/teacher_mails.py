"""Which mails those who teach want, all of them to begin with: kept among the defaults that Frappe keeps of users."""

import frappe
from frappe.utils import cint

REQUESTS, WORK = "mails_about_requests", "mails_about_work"
PREFERENCES = (REQUESTS, WORK)
# What a default of this app is called, so that none is left when it goes.
PREFIX = "academy_"


def preferences(user: str) -> dict[str, bool]:
    """Return which mails somebody who teaches wants."""
    kept = {field: frappe.defaults.get_user_default(f"{PREFIX}{field}", user) for field in PREFERENCES}
    return {field: value is None or bool(cint(value)) for field, value in kept.items()}


def prefer(user: str, wanted: dict[str, bool]) -> None:
    """Keep which mails somebody who teaches wants; those that are not named stay as they are."""
    for field in PREFERENCES:
        if field in wanted:
            frappe.defaults.set_user_default(f"{PREFIX}{field}", str(int(wanted[field])), user)
