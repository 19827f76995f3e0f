"""Banks of questions."""

import frappe
from frappe import _
from frappe.model.document import Document


class AcademyQuestionBank(Document):
    """Questions of a course, to be drawn from."""

    def validate(self) -> None:
        """Refuse another course: quizzes of the first one hold its questions."""
        before = self.get_doc_before_save()
        if before and before.course != self.course:
            frappe.throw(_("A bank stays in its course"))
