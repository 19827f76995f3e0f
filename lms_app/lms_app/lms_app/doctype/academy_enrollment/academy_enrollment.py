"""Pupils in courses."""

import frappe
from frappe.model.document import Document


class AcademyEnrollment(Document):
    """A pupil in a course; written by services/enrolment.py and services/progress.py alone."""

    def validate(self) -> None:
        """Keep the run in a form that is unique also where there is none: nothing is never like nothing."""
        self.run_key = self.run_key or ""


def on_doctype_update() -> None:
    """Let a pupil be in a run of a course once, and find queues and pupils quickly."""
    frappe.db.add_unique("Academy Enrollment", ["student", "course", "run_key"], "academy_run")
    frappe.db.add_index("Academy Enrollment", ["course", "state", "waitlisted_on"], "academy_queue")
