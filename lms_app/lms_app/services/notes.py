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
    known = frappe.db.get_value(NOTE, {"student": student, "lesson": lesson}, "name", for_update=True)
    if not text.strip():
        if known:
            frappe.db.delete(NOTE, {"name": known})
    elif known:
        frappe.db.set_value(NOTE, known, "body", text)
    else:
        frappe.get_doc(
            {"doctype": NOTE, "student": student, "lesson": lesson, "course": course, "body": text}
        ).db_insert(ignore_if_duplicate=True)
