"""Quizzes while they are taken: what an attempt is made of, what is written into it, and when it ends.

Locks are taken in one order, course before enrolment before attempt before answer, so that nobody waits in a circle.
"""

from collections.abc import Mapping
from datetime import datetime
from secrets import token_hex
from typing import Any

import frappe
from frappe.utils import now_datetime

from lms_app.services import attempts, drawing, entrances, grading, quiz_content, reasons, responses, rights, seats
from lms_app.services.quiz_content import ANSWER, ATTEMPT

# What fits into a field of whole numbers.
LAST_SEQ = 2**31 - 1
_ROW = (
    *("name", "creation", "modified", "owner", "modified_by", "docstatus", "idx"),
    *("parent", "parenttype", "parentfield"),
)
_ANSWER = ("position", "question", "most", "shown", "refs", "seq", "points", "needs_grade")


def start(user: str, quiz: str) -> str:
    """Let a pupil begin a quiz; return the attempt, which is the one that is under way if there is one.

    Raises DeniedError for whom the quiz is not open, RefusedError with the reason why no attempt can begin now.
    """
    found = quiz_content.entrance(user, quiz)
    entrances.demand(found)
    enrolled = found.enrolment
    for row in history(quiz, enrolled.student):
        if row.state == attempts.IN_PROGRESS and attempts.is_over(row.deadline, found.quiz.grace, now_datetime()):
            _finish(row.name)
    state = frappe.db.get_value("Academy Enrollment", enrolled.name, "state", for_update=True)
    reasons.deny("" if state in seats.LEARNING else rights.OF_STATE.get(state, rights.NOT_ENROLLED))
    before, now = history(quiz, enrolled.student), now_datetime()
    # A run of a course has attempts of its own, whatever became of those in one before.
    own = [row for row in before if row.enrollment == enrolled.name]
    if under_way := next((row.name for row in own if row.state == attempts.IN_PROGRESS), None):
        return under_way
    rules = quiz_content.rules(found.quiz, enrolled.student)
    reason, until = attempts.obstacle(rules, len(own), own[-1].submitted_on if own else None, now)
    reasons.refuse(reason, until)
    number = before[-1].attempt_no + 1 if before else 1
    return _begin(found, rules, number, now)


def history(quiz: str, student: str) -> list[frappe._dict]:
    """Return the attempts of a pupil at a quiz, the first one first."""
    return frappe.db.sql(
        "SELECT name, enrollment, attempt_no, state, started_on, deadline, submitted_on, points, most, percent,"
        " is_passed FROM `tabAcademy Quiz Attempt` WHERE quiz = %s AND student = %s ORDER BY attempt_no",
        (quiz, student),
        as_dict=True,
    )


def save(user: str, attempt: str, position: int, response: Any, seq: int) -> frappe._dict:
    """Keep an answer; return is_kept, seq and saved_on (of what is kept now), and seconds_left (None without a limit).

    seq: grows with each answer to a question; what comes with an older one came late, and is not kept. The same again
    changes nothing. Raises MalformedError for what the page could not have sent, DeniedError for somebody else's
    attempt, RefusedError after its end.
    """
    row = _row(user, attempt, position)
    reasons.reject("" if row.answer else "unknown_question")
    reasons.reject("" if 0 < seq <= LAST_SEQ else "bad_answer")
    written = _written(row, response)
    [locked] = frappe.db.sql(
        "SELECT t.state, t.deadline, a.seq, a.saved_on, a.response FROM `tabAcademy Quiz Attempt` t"
        " JOIN `tabAcademy Quiz Answer` a ON a.parent = t.name WHERE t.name = %s AND a.name = %s FOR UPDATE",
        (attempt, row.answer),
        as_dict=True,
    )
    now = now_datetime()
    reasons.refuse("" if locked.state == attempts.IN_PROGRESS else "already_submitted")
    reasons.refuse("time_over" if attempts.is_over(locked.deadline, row.grace, now) else "")
    kept = frappe._dict(is_kept=True, seq=seq, saved_on=now, seconds_left=seconds_left(locked.deadline, now))
    if seq <= locked.seq:
        kept.update(is_kept=written == locked.response, seq=locked.seq, saved_on=locked.saved_on)
        return kept
    frappe.db.sql(
        "UPDATE `tabAcademy Quiz Answer` SET response = %s, seq = %s, saved_on = %s, modified = %s WHERE name = %s",
        (written, seq, now, now, row.answer),
    )
    return kept


def clock(user: str, attempt: str) -> frappe._dict:
    """Return is_under_way and seconds_left (None without a limit) of an attempt, by the clock that counts."""
    row = _row(user, attempt)
    is_under_way = row.state == attempts.IN_PROGRESS
    return frappe._dict(is_under_way=is_under_way, seconds_left=seconds_left(row.deadline, now_datetime()))


def save_form(user: str, attempt: str, form: Mapping[str, Any]) -> None:
    """Keep the answers of a form that holds a whole attempt, where they differ from what is kept already."""
    _row(user, attempt)
    rows = frappe.get_all(ANSWER, {"parent": attempt, "parenttype": ATTEMPT}, ["position", "shown", "response", "seq"])
    for row in rows:
        response = responses.of_form(frappe.parse_json(row.shown), f"q{row.position}", form)
        if _written(row, response) != (row.response or None):
            save(user, attempt, row.position, response, row.seq + 1)


def submit_form(user: str, attempt: str, form: Mapping[str, Any]) -> None:
    """Hand in an attempt with the answers of a form; those that come too late are left out, and the others count."""
    row = _row(user, attempt)
    if row.state == attempts.IN_PROGRESS and not attempts.is_over(row.deadline, row.grace, now_datetime()):
        save_form(user, attempt, form)
    submit(user, attempt)


def submit(user: str, attempt: str) -> None:
    """Hand an attempt in and grade it, once; whoever does it again changes nothing."""
    row = _row(user, attempt)
    if row.state == attempts.IN_PROGRESS:
        _finish(attempt)


def submit_overdue() -> None:
    """Hand in every attempt whose time is over; a job runs it every five minutes."""
    overdue = frappe.db.sql(
        "SELECT t.name FROM `tabAcademy Quiz Attempt` t JOIN `tabAcademy Quiz` q ON q.name = t.quiz"
        " WHERE t.state = %s AND t.deadline < TIMESTAMPADD(SECOND, -q.grace, %s) ORDER BY t.deadline",
        (attempts.IN_PROGRESS, now_datetime()),
    )
    for (name,) in overdue:
        try:
            _finish(name)
        except Exception:
            # One that cannot be graded must not keep the others waiting.
            frappe.db.rollback()
            frappe.log_error("An attempt could not be handed in", reference_doctype=ATTEMPT, reference_name=name)
        # Each by itself, so that no course stays locked for all of them.
        frappe.db.commit()


def extend(quiz: str, student: str = "") -> None:
    """Let the attempts at a quiz that are under way, or a pupil's alone, end when the rules say so now."""
    wanted = {"quiz": quiz, "state": attempts.IN_PROGRESS, **({"student": student} if student else {})}
    for running in frappe.get_all(ATTEMPT, wanted, ["name", "student", "started_on"]):
        rules = quiz_content.rules(quiz_content.of(quiz), running.student)
        frappe.db.set_value(ATTEMPT, running.name, "deadline", attempts.deadline(rules, running.started_on))


def seconds_left(ends: datetime | None, now: datetime) -> int | None:
    """Return how long an attempt lasts yet; None without an end."""
    return max(0, round((ends - now).total_seconds())) if ends else None


def _written(row: frappe._dict, response: Any) -> str | None:
    """Return an answer as it is kept; raises MalformedError for what is none to this question."""
    try:
        given = responses.checked(frappe.parse_json(row.shown), response)
    except responses.InvalidAnswerError as fault:
        reasons.reject(fault.reason)
    return None if given is None else frappe.as_json(given, indent=None)


def _row(user: str, attempt: str, position: int = 0) -> frappe._dict:
    """Return what an answer needs of somebody's attempt, in one query; answer is None for a position that is none."""
    rows = frappe.db.sql(
        "SELECT t.name, t.state, t.deadline, q.grace, s.user, e.state enrolled, a.name answer, a.shown, a.seq,"
        " a.response FROM `tabAcademy Quiz Attempt` t JOIN `tabAcademy Quiz` q ON q.name = t.quiz"
        " JOIN `tabAcademy Student` s ON s.name = t.student JOIN `tabAcademy Enrollment` e ON e.name = t.enrollment"
        " LEFT JOIN `tabAcademy Quiz Answer` a ON a.parent = t.name AND a.parenttype = %s AND a.position = %s"
        " WHERE t.name = %s",
        (ATTEMPT, position, attempt),
        as_dict=True,
    )
    reasons.deny("" if rows and rows[0].user == user else rights.UNKNOWN)
    reasons.deny(
        "" if rows[0].enrolled in seats.LEARNING else rights.OF_STATE.get(rows[0].enrolled, rights.NOT_ENROLLED)
    )
    return rows[0]


def _begin(found: frappe._dict, rules: attempts.Rules, number: int, now: datetime) -> str:
    """Draw an attempt and write it down; return its name, or that of the same one by another window."""
    seed = token_hex(16)
    answers = _drawn(found.quiz, seed)
    attempt = frappe.get_doc(
        {
            "doctype": ATTEMPT,
            "quiz": found.quiz.name,
            "course": found.course.name,
            "lesson": found.lesson.name,
            "student": found.enrolment.student,
            "enrollment": found.enrolment.name,
            "attempt_no": number,
            "state": attempts.IN_PROGRESS,
            "started_on": now,
            "deadline": attempts.deadline(rules, now),
            "most": sum(answer[_ANSWER.index("most")] for answer in answers),
            "seed": seed,
        }
    )
    try:
        attempt.db_insert()
    except frappe.UniqueValidationError:
        # Another window was first, after this transaction had taken its picture; only a locking read sees it.
        frappe.clear_last_message()
        same = {"quiz": found.quiz.name, "student": found.enrolment.student, "attempt_no": number}
        return frappe.db.get_value(ATTEMPT, same, "name", for_update=True)
    user = frappe.session.user
    rows = [
        (frappe.generate_hash(length=10), now, now, user, user, 0, place, attempt.name, ATTEMPT, "answers", *answer)
        for place, answer in enumerate(answers, 1)
    ]
    frappe.db.bulk_insert(ANSWER, [*_ROW, *_ANSWER], rows)
    return attempt.name


def _drawn(quiz: frappe._dict, seed: str) -> list[tuple[Any, ...]]:
    """Return the rows of answers of a new attempt, by _ANSWER."""
    chance = drawing.generator(seed)
    try:
        drawn = drawing.draw(quiz_content.slots(quiz.name), chance, is_shuffled=bool(quiz.shuffle_questions))
    except drawing.TooFewQuestionsError:
        reasons.refuse(drawing.TOO_FEW)
    reasons.refuse("" if drawn else drawing.TOO_FEW)
    known = quiz_content.load(name for name, _ in drawn)
    rows = []
    for position, (name, points) in enumerate(drawn, 1):
        row = known[name]
        shown = drawing.show(row.question, row.body, chance, is_shuffled=bool(quiz.shuffle_options))
        asked = {"kind": row.question.kind, "body": row.body, "items": shown.items}
        asked |= {"targets": shown.targets, "gaps": shown.gaps}
        most = points if points is not None else row.points
        rows.append((position, name, most, *(frappe.as_json(one, indent=None) for one in (asked, shown.refs)), 0, 0, 0))
    return rows


def _finish(attempt: str) -> None:
    """Hand in and grade an attempt that is under way, and do nothing with any other."""
    locked = grading.lock(attempt)
    if locked.state != attempts.IN_PROGRESS:
        return
    now = now_datetime()
    grading.mark(locked, min(now, locked.deadline) if locked.deadline else now)
