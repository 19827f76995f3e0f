"""Pupils: what the app keeps of a user who learns."""

import frappe

from lms_app.services.access import STUDENT_ROLE

PREFERENCES = ("mails_about_enrolment", "mails_about_progress")


def find(user: str) -> str | None:
    """Return the name of a user's Academy Student; None for somebody who never joined a course."""
    return frappe.db.get_value("Academy Student", {"user": user}, "name")


def ensure(user: str) -> str:
    """Return the name of a user's Academy Student, made at need, with the role that says what they are."""
    if known := find(user):
        return known
    student = frappe.get_doc({"doctype": "Academy Student", "user": user})
    try:
        student.insert(ignore_permissions=True)
    except frappe.UniqueValidationError:
        # Somebody else's transaction was first; only a locking read sees what it wrote.
        frappe.clear_last_message()
        return frappe.db.get_value("Academy Student", {"user": user}, "name", for_update=True)
    if not frappe.db.exists("Has Role", {"parenttype": "User", "parent": user, "role": STUDENT_ROLE}):
        row = {"doctype": "Has Role", "parenttype": "User", "parentfield": "roles", "parent": user}
        frappe.get_doc({**row, "role": STUDENT_ROLE}).insert(ignore_permissions=True)
        frappe.cache.hdel("roles", user)
    return student.name


def preferences(user: str) -> dict[str, bool]:
    """Return which mails somebody wants, by the fields' names; all of them to begin with."""
    kept = frappe.db.get_value("Academy Student", {"user": user}, PREFERENCES, as_dict=True)
    return {field: bool(kept[field]) if kept else True for field in PREFERENCES}


def prefer(user: str, wanted: dict[str, bool]) -> None:
    """Keep which mails somebody wants; fields that are not named stay as they are."""
    chosen = {field: int(wanted[field]) for field in PREFERENCES if field in wanted}
    if chosen:
        frappe.db.set_value("Academy Student", ensure(user), chosen)
