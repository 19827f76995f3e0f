"""What the school keeps of a pupil: all of it to take away, and all of it gone when they ask for it."""

from typing import Any

import frappe

from lms_app.services import (
    access,
    assignment_content,
    assignment_pages,
    enrolment,
    events,
    quiz_content,
    quiz_pages,
    reasons,
    students,
    traces,
)

# What is a pupil's own, by the field that says whose it is; in the order in which it can be removed.
OF_ENROLLMENT = {
    "Academy Lesson Progress": "enrollment",
    "Academy Certificate": "enrollment",
    quiz_content.ATTEMPT: "enrollment",
    assignment_content.SUBMISSION: "enrollment",
}
OF_STUDENT = {
    "Academy Note": "student",
    "Academy Event": "student",
    quiz_content.ATTEMPT: "student",
    assignment_content.SUBMISSION: "student",
    "Academy Override": "student",
    "Academy Enrollment": "student",
}
# Fields that say how Frappe keeps a row, and nothing of whose it is.
_KEEPING = frozenset({"docstatus", "idx", "owner", "modified_by", *traces.BESIDE})


def export(user: str) -> dict[str, Any]:
    """Return all that the app keeps of somebody, by DocType, as plain JSON values."""
    found: dict[str, Any] = {"user": user, "Academy Student": _rows("Academy Student", {"user": user})}
    for doctype, filters in _owned(user):
        found[doctype] = _rows(doctype, filters)
    # No way round what a quiz lets its pupils see, as long as it lets them try again.
    found[quiz_content.ATTEMPT] = quiz_pages.results_of(students.find(user) or "")
    # Nor what a teacher keeps to themselves until the pupil is told.
    found[assignment_content.SUBMISSION] = assignment_pages.results_of(students.find(user) or "")
    # Nor by what was written down of them: the results are told with the attempts.
    of_results = (events.PASSED, events.FAILED)
    found["Academy Event"] = [row for row in found["Academy Event"] if row["verb"] not in of_results]
    found["Academy Invitation"] = _rows("Academy Invitation", {"email": _address(user)})
    for row in found["Academy Invitation"]:
        # A door, not a fact about somebody.
        row.pop("token_hash")
    return frappe.parse_json(frappe.as_json(found))


def erase(user: str, confirmation: str) -> None:
    """Remove all that the app keeps of somebody, and what Frappe keeps beside it; the user stays, and can still log in.

    A suspension stays on record, and from when to when an access lasts that is limited: only the school lifts these.
    confirmation: the user's own e-mail address, written by hand. Raises RefusedError for any other.
    """
    if confirmation.strip().casefold() != _address(user).casefold():
        reasons.refuse("not_confirmed")
    student, kept = students.find(user), []
    if student:
        # In one order, as everywhere, so that nobody waits in a circle.
        courses = sorted({*frappe.get_all("Academy Enrollment", {"student": student}, pluck="course")})
        locked = [enrolment.lock(course) for course in courses]
        _forget_deleted(student)
        kept = enrolment.lay_bare(student)
        documents = {"Academy Student": [student]}
        for doctype, filters in _owned(user):
            documents.setdefault(doctype, []).extend(frappe.get_all(doctype, filters, pluck="name"))
        for doctype, filters in _owned(user):
            is_kept = kept and doctype == "Academy Enrollment"
            _remove(doctype, {**filters, "name": ("not in", kept)} if is_kept else filters)
        if not kept:
            frappe.db.delete("Academy Student", {"name": student})
        for course in locked:
            enrolment.settle(course)
        # At last: what is gone from the disk does not come back with the transaction.
        traces.remove_about(documents)
    frappe.db.delete("Academy Invitation", {"email": _address(user)})
    if not kept:
        frappe.db.delete("Has Role", {"parenttype": "User", "parent": user, "role": access.STUDENT_ROLE})
        frappe.cache.hdel("roles", user)


def _owned(user: str) -> list[tuple[str, dict[str, Any]]]:
    """Return each DocType that holds somebody's own, with the filters that find it."""
    student = students.find(user) or ""
    enrollments = frappe.get_all("Academy Enrollment", {"student": student}, pluck="name")
    return [
        *((doctype, {field: ("in", enrollments or [""])}) for doctype, field in OF_ENROLLMENT.items()),
        *((doctype, {field: student}) for doctype, field in OF_STUDENT.items()),
    ]


def _remove(doctype: str, filters: dict[str, Any]) -> None:
    """Remove rows, with those inside them."""
    for table in frappe.get_meta(doctype).get_table_fields():
        names = ("in", [*frappe.get_all(doctype, filters, pluck="name"), ""])
        frappe.db.delete(table.options, {"parenttype": doctype, "parent": names})
    frappe.db.delete(doctype, filters)


def _forget_deleted(student: str) -> None:
    """Remove what Frappe keeps of a pupil's documents that teachers deleted."""
    names = [student, *frappe.get_all("Academy Enrollment", {"student": student}, pluck="name")]
    for name in names:
        ours = {"deleted_doctype": ("like", "Academy %"), "data": ("like", f'%"{name}"%')}
        frappe.db.delete("Deleted Document", ours)


def _address(user: str) -> str:
    return frappe.db.get_value("User", user, "email") or user


def _rows(doctype: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
    rows = frappe.get_all(doctype, filters, ["*"], order_by="creation")
    return [{field: value for field, value in row.items() if field not in _KEEPING} for row in rows]
