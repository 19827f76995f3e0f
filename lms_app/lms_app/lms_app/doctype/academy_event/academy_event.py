"""What pupils did."""

import frappe
from frappe.model.document import Document


class AcademyEvent(Document):
    """A sentence of the log: who, verb, object; written by services/events.py alone."""


def on_doctype_update() -> None:
    """Find what a pupil did, and what was done in a course, by time."""
    frappe.db.add_index("Academy Event", ["student", "happened_on"], "academy_by_student")
    frappe.db.add_index("Academy Event", ["course", "happened_on"], "academy_by_course")
