"""The page of a quiz: what awaits a pupil, what was reached so far, and the one button that begins."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import quiz as quizzes
from lms_app.services import attempts, durations, quiz_pages

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the quiz, or why it is not to be seen; begin an attempt where a form asks for that."""
    quiz = frappe.form_dict.quiz
    if pages.is_form():
        pages.act(context, lambda: f"/learn/attempt/{quizzes.begin(quiz)}")
    page = pages.show(context, _("Quiz"), lambda: quiz_pages.quiz_page(quiz, frappe.session.user))
    if page is None:
        return
    if not page.decision.is_allowed:
        context.status = 403
    context.update(
        {
            "page_title": f"{page.quiz.title} · {page.course.title}",
            "unlisted": True,
            "duration": durations.words,
            "waiting": attempts.WAITING,
        }
    )
