"""A bank and its questions, for those who may change the course."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import questions
from lms_app.services import question_bank, scoring, teaching

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in a page of the questions; remove one, or the empty bank, where a form asks for that."""
    form = frappe.form_dict
    bank, number = str(form.get("bank") or ""), pages.number(form.get("page"))
    if pages.is_form():
        pages.act(context, lambda: _obey(form, bank))

    def load(course: frappe._dict) -> frappe._dict:
        teaching.demand_edit(course)
        return question_bank.bank(course.name, bank, number)

    page = pages.show_to_staff(context, "questions", _("Questions"), load)
    if page is None:
        return
    path = f"/teach/c/{context.course.slug}/questions/{bank}"
    context.update(
        {
            "page_title": f"{page.title} · {context.course.title}",
            "place": path,
            "kinds": scoring.KINDS,
            "link": pages.linked(path),
            "said": "" if context.trouble else _said(form),
        }
    )


def _obey(form: frappe._dict, bank: str) -> str:
    path = f"/teach/c/{form.slug}/questions"
    if form.get("deed") == "remove_bank":
        questions.remove_bank(bank)
        return f"{path}?said=removed"
    questions.remove(str(form.get("question") or ""))
    return f"{path}/{bank}?said=removed"


def _said(form: frappe._dict) -> str:
    imported = pages.number(form.get("imported"))
    return {
        "removed": _("The question is removed."),
        "saved": _("The question is saved."),
        "imported": _("1 question imported") if imported == 1 else _("{0} questions imported").format(imported),
    }.get(form.get("said") or "", "")
