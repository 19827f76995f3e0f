"""One answer to read: what was asked, what was written, and a form for points and a word; the next one follows."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import quiz as quizzes
from lms_app.services import grading, grading_queue, numbers

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the answer and what follows it; keep a grade where a form asks for that, and go on."""
    form, user = frappe.form_dict, frappe.session.user
    attempt, position = str(form.get("attempt") or ""), pages.number(form.get("position"))
    of_course = bool(form.get("course"))
    if pages.is_form():
        pages.act(context, lambda: _grade(form, user, attempt, position))
    page = pages.show_to_grade(context, lambda: grading_queue.answer(user, attempt, position), of_course=of_course)
    if page is None:
        return
    context.update(
        {
            "page_title": f"{page.quiz} · {page.pupil}",
            "typed": {field: str(form.get(field) or "") for field in ("points", "comment")}
            if context.trouble
            else None,
            "said": _("Kept. Here is the next one.") if form.get("said") == "graded" and not context.trouble else "",
            "longest": grading.LONGEST_COMMENT,
        }
    )


def _grade(form: frappe._dict, user: str, attempt: str, position: int) -> str:
    """Keep a grade, and return the address of what is read next."""
    points = numbers.of_form(str(form.get("points") or ""), reason="bad_points", is_needed=True)
    quizzes.grade(attempt, position, points, str(form.get("comment") or ""))
    graded = grading_queue.answer(user, attempt, position)
    return grading_queue.next_address(user, graded, of_course=bool(form.get("course")), said="graded")
