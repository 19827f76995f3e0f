"""How far pupils are in lessons."""

import frappe
from frappe.model.document import Document


class AcademyLessonProgress(Document):
    """What is known of a pupil in a lesson; written by services/progress.py alone."""


def on_doctype_update() -> None:
    """Let there be one row for a pupil and a lesson."""
    frappe.db.add_unique("Academy Lesson Progress", ["enrollment", "lesson"], "academy_trace")
