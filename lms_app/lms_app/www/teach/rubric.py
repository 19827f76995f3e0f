"""A rubric to write: criteria with their levels; more rows are a form as well."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import assignments as api
from lms_app.services import assignment_form, assignments, reasons, teaching

no_cache = 1

NEW = "new"
# Empty criteria below those that are there, and empty levels in each.
SPARE, SPARE_LEVELS, FIRST, FIRST_LEVELS = 1, 1, 3, 3
ROW, LEVEL = ("anchor", "title", "description"), ("anchor", "title", "points", "description")


def get_context(context: frappe._dict) -> None:
    """Fill in the rubric, or what was written of it when that was refused; save or remove it."""
    form = frappe.form_dict
    name = str(form.get("rubric") or "")
    if pages.is_form() and form.get("deed") != "more":
        pages.act(context, lambda: _obey(form, name))

    def load(course: frappe._dict) -> frappe._dict:
        teaching.demand_edit(course)
        empty = frappe._dict(title="", criteria=[], seen="")
        shown = empty if name == NEW else assignment_form.rubric(course.name, name)
        if pages.is_form() and form.get("deed") != "remove":
            criteria = [frappe._dict(row, levels=levels) for row, levels in _typed(form)]
            shown.update(title=str(form.get("title") or ""), criteria=criteria, seen=str(form.get("seen") or ""))
        return shown

    page = pages.show_to_staff(context, "assignments", _("A rubric"), load)
    if page is None:
        return
    more = SPARE if form.get("deed") == "more" else 0
    spare = max(SPARE, FIRST - len(page.criteria)) + more
    rows = [*page.criteria, *(frappe._dict(levels=[]) for _number in range(spare))]
    for row in rows:
        blank = max(SPARE_LEVELS, FIRST_LEVELS - len(row.levels)) + more
        row.levels = [*row.levels, *({} for _number in range(blank))][: assignments.MOST_LEVELS]
    context.update(
        {
            "is_new": name == NEW,
            "place": f"/teach/c/{context.course.slug}/assignments",
            "rows": rows[: assignments.MOST_CRITERIA],
            "newer": context.fault.details.get("seen") if isinstance(context.fault, reasons.RefusedError) else None,
        }
    )


def _obey(form: frappe._dict, name: str) -> str:
    path = f"/teach/c/{form.slug}/assignments"
    if form.get("deed") == "remove":
        api.remove_rubric(name)
        return f"{path}?said=removed"
    course = teaching.course(form.slug, frappe.session.user).name or ""
    typed = _typed(form)
    levels = [{**level, "number": str(number)} for number, (_row, of) in enumerate(typed, 1) for level in of]
    seen = str(form.get("over") or form.get("seen") or "")
    title = str(form.get("title") or "")
    api.save_rubric(course, title, [row for row, _of in typed], levels, "" if name == NEW else name, seen)
    return f"{path}?said=rubric"


def _typed(form: frappe._dict) -> list[tuple[dict[str, str], list[dict[str, str]]]]:
    """Return the criteria of a form with their levels, in the words in which it says them; without empty ones."""
    found = []
    for number in range(1, assignments.MOST_CRITERIA + 1):
        row = {field: str(form.get(f"{field}-{number}") or "") for field in ROW}
        levels = []
        for place in range(1, assignments.MOST_LEVELS + 1):
            level = {field: str(form.get(f"{field}-{number}-{place}") or "") for field in LEVEL}
            if any(level[field] for field in ("title", "points", "description")):
                levels.append(level)
        if row["title"] or row["description"] or levels:
            found.append((row, levels))
    return found
