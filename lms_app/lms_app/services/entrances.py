"""What stands around a quiz or an assignment: its lesson and course, and whether it is open to somebody."""

from collections.abc import Sequence

import frappe

from lms_app.services import access, outline, progress, reasons, rights

# By which field a lesson names what is done in it.
FIELDS = {"Academy Quiz": "quiz", "Academy Assignment": "assignment"}


def around(user: str, doctype: str, name: str, fields: Sequence[str]) -> frappe._dict:
    """Return what stands around something that is done in a lesson, whether it is open to somebody or not.

    item (these fields of it), lesson (name, slug, title, completion_rule), course (name, slug, title), decision,
    enrolment (None without one), viewer. Raises DeniedError for what is in no lesson, and for a course that is not for
    this user at all.
    """
    columns = ", ".join(f"i.`{field}`" for field in fields)
    rows = frappe.db.sql(
        f"SELECT {columns}, l.name lesson, l.slug lesson_slug, l.title lesson_title, l.completion_rule,"  # noqa: S608 - ours
        f" c.name course_name, c.slug course_slug, c.title course_title, c.status, c.visibility FROM `tab{doctype}` i"
        f" JOIN `tabAcademy Lesson` l ON l.`{FIELDS[doctype]}` = i.name"
        " JOIN `tabAcademy Course` c ON c.name = i.course WHERE i.name = %s",
        name,
        as_dict=True,
    )
    reasons.deny("" if rows else rights.UNKNOWN)
    row = rows[0]
    course = row.course_name
    enrolled = access.enrolment_of(user, course) if user != rights.GUEST else None
    viewer = access.viewer(user, course, state=enrolled.state if enrolled else "")
    reasons.deny(rights.see_course(row.status, row.visibility, viewer))
    return frappe._dict(
        item=frappe._dict({field: row[field] for field in fields}),
        lesson=frappe._dict(
            name=row.lesson, slug=row.lesson_slug, title=row.lesson_title, completion_rule=row.completion_rule
        ),
        course=frappe._dict(name=course, slug=row.course_slug, title=row.course_title),
        decision=progress.decision_on(user, course, row.lesson),
        enrolment=enrolled,
        viewer=viewer,
    )


def demand(found: frappe._dict) -> None:
    """Let through for whom it is open as a pupil, by what `around` says."""
    outline.demand(found.decision)
    reasons.deny(rights.LOG_IN if found.viewer.is_guest else "")
    reasons.deny("" if found.enrolment else rights.NOT_ENROLLED)
    reasons.deny(rights.OF_STATE.get(found.enrolment.state, ""))
