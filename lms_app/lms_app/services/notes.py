"""A pupil's own notes, one for each lesson; nobody else reads them."""

import frappe

from lms_app.services import access, reasons, rights, students

NOTE = "Academy Note"
LONGEST = 20_000


def read(user: str, lesson: str) -> str:
    """Return somebody's note on a lesson; empty without one."""
    rows = frappe.db.sql(
        "SELECT n.body FROM `tabAcademy Note` n JOIN `tabAcademy Student` s ON s.name = n.student"
        " WHERE s.user = %s AND n.lesson = %s",
        (user, lesson),
    )
    return rows[0][0] or "" if rows else ""


def write(user: str, lesson: str, text: str) -> None:
    """Keep a pupil's note on a lesson of a course that they have joined; an empty text removes it."""
    if len(text) > LONGEST:
        reasons.refuse("too_long")
    course = frappe.db.get_value("Academy Lesson", lesson, "course")
    reasons.deny("" if course else rights.UNKNOWN)
    reasons.deny("" if access.enrolment_of(user, course) else rights.NOT_ENROLLED)
    student = students.ensure(user)
    # One window after the other: two that save a first note at once would wait for each other.
    frappe.db.get_value("Academy Student", student, "name", for_update=True)
    own = {"student": student, "lesson": lesson}
    if not text.strip():
        frappe.db.delete(NOTE, own)
    elif frappe.db.exists(NOTE, own) or not _begin(own, course, text):
        frappe.db.set_value(NOTE, own, "body", text)


def _begin(own: dict[str, str], course: str, text: str) -> bool:
    """Write a first note; say whether it was the first, which only the database knows for sure."""
    try:
        frappe.get_doc({"doctype": NOTE, **own, "course": course, "body": text}).db_insert()
    except frappe.UniqueValidationError:
        frappe.clear_last_message()
        return False
    return True
