"""What pupils hand in."""

import frappe
from frappe.model.document import Document


class AcademySubmission(Document):
    """One version of a pupil's work, and what a teacher said of it; nothing but services writes it.

    Each version is a row of its own: what was handed in and graded stays as it was, whatever follows, and the index
    over assignment, pupil and version lets there be one of a number, however often it is sent at once.
    """


def on_doctype_update() -> None:
    """Let there be one version of a number, and find quickly what waits for a grade."""
    frappe.db.add_unique("Academy Submission", ["assignment", "student", "version"], "academy_version")
    frappe.db.add_index("Academy Submission", ["course", "state", "submitted_on"], "academy_waiting")
