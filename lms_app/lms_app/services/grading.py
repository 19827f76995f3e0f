"""What attempts are worth: graded once by the rules, or by a teacher, and what that completes."""

from datetime import datetime
from fractions import Fraction

import frappe

from lms_app.services import (
    attempts,
    completion,
    enrolment,
    events,
    notify,
    progress,
    quiz_content,
    reasons,
    responses,
    scoring,
    seats,
)
from lms_app.services.quiz_content import ANSWER, ATTEMPT

LONGEST_COMMENT = 2000
_LOCKED = ("name", "quiz", "course", "lesson", "student", "enrollment", "state", "deadline", "submitted_on")


def lock(attempt: str) -> frappe._dict:
    """Return an attempt, locked until the end of the transaction after its course and enrolment."""
    known = frappe.db.get_value(ATTEMPT, attempt, ["course", "enrollment"], as_dict=True)
    reasons.refuse("" if known else "unknown")
    enrolment.lock(known.course)
    state = frappe.db.get_value("Academy Enrollment", known.enrollment, "state", for_update=True)
    row = frappe.db.get_value(ATTEMPT, attempt, _LOCKED, as_dict=True, for_update=True)
    row.is_learning = state in seats.LEARNING
    return row


def mark(locked: frappe._dict, submitted_on: datetime) -> None:
    """Grade a locked attempt that is handed in; what a person has to read waits for one."""
    rows = _answers(locked.name)
    known = quiz_content.load(row.question for row in rows)
    for row in rows:
        question = known[row.question].question if row.question in known else None
        given = frappe.parse_json(row.response) if row.response else None
        named = question and responses.named(question.kind, frappe.parse_json(row.refs), given)
        share = scoring.share(question, named) if question else scoring.NOTHING
        row.points = 0 if share is None else float(share * attempts.exact(row.most))
        row.needs_grade = int(share is None)
        frappe.db.set_value(ANSWER, row.name, {"points": row.points, "needs_grade": row.needs_grade})
    _settle(locked, rows, submitted_on=submitted_on)


def grade(attempt: str, position: int, points: float, comment: str, by: str) -> frappe._dict:
    """Let a teacher grade an answer of an attempt that was handed in; return state, percent and is_passed of it.

    Any answer can be graded anew. The pupil is told when nothing of the attempt waits any longer. Raises RefusedError
    for points that the answer cannot have.
    """
    reasons.refuse("too_long" if len(comment) > LONGEST_COMMENT else "")
    locked = lock(attempt)
    reasons.refuse("not_submitted" if locked.state == attempts.IN_PROGRESS else "")
    rows = _answers(attempt)
    row = next((row for row in rows if row.position == position), None)
    reasons.reject("" if row else "unknown_question")
    reasons.refuse("" if 0 <= points <= row.most else "bad_points")
    row.points, row.needs_grade = points, 0
    frappe.db.set_value(ANSWER, row.name, {"points": points, "needs_grade": 0, "comment": comment.strip()})
    found = _settle(locked, rows, graded_by=by)
    if (locked.state, found.state) == (attempts.WAITING, attempts.GRADED):
        notify.answers_graded(attempt)
    return found


def result(quiz: frappe._dict, tried: list[frappe._dict]) -> Fraction | None:
    """Return what the graded attempts of a pupil, the first one first, come to by the quiz's rule.

    None without any, and where one that is not graded yet decides.
    """
    over = [row for row in tried if row.state != attempts.IN_PROGRESS]
    deciding = {attempts.FIRST: over[:1], attempts.AVERAGE: over}.get(quiz.grading, [])
    if any(row.state == attempts.WAITING for row in deciding):
        return None
    percents = [
        attempts.percent(attempts.exact(row.points), attempts.exact(row.most))
        for row in over
        if row.state == attempts.GRADED
    ]
    return attempts.result(quiz.grading, percents)


def _answers(attempt: str) -> list[frappe._dict]:
    return frappe.db.sql(
        "SELECT name, position, question, response, refs, points, most, needs_grade FROM `tabAcademy Quiz Answer`"
        " WHERE parent = %s AND parenttype = %s ORDER BY position FOR UPDATE",
        (attempt, ATTEMPT),
        as_dict=True,
    )


def _settle(locked: frappe._dict, rows: list[frappe._dict], **values: datetime | str) -> frappe._dict:
    """Write down what a locked attempt comes to, and complete its lesson if that is enough."""
    points = sum((attempts.exact(row.points) for row in rows), Fraction(0))
    most = sum((attempts.exact(row.most) for row in rows), Fraction(0))
    percent = attempts.percent(points, most)
    quiz = quiz_content.of(locked.quiz)
    is_waiting = any(row.needs_grade for row in rows)
    found = frappe._dict(
        state=attempts.WAITING if is_waiting else attempts.GRADED,
        percent=round(float(percent), 2),
        is_passed=int(not is_waiting and attempts.is_passed(percent, quiz.pass_percent)),
    )
    written = {**found, "points": float(points), "most": float(most), **values}
    frappe.db.set_value(ATTEMPT, locked.name, written)
    if not is_waiting:
        verb = events.PASSED if found.is_passed else events.FAILED
        said = {"attempt": locked.name, "percent": found.percent}
        events.log(locked.student, verb, (quiz_content.QUIZ, locked.quiz), locked.course, said)
        _complete(locked, quiz)
    return found


def _complete(locked: frappe._dict, quiz: frappe._dict) -> None:
    """Complete the lesson of a quiz that is passed now, for a pupil who is still learning."""
    tried = frappe.db.sql(
        # By pupil as well, so that the index of attempts finds them and nobody else's are locked.
        "SELECT state, points, most FROM `tabAcademy Quiz Attempt` WHERE quiz = %s AND student = %s"
        " AND enrollment = %s ORDER BY attempt_no LOCK IN SHARE MODE",
        (locked.quiz, locked.student, locked.enrollment),
        as_dict=True,
    )
    if not (locked.is_learning and attempts.is_passed(result(quiz, tried), quiz.pass_percent)):
        return
    lesson = frappe.db.get_value("Academy Lesson", {"quiz": locked.quiz, "completion_rule": completion.QUIZ}, "name")
    if lesson:
        progress.fulfil(locked.enrollment, lesson)
