"""Quizzes."""

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import get_datetime

from lms_app.services import bounds, passing, quiz_content, quiz_engine

# By what it is decided who has passed.
JUDGED_BY = ("pass_percent", "grading")


class AcademyQuiz(Document):
    """What is asked, how often and for how long, and what pupils see of it afterwards."""

    def validate(self) -> None:
        """Refuse another course, numbers out of bounds, questions of others, and more questions than there are."""
        before = self.get_doc_before_save()
        if before and before.course != self.course:
            frappe.throw(_("A quiz stays in its course"))
        bounds.check(self)
        if self.opens_on and self.closes_on and get_datetime(self.opens_on) >= get_datetime(self.closes_on):
            frappe.throw(_("A quiz cannot close before it opens"))
        quiz_content.check(self)

    def on_update(self) -> None:
        """Let other times hold for attempts that have begun as well, and other rules for those that are graded."""
        if any(self.has_value_changed(field) for field in ("time_limit", "closes_on")):
            quiz_engine.extend(self.name)
        if self.get_doc_before_save() and any(self.has_value_changed(field) for field in JUDGED_BY):
            passing.judge_quiz(self.name)
