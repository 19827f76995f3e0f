"""What waits for a teacher to read: one queue over all that people grade, and the answers that are read in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

import frappe

from lms_app.services import (
    access,
    assignment_content,
    assignment_grading,
    attempts,
    markup,
    quiz_content,
    reasons,
    review,
    rights,
    scoring,
)

# How many are on a page of the queue, and how many of each kind the next one is looked for among.
PAGE, MOST = 50, 200


@dataclass(frozen=True)
class Waiting:
    """Something that somebody handed in and nobody has graded yet.

    path: of the page on which it is graded. title: of what it answers. part: which of its answers, 0 for all of it.
    is_late: handed in after it was due. is_begun: a grade is kept that the pupil has not been told yet.
    """

    path: str
    title: str
    part: int
    pupil: str
    course: str
    course_title: str
    since: datetime
    is_late: bool = False
    is_begun: bool = False

    @property
    def place(self) -> tuple[datetime, str, int]:
        """Where it stands in the queue: whoever has waited longest is read first."""
        return (self.since, self.path, self.part)


@dataclass(frozen=True)
class Queue:
    """The beginning of what waits, the oldest first, and how much waits in all."""

    first: Sequence[Waiting]
    total: int


def waiting(user: str, course: str | None = None, most: int = MOST) -> Queue:
    """Return what waits to be graded by somebody, in one query for each kind; at least the oldest `most` of all.

    course: the name of the only course to look at. Nothing of courses that they do not teach.
    """
    found = [source(user, course, most) for source in SOURCES]
    first = sorted((one for queue in found for one in queue.first), key=lambda one: one.place)
    return Queue(first, sum(queue.total for queue in found))


def listed(user: str, course: str | None = None, page: int = 1) -> frappe._dict:
    """Return a page of what waits to be graded by somebody, as `paging.page_of` does, and oldest: what is read first.

    course: as in `waiting`.
    """
    queue = waiting(user, course, page * PAGE)
    pages = max(1, -(-queue.total // PAGE))
    number = page if page <= pages else 1
    rows = queue.first[(number - 1) * PAGE : number * PAGE]
    return frappe._dict(
        rows=rows, total=queue.total, pages=pages, page=number, oldest=queue.first[0] if queue.first else None
    )


def after(queue: Sequence[Waiting], path: str, since: datetime) -> Waiting | None:
    """Return what is read after something that waited since then; from the end the queue begins anew."""
    others = [one for one in queue if one.path != path]
    return next((one for one in others if (one.since, one.path) > (since, path)), others[0] if others else None)


def address(one: Waiting | None, slug: str, said: str = "") -> str:
    """Return where something is graded, or the queue where there is nothing.

    slug: of the course to which the queue is kept, or nothing. said: a word for what was done before.
    """
    chosen = {name: value for name, value in (("course", slug), ("said", said)) if value}
    path = one.path if one else "/teach/grading"
    return f"{path}?{urlencode(chosen)}" if chosen else path


def following(user: str, found: frappe._dict, *, of_course: bool) -> tuple[Waiting | None, int]:
    """Return what is read after an answer or work, and how much waits in all; found: what `answer` or `work` said.

    of_course: whether the queue is kept to its course.
    """
    queue = waiting(user, found.course.name if of_course else None)
    return after(queue.first, found.path, found.since), queue.total


def next_address(user: str, found: frappe._dict, *, of_course: bool, said: str = "") -> str:
    """Return where that is graded which `following` says, or the queue. said: as in `address`."""
    one, _left = following(user, found, of_course=of_course)
    return address(one, found.course.slug if of_course else "", said)


def answer(user: str, attempt: str, position: int) -> frappe._dict:
    """Return an answer of an attempt that was handed in, for one of its course's teachers.

    path, since, pupil, quiz, course (name, slug, title), attempt_no, position, kind, html (the question, clean), lines
    (the answer), points, most, comment, is_waiting, and explanation (HTML; for those alone who may change the course).
    Raises DeniedError for everybody else, and for what is under way.
    """
    access.to_teach(user)
    rows = frappe.db.sql(
        "SELECT t.course, c.slug, c.title course_title, c.status, t.state, t.submitted_on, t.attempt_no, z.title quiz,"
        " u.full_name, a.shown, a.response, a.points, a.most, a.needs_grade, a.comment, q.explanation"
        " FROM `tabAcademy Quiz Attempt` t"
        " JOIN `tabAcademy Quiz Answer` a"
        " ON a.parent = t.name AND a.parenttype = %(kind)s AND a.position = %(position)s"
        " JOIN `tabAcademy Course` c ON c.name = t.course JOIN `tabAcademy Quiz` z ON z.name = t.quiz"
        " JOIN `tabAcademy Student` s ON s.name = t.student JOIN `tabUser` u ON u.name = s.user"
        " LEFT JOIN `tabAcademy Question` q ON q.name = a.question WHERE t.name = %(attempt)s",
        {"kind": quiz_content.ATTEMPT, "position": position, "attempt": attempt},
        as_dict=True,
    )
    reasons.deny("" if rows else rights.UNKNOWN)
    row = rows[0]
    viewer = access.viewer(user, row.course, state="")
    reasons.deny(rights.grade(viewer))
    reasons.deny(rights.UNKNOWN if row.state == attempts.IN_PROGRESS else "")
    asked = frappe.parse_json(row.shown)
    explanation = "" if rights.edit(viewer) else markup.from_markdown(row.explanation)
    return frappe._dict(
        path=_path(attempt, position),
        since=row.submitted_on,
        pupil=row.full_name,
        quiz=row.quiz,
        course=frappe._dict(name=row.course, slug=row.slug, title=row.course_title, status=row.status),
        attempt_no=row.attempt_no,
        position=position,
        kind=asked["kind"],
        html=markup.from_markdown(scoring.GAP.sub(r"(\1) …", asked["body"])),
        lines=review.said(asked, frappe.parse_json(row.response) if row.response else None),
        points=row.points,
        most=row.most,
        comment=row.comment or "",
        is_waiting=bool(row.needs_grade),
        explanation=explanation,
    )


def work(user: str, submission: str) -> frappe._dict:
    """Return handed-in work for one of its course's teachers: what `assignment_grading.work` says, path and since.

    Raises DeniedError for everybody else, and for what is not handed in yet.
    """
    access.to_teach(user)
    course = frappe.db.get_value(assignment_content.SUBMISSION, submission, "course")
    reasons.deny("" if course else rights.UNKNOWN)
    access.to_grade(user, course)
    found = assignment_grading.work(submission)
    return found.update(path=_path_of_work(submission), since=found.submission.submitted_on)


def _quiz_answers(user: str, course: str | None, most: int) -> Queue:
    rows = frappe.db.sql(
        "SELECT a.parent, a.position, t.submitted_on, t.course, c.title course_title, z.title, u.full_name,"
        " COUNT(*) OVER () total"
        " FROM `tabAcademy Quiz Attempt` t"
        " JOIN `tabAcademy Quiz Answer` a ON a.parent = t.name AND a.parenttype = %(kind)s AND a.needs_grade = 1"
        " JOIN `tabAcademy Course` c ON c.name = t.course JOIN `tabAcademy Quiz` z ON z.name = t.quiz"
        " JOIN `tabAcademy Student` s ON s.name = t.student JOIN `tabUser` u ON u.name = s.user"
        " WHERE t.state = %(waiting)s AND (%(course)s IS NULL OR t.course = %(course)s)"
        " AND (%(finds_all)s OR t.course IN (SELECT i.parent FROM `tabAcademy Course Instructor` i"
        " WHERE i.parenttype = %(of)s AND i.user = %(user)s AND i.role IN %(roles)s))"
        " ORDER BY t.submitted_on, t.name, a.position LIMIT %(most)s",
        {
            "kind": quiz_content.ATTEMPT,
            "waiting": attempts.WAITING,
            "course": course,
            "finds_all": int(access.is_manager(user)),
            "of": access.COURSE,
            "user": user,
            "roles": (access.is_teacher(user) and access.roles_for(user)) or ("",),
            "most": most,
        },
        as_dict=True,
    )
    first = [
        Waiting(
            _path(row.parent, row.position),
            row.title,
            row.position,
            row.full_name,
            row.course,
            row.course_title,
            row.submitted_on,
        )
        for row in rows
    ]
    return Queue(first, rows[0].total if rows else 0)


def _assignments(user: str, course: str | None, most: int) -> Queue:
    rows = assignment_grading.waiting(user, course, most)
    first = [
        Waiting(
            _path_of_work(row.submission),
            row.title,
            0,
            row.pupil,
            row.course,
            row.course_title,
            row.submitted_on,
            bool(row.is_late),
            bool(row.is_begun),
        )
        for row in rows
    ]
    return Queue(first, rows[0].total if rows else 0)


def _path(attempt: str, position: int) -> str:
    return f"/teach/grading/{attempt}/{position}"


def _path_of_work(submission: str) -> str:
    return f"/teach/grading/submission/{submission}"


# What people grade: another kind is another function here, whose pages lead on by `after` as that of answers does.
SOURCES: tuple[Callable[[str, str | None, int], Queue], ...] = (_quiz_answers, _assignments)
