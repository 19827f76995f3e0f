"""What single pupils are given beyond the rules."""

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import cint, get_datetime

from lms_app.services import bounds, quiz_content, quiz_engine, reasons, submissions


class AcademyOverride(Document):
    """More time, more attempts or other dates for one pupil, in one quiz or assignment."""

    def validate(self) -> None:
        """Refuse what is of another course, more than anybody needs, and dates that leave no time."""
        most = bounds.MOST[self.doctype]
        reasons.refuse("" if all(0 <= cint(self.get(field)) <= most[field] for field in most) else "bad_override")
        before = self.get_doc_before_save()
        if before and (before.course, before.student, before.item) != (self.course, self.student, self.item):
            frappe.throw(_("An override stays with its pupil; make another one"))
        if frappe.db.get_value(self.item_type, self.item, "course") != self.course:
            frappe.throw(_("{0} is not of this course").format(_(self.item_type)))
        if not frappe.db.exists("Academy Enrollment", {"student": self.student, "course": self.course}):
            frappe.throw(_("This pupil is not in the course"))
        if self.due_on and self.closes_on and get_datetime(self.closes_on) < get_datetime(self.due_on):
            frappe.throw(_("An assignment is accepted until it is due, or longer"))
        if self.item_type == quiz_content.QUIZ:
            self._refuse_no_time()

    def _refuse_no_time(self) -> None:
        # What is left empty holds as the quiz says.
        quiz = frappe.db.get_value(self.item_type, self.item, ["opens_on", "closes_on"], as_dict=True)
        opens, closes = self.opens_on or quiz.opens_on, self.closes_on or quiz.closes_on
        if (self.opens_on or self.closes_on) and opens and closes and get_datetime(opens) >= get_datetime(closes):
            frappe.throw(_("A quiz cannot close before it opens"))

    def on_update(self) -> None:
        """Let what was given hold for an attempt that has begun, and for what was handed in and is not graded yet."""
        self._hold()

    def after_delete(self) -> None:
        """Let the rules hold again."""
        self._hold()

    def _hold(self) -> None:
        if self.item_type == quiz_content.QUIZ:
            quiz_engine.extend(self.item, self.student)
        else:
            submissions.judge_times(self.item, self.student)


def on_doctype_update() -> None:
    """Let a pupil have one override in a quiz or an assignment."""
    frappe.db.add_unique("Academy Override", ["item_type", "item", "student"], "academy_override")
