"""What the page of an assignment shows to a pupil: what is asked, what was handed in, and what a teacher said of it."""

from datetime import datetime, timedelta
from typing import Any

import frappe
from frappe.utils import get_system_timezone, now_datetime

from lms_app.services import (
    assignment_content,
    assignment_grading,
    assignments,
    attempts,
    markup,
    outline,
    reasons,
    rights,
    seats,
    submissions,
    uploads,
)

SOON = timedelta(days=7)
_VERSION = ("name", "version", "state", "submitted_on", "is_late", "text", "url")


def assignment_page(assignment: str, user: str) -> frappe._dict:
    """Return what the page of an assignment shows.

    assignment (its fields, with html: the instructions, clean; endings: of the files that are taken; file_size: the
    megabytes of one; at_once: those of all that a form brings), lesson, course, decision, viewer, rules (as they are
    for this pupil now), closes_on, is_over (whether that has passed), clock (see `due_elsewhere`), criteria (of the
    rubric), most (points), versions (handed in, the last one first; see `_told`), left (None for any number), draft
    (version, text, url and files of what is written now; None where nothing can be handed in), reached (percent, None
    before there is one), is_passed and obstacle (words; why nothing can be handed in). Raises DeniedError for a course
    that is not for this user at all.
    """
    page = assignment_content.entrance(user, assignment)
    told = page.assignment
    told.html = markup.from_markdown(told.instructions)
    told.endings = assignments.endings(told.file_types)
    told.file_size = submissions.largest(told.file_size)
    told.at_once = uploads.at_once()
    page.criteria = assignment_content.criteria(told.rubric)
    page.most = float(assignments.most_of(page.criteria) if told.rubric else told.points)
    student = page.enrolment.student if page.enrolment else None
    known = submissions.history(assignment, student) if student else []
    own = [row for row in known if row.enrollment == page.enrolment.name] if student else []
    handed_in = [row for row in own if row.state != assignments.DRAFT]
    is_again = bool(handed_in) and handed_in[-1].state == assignments.RETURNED
    until = handed_in[-1].again_until if is_again else None
    page.rules = assignments.again(assignment_content.rules(told, student), until)
    states = [row.state for row in handed_in]
    page.left = assignments.left(page.rules, states)
    page.closes_on = assignments.closes_on(page.rules)
    page.is_over = bool(page.closes_on and page.closes_on < now_datetime())
    page.clock = due_elsewhere(page.rules.due_on, user)
    files = submissions.files_of([row.name for row in own])
    scores = assignment_grading.scores_of([row.name for row in handed_in if row.state in assignments.TOLD])
    page.versions = [_told(row, files, scores) for row in reversed(handed_in)]
    reached = assignment_grading.result(told, own)
    page.reached = None if reached is None else attempts.shown(reached)
    page.is_passed = attempts.is_passed(reached, told.pass_percent)
    page.obstacle = _obstacle(page, states) if page.decision.is_allowed else ""
    is_open = page.decision.is_allowed and not page.obstacle
    page.draft = _draft(known, own, files) if is_open else None
    return page


def due_elsewhere(moment: datetime | None, user: str) -> datetime | None:
    """Return when something is due by a reader's own clock; None where it shows the same, or none is known."""
    if moment is None or user == rights.GUEST:
        return None
    zone = frappe.db.get_value("User", user, "time_zone")
    return assignments.elsewhere(moment, get_system_timezone(), zone)


def due_soon(user: str) -> list[frappe._dict]:
    """Return what a pupil has still to hand in within a week, or late, the most urgent first; in one query.

    A row has assignment, title, course_title, due_on and is_late.
    """
    rows = frappe.db.sql(
        "SELECT a.name, a.title, a.due_on, a.cut_off_on, a.late_policy, a.late_percent, a.late_most, a.attempts,"
        " c.title course_title, o.extra_days, o.extra_attempts, o.due_on own_due_on, o.closes_on, v.state,"
        " v.again_until FROM `tabAcademy Student` s"
        " JOIN `tabAcademy Enrollment` e ON e.student = s.name AND e.state = %(active)s"
        " JOIN `tabAcademy Course` c ON c.name = e.course AND c.status IN %(shown)s"
        " JOIN `tabAcademy Assignment` a ON a.course = e.course"
        " JOIN `tabAcademy Lesson` l ON l.assignment = a.name AND l.status = %(published)s"
        " LEFT JOIN `tabAcademy Override` o ON o.item_type = %(kind)s AND o.item = a.name AND o.student = s.name"
        " LEFT JOIN `tabAcademy Submission` v ON v.assignment = a.name AND v.student = s.name AND v.version ="
        " (SELECT MAX(w.version) FROM `tabAcademy Submission` w WHERE w.assignment = a.name AND w.student = s.name"
        " AND w.enrollment = e.name AND w.state != %(draft)s)"
        " WHERE s.user = %(user)s AND (a.due_on IS NOT NULL OR o.due_on IS NOT NULL)",
        {
            "user": user,
            "active": seats.ACTIVE,
            "shown": (rights.PUBLISHED, rights.ARCHIVED),
            "published": outline.PUBLISHED,
            "kind": assignment_content.ASSIGNMENT,
            "draft": assignments.DRAFT,
        },
        as_dict=True,
    )
    now, found = now_datetime(), []
    for row in rows:
        given = assignment_content.override({**row, "due_on": row.own_due_on})
        rules = assignments.again(
            assignments.overridden(assignment_content.of_all(row), given),
            row.again_until if row.state == assignments.RETURNED else None,
        )
        closes_on = assignments.closes_on(rules)
        is_open = row.state in (None, assignments.RETURNED) and not (closes_on and closes_on < now)
        if is_open and rules.due_on and rules.due_on <= now + SOON:
            told = {"assignment": row.name, "title": row.title, "course_title": row.course_title}
            found.append(frappe._dict(told, due_on=rules.due_on, is_late=rules.due_on < now))
    return sorted(found, key=lambda row: (row.due_on, row.assignment))


def results_of(student: str) -> list[dict[str, Any]]:
    """Return all that a pupil handed in or began to write, each with what they were told of it, and nothing else."""
    rows = frappe.db.sql(
        "SELECT DISTINCT assignment FROM `tabAcademy Submission` WHERE student = %s ORDER BY assignment", student
    )
    found = []
    for (assignment,) in rows:
        known = submissions.history(assignment, student)
        files = submissions.files_of([row.name for row in known])
        scores = assignment_grading.scores_of([row.name for row in known if row.state in assignments.TOLD])
        found += [{"assignment": assignment, **_told(row, files, scores)} for row in known]
    return found


def _told(
    row: frappe._dict, files: dict[str, list[frappe._dict]], scores: dict[str, list[frappe._dict]]
) -> dict[str, Any]:
    """Return what a pupil is shown of a version: its fields and files.

    Once it is told also feedback, again_until and scores (by criterion, in the words of that time); once it is graded
    also given, lost_percent, points, most, percent and is_passed. What a teacher keeps to themselves is not in it.
    """
    seen: dict[str, Any] = {field: row[field] for field in _VERSION}
    seen["files"] = files.get(row.name, [])
    if row.state in assignments.TOLD:
        kept = ("criterion", "level", "points", "most", "comment")
        seen["scores"] = [{field: score[field] for field in kept} for score in scores.get(row.name, [])]
        seen |= {"feedback": row.feedback or "", "again_until": row.again_until, "graded_on": row.graded_on}
    if row.state == assignments.GRADED:
        seen |= {field: row[field] for field in assignment_content.GRADE}
    return seen


def _obstacle(page: frappe._dict, states: list[str]) -> str:
    """Return in words why nothing can be handed in; nothing if something can."""
    if page.viewer.is_guest:
        return reasons.words(rights.LOG_IN)
    if not page.enrolment or page.enrolment.state not in seats.LEARNING:
        state = page.enrolment.state if page.enrolment else ""
        return reasons.words(rights.OF_STATE.get(state, rights.NOT_ENROLLED))
    return reasons.words(assignments.obstacle(page.rules, states, now_datetime()))


def _draft(known: list[frappe._dict], own: list[frappe._dict], files: dict[str, list[frappe._dict]]) -> frappe._dict:
    """Return what a pupil is writing, or an empty page for it."""
    if own and own[-1].state == assignments.DRAFT:
        row = own[-1]
        return frappe._dict(version=row.version, text=row.text or "", url=row.url or "", files=files[row.name])
    return frappe._dict(version=known[-1].version + 1 if known else 1, text="", url="", files=[])
