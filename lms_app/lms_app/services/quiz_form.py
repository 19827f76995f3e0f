"""Quizzes as those see and write them who may change the course: what is asked, and by which rules."""

from collections.abc import Mapping, Sequence
from typing import Any

import frappe

from lms_app.services import attempts, documents, markup, moments, numbers, reasons, review, rights
from lms_app.services.quiz_content import ATTEMPT, BANK, FIXED, OVERRIDE, QUESTION, QUIZ, RANDOM

LONGEST_TITLE, LONGEST_TEXT = 140, 20_000
MOST_SLOTS, MOST = 200, 100_000
NUMBERS = ("attempts", "cooldown", "time_limit", "grace", "per_page")
CHECKS = ("shuffle_questions", "shuffle_options")
MOMENTS = ("opens_on", "closes_on")
TAKEN, IN_LESSON = "quiz_taken", "quiz_in_lesson"
CHOICES = {"grading": attempts.METHODS, "review": review.LEVELS, "review_when": review.WHEN}


def listed(course: str) -> list[frappe._dict]:
    """Return the quizzes of a course by title, in one query: name, title, count (of questions), lesson (or None)."""
    return frappe.db.sql(
        "SELECT q.name, q.title, (SELECT SUM(s.count) FROM `tabAcademy Quiz Slot` s"
        " WHERE s.parent = q.name AND s.parenttype = %(kind)s) count,"
        " (SELECT MIN(l.title) FROM `tabAcademy Lesson` l WHERE l.quiz = q.name) lesson"
        " FROM `tabAcademy Quiz` q WHERE q.course = %(course)s ORDER BY q.title, q.name",
        {"kind": QUIZ, "course": course},
        as_dict=True,
    )


def quiz(course: str, name: str) -> frappe._dict:
    """Return a quiz as a form shows it: its fields, seen, and slots (kind, what, title, count, points).

    Raises DeniedError for a quiz of another course.
    """
    reasons.deny("" if frappe.db.exists(QUIZ, {"name": name, "course": course}) else rights.UNKNOWN)
    found = frappe.get_doc(QUIZ, name)
    shown = frappe._dict({field: found.get(field) for field in _fields()}, title=found.title, intro=found.intro)
    shown.seen = documents.stamp(found.modified)
    shown.slots = [
        frappe._dict(
            what=f"question:{row.question}" if row.kind == FIXED else f"bank:{row.bank}",
            count=row.count,
            points=row.points,
        )
        for row in found.slots
    ]
    return shown


def new() -> frappe._dict:
    """Return what a form of a new quiz begins with: the rules that hold where nobody chose others."""
    blank = frappe.new_doc(QUIZ)
    return frappe._dict({field: blank.get(field) for field in _fields()}, title="", intro="", slots=[])


def sources(course: str) -> list[frappe._dict]:
    """Return what a quiz of a course may ask, in one query: banks (name, title), each with questions (name, title)."""
    rows = frappe.db.sql(
        "SELECT b.name bank, b.title bank_title, q.name, q.title FROM `tabAcademy Question Bank` b"
        " LEFT JOIN `tabAcademy Question` q ON q.bank = b.name WHERE b.course = %s"
        " ORDER BY b.title, b.name, q.title, q.name",
        course,
        as_dict=True,
    )
    found: dict[str, frappe._dict] = {}
    for row in rows:
        bank = found.setdefault(row.bank, frappe._dict(name=row.bank, title=row.bank_title, questions=[]))
        if row.name:
            bank.questions.append(frappe._dict(name=row.name, title=row.title))
    return list(found.values())


def save(course: str, name: str, values: Mapping[str, str], slots: Sequence[Mapping[str, str]], seen: str = "") -> str:
    """Write a quiz of a course, a new one without a name, and return its name.

    values: title, intro, and the rules, as text. slots: what (`question:NAME` or `bank:NAME`), count and points, in
    their order. seen: of one that is there, see `documents.unchanged`. Raises RefusedError with the first reason why it
    cannot be.
    """
    is_own = not name or frappe.db.get_value(QUIZ, name, "course") == course
    reasons.refuse("" if is_own else "foreign_question")
    found = documents.unchanged(QUIZ, name, seen) if name else frappe.new_doc(QUIZ)
    title = (values.get("title") or "").strip()
    reasons.refuse("" if title else "no_title")
    reasons.refuse("too_long" if len(title) > LONGEST_TITLE or len(values.get("intro") or "") > LONGEST_TEXT else "")
    rules: dict[str, Any] = {field: _number(values.get(field)) for field in NUMBERS}
    rules["pass_percent"] = numbers.of_form(values.get("pass_percent") or "", 100, "bad_percent")
    rules |= {field: int(bool(values.get(field))) for field in CHECKS}
    rules |= {field: moments.of_form(values.get(field)) for field in MOMENTS}
    for field, known in CHOICES.items():
        reasons.refuse("" if values.get(field) in known else "bad_choice")
        rules[field] = values[field]
    found.update({"course": course, "title": title, "intro": values.get("intro") or "", **rules})
    found.set("slots", [_slot(given) for given in slots[:MOST_SLOTS] if given.get("what")])
    try:
        found.save(ignore_permissions=True)
    except frappe.ValidationError as fault:
        # What the document says of itself, in HTML; its own checks are the same in the desk.
        frappe.clear_last_message()
        raise reasons.RefusedError("not_valid", markup.words(str(fault))) from fault
    return str(found.name)


def remove(name: str) -> None:
    """Remove a quiz that nobody has begun, and that no lesson has."""
    reasons.refuse(TAKEN if frappe.db.exists(ATTEMPT, {"quiz": name}) else "")
    reasons.refuse(IN_LESSON if frappe.db.exists("Academy Lesson", {"quiz": name}) else "")
    for override in frappe.get_all(OVERRIDE, {"item_type": QUIZ, "item": name}, pluck="name"):
        frappe.delete_doc(OVERRIDE, override, ignore_permissions=True)
    documents.remove(frappe.get_doc(QUIZ, name))


def _fields() -> tuple[str, ...]:
    return ("pass_percent", *NUMBERS, *CHECKS, *MOMENTS, *CHOICES)


def _slot(given: Mapping[str, str]) -> dict[str, Any]:
    kind, _, name = given["what"].partition(":")
    is_fixed = kind == "question"
    source = QUESTION if is_fixed else BANK
    reasons.refuse("" if kind in ("question", "bank") and frappe.db.exists(source, name) else "no_question")
    row = {"kind": FIXED if is_fixed else RANDOM, "count": max(1, _number(given.get("count"))), "points": 0.0}
    row["question" if is_fixed else "bank"] = name
    return {**row, "points": numbers.of_form(given.get("points") or "", 1000, "bad_points_column")}


def _number(text: str | None) -> int:
    return numbers.whole_of_form(text or "", MOST, "bad_number")
