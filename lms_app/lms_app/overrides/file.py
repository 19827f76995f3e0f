"""Make thumbnails of a school's own pictures alone, let nobody borrow private files, and keep lessons' private.

Frappe follows `..` on its way to a picture, and to where the thumbnail is written. It takes a new row for proof that a
file is one's own, whatever address is written into it.
"""

import frappe
from frappe import _
from frappe.core.doctype.file.file import File

from lms_app.services import access, media


class OwnFile(File):
    """A file of this site."""

    def before_insert(self) -> None:
        """Write a lesson's file where only its guard reaches it, and refuse a row for what somebody may not read."""
        self._keep_private()
        if not self.content and not self.is_folder:
            self._refuse_borrowed()
        super().before_insert()

    def validate(self) -> None:
        """Keep a lesson's file there."""
        self._keep_private()
        super().validate()

    def _refuse_borrowed(self) -> None:
        if media.belongs_behind_the_guard(self):
            frappe.throw(_("Files of lessons have to be uploaded to them"), frappe.PermissionError)
        if (self.file_url or "").startswith("/private/") and not access.is_manager(frappe.session.user):
            rows = frappe.get_all("File", {"file_url": self.file_url}, pluck="name")
            if not any(frappe.get_doc("File", name).has_permission("read") for name in rows):
                frappe.throw(_("This file is not yours to attach"), frappe.PermissionError)

    def _keep_private(self) -> None:
        if media.belongs_behind_the_guard(self):
            self.is_private = 1

    def make_thumbnail(
        self,
        set_as_thumbnail: bool = True,
        width: int = 300,
        height: int = 300,
        suffix: str = "small",
        crop: bool = False,
    ) -> str | None:
        """Make a small picture beside a picture; return its address."""
        if ".." in f"{self.file_url}_{suffix}".split("/"):
            frappe.throw("A picture and its thumbnail stay in the school's own folder.", frappe.PermissionError)
        return super().make_thumbnail(set_as_thumbnail, width, height, suffix, crop)
