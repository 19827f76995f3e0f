"""What the pages of quizzes show: what awaits a pupil, the questions of an attempt, and afterwards what may be seen."""

import re
from datetime import timedelta
from typing import Any

import frappe
from frappe.utils import format_time, now_datetime

from lms_app.services import (
    access,
    attempts,
    grading,
    markup,
    outline,
    quiz_content,
    quiz_engine,
    reasons,
    review,
    rights,
    scoring,
    seats,
)

SOON = timedelta(days=7)


def quiz_page(quiz: str, user: str) -> frappe._dict:
    """Return what the page of a quiz shows.

    quiz (title, html: the introduction, clean, count: how many questions, and its rules), lesson, course, decision,
    rules (as they are for this pupil), tried (attempts: name, attempt_no, state, submitted_on, percent and is_passed as
    far as they may be seen), under_way (the attempt to go on with, or None), left (None for any number), best (percent,
    None before there is one), is_passed, obstacle (words; why no attempt can begin), viewer. Raises DeniedError for a
    course that is not for this user at all.
    """
    page = quiz_content.entrance(user, quiz)
    student = page.enrolment.student if page.enrolment else None
    page.rules = quiz_content.rules(page.quiz, student)
    tried = quiz_engine.history(quiz, student) if student else []
    own = [row for row in tried if row.enrollment == page.enrolment.name] if student else []
    page.quiz.html = markup.from_markdown(page.quiz.intro)
    page.quiz.count = sum(slot.count for slot in quiz_content.slots(quiz))
    page.left = attempts.left(page.rules, len(own))
    page.under_way = next((row.name for row in own if row.state == attempts.IN_PROGRESS), None)
    shown = _level(page.quiz, page.rules, page.left, is_under_way=bool(page.under_way))
    reached = grading.result(page.quiz, own)
    is_seen = review.shows(shown, review.SCORE)
    page.is_passed = is_seen and attempts.is_passed(reached, page.quiz.pass_percent)
    page.best = attempts.shown(reached) if is_seen and reached is not None else None
    page.tried = [_listed(row, is_seen=is_seen) for row in own if row.state != attempts.IN_PROGRESS]
    page.obstacle = ""
    if page.decision.is_allowed and not page.under_way:
        page.obstacle = _obstacle(page, own)
    return page


def attempt_page(attempt: str, user: str) -> frappe._dict:
    """Return what the page of an attempt shows, to nobody but its pupil.

    attempt (name, attempt_no, state, submitted_on), quiz (its fields), course and lesson (slug, title).
    Under way: questions (position, kind, parts, items, targets, response, seq, saved, points), is_over, seconds_left
    (None without a limit). Afterwards level, and as far as it goes: percent, points, most, is_passed, and answers (see
    `review.of_answer`; with html: the question, clean). Raises DeniedError for everybody else.
    """
    row = _attempt(attempt, user)
    quiz = quiz_content.of(row.quiz)
    page = frappe._dict(
        attempt=frappe._dict(name=attempt, attempt_no=row.attempt_no, state=row.state, submitted_on=row.submitted_on),
        quiz=quiz,
        course=frappe._dict(slug=row.course_slug, title=row.course_title),
        lesson=frappe._dict(slug=row.lesson_slug, title=row.lesson_title),
    )
    answers = _answers(attempt)
    if row.state == attempts.IN_PROGRESS:
        reasons.deny("" if row.enrolled in seats.LEARNING else rights.OF_STATE.get(row.enrolled, rights.NOT_ENROLLED))
        now = now_datetime()
        page.questions = [_question(answer) for answer in answers]
        page.is_over = attempts.is_over(row.deadline, 0, now)
        page.seconds_left = quiz_engine.seconds_left(row.deadline, now)
        return page
    return page.update(_reviewed(quiz, row, answers))


def closing_soon(user: str) -> list[frappe._dict]:
    """Return the quizzes that close to a pupil within a week and are not done with, in their order; in two queries.

    A row has quiz, title, course_title and closes_on. Done with is one that was handed in, unless the pupil sees that
    it is not passed, and has attempts left.
    """
    now = now_datetime()
    rows = frappe.db.sql(
        "SELECT q.name, q.title, q.attempts, q.cooldown, q.time_limit, q.grace, q.opens_on, q.closes_on,"
        " q.pass_percent, q.grading, q.review, q.review_when, c.title course_title, e.name enrollment,"
        " o.extra_minutes, o.extra_attempts, o.opens_on own_opens_on, o.closes_on own_closes_on"
        " FROM `tabAcademy Student` s"
        " JOIN `tabAcademy Enrollment` e ON e.student = s.name AND e.state = %(active)s"
        " JOIN `tabAcademy Course` c ON c.name = e.course AND c.status IN %(shown)s"
        " JOIN `tabAcademy Quiz` q ON q.course = e.course"
        " JOIN `tabAcademy Lesson` l ON l.quiz = q.name AND l.status = %(published)s"
        " LEFT JOIN `tabAcademy Override` o ON o.item_type = %(kind)s AND o.item = q.name AND o.student = s.name"
        " WHERE s.user = %(user)s AND COALESCE(o.closes_on, q.closes_on) BETWEEN %(now)s AND %(soon)s",
        {
            "user": user,
            "active": seats.ACTIVE,
            "shown": (rights.PUBLISHED, rights.ARCHIVED),
            "published": outline.PUBLISHED,
            "kind": quiz_content.QUIZ,
            "now": now,
            "soon": now + SOON,
        },
        as_dict=True,
    )
    tried = _tried([row.enrollment for row in rows], [row.name for row in rows])
    found = []
    for row in rows:
        given = attempts.Override(row.extra_minutes or 0, row.extra_attempts or 0, row.own_opens_on, row.own_closes_on)
        rules = attempts.overridden(quiz_content.of_all(row), given)
        if not _is_done(row, rules, tried.get((row.enrollment, row.name), [])):
            told = {"quiz": row.name, "title": row.title, "course_title": row.course_title}
            found.append(frappe._dict(told, closes_on=rules.closes_on))
    return sorted(found, key=lambda row: (row.closes_on, row.quiz))


def results_of(student: str) -> list[dict[str, Any]]:
    """Return all attempts of a pupil with their own answers, each as far as its review policy lets them see it now."""
    rows = frappe.db.sql(
        "SELECT t.name, t.quiz, t.student, t.enrollment, t.attempt_no, t.state, t.started_on, t.deadline,"
        " t.submitted_on, t.points, t.most, t.percent, t.is_passed FROM `tabAcademy Quiz Attempt` t"
        " WHERE t.student = %s ORDER BY t.started_on, t.name",
        student,
        as_dict=True,
    )
    kept = ("name", "quiz", "enrollment", "attempt_no", "state", "started_on", "deadline", "submitted_on")
    found = []
    for row in rows:
        answers = _answers(row.name)
        if row.state == attempts.IN_PROGRESS:
            told: dict[str, Any] = {"answers": [_said(answer) for answer in answers]}
        else:
            told = _reviewed(quiz_content.of(row.quiz), row, answers)
            told["answers"] = told["answers"] or [_said(answer) for answer in answers]
        found.append({**{field: row[field] for field in kept}, **told})
    return found


def _tried(enrollments: list[str], quizzes: list[str]) -> dict[tuple[str, str], list[frappe._dict]]:
    """Return the attempts of enrolments at quizzes by both, the first one first."""
    found: dict[tuple[str, str], list[frappe._dict]] = {}
    if not enrollments:
        return found
    for row in frappe.db.sql(
        "SELECT enrollment, quiz, state, points, most FROM `tabAcademy Quiz Attempt`"
        " WHERE enrollment IN %s AND quiz IN %s ORDER BY attempt_no",
        (enrollments, quizzes),
        as_dict=True,
    ):
        found.setdefault((row.enrollment, row.quiz), []).append(row)
    return found


def _is_done(quiz: frappe._dict, rules: attempts.Rules, own: list[frappe._dict]) -> bool:
    """Say whether a pupil has nothing left to do in a quiz, by no more than what they are shown of it."""
    if not own or any(row.state == attempts.IN_PROGRESS for row in own):
        return False
    left = attempts.left(rules, len(own))
    if left == 0 or not review.shows(_level(quiz, rules, left, is_under_way=False), review.SCORE):
        return True
    reached = grading.result(quiz, own)
    return reached is None or attempts.is_passed(reached, quiz.pass_percent)


def _reviewed(quiz: frappe._dict, row: frappe._dict, answers: list[frappe._dict]) -> dict[str, Any]:
    """Return what a pupil sees of an attempt that was handed in."""
    rules = quiz_content.rules(quiz, row.student)
    own = {"quiz": quiz.name, "enrollment": row.enrollment}
    states = frappe.get_all(quiz_content.ATTEMPT, own, pluck="state")
    is_under_way = attempts.IN_PROGRESS in states
    shown = _level(quiz, rules, attempts.left(rules, len(states)), is_under_way=is_under_way)
    found: dict[str, Any] = {"level": shown, "answers": []}
    if review.shows(shown, review.SCORE) and row.state == attempts.GRADED:
        found |= {"percent": _percent(row), "points": row.points, "most": row.most, "is_passed": bool(row.is_passed)}
    if review.shows(shown, review.MARKS):
        known = quiz_content.load(answer.question for answer in answers)
        found["answers"] = [_of_answer(shown, answer, known.get(answer.question)) for answer in answers]
    return found


def _of_answer(shown: str, answer: frappe._dict, question: frappe._dict | None) -> dict[str, Any]:
    asked = frappe.parse_json(answer.shown)
    row = {**answer, **_read(answer), "explanation": question.explanation if question else ""}
    seen = review.of_answer(shown, question.question if question else None, asked, row)
    seen["html"] = markup.from_markdown(scoring.GAP.sub(r"(\1) …", seen.pop("body")))
    if seen.get("explanation"):
        seen["explanation"] = markup.from_markdown(seen["explanation"])
    return seen


def _said(answer: frappe._dict) -> dict[str, Any]:
    """Return a question and what was answered, in words."""
    asked = frappe.parse_json(answer.shown)
    said = review.said(asked, _read(answer)["response"])
    return {"position": answer.position, "kind": asked["kind"], "body": asked["body"], "answer": said}


def _question(answer: frappe._dict) -> frappe._dict:
    """Return a question as its pupil answers it."""
    asked = frappe.parse_json(answer.shown)
    html = markup.from_markdown(asked["body"])
    # Between the pieces of HTML stand the numbers of the gaps.
    pieces = re.split(scoring.GAP, html) if asked["kind"] == scoring.CLOZE else [html]
    parts = [
        {"html": piece, "gap": int(gap) if gap else 0}
        for piece, gap in zip(pieces[::2], [*pieces[1::2], None], strict=True)
    ]
    response = _read(answer)["response"]
    if asked["kind"] == scoring.ORDERING and response:
        asked["items"].sort(key=lambda item: response.index(item["id"]))
    return frappe._dict(
        position=answer.position,
        kind=asked["kind"],
        parts=parts,
        items=asked["items"],
        targets=asked["targets"],
        response=response,
        seq=answer.seq,
        saved=format_time(answer.saved_on, "HH:mm") if answer.saved_on else "",
        points=answer.most,
    )


def _read(answer: frappe._dict) -> dict[str, Any]:
    return {
        "response": frappe.parse_json(answer.response) if answer.response else None,
        "refs": frappe.parse_json(answer.refs),
    }


def _level(quiz: frappe._dict, rules: attempts.Rules, left: int | None, *, is_under_way: bool) -> str:
    is_closed = bool(rules.closes_on and rules.closes_on <= now_datetime())
    when = {"is_closed": is_closed, "attempts_left": left, "is_under_way": is_under_way}
    return review.level(quiz.review, quiz.review_when, **when)


def _listed(row: frappe._dict, *, is_seen: bool) -> frappe._dict:
    is_known = is_seen and row.state == attempts.GRADED
    return frappe._dict(
        name=row.name,
        attempt_no=row.attempt_no,
        state=row.state,
        submitted_on=row.submitted_on,
        percent=_percent(row) if is_known else None,
        is_passed=bool(is_known and row.is_passed),
    )


def _percent(row: frappe._dict) -> int:
    return attempts.shown(attempts.percent(attempts.exact(row.points), attempts.exact(row.most)))


def _obstacle(page: frappe._dict, own: list[frappe._dict]) -> str:
    """Return in words why no attempt can begin; nothing if one can."""
    if page.viewer.is_guest:
        return reasons.words(rights.LOG_IN)
    if not page.enrolment or page.enrolment.state not in seats.LEARNING:
        state = page.enrolment.state if page.enrolment else ""
        return reasons.words(rights.OF_STATE.get(state, rights.NOT_ENROLLED))
    ended = own[-1].submitted_on if own else None
    reason, until = attempts.obstacle(page.rules, len(own), ended, now_datetime())
    return access.Decision(reason, until).words


def _attempt(attempt: str, user: str) -> frappe._dict:
    rows = frappe.db.sql(
        "SELECT t.name, t.quiz, t.student, t.enrollment, t.attempt_no, t.state, t.deadline, t.submitted_on, t.points,"
        " t.most, t.percent, t.is_passed, s.user, e.state enrolled, c.slug course_slug, c.title course_title,"
        " l.slug lesson_slug, l.title lesson_title FROM `tabAcademy Quiz Attempt` t"
        " JOIN `tabAcademy Student` s ON s.name = t.student JOIN `tabAcademy Enrollment` e ON e.name = t.enrollment"
        " JOIN `tabAcademy Course` c ON c.name = t.course LEFT JOIN `tabAcademy Lesson` l ON l.name = t.lesson"
        " WHERE t.name = %s",
        attempt,
        as_dict=True,
    )
    reasons.deny(rights.LOG_IN if user == rights.GUEST else "")
    reasons.deny("" if rows and rows[0].user == user else rights.UNKNOWN)
    return rows[0]


def _answers(attempt: str) -> list[frappe._dict]:
    return frappe.db.sql(
        "SELECT position, question, shown, refs, response, seq, saved_on, points, most, needs_grade, comment"
        " FROM `tabAcademy Quiz Answer` WHERE parent = %s AND parenttype = %s ORDER BY position",
        (attempt, quiz_content.ATTEMPT),
        as_dict=True,
    )
