"""What was done before it was asked for: verdicts said anew, and lessons completed, when the rules have changed.

What is completed stays so. Locks are taken in one order, course before enrolments before what was done.
"""

from collections.abc import Callable, Sequence

import frappe

from lms_app.services import (
    assignment_content,
    assignment_grading,
    assignments,
    attempts,
    completion,
    enrolment,
    events,
    grading,
    progress,
    quiz_content,
    seats,
)
from lms_app.services.assignment_content import ASSIGNMENT, SUBMISSION
from lms_app.services.quiz_content import ATTEMPT, QUIZ

LESSON = "Academy Lesson"
# So many are completed at once: whoever learns in the course waits meanwhile, and some are written a mail.
AT_ONCE = 50


def judge_quiz(quiz: str) -> None:
    """Say of each graded attempt at a quiz whether it is passed now, and complete its lesson where that is enough."""
    told = quiz_content.of(quiz)
    _lock_pupils(told.course)
    rows = frappe.db.sql(
        "SELECT name, student, points, most, is_passed FROM `tabAcademy Quiz Attempt`"
        " WHERE quiz = %s AND state = %s ORDER BY name FOR UPDATE",
        (quiz, attempts.GRADED),
        as_dict=True,
    )
    for row in _judged(ATTEMPT, rows, told.pass_percent):
        _log(row, (QUIZ, quiz), told.course, {"attempt": row.name})
    _complete_by("quiz", quiz)


def judge_assignment(assignment: str) -> None:
    """Say of each graded version of an assignment whether it is passed now, and complete its lesson likewise."""
    told = assignment_content.of(assignment)
    _lock_pupils(told.course)
    rows = frappe.db.sql(
        "SELECT name, student, state, points, most, is_passed FROM `tabAcademy Submission`"
        " WHERE assignment = %s AND is_whole = 1 ORDER BY name FOR UPDATE",
        assignment,
        as_dict=True,
    )
    for row in _judged(SUBMISSION, rows, told.pass_percent):
        # What a teacher keeps to themselves is no news yet.
        if row.state == assignments.GRADED:
            _log(row, (ASSIGNMENT, assignment), told.course, {"submission": row.name})
    _complete_by("assignment", assignment)


def complete(lesson: str, after: str = "") -> None:
    """Complete a lesson for everybody who did what it asks for now, in a course that they are learning in.

    Only the first are completed now, the others by jobs. after: the last enrolment that was seen to, in their order.
    """
    asked = frappe.db.get_value(LESSON, lesson, ["course", "completion_rule", "quiz", "assignment"], as_dict=True)
    if asked is None or asked.completion_rule not in _MEETS:
        return
    learning = _lock_pupils(asked.course)
    meets = _MEETS[asked.completion_rule](asked)
    done = {"lesson": lesson, "is_completed": 1}
    completed = {*frappe.get_all(progress.PROGRESS, done, pluck="enrollment")}
    found = _by_enrolment(asked)
    due = sorted(one for one in found if one > after and one in learning and one not in completed and meets(found[one]))
    for enrollment in due[:AT_ONCE]:
        progress.fulfil(enrollment, lesson)
    if len(due) > AT_ONCE:
        frappe.enqueue(
            "lms_app.services.passing.complete",
            queue="long",
            enqueue_after_commit=True,
            lesson=lesson,
            after=due[AT_ONCE - 1],
        )


def _complete_by(field: str, name: str) -> None:
    if lesson := frappe.db.get_value(LESSON, {field: name}, "name"):
        complete(lesson)


def _lock_pupils(course: str) -> set[str]:
    """Lock a course and its enrolments; return those of pupils who are learning."""
    enrolment.lock(course)
    rows = frappe.db.sql(
        "SELECT name, state FROM `tabAcademy Enrollment` WHERE course = %s ORDER BY name FOR UPDATE", course
    )
    return {name for name, state in rows if state in seats.LEARNING}


def _judged(doctype: str, rows: Sequence[frappe._dict], needed: float) -> list[frappe._dict]:
    """Write down which rows are passed now, and return those that were not what they are."""
    changed = []
    for row in rows:
        percent = attempts.percent(attempts.exact(row.points), attempts.exact(row.most))
        if (is_passed := int(attempts.is_passed(percent, needed))) != row.is_passed:
            frappe.db.set_value(doctype, row.name, "is_passed", is_passed)
            changed.append(frappe._dict(row, is_passed=is_passed, percent=round(float(percent), 2)))
    return changed


def _log(row: frappe._dict, thing: tuple[str, str], course: str, said: dict[str, str]) -> None:
    verb = events.PASSED if row.is_passed else events.FAILED
    events.log(row.student, verb, thing, course, {**said, "percent": row.percent})


def _by_enrolment(asked: frappe._dict) -> dict[str, list[frappe._dict]]:
    """Return what pupils did of what a lesson asks for, the first one first, by their enrolments."""
    field, doctype, order = (
        ("quiz", ATTEMPT, "attempt_no")
        if asked.completion_rule == completion.QUIZ
        else ("assignment", SUBMISSION, "version")
    )
    found: dict[str, list[frappe._dict]] = {}
    for row in frappe.db.sql(
        f"SELECT enrollment, state, points, most FROM `tab{doctype}` WHERE `{field}` = %s"  # noqa: S608 - ours
        f" ORDER BY `{order}` LOCK IN SHARE MODE",
        asked[field],
        as_dict=True,
    ):
        found.setdefault(row.enrollment, []).append(row)
    return found


# Says of what a pupil did whether it is enough.
_Verdict = Callable[[Sequence[frappe._dict]], bool]


def _by_passed_quiz(asked: frappe._dict) -> _Verdict:
    told = quiz_content.of(asked.quiz)
    return lambda own: attempts.is_passed(grading.result(told, [*own]), told.pass_percent)


def _by_handed_in(_: frappe._dict) -> _Verdict:
    return lambda own: any(row.state != assignments.DRAFT for row in own)


def _by_passed_assignment(asked: frappe._dict) -> _Verdict:
    told = assignment_content.of(asked.assignment)
    return lambda own: attempts.is_passed(assignment_grading.result(told, own), told.pass_percent)


_MEETS: dict[str, Callable[[frappe._dict], _Verdict]] = {
    completion.QUIZ: _by_passed_quiz,
    completion.SUBMITTED: _by_handed_in,
    completion.GRADED: _by_passed_assignment,
}
