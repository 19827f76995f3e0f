"""An assignment to write: what is to be done, until when, what is taken, and by what it is judged."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import assignments as api
from lms_app.services import assignment_content, assignment_form, choices, reasons, teaching

no_cache = 1

NEW = "new"


def get_context(context: frappe._dict) -> None:
    """Fill in the assignment, or what was written of it when that was refused; save or remove it."""
    form = frappe.form_dict
    name = str(form.get("assignment") or "")
    if pages.is_form():
        pages.act(context, lambda: _obey(form, name))

    def load(course: frappe._dict) -> frappe._dict:
        teaching.demand_edit(course)
        shown = assignment_form.new() if name == NEW else assignment_form.assignment(course.name, name)
        if pages.is_form() and form.get("deed") != "remove":
            shown.update(_typed(form), seen=str(form.get("seen") or ""))
        shown.rubrics = assignment_form.rubrics(course.name)
        return shown

    page = pages.show_to_staff(context, "assignments", _("An assignment"), load)
    if page is None:
        return
    context.update(
        {
            "is_new": name == NEW,
            "place": f"/teach/c/{context.course.slug}",
            "newer": context.fault.details.get("seen") if isinstance(context.fault, reasons.RefusedError) else None,
            "choose": lambda field: choices.of(assignment_content.ASSIGNMENT, field),
        }
    )


def _obey(form: frappe._dict, name: str) -> str:
    path = f"/teach/c/{form.slug}/assignments"
    if form.get("deed") == "remove":
        api.remove(name)
        return f"{path}?said=removed"
    course = teaching.course(form.slug, frappe.session.user).name or ""
    seen = str(form.get("over") or form.get("seen") or "")
    api.save(course, _typed(form), "" if name == NEW else name, seen)
    return f"{path}?said=assignment"


def _typed(form: frappe._dict) -> dict[str, str]:
    return {field: str(form.get(field) or "") for field in assignment_form.FIELDS}
