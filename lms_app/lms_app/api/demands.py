"""What endpoints ask of a request before anything else."""

import frappe

from lms_app.services import reasons, rights


def somebody() -> str:
    """Return who is logged in; raises DeniedError for a guest."""
    reasons.deny(rights.LOG_IN if frappe.session.user == rights.GUEST else "")
    return frappe.session.user


def nothing_but(*names: str) -> None:
    """Refuse a request that says more than it may, such as a time: Frappe would pass over it in silence."""
    more = {*frappe.local.form_dict} - {*names, "cmd", "csrf_token", "_lang"}
    reasons.reject("unexpected" if more else "")
