"""A quiz to put together: what it asks, and by which rules."""

from typing import Any

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import questions
from lms_app.services import attempts, quiz_form, review, teaching

no_cache = 1

NEW = "new"
# Empty rows below those that are there.
SPARE = 3


def get_context(context: frappe._dict) -> None:
    """Fill in the quiz, or what was written of it when that was refused; save or remove it."""
    form = frappe.form_dict
    name = str(form.get("quiz") or "")
    if pages.is_form() and form.get("deed") not in ("more", "add"):
        pages.act(context, lambda: _obey(form, name))

    def load(course: frappe._dict) -> frappe._dict:
        teaching.demand_edit(course)
        shown = quiz_form.new() if name == NEW else quiz_form.quiz(course.name, name)
        if pages.is_form() and form.get("deed") != "remove":
            shown.update(_typed(form), seen=form.get("seen"))
            shown.slots = _slots(form)
        shown.sources = quiz_form.sources(course.name)
        return shown

    page = pages.show_to_staff(context, "questions", _("A quiz"), load)
    if page is None:
        return
    spare = SPARE * (2 if form.get("deed") == "more" else 1)
    context.update(
        {
            "is_new": name == NEW,
            "place": f"/teach/c/{context.course.slug}/questions",
            "rows": [*page.slots, *({"count": 1} for _number in range(spare))],
            "titles": {f"question:{one.name}": one.title for bank in page.sources for one in bank.questions},
            "options": _options(),
        }
    )


def _obey(form: frappe._dict, name: str) -> str:
    if form.get("deed") == "remove":
        questions.remove_quiz(name)
        return f"/teach/c/{form.slug}/questions?said=quiz-removed"
    course = teaching.course(form.slug, frappe.session.user).name or ""
    seen = str(form.get("over") or form.get("seen") or "")
    questions.save_quiz(course, _typed(form), _slots(form), "" if name == NEW else name, seen)
    return f"/teach/c/{form.slug}/questions?said=quiz"


def _typed(form: frappe._dict) -> dict[str, str]:
    fields = ("title", "intro", "pass_percent", *quiz_form.NUMBERS, *quiz_form.MOMENTS, *quiz_form.CHOICES)
    told = {field: str(form.get(field) or "") for field in fields}
    return told | {field: "1" if form.get(field) else "" for field in quiz_form.CHECKS}


def _slots(form: frappe._dict) -> list[dict[str, str]]:
    """Return the rows of a form in the order of their places, then the questions that are added.

    Whoever is moved up comes before whose place it takes.
    """
    rows = []
    for number in range(1, quiz_form.MOST_SLOTS + 1):
        row = {field: str(form.get(f"{field}-{number}") or "") for field in ("what", "count", "points", "place")}
        if row["what"]:
            place = pages.number(row.pop("place") or number)
            rows.append((place, (place > number) - (place < number), number, row))
    added = [{"what": f"question:{name}", "count": "1", "points": ""} for name in _added() if name]
    return [*(row for *_place, row in sorted(rows, key=lambda one: one[:3])), *added]


def _added() -> list[str]:
    """Return the questions that are chosen to be added, of which a form names several."""
    return frappe.local.request.form.getlist("add")


def _options() -> dict[str, list[tuple[str, str]]]:
    words: dict[str, Any] = {
        attempts.HIGHEST: _("The best"),
        attempts.LAST: _("The last"),
        attempts.AVERAGE: _("The average"),
        attempts.FIRST: _("The first"),
        review.NOTHING: _("Nothing"),
        review.SCORE: _("The score"),
        review.MARKS: _("Points of each answer"),
        review.ANSWERS: _("Also what is right"),
        review.AT_ONCE: _("At once"),
        review.WHEN_CLOSED: _("When the quiz is closed"),
        review.AFTER_LAST: _("After the last attempt"),
    }
    return {field: [(value, words[value]) for value in known] for field, known in quiz_form.CHOICES.items()}
