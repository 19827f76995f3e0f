"""How far pupils are: beats of lesson pages, completed lessons, and the percent of a course, always computed.

Locks are taken in one order, course before enrolment before progress, so that nobody waits in a circle.
"""

from dataclasses import replace
from datetime import datetime

import frappe
from frappe.utils import cint, now_datetime

from lms_app.services import (
    access,
    certificates,
    completion,
    enrolment,
    events,
    notify,
    outline,
    reasons,
    rights,
    seats,
)
from lms_app.services.completion import Trace

PROGRESS = "Academy Lesson Progress"


def beat(user: str, lesson: str, seconds: int, position: int | None = None) -> frappe._dict:
    """Count a beat of a lesson's page; return percent of the course, is_completed (the lesson), and watched (seconds).

    seconds: active since the last beat. position: of the video, in seconds. The first beat opens the lesson and starts
    the clock. Raises DeniedError for whom the lesson is not open; a preview without enrolment is not counted.
    """
    row = _row(user, lesson)
    if not row.enrollment:
        _demand_open(user, row)
        return frappe._dict(percent=0, is_completed=False, watched=0)
    now = now_datetime()
    before = _trace(row)
    if not row.progress:
        _demand_open(user, row)
    after = completion.after_beat(before, seconds, position, now)
    if not row.is_completed and _is_completed(row, after):
        return frappe._dict(percent=_complete(row, after), is_completed=True, watched=after.watched)
    if not row.progress:
        _begin(row, after)
    else:
        if completion.is_new_visit(before, now):
            _remember_last(row)
        # Another window of the same pupil may have beaten meanwhile: this time was counted there.
        frappe.db.sql(
            "UPDATE `tabAcademy Lesson Progress` SET seconds = %(seconds)s, position = %(position)s,"
            " watched = %(watched)s, visit_began = %(visit_began)s, visit_from = %(visit_from)s,"
            " last_beat = %(now)s, modified = %(now)s"
            " WHERE name = %(name)s AND last_beat <=> %(before)s",
            {**_values(after), "now": now, "name": row.progress, "before": before.last_beat},
        )
    return frappe._dict(percent=cint(row.percent), is_completed=bool(row.is_completed), watched=after.watched)


def declare(user: str, lesson: str) -> frappe._dict:
    """Take a pupil's word that a lesson is completed; return percent of the course, and is_completed.

    Raises RefusedError where it takes more than a word, DeniedError for whom the lesson is not open.
    """
    row = _row(user, lesson)
    _demand_open(user, row)
    reasons.refuse("" if completion.may_be_declared(row.completion_rule) else "not_declared")
    reasons.deny("" if row.enrollment else rights.NOT_ENROLLED)
    if row.is_completed:
        return frappe._dict(percent=cint(row.percent), is_completed=True)
    now = now_datetime()
    trace = replace(_trace(row), last_beat=row.last_beat or now)
    return frappe._dict(percent=_complete(row, trace), is_completed=True)


def fulfil(enrollment: str, lesson: str) -> None:
    """Complete a lesson for a pupil who did what it asks for, such as passing its quiz: whoever calls this knows it."""
    row = frappe.db.get_value("Academy Enrollment", enrollment, ["student", "course"], as_dict=True)
    row.update(enrollment=enrollment, lesson=lesson)
    fields = ["seconds", "position", "watched", "last_beat"]
    known = frappe.db.get_value(PROGRESS, {"enrollment": enrollment, "lesson": lesson}, fields, as_dict=True)
    _complete(row, Trace(**known) if known else Trace())


def recount(course: str) -> None:
    """Compute the percent of everybody who learns in a course anew, because what is required changed."""
    required = frappe.db.count("Academy Lesson", {"course": course, "status": outline.PUBLISHED, "is_required": 1})
    frappe.db.sql(
        "UPDATE `tabAcademy Enrollment` e LEFT JOIN (SELECT p.enrollment, COUNT(*) done FROM"
        " `tabAcademy Lesson Progress` p JOIN `tabAcademy Lesson` l ON l.name = p.lesson"
        " WHERE p.course = %(course)s AND p.is_completed = 1 AND l.course = %(course)s AND l.is_required = 1"
        " AND l.status = %(published)s GROUP BY p.enrollment) d ON d.enrollment = e.name"
        " SET e.percent = IF(%(required)s, FLOOR(COALESCE(d.done, 0) * 100 / %(required)s), 0)"
        " WHERE e.course = %(course)s AND e.state IN %(learning)s AND e.completed_on IS NULL",
        {"course": course, "required": required, "published": outline.PUBLISHED, "learning": seats.LEARNING},
    )
    through = {"course": course, "state": seats.ACTIVE, "percent": 100}
    for name in frappe.get_all("Academy Enrollment", through, pluck="name"):
        _finish(enrolment.lock(course), name)


def courses_of(user: str) -> list[frappe._dict]:
    """Return the courses of a pupil, active ones first, then those last seen; in one query.

    A row has slug, title, summary, cover, cover_alt, level, minutes, lesson_count, state, percent, completed_on,
    expires_on, last_slug and last_title (of the last lesson), certificate (its code), and decision (whether lessons can
    be opened).
    """
    rows = frappe.db.sql(
        "SELECT e.name enrollment, e.course, e.state, e.percent, e.expires_on, e.completed_on, e.last_seen,"
        " e.activated_on, c.slug, c.title, c.summary, c.cover, c.cover_alt, c.level, c.minutes, c.lesson_count,"
        " c.status, c.visibility, c.starts_on, c.sequential, l.slug last_slug, l.title last_title, z.code certificate"
        " FROM `tabAcademy Student` s JOIN `tabAcademy Enrollment` e ON e.student = s.name"
        " JOIN `tabAcademy Course` c ON c.name = e.course LEFT JOIN `tabAcademy Lesson` l ON l.name = e.last_lesson"
        " LEFT JOIN `tabAcademy Certificate` z ON z.enrollment = e.name AND z.revoked_on IS NULL"
        " WHERE s.user = %s AND e.state != %s ORDER BY e.state IN %s DESC, COALESCE(e.last_seen, e.creation) DESC",
        (user, seats.CANCELLED, (seats.ACTIVE,)),
        as_dict=True,
    )
    for row in rows:
        viewer = rights.Viewer(user, "", row.state)
        row.decision = access.Decision(rights.open_lessons(row.status, row.visibility, viewer))
    return rows


def going_on(user: str, course: frappe._dict) -> frappe._dict | None:
    """Return the lesson with which a pupil goes on in one of `courses_of`: slug, title; None where nothing is open."""
    modules = outline.load(course.course)
    viewer = rights.Viewer(user, "", course.state)
    outline.decide(modules, course, viewer, course.activated_on, outline.completed(course.enrollment))
    return outline.next_of(modules)


def _row(user: str, lesson: str) -> frappe._dict:
    """Return what a beat needs of a lesson, its course, the pupil's enrolment and progress, in one query."""
    rows = frappe.db.sql(
        "SELECT l.name lesson, l.course, l.completion_rule, l.video_percent, l.is_required, l.status lesson_status,"
        " e.name enrollment, e.student, e.state, e.percent, p.name progress, p.seconds, p.position, p.watched,"
        " p.last_beat, p.visit_began, p.visit_from, p.is_completed,"
        " IF(l.completion_rule = %(video)s, (SELECT b.duration FROM `tabAcademy Lesson Block` b"
        " WHERE b.parent = l.name AND b.parenttype = 'Academy Lesson' AND b.kind = 'Video'"
        " ORDER BY b.idx LIMIT 1), 0) duration"
        " FROM `tabAcademy Lesson` l LEFT JOIN (`tabAcademy Enrollment` e JOIN `tabAcademy Student` s"
        " ON s.name = e.student AND s.user = %(user)s) ON e.course = l.course AND e.state IN %(learning)s"
        " LEFT JOIN `tabAcademy Lesson Progress` p ON p.enrollment = e.name AND p.lesson = l.name"
        " WHERE l.name = %(lesson)s ORDER BY e.creation DESC LIMIT 1",
        {"user": user, "lesson": lesson, "learning": seats.LEARNING, "video": completion.VIDEO},
        as_dict=True,
    )
    reasons.deny("" if rows else rights.UNKNOWN)
    return rows[0]


def _demand_open(user: str, row: frappe._dict) -> None:
    """Let through for whom the lesson of a row is open now."""
    outline.demand(decision_on(user, row.course, row.lesson))


def decision_on(user: str, course: str, lesson: str) -> access.Decision:
    """Return whether a lesson is open to somebody."""
    about = frappe.db.get_value(
        access.COURSE, course, ["status", "visibility", "starts_on", "sequential"], as_dict=True
    )
    enrolled = access.enrolment_of(user, course) if user != rights.GUEST else None
    viewer = access.viewer(user, course, state=enrolled.state if enrolled else "")
    modules = outline.load(course, with_drafts=viewer.is_staff)
    done = outline.completed(enrolled.name) if enrolled else set()
    outline.decide(modules, about, viewer, enrolled.activated_on if enrolled else None, done)
    found = next((one for one in outline.lessons(modules) if one.name == lesson), None)
    # A draft is in nobody's outline but the teachers'.
    return found.decision if found else access.Decision(rights.NOT_PUBLISHED)


def _is_completed(row: frappe._dict, trace: Trace) -> bool:
    return completion.is_completed(
        row.completion_rule, trace, video_percent=row.video_percent, duration=row.duration or 0
    )


def _begin(row: frappe._dict, trace: Trace) -> None:
    """Write down that a pupil has opened a lesson for the first time."""
    _remember_last(row)
    # Two windows may open a lesson at once: whichever comes first has started the clock.
    if _insert(row, trace, is_completed=False):
        events.log(row.student, events.INITIALIZED, ("Academy Lesson", row.lesson), row.course)


def _remember_last(row: frappe._dict) -> None:
    seen = {"last_lesson": row.lesson, "last_seen": now_datetime()}
    frappe.db.set_value("Academy Enrollment", row.enrollment, seen, update_modified=False)


def _insert(row: frappe._dict, trace: Trace, *, is_completed: bool) -> bool:
    """Write the first row of a pupil and a lesson, under the enrolment's lock; say whether it was the first."""
    now = now_datetime()
    values = {"enrollment": row.enrollment, "lesson": row.lesson, "course": row.course, "first_seen": now}
    values |= {"is_completed": int(is_completed), "completed_on": now if is_completed else None}
    try:
        frappe.get_doc({"doctype": PROGRESS, **values, **_values(trace), "last_beat": trace.last_beat}).db_insert()
    except frappe.UniqueValidationError:
        frappe.clear_last_message()
        return False
    return True


def _trace(row: frappe._dict) -> Trace:
    return Trace(
        row.seconds or 0, row.position or 0, row.watched or 0, row.last_beat, row.visit_began, row.visit_from or 0
    )


def _values(trace: Trace) -> dict[str, int | datetime | None]:
    """Return the fields that keep a trace, but for when the last beat was."""
    return {field: value for field, value in vars(trace).items() if field != "last_beat"}


def _complete(row: frappe._dict, trace: Trace) -> int:
    """Write down that a lesson is completed, and the course if it was the last one; return the course's percent."""
    locked = enrolment.lock(row.course)
    fields = ["name", "state", "completed_on", "percent"]
    enrolled = frappe.db.get_value("Academy Enrollment", row.enrollment, fields, as_dict=True, for_update=True)
    reasons.deny("" if enrolled and enrolled.state in seats.LEARNING else rights.NOT_ENROLLED)
    _remember_last(row)
    # Tried first: to look for a row that is not there locks the place of others' first rows as well.
    if row.progress or not _insert(row, trace, is_completed=True):
        known = frappe.db.get_value(
            PROGRESS,
            {"enrollment": row.enrollment, "lesson": row.lesson},
            ["name", "is_completed"],
            as_dict=True,
            for_update=True,
        )
        if known.is_completed:
            return cint(enrolled.percent)
        done = {**_values(trace), "last_beat": trace.last_beat, "is_completed": 1, "completed_on": now_datetime()}
        frappe.db.set_value(PROGRESS, known.name, done)
    events.log(row.student, events.COMPLETED, ("Academy Lesson", row.lesson), row.course)
    if enrolled.completed_on:
        # What is completed stays so, whatever was added since.
        return cint(enrolled.percent)
    percent = _percent(row.enrollment, row.course)
    frappe.db.set_value("Academy Enrollment", row.enrollment, "percent", percent)
    if percent == 100:
        _finish(locked, row.enrollment)
    return percent


def _percent(enrollment: str, course: str) -> int:
    """Count, under the enrolment's lock, how much of the required lessons is completed."""
    required = frappe.get_all(
        "Academy Lesson", {"course": course, "status": outline.PUBLISHED, "is_required": 1}, pluck="name"
    )
    done = frappe.db.sql(
        "SELECT lesson FROM `tabAcademy Lesson Progress` WHERE enrollment = %s AND is_completed = 1 LOCK IN SHARE MODE",
        enrollment,
    )
    return completion.percent(len({*required} & {lesson for (lesson,) in done}), len(required))


def _finish(locked: frappe._dict, enrollment: str) -> None:
    """Write down that a pupil has completed a locked course; the seat is free for somebody else."""
    student = frappe.db.get_value("Academy Enrollment", enrollment, "student")
    values = {"state": seats.COMPLETED, "completed_on": now_datetime(), "percent": 100}
    frappe.db.set_value("Academy Enrollment", enrollment, values)
    events.log(student, events.COMPLETED, (access.COURSE, locked.name), locked.name)
    enrolment.settle(locked)
    notify.completed(enrollment)
    certificates.issue_soon(enrollment, locked.name)
