"""What assignments are made of: their rules, their rubrics, and who gets to them."""

from collections.abc import Mapping
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import get_datetime

from lms_app.services import assignments, entrances, reasons
from lms_app.services.assignments import Criterion, Level, Override, Rules

ASSIGNMENT, RUBRIC, SUBMISSION = "Academy Assignment", "Academy Rubric", "Academy Submission"
OVERRIDE = "Academy Override"
# What a grade says of a version.
GRADE = ("given", "lost_percent", "points", "most", "percent", "is_passed")

_ASSIGNMENT = (
    *("name", "title", "course", "instructions", "due_on", "cut_off_on", "late_policy", "late_percent", "late_most"),
    *("accepts_text", "accepts_url", "accepts_files", "attempts", "file_types", "file_size", "file_count"),
    *("rubric", "points", "pass_percent", "grading"),
)
_OVERRIDE = ("extra_days", "extra_attempts", "due_on", "closes_on")


def check(assignment: Document) -> None:
    """Refuse an assignment with a rubric of another course, or by whose rules nothing could be handed in."""
    if assignment.rubric and frappe.db.get_value(RUBRIC, assignment.rubric, "course") != assignment.course:
        frappe.throw(_("The rubric of an assignment is one of its course"))
    if not (assignment.accepts_text or assignment.accepts_url or assignment.accepts_files):
        frappe.throw(_("An assignment takes a text, a web address or files"))
    if assignment.accepts_files and not (assignments.endings(assignment.file_types) and assignment.file_count):
        frappe.throw(_("An assignment that takes files says of which types, and how many"))
    if not assignment.rubric and not (assignment.points or 0) > 0:
        frappe.throw(_("An assignment has points, or a rubric"))
    due_on, cut_off_on = assignment.due_on, assignment.cut_off_on
    if due_on and cut_off_on and get_datetime(cut_off_on) < get_datetime(due_on):
        frappe.throw(_("An assignment is accepted until it is due, or longer"))


def check_rubric(rubric: Document) -> None:
    """Refuse a rubric by which nobody could judge."""
    for row in (*rubric.criteria, *rubric.levels):
        row.title = row.title.strip()
    for row in rubric.levels:
        row.criterion = row.criterion.strip()
    levels = [(row.criterion, row.title, row.points or 0) for row in rubric.levels]
    if faults := assignments.rubric_faults([row.title for row in rubric.criteria], levels):
        frappe.throw("<br>".join(reasons.words(reason) for reason in faults), title=_("Nobody can judge by this yet"))


def entrance(user: str, assignment: str) -> frappe._dict:
    """Return what stands around an assignment for somebody, as `entrances.around` does, but with it as assignment."""
    found = entrances.around(user, ASSIGNMENT, assignment, _ASSIGNMENT)
    return found.update(assignment=found.pop("item"))


def rules(assignment: Mapping[str, Any], student: str | None) -> Rules:
    """Return the rules of an assignment as they are for a pupil: its own, and what an override gives beyond them."""
    given = student and frappe.db.get_value(
        OVERRIDE,
        {"item_type": ASSIGNMENT, "item": assignment["name"], "student": student},
        _OVERRIDE,
        as_dict=True,
    )
    return assignments.overridden(of_all(assignment), override(given) if given else None)


def of_all(assignment: Mapping[str, Any]) -> Rules:
    """Return the rules of an assignment as they are for everybody without an override."""
    return Rules(
        due_on=assignment["due_on"],
        cut_off_on=assignment["cut_off_on"],
        policy=assignment["late_policy"],
        late_percent=assignment["late_percent"] or 0,
        late_most=assignment["late_most"] or 0,
        attempts=assignment["attempts"],
    )


def override(row: Mapping[str, Any]) -> Override:
    """Return an override by its row: extra_days, extra_attempts, due_on and closes_on."""
    return Override(row["extra_days"] or 0, row["extra_attempts"] or 0, row["due_on"], row["closes_on"])


def of(name: str) -> frappe._dict:
    """Return the fields of an assignment."""
    return frappe.db.get_value(ASSIGNMENT, name, _ASSIGNMENT, as_dict=True)


def criteria(rubric: str | None) -> list[Criterion]:
    """Return the criteria of a rubric with their levels, in one query; nothing without one."""
    if not rubric:
        return []
    rows = frappe.db.sql(
        "SELECT c.anchor, c.title, c.description, l.anchor level, l.title level_title, l.points,"
        " l.description level_description FROM `tabAcademy Rubric Criterion` c"
        " JOIN `tabAcademy Rubric Level` l ON l.parent = c.parent AND l.parenttype = c.parenttype"
        " AND l.criterion = c.title"
        " WHERE c.parent = %s AND c.parenttype = %s ORDER BY c.idx, l.idx",
        (rubric, RUBRIC),
        as_dict=True,
    )
    found: dict[str, tuple[frappe._dict, list[Level]]] = {}
    for row in rows:
        level = Level(row.level, row.level_title, row.points, row.level_description or "")
        found.setdefault(row.anchor, (row, []))[1].append(level)
    return [Criterion(row.anchor, row.title, levels, row.description or "") for row, levels in found.values()]
