"""Rubrics."""

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import assignment_content


class AcademyRubric(Document):
    """By what the work of pupils is judged: criteria, and levels with points for each."""

    def validate(self) -> None:
        """Refuse another course, and criteria by which nobody could judge."""
        before = self.get_doc_before_save()
        if before and before.course != self.course:
            frappe.throw(_("A rubric stays in its course"))
        for row in (*self.criteria, *self.levels):
            row.anchor = row.anchor or frappe.generate_hash(length=8)
        assignment_content.check_rubric(self)
