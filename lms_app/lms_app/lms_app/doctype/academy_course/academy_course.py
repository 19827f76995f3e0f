"""Courses."""

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import get_datetime, now_datetime

from lms_app.services import access, addresses, bounds, catalogue, content, prerequisites, rights


class AcademyCourse(Document):
    """A course: what the catalogue says of it, who teaches it, and how one joins."""

    def before_insert(self) -> None:
        """Name whoever makes a course as the one who leads it."""
        user = frappe.session.user
        if not self.instructors and access.INSTRUCTOR_ROLE in frappe.get_roles(user) and not access.is_manager(user):
            self.append("instructors", {"user": user, "role": rights.LEAD})

    def validate(self) -> None:
        """Refuse teachers without the role for it, circles, and a course for pupils that lacks something."""
        addresses.give(self)
        self._refuse_pupils_as_teachers()
        self._refuse_circles()
        if self.enrol_from and self.enrol_until and get_datetime(self.enrol_from) > get_datetime(self.enrol_until):
            frappe.throw(_("Enrolment cannot close before it opens"))
        bounds.check(self)
        if self.status == rights.PUBLISHED:
            if lacks := content.lacks_of(self):
                frappe.throw(_("This course cannot be published without {0}").format(", ".join(lacks)))
            self.published_on = self.published_on or now_datetime()

    def on_update(self) -> None:
        """Keep the old address, and count anew: a form that was open for long holds old numbers."""
        addresses.remember(self)
        catalogue.recount(self.name)

    def on_trash(self) -> None:
        """Forget the old addresses."""
        addresses.forget(self)

    def _refuse_circles(self) -> None:
        """Refuse to build on a course that builds on this one: nobody could ever join either."""
        wanted = [row.requires for row in self.prerequisites]
        if self.name in wanted:
            frappe.throw(_("A course cannot come before itself"))
        if not wanted:
            return
        before: dict[str, list[str]] = {}
        for row in frappe.get_all(
            "Academy Course Prerequisite",
            {"parenttype": access.COURSE, "parent": ("!=", self.name)},
            ["parent", "requires"],
        ):
            before.setdefault(row.parent, []).append(row.requires)
        if found := prerequisites.in_circles(self.name, wanted, before):
            title = frappe.db.get_value(access.COURSE, found[0], "title")
            frappe.throw(_("“{0}” builds on this course, so this course cannot build on it").format(title))

    def _refuse_pupils_as_teachers(self) -> None:
        """Refuse to name somebody whom the school has not given the role: a course gives nobody any."""
        before = self.get_doc_before_save()
        named = {(row.user, row.role) for row in before.instructors} if before else set()
        for row in self.instructors:
            if (row.user, row.role) not in named:
                held = {*frappe.get_roles(row.user)}
                if held.isdisjoint({access.ROLE_OF[row.role], access.INSTRUCTOR_ROLE, *access.MANAGERS}):
                    frappe.throw(
                        _("{0} cannot be named here without the role {1}").format(row.user, _(access.ROLE_OF[row.role]))
                    )


def on_doctype_update() -> None:
    """Find quickly what the catalogue shows."""
    frappe.db.add_index("Academy Course", ["status", "visibility"], "academy_catalogue")
