"""Files of lessons: private, found at /learn/media/<name>, and sent by the edge to whom the lesson is open."""

import mimetypes

import frappe
from frappe.core.doctype.file.file import File
from frappe.utils.response import send_private_file
from werkzeug.wrappers import Response

from lms_app.services import outline, progress, reasons, rights

PREFIX = "learn/media/"
OWNERS = frozenset({"Academy Lesson"})
# What browsers play or show by themselves; everything else is a download.
SHOWN = ("image/", "video/", "audio/", "text/vtt", "application/pdf")
KEPT_S = 300


def address(file: str) -> str:
    """Return where a page finds a lesson's file."""
    return f"/{PREFIX}{file}"


def belongs_behind_the_guard(file: File) -> bool:
    """Say whether a file is one of those that only /learn/media may give away."""
    return file.attached_to_doctype in OWNERS


def is_own(file: str, lesson: str) -> bool:
    """Say whether a file is attached to a lesson."""
    return bool(
        frappe.db.exists("File", {"name": file, "attached_to_doctype": "Academy Lesson", "attached_to_name": lesson})
    )


class MediaPage:
    """The page renderer of /learn/media/<name>; see Frappe's `page_renderer` hook."""

    def __init__(self, path: str, _http_status_code: int | None = None) -> None:
        self.path = path

    def can_render(self) -> bool:
        """Say whether this is an address of a file."""
        return self.path.startswith(PREFIX)

    def render(self) -> Response:
        """Return the answer that lets the edge send the file; raises DeniedError for whom its lesson is not open."""
        file = frappe.db.get_value(
            "File",
            self.path.removeprefix(PREFIX),
            ["file_url", "file_name", "is_private", "attached_to_doctype", "attached_to_name"],
            as_dict=True,
        )
        known = file and file.is_private and file.attached_to_doctype in OWNERS
        reasons.deny("" if known else rights.UNKNOWN)
        course = frappe.db.get_value("Academy Lesson", file.attached_to_name, "course")
        reasons.deny("" if course else rights.UNKNOWN)
        outline.demand(progress.decision_on(frappe.session.user, course, file.attached_to_name))
        response = send_private_file(file.file_url.split("/private", 1)[1])
        response.headers["Cache-Control"] = f"private, max-age={KEPT_S}"
        response.headers["X-Content-Type-Options"] = "nosniff"
        kind = mimetypes.guess_type(file.file_name)[0] or ""
        if not kind.startswith(SHOWN) or kind == "image/svg+xml":
            response.headers.set("Content-Disposition", "attachment", filename=file.file_name)
        return response
