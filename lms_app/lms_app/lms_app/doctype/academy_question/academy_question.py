"""Questions."""

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import questions, reasons

LONGEST_TITLE = 140


class AcademyQuestion(Document):
    """A question of a bank, with what is right at a level of permission of its own."""

    def before_validate(self) -> None:
        """Take the course from the bank, a title from the text, and whole weights for accepted words."""
        self.course = frappe.db.get_value("Academy Question Bank", self.bank, "course")
        self.title = self.title or " ".join((self.body or "").split())[:LONGEST_TITLE]
        rows = [row.as_dict() for row in self.options]
        for row, weight in zip(self.options, questions.with_weights(self.kind, rows), strict=True):
            row.weight = weight

    def validate(self) -> None:
        """Refuse another course, another kind once it was asked, and a question that nobody could answer."""
        before = self.get_doc_before_save()
        if before and before.course != self.course:
            frappe.throw(_("A question stays in its course"))
        if before and before.kind != self.kind and frappe.db.exists("Academy Quiz Answer", {"question": self.name}):
            frappe.throw(_("This has been asked already, and answers are of its kind; make another question"))
        if faults := questions.faults(self.as_dict(), [row.as_dict() for row in self.options]):
            frappe.throw("<br>".join(reasons.words(reason) for reason in faults), title=_("This cannot be asked yet"))
