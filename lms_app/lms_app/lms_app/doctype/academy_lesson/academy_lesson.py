"""Lessons."""

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import (
    addresses,
    bounds,
    catalogue,
    completion,
    content,
    media,
    outline,
    passing,
    progress,
    reasons,
)

# What makes a course longer, or completed later, when it changes.
COUNTED = ("status", "is_required", "minutes")
# What may ask pupils for something that they have done already.
ASKING = ("status", "completion_rule", "quiz", "assignment")


class AcademyLesson(Document):
    """One sitting of a course, made of blocks."""

    def before_insert(self) -> None:
        """Put a new lesson at the end of its module."""
        if not self.position:
            [(last,)] = frappe.db.sql("SELECT MAX(position) FROM `tabAcademy Lesson` WHERE module = %s", self.module)
            self.position = (last or 0) + 1

    def before_validate(self) -> None:
        """Take the course from the module."""
        self.course = frappe.db.get_value("Academy Module", self.module, "course")

    def validate(self) -> None:
        """Refuse another course, files of others, and a lesson for pupils that lacks what some of them need."""
        before = self.get_doc_before_save()
        if before and before.course != self.course:
            frappe.throw(_("A lesson stays in its course"))
        addresses.give(self, scope=self.course)
        bounds.check(self)
        if self.completion_rule == completion.VIDEO and not 1 <= self.video_percent <= 100:
            frappe.throw(_("Percent of the Video must be from 1 to 100"))
        for block in self.blocks:
            block.anchor = block.anchor or frappe.generate_hash(length=8)
        self._refuse_foreign_files()
        if self.kind != "Quiz":
            self.quiz = None
        elif self.quiz and frappe.db.get_value("Academy Quiz", self.quiz, "course") != self.course:
            frappe.throw(_("The quiz of a lesson is one of its course"))
        if self.kind != "Assignment":
            self.assignment = None
        elif self.assignment and frappe.db.get_value("Academy Assignment", self.assignment, "course") != self.course:
            frappe.throw(_("The assignment of a lesson is one of its course"))
        self._refuse_what_another_lesson_has()
        if self.status == outline.PUBLISHED and (faults := content.faults_of(self)):
            frappe.throw("<br>".join(said for _number, said in faults), title=_("This lesson cannot be published yet"))

    def on_update(self) -> None:
        """Keep the old address, and count anew what changed."""
        addresses.remember(self, scope=self.course)
        if any(self.has_value_changed(field) for field in COUNTED):
            self._recount()
        if self.status == outline.PUBLISHED and any(self.has_value_changed(field) for field in ASKING):
            passing.complete(self.name)

    def on_trash(self) -> None:
        """Forget the old addresses."""
        addresses.forget(self)

    def after_delete(self) -> None:
        """Count anew without this lesson."""
        self._recount()

    def _recount(self) -> None:
        catalogue.recount(self.course)
        progress.recount(self.course)

    def _refuse_what_another_lesson_has(self) -> None:
        # The index refuses it as well, but in no words that say what to do.
        for field, said in (
            ("quiz", _("Another lesson has this quiz already")),
            ("assignment", _("Another lesson has this assignment already")),
        ):
            taken = {field: self.get(field), "name": ("!=", self.name or "")}
            if self.get(field) and self.has_value_changed(field) and frappe.db.exists("Academy Lesson", taken):
                frappe.throw(said)

    def _refuse_foreign_files(self) -> None:
        for row in (*self.blocks, *self.captions):
            if row.file and not media.is_own(row.file, self.name):
                frappe.throw(_("Row {0}: {1}").format(row.idx, reasons.words("foreign_file")))


def on_doctype_update() -> None:
    """Let a lesson have an address of its own in its course."""
    frappe.db.add_unique("Academy Lesson", ["course", "slug"], "academy_slug")
