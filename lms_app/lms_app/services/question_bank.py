"""Banks of a course and the questions in them, as those see and write them who may change the course."""

from collections.abc import Mapping, Sequence
from typing import Any

import frappe

from lms_app.services import documents, paging, questions, reasons, rights, scoring
from lms_app.services.quiz_content import ANSWER, BANK, QUESTION

PAGE = 100
LONGEST_TITLE = 140
LONGEST_TEXT = 20_000
MOST_OPTIONS = 100
MOST_POINTS = 1000

ASKED, IN_QUIZ, NOT_EMPTY = "question_asked", "question_in_quiz", "bank_not_empty"

# What each kind of question takes of an option, in the order of a form.
FIELDS = {
    scoring.SINGLE: ("text", "weight", "feedback"),
    scoring.MULTIPLE: ("text", "weight", "feedback"),
    scoring.TRUE_FALSE: (),
    scoring.SHORT_TEXT: ("key", "weight", "feedback"),
    scoring.NUMERIC: ("key", "tolerance", "weight", "feedback"),
    scoring.MATCHING: ("text", "key"),
    scoring.ORDERING: ("text",),
    scoring.CLOZE: ("gap", "key", "weight", "feedback"),
    scoring.ESSAY: (),
}
_NUMBERS = ("weight", "tolerance", "gap")


def banks(course: str) -> list[frappe._dict]:
    """Return the banks of a course by title, in one query: name, title, and count (how many questions)."""
    return frappe.db.sql(
        "SELECT b.name, b.title, (SELECT COUNT(*) FROM `tabAcademy Question` q WHERE q.bank = b.name) count"
        " FROM `tabAcademy Question Bank` b WHERE b.course = %s ORDER BY b.title, b.name",
        course,
        as_dict=True,
    )


def bank(course: str, name: str, page: int = 1) -> frappe._dict:
    """Return a bank (name, title) with a page of its questions as `paging.page_of` does, in two queries.

    A row has name, title, kind, points, is_asked and in_quiz. Raises DeniedError for a bank of another course.
    """
    found = frappe.db.get_value(BANK, {"name": name, "course": course}, ["name", "title"], as_dict=True)
    reasons.deny("" if found else rights.UNKNOWN)
    query = (
        "SELECT q.name, q.title, q.kind, q.points, COUNT(*) OVER () total,"
        " EXISTS (SELECT 1 FROM `tabAcademy Quiz Answer` a WHERE a.question = q.name) is_asked,"
        " EXISTS (SELECT 1 FROM `tabAcademy Quiz Slot` s WHERE s.question = q.name) in_quiz"
        " FROM `tabAcademy Question` q WHERE q.bank = %s ORDER BY q.creation DESC, q.name LIMIT %s OFFSET %s"
    )
    shown = paging.page_of(lambda offset: frappe.db.sql(query, (name, PAGE, offset), as_dict=True), page, PAGE)
    return shown.update(found)


def question(course: str, bank: str, name: str) -> frappe._dict:
    """Return a question with its options and seen, as a form shows it.

    Raises DeniedError for one that is not in the bank.
    """
    reasons.deny("" if frappe.db.exists(QUESTION, {"name": name, "bank": bank, "course": course}) else rights.UNKNOWN)
    found = frappe.get_doc(QUESTION, name)
    fields = ("name", "title", "kind", "body", "points", "is_partial", "is_case_sensitive", "truth", "explanation")
    shown = frappe._dict({field: found.get(field) for field in fields}, seen=documents.stamp(found.modified))
    shown.options = [
        {field: row.get(field) for field in ("name", *FIELDS[found.kind])}
        for row in sorted(found.options, key=lambda row: row.idx)
    ]
    return shown


def make_bank(course: str, title: str) -> str:
    """Return the name of a new bank of a course."""
    reasons.refuse("" if title.strip() else "no_title")
    reasons.refuse("too_long" if len(title) > LONGEST_TITLE else "")
    row = {"doctype": BANK, "course": course, "title": title.strip()}
    return str(frappe.get_doc(row).insert(ignore_permissions=True).name)


def remove_bank(name: str) -> None:
    """Remove a bank that has nothing in it."""
    reasons.refuse(NOT_EMPTY if frappe.db.exists(QUESTION, {"bank": name}) else "")
    reasons.refuse(IN_QUIZ if frappe.db.exists("Academy Quiz Slot", {"bank": name}) else "")
    frappe.delete_doc(BANK, name, ignore_permissions=True)


def save(bank: str, name: str, values: Mapping[str, Any], options: Sequence[Mapping[str, str]], seen: str = "") -> str:
    """Write a question of a bank, a new one without a name, and return its name.

    values: kind (of a new one), title, body, points, is_partial, is_case_sensitive, truth, explanation. options: as
    FIELDS has them, as text, with the name of one that is there already; those without words are left out. seen: of one
    that is there, see `documents.unchanged`. Raises RefusedError with the first reason why nobody could be asked it.
    """
    is_own = not name or frappe.db.get_value(QUESTION, name, "bank") == bank
    reasons.refuse("" if is_own else "foreign_question")
    found = documents.unchanged(QUESTION, name, seen) if name else frappe.new_doc(QUESTION)
    kind = found.kind if name else values.get("kind")
    reasons.refuse("" if kind in scoring.KINDS else "bad_kind")
    told = {field: value for field, value in values.items() if field != "kind"}
    rows = read(kind, options)
    known = {row.name for row in found.options} if name else set()
    for row in rows:
        if row.get("name") not in known:
            row.pop("name", None)
    _check({**told, "kind": kind}, rows)
    found.update({**told, "bank": bank, "kind": kind})
    if name and not found.title:
        # Made anew from the text.
        found.title = ""
    found.set("options", [{**row, "idx": number} for number, row in enumerate(rows, 1)])
    found.save(ignore_permissions=True)
    return str(found.name)


def read(kind: str, options: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return the options of a form as rows: those with words in them, with numbers where numbers belong."""
    rows = []
    for given in options[:MOST_OPTIONS]:
        if not any((given.get(field) or "").strip() for field in ("text", "key")):
            continue
        row: dict[str, Any] = {"name": given.get("name") or ""}
        for field in FIELDS[kind]:
            text = (given.get(field) or "").strip()
            reasons.refuse("too_long" if len(text) > LONGEST_TEXT else "")
            if field in _NUMBERS:
                number = scoring.number(text or "0")
                reasons.refuse("bad_number" if number is None else "")
                row[field] = float(number or 0) if field != "gap" else int(number or 0)
            else:
                row[field] = text
        reasons.refuse("bad_weight_column" if not -100 <= row.get("weight", 0) <= 100 else "")
        rows.append(row)
    return rows


def remove(name: str) -> None:
    """Remove a question that nobody was asked and no quiz asks; raises RefusedError for any other."""
    reasons.refuse(ASKED if frappe.db.exists(ANSWER, {"question": name}) else "")
    reasons.refuse(IN_QUIZ if frappe.db.exists("Academy Quiz Slot", {"question": name}) else "")
    frappe.delete_doc(QUESTION, name, ignore_permissions=True)


def _check(values: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    texts = (values.get("body") or "", values.get("explanation") or "")
    reasons.refuse("too_long" if any(len(text) > LONGEST_TEXT for text in texts) else "")
    reasons.refuse("too_long" if len(values.get("title") or "") > LONGEST_TITLE else "")
    reasons.refuse("" if 0 <= float(values.get("points") or 0) <= MOST_POINTS else "bad_points_column")
    for row, weight in zip(rows, questions.with_weights(values["kind"], rows), strict=True):
        row["weight"] = weight
    faults = questions.faults(values, rows)
    reasons.refuse(faults[0] if faults else "")
