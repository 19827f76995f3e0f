"""A list of people to bring into a course: looked at first, line by line, then taken."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import people as many
from lms_app.services import people, people_table, teaching

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Show what would become of a list, or take it, where a form asks for that."""
    form = frappe.form_dict
    text = pages.table_of(form) if pages.is_form() else ""
    if pages.is_form() and form.get("deed") == "take":
        context.taken = pages.done(context, lambda: many.take(_course(form), text))
    elif pages.is_form():
        context.found = pages.done(context, lambda: many.look(_course(form), text))
    pages.show_to_staff(context, "people", _("Import a list"), _demand)
    found = context.found or {"lines": [], "faults": []}
    outcomes = [line["outcome"] for line in found["lines"]]
    context.update(
        {
            "text": text,
            "most": people_table.MOST,
            "words": _words(),
            "to_add": outcomes.count(people.ADD),
            "to_invite": outcomes.count(people.INVITE),
        }
    )


def _demand(course: frappe._dict) -> frappe._dict:
    """Show the page to whoever may do what it is for."""
    teaching.demand_edit(course)
    return frappe._dict()


def _course(form: frappe._dict) -> str:
    return teaching.course(form.slug, frappe.session.user).name or ""


def _words() -> dict[str, str]:
    return {
        people.ADD: _("comes in"),
        people.INVITE: _("is invited"),
        people.THERE: _("is in the course already"),
        people.INVITED_BEFORE: _("has an invitation that still serves"),
        people.DISABLED: _("stays out: the school has closed the account"),
    }
