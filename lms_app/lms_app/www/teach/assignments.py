"""The assignments and rubrics of a course, for those who may change it."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.services import assignment_form, teaching

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the assignments and the rubrics."""

    def load(course: frappe._dict) -> frappe._dict:
        teaching.demand_edit(course)
        return frappe._dict(rows=assignment_form.listed(course.name), rubrics=assignment_form.rubrics(course.name))

    pages.show_to_staff(context, "assignments", _("Assignments"), load)
    context.said = {
        "assignment": _("The assignment is saved."),
        "rubric": _("The rubric is saved."),
        "removed": _("It is removed."),
    }.get(frappe.form_dict.get("said") or "", "")
