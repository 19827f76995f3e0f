"""Questions of another program to bring into a bank: looked at first, then written."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import questions
from lms_app.api import quiz as quizzes
from lms_app.services import question_bank, question_formats, question_import, teaching

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Show which questions a text holds, or write them, where a form asks for that."""
    form = frappe.form_dict
    bank = str(form.get("bank") or "")
    text = pages.table_of(form) if pages.is_form() else ""
    chosen = str(form.get("form") or question_formats.GIFT)
    if pages.is_form() and form.get("deed") == "take":
        pages.act(context, lambda: _take(context, bank, text, chosen))
    elif pages.is_form():
        context.found = pages.done(context, lambda: questions.look(bank, text, chosen))

    def load(course: frappe._dict) -> frappe._dict:
        teaching.demand_edit(course)
        return question_bank.bank(course.name, bank)

    page = pages.show_to_staff(context, "questions", _("Import questions"), load)
    if page is None:
        return
    context.update(
        {
            "place": f"/teach/c/{context.course.slug}/questions/{bank}",
            "text": text,
            "chosen": chosen,
            "forms": question_import.FORMS,
            "most": question_formats.MOST,
        }
    )


def _take(context: frappe._dict, bank: str, text: str, chosen: str) -> str:
    done = quizzes.import_questions(bank, text, chosen)
    if done["faults"]:
        # Whoever sends a text that was not looked at, looks at it now.
        context.update({"found": done, "status": 409})
        return ""
    return f"/teach/c/{frappe.form_dict.slug}/questions/{bank}?said=imported&imported={done['imported']}"
