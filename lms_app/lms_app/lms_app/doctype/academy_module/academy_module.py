"""Modules of courses."""

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import bounds, release


class AcademyModule(Document):
    """A part of a course that opens as a whole."""

    def before_insert(self) -> None:
        """Put a new module at the end."""
        if not self.position:
            [(last,)] = frappe.db.sql("SELECT MAX(position) FROM `tabAcademy Module` WHERE course = %s", self.course)
            self.position = (last or 0) + 1

    def validate(self) -> None:
        """Refuse a release that never comes, or that nobody has said when."""
        if self.release_rule == release.ON_DATE and not self.release_on:
            # The form asks for it, but a module does not always come from the form.
            frappe.throw(_("A module that opens on a date needs the date"))
        bounds.check(self)
        if self.release_rule != release.AFTER_MODULE:
            self.release_after = None
            return
        after = dict(frappe.get_all("Academy Module", {"course": self.course}, ["name", "release_after"], as_list=True))
        if self.release_after not in after:
            frappe.throw(_("A module can only come after one of the same course"))
        if self.name and release.circle({**after, self.name: self.release_after}):
            frappe.throw(_("These modules wait for one another, and none of them would ever open"))


def on_doctype_update() -> None:
    """Find the modules of a course in their order."""
    frappe.db.add_index("Academy Module", ["course", "position"], "academy_order")
