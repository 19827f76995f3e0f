"""May somebody see or do something with a course or a lesson: the one place that knows.

Decisions are made by pure rules (rights, release, seats); here is what they need to know, and the guard of Frappe's own
doors: `query_conditions` and `has_permission` for every DocType of the app.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import frappe
from frappe.model.document import Document

from lms_app.services import reasons, rights, seats
from lms_app.services.rights import Viewer

STUDENT_ROLE, ASSISTANT_ROLE = "Academy Student", "Academy Assistant"
INSTRUCTOR_ROLE, MANAGER_ROLE = "Academy Instructor", "Academy Manager"
# Each with whether it opens the desk: those who teach get pages of their own.
ROLES = {STUDENT_ROLE: 0, ASSISTANT_ROLE: 0, INSTRUCTOR_ROLE: 0, MANAGER_ROLE: 1}
MANAGERS = frozenset({MANAGER_ROLE, "System Manager", "Administrator"})
TEACHERS = frozenset({INSTRUCTOR_ROLE, ASSISTANT_ROLE})

# Whose rows are documents of a course, beside the course itself.
WITH_ROWS = (
    *("Academy Lesson", "Academy Question", "Academy Quiz", "Academy Quiz Attempt"),
    *("Academy Rubric", "Academy Submission"),
)

# Which roles somebody needs to be named in a course as what.
ROLE_OF = {rights.LEAD: INSTRUCTOR_ROLE, rights.ASSISTANT: ASSISTANT_ROLE, rights.GRADER: ASSISTANT_ROLE}

COURSE, STUDENT, CATEGORY = "Academy Course", "Academy Student", "Academy Category"
# Nobody's to read but their writer's, who does so on the pages of lessons; no role that a school gives changes that.
PRIVATE = frozenset({"Academy Note"})
# Nobody's but their writer's as long as they are in a state; managers alone find them.
UNFINISHED = {"Academy Submission": "Draft"}
# Fields by which a document belongs to a part of a course, and so to the course.
PARTS = {
    "module": "Academy Module",
    "lesson": "Academy Lesson",
    "bank": "Academy Question Bank",
    "quiz": "Academy Quiz",
    "rubric": "Academy Rubric",
    "assignment": "Academy Assignment",
}
READS = frozenset({"read", "select", "report", "print", "export", "email"})
# What belongs to no course, and every teacher may choose from.
SHARED = frozenset({CATEGORY, "Academy Certificate Template"})


@dataclass(frozen=True)
class Decision:
    """Whether something is allowed, and the reason if it is not.

    until: when it will be, if time alone does it. by: the title of what has to be completed first.
    """

    reason: str = ""
    until: datetime | None = None
    by: str | None = None

    @property
    def is_allowed(self) -> bool:
        """Say whether nothing speaks against it."""
        return not self.reason

    @property
    def words(self) -> str:
        """The reason in the reader's language."""
        return reasons.words(self.reason, self.until, self.by)


def is_manager(user: str) -> bool:
    """Say whether somebody may do everything with every course."""
    return user == "Administrator" or not MANAGERS.isdisjoint(frappe.get_roles(user))


def is_teacher(user: str) -> bool:
    """Say whether somebody may have courses to teach, or to help with."""
    return not TEACHERS.isdisjoint(frappe.get_roles(user))


def teaches(user: str) -> bool:
    """Say whether the pages of those who teach are for somebody; which courses they find there is another matter."""
    return is_manager(user) or is_teacher(user)


def roles_for(user: str) -> tuple[str, ...]:
    """Return as what a course can name a teacher, by the roles that the school gave."""
    held = frappe.get_roles(user)
    return tuple(role for role, needed in ROLE_OF.items() if needed in held or INSTRUCTOR_ROLE in held)


def role_in(user: str, course: str) -> str:
    """Return what somebody is to a course: one of rights.STAFF, or nothing."""
    if user == rights.GUEST:
        return ""
    if is_manager(user):
        return rights.MANAGER
    return _named_as(user, course) if is_teacher(user) else ""


def _named_as(user: str, course: str) -> str:
    """Return the highest role in which a course names a teacher, as far as the school gave the roles for it."""
    rows = frappe.db.sql(
        "SELECT role FROM `tabAcademy Course Instructor` WHERE parent = %s AND user = %s AND parenttype = %s",
        (course, user, COURSE),
    )
    named = {role for (role,) in rows}.intersection(roles_for(user))
    return next((role for role in reversed(rights.STAFF) if role in named), "")


def viewer(user: str, course: str, state: str | None = None) -> Viewer:
    """Return who somebody is to a course.

    state: of the enrolment if the caller has read it; None to look it up.
    """
    if user == rights.GUEST:
        return Viewer()
    role = role_in(user, course)
    if state is None:
        state = (enrolment_of(user, course) or {}).get("state", "")
    return Viewer(user, role, state)


def enrolment_of(user: str, course: str) -> frappe._dict | None:
    """Return somebody's enrolment in a course, a living one before one that has ended; None without any.

    certificate: its code, if one was issued and not taken back.
    """
    rows = frappe.db.sql(
        "SELECT e.name, e.student, e.state, e.percent, e.activated_on, e.expires_on, e.completed_on, e.last_lesson,"
        " (SELECT z.code FROM `tabAcademy Certificate` z"
        " WHERE z.enrollment = e.name AND z.revoked_on IS NULL) certificate"
        " FROM `tabAcademy Student` s JOIN `tabAcademy Enrollment` e ON e.student = s.name"
        " WHERE s.user = %(user)s AND e.course = %(course)s"
        " ORDER BY e.state IN %(learning)s DESC, e.state IN %(live)s DESC, e.creation DESC LIMIT 1",
        {"user": user, "course": course, "learning": seats.LEARNING, "live": seats.LIVE},
        as_dict=True,
    )
    return rows[0] if rows else None


def to_teach(user: str) -> None:
    """Let through for whom the pages of those who teach are; raises DeniedError for all others."""
    reasons.deny(rights.LOG_IN if user == rights.GUEST else "")
    reasons.deny("" if teaches(user) else rights.NO_TEACHER)


def to_make(user: str) -> None:
    """Let through who may make courses; raises DeniedError for all others."""
    to_teach(user)
    reasons.deny("" if may_make(user) else rights.NO_TEACHER)


def may_make(user: str) -> bool:
    """Say whether somebody may make courses."""
    return is_manager(user) or INSTRUCTOR_ROLE in frappe.get_roles(user)


def to_edit(user: str, course: str) -> None:
    """Let through who may change a course and those in it; raises DeniedError for all others."""
    reasons.deny(rights.edit(viewer(user, course, state="")))


def to_change(user: str, doctype: str, name: str) -> str:
    """Let through who may change a course by a document that belongs to it, and return the course."""
    course = name if doctype == COURSE else frappe.db.get_value(doctype, name, "course")
    reasons.deny("" if course else rights.NOT_STAFF)
    to_edit(user, course)
    return str(course)


def to_grade(user: str, course: str) -> None:
    """Let through who may grade what pupils of a course did; raises DeniedError for all others."""
    reasons.deny(rights.grade(viewer(user, course, state="")))


def query_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """Return the SQL by which a list of one of the app's DocTypes is cut down to what somebody may see.

    Frappe calls it for lists, reports and searches. "1=0" for nothing: an empty text would take the filter away.
    """
    user = user or frappe.session.user
    if doctype in PRIVATE:
        return "1=0"
    if is_manager(user):
        return ""
    if not is_teacher(user) or not doctype:
        return "1=0"
    me = frappe.db.escape(user)
    own = f"SELECT i.parent FROM `tabAcademy Course Instructor` i WHERE i.parenttype = '{COURSE}' AND i.user = {me}"  # noqa: S608
    if doctype in SHARED:
        return "1=1"
    if doctype == COURSE:
        return f"`tabAcademy Course`.name IN ({own})"
    if doctype == STUDENT:
        pupils = f"SELECT pupil.student FROM `tabAcademy Enrollment` pupil WHERE pupil.course IN ({own})"  # noqa: S608
        return f"`tabAcademy Student`.name IN ({pupils})"
    if frappe.get_meta(doctype).has_field("course"):
        unfinished = UNFINISHED.get(doctype)
        finished = f" AND `tab{doctype}`.state != '{unfinished}'" if unfinished else ""
        return f"`tab{doctype}`.course IN ({own}){finished}"
    if frappe.get_meta(doctype).istable:
        # Frappe asks for the permission on the kind of document that rows are in, and then for all rows of all of them.
        of_course = [f"SELECT name FROM `tab{kind}` WHERE course IN ({own})" for kind in WITH_ROWS]  # noqa: S608 - as above
        return f"`tab{doctype}`.parent IN ({' UNION ALL '.join((own, *of_course))})"
    return "1=0"


def has_permission(doc: Document, ptype: str = "read", user: str | None = None, **_: Any) -> bool:
    """Say whether somebody may do something with a document, if a role lets them at all; Frappe calls it."""
    user = user or frappe.session.user
    if doc.doctype in PRIVATE:
        return False
    if is_manager(user):
        return True
    if not is_teacher(user):
        return False
    if doc.doctype in SHARED:
        return ptype in READS
    if doc.doctype == STUDENT:
        return ptype in READS and _teaches_pupil(user, doc.name)
    if doc.doctype == COURSE and doc.is_new():
        return may_make(user)
    if doc.doctype in UNFINISHED and doc.get("state") == UNFINISHED[doc.doctype]:
        return False
    allowed = rights.STAFF if ptype in READS else rights.EDITORS
    courses = _courses_of(doc)
    return bool(courses) and all(_named_as(user, course) in allowed for course in courses)


def _courses_of(doc: Document) -> Sequence[str]:
    """Return every course that a document belongs to: by what it says now, in each way, and by what was saved."""
    if doc.doctype == COURSE:
        return [doc.name]
    named = [
        doc.get("course"),
        *(_course_of(doctype, doc.get(field)) for field, doctype in PARTS.items()),
        # Whoever sends a document could have written another course into it.
        None if doc.is_new() else _course_of(doc.doctype, doc.name),
    ]
    return [*dict.fromkeys(course for course in named if course)]


def _course_of(doctype: str, name: str | None) -> str | None:
    return frappe.db.get_value(doctype, name, "course") if name else None


def _teaches_pupil(user: str, student: str) -> bool:
    return bool(
        frappe.db.sql(
            "SELECT 1 FROM `tabAcademy Enrollment` e"
            " JOIN `tabAcademy Course Instructor` named ON named.parent = e.course"
            " WHERE e.student = %s AND named.user = %s AND named.parenttype = %s LIMIT 1",
            (student, user, COURSE),
        )
    )
