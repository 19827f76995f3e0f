"""What quizzes are made of: their rules, their questions with all that is right, and who gets to them."""

from collections.abc import Iterable
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import attempts, drawing, entrances, questions, reasons

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
    """Return what stands around a quiz for somebody, as `entrances.around` does, but with it as quiz."""
    found = entrances.around(user, QUIZ, quiz, _QUIZ)
    return found.update(quiz=found.pop("item"))


def rules(quiz: frappe._dict, student: str | None) -> attempts.Rules:
    """Return the rules of a quiz as they are for a pupil: the quiz's, and what an override gives beyond them."""
    given = student and frappe.db.get_value(
        OVERRIDE,
        {"item_type": QUIZ, "item": quiz.name, "student": student},
        ["extra_minutes", "extra_attempts", "opens_on", "closes_on"],
        as_dict=True,
    )
    override = given and attempts.Override(given.extra_minutes, given.extra_attempts, given.opens_on, given.closes_on)
    return attempts.overridden(of_all(quiz), override or None)


def of_all(quiz: frappe._dict) -> attempts.Rules:
    """Return the rules of a quiz as they are for everybody without an override."""
    return attempts.Rules(quiz.attempts, quiz.time_limit, quiz.cooldown, quiz.grace, quiz.opens_on, quiz.closes_on)


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
