"""What handed-in work is worth: what waits for a grade, what a teacher gives it, and what that completes."""

import frappe

from lms_app.services import access, assignments

MOST_WAITING = 200


def waiting(user: str, course: str | None = None) -> list[frappe._dict]:
    """Return what waits to be graded by somebody in the courses that they teach, the oldest first; in one query.

    course: the name of the only course to look at; None for all of them. A row has submission, assignment and title
    (of the assignment), course, course_title and course_slug, student, pupil (their full name), version, submitted_on,
    is_late, and is_begun: whether a grade is kept that the pupil has not been told yet. Nothing for whom nothing is
    to be graded; no more than MOST_WAITING rows.
    """
    return frappe.db.sql(
        "SELECT w.name submission, w.assignment, a.title, w.course, c.title course_title, c.slug course_slug,"
        " w.student, u.full_name pupil, w.version, w.submitted_on, w.is_late, w.graded_on IS NOT NULL is_begun"
        " FROM `tabAcademy Submission` w JOIN `tabAcademy Assignment` a ON a.name = w.assignment"
        " JOIN `tabAcademy Course` c ON c.name = w.course JOIN `tabAcademy Student` s ON s.name = w.student"
        " JOIN `tabUser` u ON u.name = s.user"
        " WHERE w.state = %(submitted)s AND (%(course)s IS NULL OR w.course = %(course)s)"
        " AND (%(finds_all)s OR w.course IN (SELECT i.parent FROM `tabAcademy Course Instructor` i"
        " WHERE i.parenttype = %(kind)s AND i.user = %(user)s AND i.role IN %(roles)s))"
        " ORDER BY w.submitted_on, w.name LIMIT %(most)s",
        {
            "submitted": assignments.SUBMITTED,
            "course": course,
            "finds_all": int(access.is_manager(user)),
            "kind": access.COURSE,
            "user": user,
            "roles": (access.is_teacher(user) and access.roles_for(user)) or ("",),
            "most": MOST_WAITING,
        },
        as_dict=True,
    )
