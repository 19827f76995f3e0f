"""Make thumbnails of a school's own pictures alone, let nobody borrow private files, and keep guarded ones private.

Frappe follows `..` on its way to a picture, and to where the thumbnail is written. It takes a row for proof that a file
is one's own, whatever address is written into it, when it is made or later.
"""

import re
from urllib.parse import unquote

import frappe
from frappe import _
from frappe.core.doctype.file.file import File
from frappe.utils import cint, get_url

from lms_app.services import access, media

# What a row says of where its file is, and to what it belongs; no form of Frappe's changes it, but anybody can send it.
ADDRESSES = ("file_url", "thumbnail_url")
PLACE = ("file_name", "attached_to_doctype", "attached_to_name", "attached_to_field")
_ANYWHERE = re.compile(r"https?://([^/]*)(/.*)", re.DOTALL)


class OwnFile(File):
    """A file of this site."""

    def before_insert(self) -> None:
        """Write a guarded file where only its guard reaches it, and refuse a row for what somebody may not read."""
        self._keep_private()
        self._refuse_a_lesson_of_others()
        self._begin()
        super().before_insert()

    def validate(self) -> None:
        """Keep a guarded file there, and every row at its own file."""
        self._keep_private()
        before = self.get_doc_before_save()
        # First: Frappe moves files by what is written in the row.
        if before and not access.is_manager(frappe.session.user):
            self._refuse_another_place(before)
        super().validate()

    def _begin(self) -> None:
        """Let a new row say nothing of files that are there already, but for one that somebody may read."""
        if not access.is_manager(frappe.session.user):
            # Frappe makes both; whatever stands there is deleted, or shared, with the file.
            self.thumbnail_url = self.content_hash = None
        if self.is_folder:
            self.file_url = None
            return
        if self.file_name:
            # Frappe reads %41 as A after it has written the file, and would find another one there.
            self.file_name = _plain(self.file_name).replace("/", "")
        if self.content:
            self.file_url = None
            return
        # A row without an address leads to the file of its name.
        named = f"{'/private' if cint(self.is_private) else ''}/files/{self.file_name}" if self.file_name else ""
        self.file_url = address(self.file_url) or named
        self._refuse_borrowed()

    def _refuse_a_lesson_of_others(self) -> None:
        # What belongs to a lesson is shown to everybody for whom it is open, and what a pupil hands in is theirs.
        if not media.belongs_behind_the_guard(self) or access.is_manager(frappe.session.user):
            return
        # Nobody can send that along: Frappe takes flags from no request.
        if media.is_handed_in(self) and self.flags.is_handed_in:
            return
        lesson = self.attached_to_name
        if not (lesson and frappe.has_permission(self.attached_to_doctype, "write", lesson)):
            frappe.throw(_("This is not yours to add files to"), frappe.PermissionError)

    def _refuse_borrowed(self) -> None:
        if media.belongs_behind_the_guard(self):
            frappe.throw(_("This file has to be uploaded to what it belongs to"), frappe.PermissionError)
        if not self.file_url.startswith("/private/") or access.is_manager(frappe.session.user):
            return
        if not any(row.has_permission("read") for row in _rows_of(self.file_url)):
            frappe.throw(_("This file is not yours to attach"), frappe.PermissionError)

    def _refuse_another_place(self, before: File) -> None:
        addresses = [[address(row.get(field)) for field in ADDRESSES] for row in (self, before)]
        places = [[cint(row.is_folder), *(str(row.get(field) or "") for field in PLACE)] for row in (self, before)]
        if addresses[0] != addresses[1] or places[0] != places[1]:
            frappe.throw(_("A file stays where it is, and what it belongs to"), frappe.PermissionError)
        # With its row a file itself becomes public or private, for all rows that lead to it.
        is_moved = cint(self.is_private) != cint(before.is_private)
        if is_moved and not all(row.has_permission("write") for row in _rows_of(before.file_url)):
            frappe.throw(_("This file is not yours alone"), frappe.PermissionError)

    def _keep_private(self) -> None:
        if media.belongs_behind_the_guard(self):
            self.is_private = 1

    def is_downloadable(self) -> bool:
        """Say whether whoever asks may have the file: this one, and none whose address only looks alike.

        The database takes letters for the same that differ in case or accents; Frappe then sends what was asked for.
        """
        asked = frappe.local.request.path if getattr(frappe.local, "request", None) else ""
        is_meant = not asked.startswith("/private/files/") or asked == self.file_url
        return is_meant and super().is_downloadable()

    def save_file(
        self,
        content: bytes | str | None = None,
        decode: bool = False,
        ignore_existing_file_check: bool = False,
        overwrite: bool = False,
    ) -> dict[str, str] | None:
        """Write a file; over nothing but itself: Frappe goes by its name, which another file may have on the disk."""
        name = self.file_name
        # Frappe writes the same bytes once, for whoever brings them; what is handed in belongs to one pupil alone.
        ignore_existing_file_check = ignore_existing_file_check or media.is_handed_in(self)
        if overwrite and self.file_url:
            self.file_name = self.file_url.rsplit("/", 1)[-1]
        try:
            return super().save_file(content, decode, ignore_existing_file_check, overwrite)
        finally:
            if overwrite:
                self.file_name = name

    def add_comment_in_reference_doc(self, comment_type: str, text: str) -> None:
        """Write down what was attached, but for a pupil's work: that is kept, and removed, with nothing beside it."""
        if not media.is_handed_in(self):
            super().add_comment_in_reference_doc(comment_type, text)

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


def address(url: str | None) -> str:
    """Return an address as Frappe reads it in the end: nothing quoted, and without this site's own host."""
    plain = _plain(url or "")
    found = _ANYWHERE.fullmatch(plain)
    return found[2] if found and _host(found[1]) in _own_hosts() else plain


def _own_hosts() -> set[str]:
    asked = frappe.local.request.host if getattr(frappe.local, "request", None) else ""
    return {_host(get_url().partition("//")[2].partition("/")[0]), _host(asked)}


def _host(words: str) -> str:
    """Return the host of `user@host:port`."""
    return words.rpartition("@")[2].partition(":")[0].lower()


def _plain(text: str) -> str:
    while (read := unquote(text)) != text:
        text = read
    return text


def _rows_of(file_url: str) -> list[File]:
    # Exactly this one: the database takes letters for the same that differ in case or accents.
    rows = frappe.get_all("File", {"file_url": file_url}, ["name", "file_url"])
    return [frappe.get_doc("File", row.name) for row in rows if row.file_url == file_url]
