"""A question to write or to change, by a form of its kind; more rows are a form as well."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import questions as api
from lms_app.services import numbers, question_bank, questions, reasons, rights, scoring, teaching

no_cache = 1

NEW = "new"
# Empty rows below those that are there.
SPARE, FIRST = 2, 4


def get_context(context: frappe._dict) -> None:
    """Fill in the question, or what was written of it when that was refused; save or remove it."""
    form = frappe.form_dict
    bank, name = str(form.get("bank") or ""), str(form.get("question") or "")
    if pages.is_form() and form.get("deed") != "more":
        pages.act(context, lambda: _save(form, bank, name))

    def load(course: frappe._dict) -> frappe._dict:
        teaching.demand_edit(course)
        found = question_bank.bank(course.name, bank)
        kind = str(form.get("kind") or "")
        if name == NEW:
            reasons.deny("" if kind in scoring.KINDS else rights.UNKNOWN)
            shown = frappe._dict(kind=kind, points=1, is_partial=1, options=[])
        else:
            shown = question_bank.question(course.name, bank, name)
        shown.bank = found
        if pages.is_form():
            shown.update(_typed(form, shown.kind))
        return shown

    page = pages.show_to_staff(context, "questions", _("A question"), load)
    if page is None:
        return
    fields = question_bank.FIELDS[page.kind]
    spare = max(SPARE, FIRST - len(page.options)) + (SPARE if form.get("deed") == "more" else 0)
    context.update(
        {
            "place": f"/teach/c/{context.course.slug}/questions/{bank}",
            "is_new": name == NEW,
            "fields": fields,
            "rows": [*page.options, *({} for _number in range(spare if fields else 0))],
            "truths": (questions.TRUE, questions.FALSE),
            "heads": _heads(page.kind),
            "hint": _hint(page.kind),
            "has_capitals": page.kind in (scoring.SHORT_TEXT, scoring.CLOZE),
            "has_parts": page.kind not in (scoring.ESSAY, scoring.TRUE_FALSE),
        }
    )


def _save(form: frappe._dict, bank: str, name: str) -> str:
    typed = _typed(form, str(form.get("kind") or ""))
    points = numbers.of_form(typed["points"], question_bank.MOST_POINTS, "bad_points_column", is_needed=True)
    api.save(
        bank,
        typed["body"],
        typed["options"],
        kind=str(form.get("kind") or ""),
        question="" if name == NEW else name,
        title=typed["title"],
        points=points,
        truth=typed["truth"],
        explanation=typed["explanation"],
        is_partial=bool(typed["is_partial"]),
        is_case_sensitive=bool(typed["is_case_sensitive"]),
        seen=str(form.get("over") or typed["seen"]),
    )
    return f"/teach/c/{form.slug}/questions/{bank}?said=saved"


def _typed(form: frappe._dict, kind: str) -> dict:
    """Return what a form says, in the words in which it says it."""
    fields = ("name", *question_bank.FIELDS.get(kind, ()))
    options = []
    for number in range(1, question_bank.MOST_OPTIONS + 1):
        row = {field: str(form.get(f"{field}-{number}") or "") for field in fields}
        if any(row.values()):
            options.append(row)
    told = {field: str(form.get(field) or "") for field in ("title", "body", "points", "truth", "explanation", "seen")}
    checked = {field: int(bool(form.get(field))) for field in ("is_partial", "is_case_sensitive")}
    return {**told, **checked, "options": options}


def _heads(kind: str) -> dict[str, str]:
    return {
        "text": {scoring.MATCHING: _("On the left"), scoring.ORDERING: _("In the right order")}.get(kind, _("Option")),
        "key": {scoring.MATCHING: _("Belongs to it"), scoring.NUMERIC: _("Number")}.get(kind, _("Accepted answer")),
        "weight": _("Percent"),
        "tolerance": _("May be off by"),
        "gap": _("Gap"),
        "feedback": _("Word to whoever chose it"),
    }


def _hint(kind: str) -> str:
    return {
        scoring.SINGLE: _("100 percent for what is right; 50 for half of it, nothing for what is wrong."),
        scoring.MULTIPLE: _("100 percent for each that is right. A wrong one takes back what a right one earns."),
        scoring.SHORT_TEXT: _("Each answer that you accept; less than 100 percent for one that is not wholly right."),
        scoring.NUMERIC: _("With a point or a comma for decimals. A wider tolerance can earn less."),
        scoring.MATCHING: _("What is on the right without anything on the left is one too many, to make it harder."),
        scoring.ORDERING: _("Pupils see them in another order."),
        scoring.CLOZE: _("In the text, gaps are [[1]], [[2]] and so on; here is what each accepts."),
        scoring.ESSAY: _("A person reads what is written. The explanation is what to look for."),
    }.get(kind, "")
