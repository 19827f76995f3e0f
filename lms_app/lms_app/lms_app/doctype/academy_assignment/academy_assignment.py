"""Assignments."""

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import assignment_content, bounds, passing, submissions

# By what it is decided who has passed.
JUDGED_BY = ("pass_percent", "grading")


class AcademyAssignment(Document):
    """What pupils are asked to hand in, until when, and what it is worth."""

    def validate(self) -> None:
        """Refuse another course, numbers out of bounds, a rubric of others, and rules by which nothing is handed in."""
        before = self.get_doc_before_save()
        if before and before.course != self.course:
            frappe.throw(_("An assignment stays in its course"))
        bounds.check(self)
        assignment_content.check(self)

    def on_update(self) -> None:
        """Let another date hold for what was handed in and is not graded yet, and other rules for what is."""
        if self.has_value_changed("due_on"):
            submissions.judge_times(self.name)
        if self.get_doc_before_save() and any(self.has_value_changed(field) for field in JUDGED_BY):
            passing.judge_assignment(self.name)
