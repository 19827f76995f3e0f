"""What waits to be graded, in all courses that somebody teaches or in one of them."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.services import access, grading_queue, teaching

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the queue, the oldest first."""
    user, slug = frappe.session.user, str(frappe.form_dict.get("course") or "")

    def load() -> frappe._dict:
        access.to_teach(user)
        course = teaching.course(slug, user) if slug else frappe._dict()
        if course.moved:
            return frappe._dict(moved=f"/teach/grading?course={course.moved}")
        context.course = course if slug else None
        return grading_queue.listed(user, course.name, pages.number(frappe.form_dict.get("page")))

    if pages.show(context, _("Grading"), load) is None:
        return
    context.update(
        {
            "tab": "grading",
            "unlisted": True,
            "of_course": slug,
            "link": pages.linked("/teach/grading", course=slug),
            "said": _said(frappe.form_dict.get("said")),
        }
    )


def _said(deed: str | None) -> str:
    return {
        "graded": _("Kept. Nothing else waits."),
        "kept": _("Kept, and not told yet."),
        "back": _("Given back."),
        "released": _("The pupils are told their grades."),
    }.get(deed or "", "")
