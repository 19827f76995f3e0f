"""The banks and quizzes of a course, for those who may change it."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import questions
from lms_app.services import question_bank, quiz_form, teaching

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the banks; make one where a form asks for that."""
    form = frappe.form_dict
    if pages.is_form():
        pages.act(context, lambda: _make(form))

    def load(course: frappe._dict) -> frappe._dict:
        teaching.demand_edit(course)
        return frappe._dict(banks=question_bank.banks(course.name), quizzes=quiz_form.listed(course.name))

    pages.show_to_staff(context, "questions", _("Questions"), load)
    context.update(
        {
            "typed": str(form.get("title") or "") if context.trouble else "",
            "said": "" if context.trouble else _said(form.get("said")),
        }
    )


def _make(form: frappe._dict) -> str:
    course = teaching.course(form.slug, frappe.session.user).name or ""
    return f"/teach/c/{form.slug}/questions/{questions.make_bank(course, str(form.get('title') or ''))['bank']}"


def _said(deed: str | None) -> str:
    return {
        "removed": _("The bank is removed."),
        "quiz": _("The quiz is saved."),
        "quiz-removed": _("The quiz is removed."),
    }.get(deed or "", "")
