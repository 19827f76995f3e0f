"""What quizzes are made of: their rules, their questions with all that is right, and who gets to them."""

from collections.abc import Iterable
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import access, attempts, drawing, outline, progress, questions, reasons, rights

QUIZ, QUESTION, BANK = "Academy Quiz", "Academy Question", "Academy Question Bank"
ATTEMPT, ANSWER, OVERRIDE = "Academy Quiz Attempt", "Academy Quiz Answer", "Academy Override"
FIXED, RANDOM = "Fixed", "Random"

_QUIZ = (
    *(
        "name",
        "title",
        "course",
        "intro",
        "shuffle_questions",
        "shuffle_options",
        "per_page",
        "pass_percent",
        "grading",
    ),
    *("attempts", "cooldown", "time_limit", "grace", "opens_on", "closes_on", "review", "review_when"),
)
_QUESTION = ("name", "kind", "body", "points", "is_partial", "is_case_sensitive", "truth", "explanation")
_OPTION = ("parent", "name", "text", "key", "weight", "tolerance", "gap", "feedback")


def check(quiz: Document) -> None:
    """Refuse a quiz with questions of another course, or with more than there are."""
    for row in quiz.slots:
        is_fixed = row.kind == FIXED
        row.question, row.bank = (row.question, None) if is_fixed else (None, row.bank)
        row.count = 1 if is_fixed else max(1, row.count or 0)
        if not (row.question or row.bank):
            frappe.throw(_("Row {0}: {1}").format(row.idx, reasons.words("no_question")))
        source, name = (QUESTION, row.question) if is_fixed else (BANK, row.bank)
        if frappe.db.get_value(source, name, "course") != quiz.course:
            frappe.throw(_("Row {0}: {1}").format(row.idx, reasons.words("foreign_question")))
    try:
        drawing.draw([_slot(row, _bank(row.bank)) for row in quiz.slots], drawing.generator(""), is_shuffled=False)
    except drawing.TooFewQuestionsError:
        frappe.throw(reasons.words(drawing.TOO_FEW))


def entrance(user: str, quiz: str) -> frappe._dict:
    """Return what stands around a quiz for somebody, whether it is open to them or not.

    quiz (its fields), lesson (name, slug, title, completion_rule), course (name, slug, title), decision, enrolment
    (None without one), viewer. Raises DeniedError for a quiz that is in no lesson, and for a course that is not for
    this user at all.
    """
    fields = ", ".join(f"q.`{field}`" for field in _QUIZ)
    rows = frappe.db.sql(
        f"SELECT {fields}, l.name lesson, l.slug lesson_slug, l.title lesson_title, l.completion_rule,"  # noqa: S608 - ours
        " c.slug course_slug, c.title course_title, c.status, c.visibility FROM `tabAcademy Quiz` q"
        " JOIN `tabAcademy Lesson` l ON l.quiz = q.name JOIN `tabAcademy Course` c ON c.name = q.course"
        " WHERE q.name = %s",
        quiz,
        as_dict=True,
    )
    reasons.deny("" if rows else rights.UNKNOWN)
    row = rows[0]
    enrolled = access.enrolment_of(user, row.course) if user != rights.GUEST else None
    viewer = access.viewer(user, row.course, state=enrolled.state if enrolled else "")
    reasons.deny(rights.see_course(row.status, row.visibility, viewer))
    return frappe._dict(
        quiz=frappe._dict({field: row[field] for field in _QUIZ}),
        lesson=frappe._dict(
            name=row.lesson, slug=row.lesson_slug, title=row.lesson_title, completion_rule=row.completion_rule
        ),
        course=frappe._dict(name=row.course, slug=row.course_slug, title=row.course_title),
        decision=progress.decision_on(user, row.course, row.lesson),
        enrolment=enrolled,
        viewer=viewer,
    )


def demand(found: frappe._dict) -> None:
    """Let through for whom a quiz is open as a pupil, by what `entrance` says."""
    outline.demand(found.decision)
    reasons.deny(rights.LOG_IN if found.viewer.is_guest else "")
    reasons.deny("" if found.enrolment else rights.NOT_ENROLLED)
    reasons.deny(rights.OF_STATE.get(found.enrolment.state, ""))


def rules(quiz: frappe._dict, student: str | None) -> attempts.Rules:
    """Return the rules of a quiz as they are for a pupil: the quiz's, and what an override gives beyond them."""
    given = student and frappe.db.get_value(
        OVERRIDE,
        {"item_type": QUIZ, "item": quiz.name, "student": student},
        ["extra_minutes", "extra_attempts", "opens_on", "closes_on"],
        as_dict=True,
    )
    override = given and attempts.Override(given.extra_minutes, given.extra_attempts, given.opens_on, given.closes_on)
    return attempts.overridden(
        attempts.Rules(quiz.attempts, quiz.time_limit, quiz.cooldown, quiz.grace, quiz.opens_on, quiz.closes_on),
        override or None,
    )


def of(name: str) -> frappe._dict:
    """Return the fields of a quiz."""
    return frappe.db.get_value(QUIZ, name, _QUIZ, as_dict=True)


def slots(quiz: str) -> list[drawing.Slot]:
    """Return the places of a quiz with the questions that each may hold, in one query."""
    rows = frappe.db.sql(
        "SELECT s.idx, s.kind, s.question, s.count, s.points, q.name drawn FROM `tabAcademy Quiz Slot` s"
        " LEFT JOIN `tabAcademy Question` q ON q.bank = s.bank AND s.kind = %s"
        " WHERE s.parent = %s AND s.parenttype = %s ORDER BY s.idx, q.name",
        (RANDOM, quiz, QUIZ),
        as_dict=True,
    )
    places: dict[int, tuple[frappe._dict, list[str]]] = {}
    for row in rows:
        places.setdefault(row.idx, (row, []))[1].extend([row.drawn] if row.drawn else [])
    return [_slot(row, pool) for row, pool in places.values()]


def load(names: Iterable[str]) -> dict[str, frappe._dict]:
    """Return questions by their names: body, points, explanation, and question (what decides about answers)."""
    wanted = {"names": (*names, "")}
    rows = frappe.db.sql(
        f"SELECT {_columns(_QUESTION)} FROM `tabAcademy Question` WHERE name IN %(names)s",  # noqa: S608 - our columns
        wanted,
        as_dict=True,
    )
    options: dict[str, list[dict[str, Any]]] = {}
    for option in frappe.db.sql(
        f"SELECT {_columns(_OPTION)} FROM `tabAcademy Question Option`"  # noqa: S608 - our columns
        " WHERE parent IN %(names)s AND parenttype = 'Academy Question' ORDER BY parent, idx",
        wanted,
        as_dict=True,
    ):
        options.setdefault(option.parent, []).append(option)
    for row in rows:
        row.question = questions.read(row, options.get(row.name, []))
    return {row.name: row for row in rows}


def _slot(row: Any, pool: list[str]) -> drawing.Slot:
    fixed = [row.question] if row.kind == FIXED else None
    return drawing.Slot(fixed or pool, row.count, row.points or None)


def _bank(bank: str | None) -> list[str]:
    return frappe.get_all(QUESTION, {"bank": bank}, pluck="name", order_by="name") if bank else []


def _columns(fields: Iterable[str]) -> str:
    return ", ".join(f"`{field}`" for field in fields)
