"""Demo courses: little ones, but real, so that a school's pages look alive before its teachers have written theirs."""

from pathlib import Path
from typing import Any

import frappe
import yaml

from lms_app.services import access

FOLDER = Path(__file__).parent
FIELDS = ("slug", "title", "summary", "description", "level", "language", "issues_certificates")
KINDS = tuple(sorted(path.stem for path in FOLDER.glob("*.yml")))


def install(kind: str) -> str:
    """Make the demo course of a kind, such as `bread`, and return its slug; one that is there stays as it is.

    It is led by the administrator, who is not shown as its teacher. Raises ValidationError for an unknown kind.
    """
    if kind not in KINDS:
        frappe.throw(frappe._("There is no demo course {0}; there are {1}").format(kind, ", ".join(KINDS)))
    told = yaml.safe_load((FOLDER / f"{kind}.yml").read_text(encoding="utf-8"))
    if known := frappe.db.exists(access.COURSE, {"slug": told["slug"]}):
        return frappe.db.get_value(access.COURSE, known, "slug")
    course = _insert(
        access.COURSE,
        {field: told[field] for field in FIELDS},
        category=_category(told["category"]),
        outcomes=[{"outcome": outcome} for outcome in told["outcomes"]],
        instructors=[{"user": "Administrator", "role": "Lead", "is_shown": 0}],
    )
    for chapter in told["modules"]:
        module = _insert(
            "Academy Module", {"title": chapter["title"], "summary": chapter["summary"]}, course=course.name
        )
        for lesson in chapter["lessons"]:
            asked = lesson.pop("quiz", None)
            quiz = _quiz(course.name, lesson["title"], asked) if asked else None
            task = lesson.pop("assignment", None)
            assignment = _assignment(course.name, lesson["title"], task) if task else None
            made = {"module": module.name, "status": "Published", "quiz": quiz, "assignment": assignment}
            _insert("Academy Lesson", lesson, **made)
    course.reload()
    course.status = "Published"
    course.save(ignore_permissions=True)
    return course.slug


def _category(title: str) -> str:
    known = frappe.db.get_value("Academy Category", {"title": title}, "name")
    return known or _insert("Academy Category", {"title": title}).name


def _quiz(course: str, title: str, told: dict[str, Any]) -> str:
    """Make a quiz of a course with its questions: those that everybody gets, and a bank of which some are drawn."""
    fixed, drawn = (_insert("Academy Question Bank", {"title": f"{title}{more}"}, course=course) for more in ("", " +"))
    for bank, key in ((fixed, "questions"), (drawn, "pool")):
        for question in told[key]:
            _insert("Academy Question", question, bank=bank.name)
    names = frappe.get_all("Academy Question", {"bank": fixed.name}, pluck="name", order_by="creation")
    slots = [{"kind": "Fixed", "question": name} for name in names]
    slots.append({"kind": "Random", "bank": drawn.name, "count": told["drawn"]})
    rules = {key: value for key, value in told.items() if key not in ("questions", "pool", "drawn")}
    return _insert("Academy Quiz", {"title": title, **rules}, course=course, slots=slots).name


def _assignment(course: str, title: str, told: dict[str, Any]) -> str:
    """Make an assignment of a course, with the rubric by which it is judged."""
    criteria = told.pop("rubric")
    levels = [{"criterion": row["title"], **level} for row in criteria for level in row.pop("levels")]
    rubric = _insert("Academy Rubric", {"title": title}, course=course, criteria=criteria, levels=levels)
    return _insert("Academy Assignment", {"title": title, **told}, course=course, rubric=rubric.name).name


def _insert(doctype: str, values: dict[str, Any], **more: Any) -> Any:
    return frappe.get_doc({"doctype": doctype, **values, **more}).insert(ignore_permissions=True)
