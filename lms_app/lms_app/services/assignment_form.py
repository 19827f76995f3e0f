"""Assignments and rubrics as those see and write them who may change the course."""

from collections.abc import Mapping, Sequence
from typing import Any

import frappe
from frappe.model.document import Document

from lms_app.services import assignments, choices, documents, moments, numbers, reasons, rights
from lms_app.services.assignment_content import ASSIGNMENT, OVERRIDE, RUBRIC, SUBMISSION

LONGEST_TITLE, LONGEST_TEXT, LONGEST_LINE = 140, 20_000, 1000
# The most that a form may say, of each number.
COUNTS = {"attempts": 100, "file_size": 10_000, "file_count": 100}
AMOUNTS = {"late_percent": 100, "late_most": 100, "pass_percent": 100, "points": 100_000}
CHECKS = ("accepts_text", "accepts_url", "accepts_files")
MOMENTS = ("due_on", "cut_off_on")
CHOICES = ("late_policy", "grading")
TEXTS = ("title", "instructions", "file_types", "rubric")
FIELDS = (*TEXTS, *COUNTS, *AMOUNTS, *CHECKS, *MOMENTS, *CHOICES)

HANDED_IN, IN_LESSON, IN_ASSIGNMENT = "work_handed_in", "assignment_in_lesson", "rubric_in_assignment"
OUT_OF_RANGE = "number_out_of_range"


def listed(course: str) -> list[frappe._dict]:
    """Return the assignments of a course by title, in one query.

    A row has name, title, due_on, waiting (how many wait for a grade) and lesson (its title, None without one).
    """
    return frappe.db.sql(
        "SELECT a.name, a.title, a.due_on, (SELECT MIN(l.title) FROM `tabAcademy Lesson` l"
        " WHERE l.assignment = a.name) lesson, (SELECT COUNT(*) FROM `tabAcademy Submission` w"
        " WHERE w.assignment = a.name AND w.state = %s) waiting"
        " FROM `tabAcademy Assignment` a WHERE a.course = %s ORDER BY a.title, a.name",
        (assignments.SUBMITTED, course),
        as_dict=True,
    )


def rubrics(course: str) -> list[frappe._dict]:
    """Return the rubrics of a course by title, in one query: name, title and count (of criteria)."""
    return frappe.db.sql(
        "SELECT r.name, r.title, (SELECT COUNT(*) FROM `tabAcademy Rubric Criterion` c"
        " WHERE c.parent = r.name AND c.parenttype = %s) count"
        " FROM `tabAcademy Rubric` r WHERE r.course = %s ORDER BY r.title, r.name",
        (RUBRIC, course),
        as_dict=True,
    )


def assignment(course: str, name: str) -> frappe._dict:
    """Return an assignment as a form shows it: its fields, and seen.

    Raises DeniedError for an assignment of another course.
    """
    found = _found(ASSIGNMENT, course, name)
    return frappe._dict({field: found.get(field) for field in FIELDS}, seen=documents.stamp(found.modified))


def new() -> frappe._dict:
    """Return what a form of a new assignment begins with: the rules that hold where nobody chose others."""
    blank = frappe.new_doc(ASSIGNMENT)
    return frappe._dict({field: blank.get(field) for field in FIELDS}, seen="")


def save(course: str, name: str, seen: str, values: Mapping[str, str]) -> str:
    """Write an assignment of a course, a new one without a name, and return its name.

    seen: see `documents.unchanged`. values: FIELDS as text; checks are 1 or nothing. Raises RefusedError with the first
    reason why it cannot be.
    """
    reasons.reject("" if {*values} <= {*FIELDS} else "unexpected")
    doc = _open(ASSIGNMENT, course, name, seen)
    told: dict[str, Any] = {field: (values.get(field) or "").strip() for field in TEXTS}
    reasons.refuse("" if told["title"] else "empty_title")
    reasons.refuse("" if told["instructions"] else "no_instructions")
    reasons.refuse("too_long" if len(told["title"]) > LONGEST_TITLE or len(told["file_types"]) > LONGEST_LINE else "")
    reasons.refuse("too_long" if len(told["instructions"]) > LONGEST_TEXT else "")
    told |= {
        field: numbers.whole_of_form(values.get(field) or "", most, OUT_OF_RANGE) for field, most in COUNTS.items()
    }
    told |= {field: numbers.of_form(values.get(field) or "", most, OUT_OF_RANGE) for field, most in AMOUNTS.items()}
    told |= {field: int(values.get(field) == "1") for field in CHECKS}
    told |= {field: moments.of_form(values.get(field)) for field in MOMENTS}
    for field in CHOICES:
        reasons.refuse("" if choices.is_one(ASSIGNMENT, field, values.get(field) or "") else "bad_choice")
        told[field] = values[field]
    doc.update({**told, "course": course, "rubric": told["rubric"] or None})
    return str(documents.keep(doc).name)


def remove(name: str) -> None:
    """Remove an assignment in which nobody has written anything, and that no lesson has."""
    reasons.refuse(HANDED_IN if frappe.db.exists(SUBMISSION, {"assignment": name}) else "")
    reasons.refuse(IN_LESSON if frappe.db.exists("Academy Lesson", {"assignment": name}) else "")
    for override in frappe.get_all(OVERRIDE, {"item_type": ASSIGNMENT, "item": name}, pluck="name"):
        frappe.delete_doc(OVERRIDE, override, ignore_permissions=True)
    documents.remove(frappe.get_doc(ASSIGNMENT, name))


def rubric(course: str, name: str) -> frappe._dict:
    """Return a rubric as a form shows it: title, seen, and criteria with anchor, title, description and levels.

    A level has anchor, title, points and description. Raises DeniedError for a rubric of another course.
    """
    found = _found(RUBRIC, course, name)
    criteria = [
        frappe._dict(
            anchor=row.anchor,
            title=row.title,
            description=row.description or "",
            levels=[
                frappe._dict({field: one.get(field) for field in ("anchor", "title", "points", "description")})
                for one in found.levels
                if one.criterion == row.title
            ],
        )
        for row in found.criteria
    ]
    return frappe._dict(title=found.title, criteria=criteria, seen=documents.stamp(found.modified))


def save_rubric(
    course: str,
    name: str,
    seen: str,
    title: str,
    criteria: Sequence[Mapping[str, str]],
    levels: Sequence[Mapping[str, str]],
) -> str:
    """Write a rubric of a course, a new one without a name, and return its name.

    criteria: anchor (of one that is there), title and description. levels: number (of their criterion, from 1 on),
    anchor, title, points and description. Those without a title are left out. Raises RefusedError with the reasons why
    nobody could judge by it.
    """
    doc = _open(RUBRIC, course, name, seen)
    reasons.refuse("" if title.strip() else "empty_title")
    reasons.refuse("too_long" if len(title) > LONGEST_TITLE else "")
    titles = {str(number): (row.get("title") or "").strip() for number, row in enumerate(criteria, 1)}
    of = [row for row in criteria if (row.get("title") or "").strip()]
    asked = [_row(row, doc.get("criteria")) for row in of]
    answers = []
    for row in levels:
        if not (row.get("title") or "").strip():
            # Points or words without a title would be lost in silence.
            reasons.refuse("level_without_title" if any(row.get(one) for one in ("points", "description")) else "")
            continue
        criterion = titles.get(row.get("number") or "", "")
        reasons.refuse("" if criterion else "level_without_criterion")
        points = numbers.of_form(row.get("points") or "", AMOUNTS["points"], OUT_OF_RANGE)
        answers.append({**_row(row, doc.get("levels")), "criterion": criterion, "points": points})
    doc.update({"course": course, "title": title.strip()})
    doc.set("criteria", asked)
    doc.set("levels", answers)
    return str(documents.keep(doc).name)


def remove_rubric(name: str) -> None:
    """Remove a rubric by which no assignment is judged."""
    reasons.refuse(IN_ASSIGNMENT if frappe.db.exists(ASSIGNMENT, {"rubric": name}) else "")
    documents.remove(frappe.get_doc(RUBRIC, name))


def _found(doctype: str, course: str, name: str) -> Document:
    reasons.deny("" if frappe.db.exists(doctype, {"name": name, "course": course}) else rights.UNKNOWN)
    return frappe.get_doc(doctype, name)


def _open(doctype: str, course: str, name: str, seen: str) -> Document:
    """Return a document of a course that is about to be written: a new one, or one that nobody has changed since."""
    if not name:
        return frappe.new_doc(doctype)
    reasons.refuse("" if frappe.db.get_value(doctype, name, "course") == course else "foreign_question")
    return documents.unchanged(doctype, name, seen)


def _row(given: Mapping[str, str], known: Sequence[Document]) -> dict[str, Any]:
    """Return a row of a rubric; one that is there keeps its name, and so what grades say of it."""
    title, description = ((given.get(field) or "").strip() for field in ("title", "description"))
    reasons.refuse("too_long" if len(title) > LONGEST_TITLE or len(description) > LONGEST_LINE else "")
    there = next((row for row in known if row.anchor and row.anchor == given.get("anchor")), None)
    row: dict[str, Any] = {"title": title, "description": description or None}
    return {**row, "name": there.name, "anchor": there.anchor} if there else row
