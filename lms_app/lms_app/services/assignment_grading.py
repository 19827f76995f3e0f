"""What handed-in work is worth: what waits for a grade, what a teacher gives it, and what that completes.

Locks are taken in one order, course before enrolment before submission, so that nobody waits in a circle.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from math import isfinite
from typing import Any

import frappe
from frappe.utils import now_datetime

from lms_app.services import (
    access,
    assignment_content,
    assignments,
    attempts,
    completion,
    documents,
    enrolment,
    events,
    markup,
    notify,
    people,
    progress,
    reasons,
    rights,
    seats,
    submissions,
)
from lms_app.services.assignment_content import ASSIGNMENT, OVERRIDE, SUBMISSION
from lms_app.services.assignments import Criterion

SCORE = "Academy Submission Score"
MOST_WAITING = 200
LONGEST_FEEDBACK, LONGEST_COMMENT = 20_000, 2000
_LOCKED = (
    *("name", "assignment", "course", "lesson", "student", "enrollment", "version", "state", "submitted_on"),
    *("again_until", "is_whole", "given", "most"),
)


def waiting(user: str, course: str | None = None, most: int = MOST_WAITING) -> list[frappe._dict]:
    """Return what waits to be graded by somebody in the courses that they teach, the oldest first; in one query.

    course: the name of the only course to look at; None for all of them. A row has submission, assignment and title
    (of the assignment), course, course_title and course_slug, student, pupil (their full name), version, submitted_on,
    is_late, is_begun: whether a grade is kept that the pupil has not been told yet, and total: how many wait in all.
    Nothing for whom nothing is to be graded; no more than `most` rows.
    """
    return frappe.db.sql(
        "SELECT w.name submission, w.assignment, a.title, w.course, c.title course_title, c.slug course_slug,"
        " w.student, u.full_name pupil, w.version, w.submitted_on, w.is_late, w.graded_on IS NOT NULL is_begun,"
        " COUNT(*) OVER () total"
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
            "most": most,
        },
        as_dict=True,
    )


def work(submission: str) -> frappe._dict:
    """Return what a teacher grades by; whoever calls has asked whether they may.

    submission (name, version, state, text, url, submitted_on, is_late, given, lost_percent, points, most, percent,
    feedback, is_begun), files (see `submissions.files_of`), pupil (full name), student, assignment (its fields, with
    html: the instructions, clean), rules (as they are for this pupil), days_late, lost_percent (by handing in then),
    criteria (of the rubric: anchor, title, description, most, levels with anchor, title, points and description,
    is_chosen, and comment), most (points), others (the other versions handed in: name, version, state, submitted_on,
    percent), course (name, slug, title, status) and kept (how many whole grades of the assignment `release` would
    tell). Raises DeniedError for what was not handed in.
    """
    rows = frappe.db.sql(
        "SELECT w.name, w.version, w.state, w.text, w.url, w.submitted_on, w.is_late, w.given, w.lost_percent,"
        " w.points, w.most, w.percent, w.feedback, w.again_until, w.is_whole, w.graded_on IS NOT NULL is_begun,"
        " w.assignment, w.student, u.full_name pupil, c.name course, c.slug course_slug, c.title course_title,"
        " c.status, (SELECT COUNT(*) FROM `tabAcademy Submission` k WHERE k.assignment = w.assignment"
        " AND k.state = %(submitted)s AND k.is_whole = 1) kept"
        " FROM `tabAcademy Submission` w JOIN `tabAcademy Student` s ON s.name = w.student"
        " JOIN `tabUser` u ON u.name = s.user JOIN `tabAcademy Course` c ON c.name = w.course"
        " WHERE w.name = %(name)s AND w.state != %(draft)s",
        {"name": submission, "draft": assignments.DRAFT, "submitted": assignments.SUBMITTED},
        as_dict=True,
    )
    reasons.deny("" if rows else rights.UNKNOWN)
    row = rows[0]
    told = assignment_content.of(row.assignment)
    told.html = markup.from_markdown(told.instructions)
    rules = assignments.again(assignment_content.rules(told, row.student), row.again_until)
    judged = assignment_content.criteria(told.rubric)
    kept = {score.criterion_anchor: score for score in scores_of([submission])[submission]}
    others = [
        frappe._dict({field: one[field] for field in ("name", "version", "state", "submitted_on", "percent")})
        for one in submissions.history(row.assignment, row.student)
        if one.name != submission and one.state != assignments.DRAFT
    ]
    return frappe._dict(
        submission=row,
        files=submissions.files_of([submission])[submission],
        pupil=row.pupil,
        student=row.student,
        assignment=told,
        rules=rules,
        days_late=assignments.days_late(rules.due_on, row.submitted_on),
        lost_percent=float(assignments.lost_percent(rules, row.submitted_on)),
        criteria=[_asked(criterion, kept.get(criterion.anchor)) for criterion in judged],
        most=float(_most(told, judged)),
        others=others,
        course=frappe._dict(name=row.course, slug=row.course_slug, title=row.course_title, status=row.status),
        kept=row.kept,
    )


def scores_of(names: Sequence[str]) -> dict[str, list[frappe._dict]]:
    """Return what submissions earned by their rubric, in the words of that time, by their names; in one query."""
    found: dict[str, list[frappe._dict]] = {name: [] for name in names}
    if not found:
        return found
    rows = frappe.db.sql(
        "SELECT parent, criterion, level, points, most, comment, criterion_anchor, level_anchor"
        " FROM `tabAcademy Submission Score` WHERE parent IN %s AND parenttype = %s ORDER BY parent, idx",
        (tuple(found), SUBMISSION),
        as_dict=True,
    )
    for row in rows:
        found[row.pop("parent")].append(row)
    return found


def grade(
    submission: str,
    by: str,
    *,
    points: float | None = None,
    levels: Mapping[str, str] | None = None,
    comments: Mapping[str, str] | None = None,
    feedback: str = "",
    is_told: bool = True,
) -> frappe._dict:
    """Grade a version that was handed in; return state, given, lost_percent, points, most, percent and is_passed.

    points: without a rubric. levels and comments: with one, by the anchors of its criteria. What being late costs is
    taken off here. is_told: whether the pupil is told; otherwise the grade is kept, may have gaps, and the work still
    waits. Any version can be graded anew. Raises RefusedError for what cannot be graded, and for a grade with gaps
    that a pupil would be told, MalformedError for what the rubric does not have.
    """
    reasons.refuse("too_long" if len(feedback) > LONGEST_FEEDBACK else "")
    locked = lock(submission)
    reasons.refuse(_ungradable(locked.state))
    reasons.refuse("already_told" if not is_told and locked.state in assignments.TOLD else "")
    told = assignment_content.of(locked.assignment)
    judged = assignment_content.criteria(told.rubric)
    if told.rubric:
        reasons.reject("unexpected" if points is not None else "")
        given = _judge(submission, judged, levels or {}, comments or {})
    else:
        reasons.reject("unexpected" if levels or comments else "")
        reasons.refuse("" if points is None or isfinite(points) else "bad_grade")
        given = None if points is None else attempts.exact(points)
    most = _most(told, judged)
    reasons.refuse("bad_grade" if given is not None and not 0 <= given <= most else "")
    reasons.refuse("not_judged" if given is None and is_told else "")
    found = _worth(locked, told, given, most)
    more = {"feedback": feedback.strip() or None, "graded_by": by, "graded_on": now_datetime()}
    frappe.db.set_value(SUBMISSION, submission, {**found, **more})
    if is_told:
        _tell(locked, told, found)
    return frappe._dict(found, state=assignments.GRADED if is_told else locked.state)


def release(assignment: str) -> int:
    """Tell pupils every grade of an assignment that is kept and whole; return how many."""
    told = assignment_content.of(assignment)
    wanted = {"assignment": assignment, "state": assignments.SUBMITTED, "is_whole": 1}
    number = 0
    for name in frappe.get_all(SUBMISSION, wanted, pluck="name", order_by="submitted_on"):
        locked = lock(name)
        # Another teacher may have been first.
        if locked.state == assignments.SUBMITTED and locked.is_whole:
            found = _worth(locked, told, attempts.exact(locked.given), attempts.exact(locked.most))
            frappe.db.set_value(SUBMISSION, name, found)
            _tell(locked, told, found)
            number += 1
    return number


def give_back(submission: str, by: str, feedback: str, until: datetime | None = None) -> None:
    """Give a pupil's work back, to be handed in once more.

    until: when a new version is still in time; needed where nothing is taken any more. Raises RefusedError for what
    cannot be given back, and without a word of what is to be made better.
    """
    reasons.refuse("too_long" if len(feedback) > LONGEST_FEEDBACK else "")
    reasons.refuse("" if feedback.strip() else "no_feedback")
    locked, now = lock(submission), now_datetime()
    reasons.refuse(_ungradable(locked.state))
    reasons.refuse("until_past" if until and until <= now else "")
    newer = {"assignment": locked.assignment, "student": locked.student, "version": locked.version + 1}
    state = frappe.db.get_value(SUBMISSION, newer, "state", for_update=True)
    reasons.refuse("" if state in (None, assignments.DRAFT) else "replaced")
    told = assignment_content.of(locked.assignment)
    rules = assignments.again(assignment_content.rules(told, locked.student), until)
    before = submissions.history(locked.assignment, locked.student)
    states = [row.state for row in before if row.enrollment == locked.enrollment and row.version < locked.version]
    states.append(assignments.RETURNED)
    reasons.refuse("needs_until" if assignments.obstacle(rules, states, now) else "")
    values = {"state": assignments.RETURNED, "feedback": feedback.strip(), "again_until": until}
    frappe.db.set_value(SUBMISSION, submission, {**values, "graded_by": by, "graded_on": now})
    notify.given_back(submission)


def grant(
    assignment: str,
    student: str,
    *,
    days: int = 0,
    attempts: int = 0,
    due_on: datetime | None = None,
    cut_off_on: datetime | None = None,
    note: str = "",
) -> str:
    """Give one pupil other dates, or more versions, than the others; return the override, of which there is one.

    Nothing of all takes back what was given, and returns nothing. Raises RefusedError for more than can be given, and
    for a pupil of another course.
    """
    reasons.refuse("too_long" if len(note) > people.LONGEST_NOTE else "")
    key = {"item_type": ASSIGNMENT, "item": assignment, "student": student}
    known = frappe.db.get_value(OVERRIDE, key, "name", for_update=True)
    if not (days or attempts or due_on or cut_off_on):
        if known:
            frappe.delete_doc(OVERRIDE, known, ignore_permissions=True)
        return ""
    course = frappe.db.get_value(ASSIGNMENT, assignment, "course")
    doc = frappe.get_doc(OVERRIDE, known) if known else frappe.get_doc({"doctype": OVERRIDE, **key, "course": course})
    doc.update({"extra_days": days, "extra_attempts": attempts, "due_on": due_on, "closes_on": cut_off_on})
    doc.note = note.strip() or None
    return str(documents.keep(doc).name)


def granted(course: str, student: str) -> list[frappe._dict]:
    """Return the assignments of a course by title, each with what a pupil was given in it, in one query.

    A row has name, title, attempts, has_dates, and extra_days, extra_attempts, due_on, closes_on and note of the
    override.
    """
    return frappe.db.sql(
        "SELECT a.name, a.title, a.attempts, a.due_on IS NOT NULL OR a.cut_off_on IS NOT NULL has_dates, o.extra_days,"
        " o.extra_attempts, o.due_on, o.closes_on, o.note FROM `tabAcademy Assignment` a"
        " LEFT JOIN `tabAcademy Override` o ON o.item = a.name AND o.item_type = %s AND o.student = %s"
        " WHERE a.course = %s ORDER BY a.title, a.name",
        (ASSIGNMENT, student, course),
        as_dict=True,
    )


def lock(submission: str) -> frappe._dict:
    """Return a submission, locked until the end of the transaction after its course and enrolment."""
    known = frappe.db.get_value(SUBMISSION, submission, ["course", "enrollment"], as_dict=True)
    reasons.refuse("" if known else "unknown")
    enrolment.lock(known.course)
    state = frappe.db.get_value("Academy Enrollment", known.enrollment, "state", for_update=True)
    row = frappe.db.get_value(SUBMISSION, submission, _LOCKED, as_dict=True, for_update=True)
    row.is_learning = state in seats.LEARNING
    return row


def result(told: Mapping[str, Any], own: Sequence[Mapping[str, Any]]) -> Fraction | None:
    """Return the percentage that versions of a pupil's work come to by the assignment's rule, the first one first."""
    return assignments.result(
        told["grading"],
        [(row["state"], attempts.percent(attempts.exact(row["points"]), attempts.exact(row["most"]))) for row in own],
    )


def _ungradable(state: str) -> str:
    """Return why work in a state cannot be graded."""
    return {assignments.DRAFT: "not_handed_in", assignments.REPLACED: "replaced"}.get(state, "")


def _most(told: Mapping[str, Any], judged: Sequence[Criterion]) -> Fraction:
    return assignments.most_of(judged) if told["rubric"] else attempts.exact(told["points"])


def _judge(
    submission: str, judged: Sequence[Criterion], levels: Mapping[str, str], comments: Mapping[str, str]
) -> Fraction | None:
    """Keep what a teacher says to each criterion; return the points of it all, None as long as a level is missing."""
    try:
        found = assignments.chosen(judged, levels)
    except assignments.InvalidChoiceError as fault:
        reasons.reject(fault.reason)
    unknown = comments.keys() - {criterion.anchor for criterion in judged}
    reasons.reject(assignments.UNKNOWN_CRITERION if unknown else "")
    reasons.refuse("too_long" if any(len(comment) > LONGEST_COMMENT for comment in comments.values()) else "")
    frappe.db.delete(SCORE, {"parent": submission, "parenttype": SUBMISSION})
    for place, (criterion, level) in enumerate(found, 1):
        row = {"doctype": SCORE, "parent": submission, "parenttype": SUBMISSION, "parentfield": "scores", "idx": place}
        # In the words of now: whatever becomes of the rubric, this is what the pupil was told.
        row |= {"criterion": criterion.title, "criterion_anchor": criterion.anchor, "most": float(criterion.most)}
        if level:
            row |= {"level": level.title, "level_anchor": level.anchor, "points": level.points}
        frappe.get_doc({**row, "comment": comments.get(criterion.anchor, "").strip() or None}).db_insert()
    if any(level is None for _, level in found):
        return None
    return sum((attempts.exact(level.points) for _, level in found if level), Fraction(0))


def _worth(
    locked: frappe._dict, told: frappe._dict, given: Fraction | None, most: Fraction
) -> dict[str, float | int | datetime | None]:
    """Return what a version is worth, after what being late costs by the dates of now; nothing yet without points."""
    rules = assignments.again(assignment_content.rules(told, locked.student), locked.again_until)
    lost = assignments.lost_percent(rules, locked.submitted_on)
    points = assignments.kept(given or Fraction(0), most, lost)
    percent = attempts.percent(points, most)
    return {
        "due_on": rules.due_on,
        "is_late": int(assignments.is_late(rules, locked.submitted_on)),
        "given": float(given or 0),
        "lost_percent": float(lost),
        "points": float(points),
        "most": float(most),
        "percent": round(float(percent), 2),
        "is_passed": int(given is not None and attempts.is_passed(percent, told.pass_percent)),
        "is_whole": int(given is not None),
    }


def _tell(locked: frappe._dict, told: frappe._dict, found: Mapping[str, Any]) -> None:
    """Let a pupil know what a locked version is worth, and complete its lesson if that is enough."""
    frappe.db.set_value(SUBMISSION, locked.name, "state", assignments.GRADED)
    verb = events.PASSED if found["is_passed"] else events.FAILED
    said = {"submission": locked.name, "percent": found["percent"]}
    events.log(locked.student, verb, (ASSIGNMENT, locked.assignment), locked.course, said)
    notify.graded(locked.name)
    _complete(locked, told)


def _complete(locked: frappe._dict, told: frappe._dict) -> None:
    """Complete the lesson of an assignment that is passed now, for a pupil who is still learning."""
    names = [row.name for row in submissions.history(locked.assignment, locked.student)]
    # By their names, so that nobody else's are locked.
    own = frappe.db.sql(
        "SELECT state, points, most FROM `tabAcademy Submission` WHERE name IN %s AND enrollment = %s"
        " ORDER BY version LOCK IN SHARE MODE",
        (tuple(names), locked.enrollment),
        as_dict=True,
    )
    if not (locked.is_learning and attempts.is_passed(result(told, own), told.pass_percent)):
        return
    asked = {"assignment": locked.assignment, "completion_rule": completion.GRADED}
    if lesson := frappe.db.get_value("Academy Lesson", asked, "name"):
        progress.fulfil(locked.enrollment, lesson)


def _asked(criterion: Criterion, kept: frappe._dict | None) -> frappe._dict:
    """Return a criterion as a teacher judges by it, with what was said to it before."""
    levels = [
        frappe._dict(vars(level), is_chosen=bool(kept and kept.level_anchor == level.anchor))
        for level in criterion.levels
    ]
    return frappe._dict(
        anchor=criterion.anchor,
        title=criterion.title,
        description=criterion.description,
        most=float(criterion.most),
        levels=levels,
        comment=(kept and kept.comment) or "",
    )
