"""The page of a lesson: a reading room with the outline at its side and one clear next step."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import progress
from lms_app.services import completion, content, durations

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the lesson, or why it is not open; complete it or keep a note where a form asks for that."""
    course, lesson = frappe.form_dict.slug, frappe.form_dict.lesson
    path = f"/learn/c/{course}/l/{lesson}"
    if pages.is_form():
        form = frappe.form_dict
        pages.act(context, lambda: _obey(path, form.get("deed"), form.get("name") or "", form.get("text") or ""))
    page = pages.show(context, _("Lesson"), lambda: content.lesson_page(course, lesson, frappe.session.user))
    if page is None:
        return
    if not page.decision.is_allowed:
        context.status = 403
    context.update(
        {
            "page_title": f"{page.lesson.title} · {page.course.title}",
            "unlisted": True,
            "duration": durations.words,
            "declared": page.lesson.completion_rule == completion.MANUAL,
            "counts": bool(page.enrolment) and page.decision.is_allowed,
        }
    )


def _obey(path: str, deed: str | None, lesson: str, text: str) -> str:
    if deed == "complete":
        progress.complete(lesson)
        return f"{path}#next"
    if deed == "note":
        progress.write_note(lesson, text)
        return f"{path}#note"
    return path
