"""What teachers are told once a day: what waits for a grade in their courses, if more of it has come."""

from collections.abc import Iterable
from itertools import groupby

import frappe
from frappe.utils import add_to_date, now_datetime

from lms_app.services import access, assignments, attempts, notify, teacher_mails


def tell() -> None:
    """Write to each teacher in whose courses something came within a day that waits for a grade; a daily job."""
    for user, rows in groupby(_waiting(), key=lambda row: row.user):
        try:
            _tell(user, rows)
        except Exception:
            # The others shall know of theirs.
            frappe.db.rollback()
            frappe.log_error("A teacher could not be told what waits", reference_doctype="User", reference_name=user)
        frappe.db.commit()


def _tell(user: str, rows: Iterable[frappe._dict]) -> None:
    own = [row for row in rows if access.role_in(user, row.course)]
    if any(row.recent for row in own) and teacher_mails.preferences(user)[teacher_mails.WORK]:
        notify.work_waits(user, [(row.title, row.waiting) for row in own])


def _waiting() -> list[frappe._dict]:
    """Return by teacher and course how much waits for a grade, and how much of it came within a day, in one query."""
    return frappe.db.sql(
        "SELECT i.user, c.name course, c.title, COUNT(*) waiting, SUM(w.submitted_on >= %(since)s) recent FROM"
        " (SELECT course, submitted_on FROM `tabAcademy Quiz Attempt` WHERE state = %(waiting)s UNION ALL"
        " SELECT course, submitted_on FROM `tabAcademy Submission` WHERE state = %(submitted)s) w"
        " JOIN `tabAcademy Course` c ON c.name = w.course"
        " JOIN (SELECT DISTINCT user, parent FROM `tabAcademy Course Instructor` WHERE parenttype = %(course)s) i"
        " ON i.parent = c.name JOIN tabUser u ON u.name = i.user AND u.enabled = 1"
        " GROUP BY i.user, c.name, c.title ORDER BY i.user, c.title, c.name",
        {
            "since": add_to_date(now_datetime(), days=-1),
            "waiting": attempts.WAITING,
            "submitted": assignments.SUBMITTED,
            "course": access.COURSE,
        },
        as_dict=True,
    )
