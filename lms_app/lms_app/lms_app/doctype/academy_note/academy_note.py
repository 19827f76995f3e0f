"""Notes of pupils."""

import frappe
from frappe.model.document import Document


class AcademyNote(Document):
    """What a pupil wrote down for themselves; written by services/notes.py alone."""


def on_doctype_update() -> None:
    """Let there be one note of a pupil on a lesson."""
    frappe.db.add_unique("Academy Note", ["student", "lesson"], "academy_note")
