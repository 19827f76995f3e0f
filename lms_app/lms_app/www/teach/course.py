"""The outline of a course, for its teachers."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.services import durations, outline

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in modules and lessons, drafts among them."""
    pages.show_to_staff(
        context,
        "outline",
        _("Outline"),
        lambda course: frappe._dict(modules=outline.load(course.name, with_drafts=True)),
    )
    context.duration = durations.words
