"""The page of an attempt: its questions while it is under way, and afterwards what it came to."""

import json

import frappe
from frappe import _

from lms_app import pages
from lms_app.services import attempts, quiz_engine, quiz_pages, reasons, rights

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the attempt, or why it is not to be seen; keep answers or hand it in where a form asks for that."""
    attempt = frappe.form_dict.attempt
    if pages.is_form():
        pages.act(context, lambda: _obey(attempt, frappe.form_dict))
    page = pages.show(context, _("Quiz"), lambda: quiz_pages.attempt_page(attempt, frappe.session.user))
    if page is None:
        return
    context.update(
        {
            "page_title": f"{page.quiz.title} · {page.course.title}",
            "unlisted": True,
            "is_under_way": page.attempt.state == attempts.IN_PROGRESS,
            "waiting": attempts.WAITING,
            "words": json.dumps(_words()),
            "said": None if context.trouble else frappe.form_dict.get("said"),
        }
    )


def _obey(attempt: str, form: frappe._dict) -> str:
    # Not by the endpoints, which take one answer at a time: this is a whole form of them.
    user = frappe.session.user
    reasons.deny(rights.LOG_IN if user == rights.GUEST else "")
    if form.get("deed") == "submit":
        quiz_engine.submit_form(user, attempt, form)
        return f"/learn/attempt/{attempt}"
    quiz_engine.save_form(user, attempt, form)
    return f"/learn/attempt/{attempt}?said=saved"


def _words() -> dict[str, str]:
    """Return what the page's script says, in the reader's language."""
    return {
        "saved": _("Saved {0}"),
        "offline": _("Not saved yet: there is no connection. It is tried again by itself."),
        "loggedOut": _("Not saved yet: you are logged out. Log in again in another window, then load this page anew."),
        "refused": _("This answer could not be saved. Load the page anew."),
        "minutes": _("{0} minutes left"),
        "minute": _("1 minute left"),
        "over": _("The time is up. Your answers are handed in."),
        "allAnswered": _("Every question has an answer."),
        "unanswered": _("Without an answer: {0}"),
        "done": _("Question {0}, answered"),
        "open": _("Question {0}, without an answer"),
        "up": _("Move up: {0}"),
        "down": _("Move down: {0}"),
        "place": _("{0}: place {1} of {2}"),
    }
