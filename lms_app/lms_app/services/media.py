"""Files of lessons, and files that pupils hand in: private, found at /learn/media/<name>, and sent by the edge.

Those of a lesson to whom it is open; what was handed in to its pupil, and to those who grade it.
"""

import mimetypes

import frappe
from frappe.core.doctype.file.file import File
from frappe.utils.response import send_private_file
from werkzeug.wrappers import Response

from lms_app.services import access, assignments, outline, progress, reasons, rights

PREFIX = "learn/media/"
LESSON, SUBMISSION = "Academy Lesson", "Academy Submission"
OWNERS = frozenset({LESSON, SUBMISSION})
# What browsers play or show by themselves; everything else is a download.
SHOWN = ("image/", "video/", "audio/", "text/vtt", "application/pdf")
KEPT_S = 300


def address(file: str) -> str:
    """Return where a page finds a file of a lesson, or one that was handed in."""
    return f"/{PREFIX}{file}"


def belongs_behind_the_guard(file: File) -> bool:
    """Say whether a file is one of those that only /learn/media may give away."""
    return file.attached_to_doctype in OWNERS


def is_handed_in(file: File) -> bool:
    """Say whether a file is a pupil's, which nobody but services/submissions.py makes."""
    return file.attached_to_doctype == SUBMISSION


def is_own(file: str, lesson: str) -> bool:
    """Say whether a file is attached to a lesson."""
    return bool(frappe.db.exists("File", {"name": file, "attached_to_doctype": LESSON, "attached_to_name": lesson}))


class MediaPage:
    """The page renderer of /learn/media/<name>; see Frappe's `page_renderer` hook."""

    def __init__(self, path: str, _http_status_code: int | None = None) -> None:
        self.path = path

    def can_render(self) -> bool:
        """Say whether this is an address of a file."""
        return self.path.startswith(PREFIX)

    def render(self) -> Response:
        """Return the answer that lets the edge send the file; raises DeniedError for whom it is not."""
        file = frappe.db.get_value(
            "File",
            self.path.removeprefix(PREFIX),
            ["file_url", "file_name", "is_private", "attached_to_doctype", "attached_to_name"],
            as_dict=True,
        )
        known = file and file.is_private and file.attached_to_doctype in OWNERS
        reasons.deny("" if known else rights.UNKNOWN)
        demand = _demand_work if file.attached_to_doctype == SUBMISSION else _demand_lesson
        demand(frappe.session.user, file.attached_to_name)
        response = send_private_file(file.file_url.split("/private", 1)[1])
        response.headers["Cache-Control"] = f"private, max-age={KEPT_S}"
        response.headers["X-Content-Type-Options"] = "nosniff"
        kind = mimetypes.guess_type(file.file_name)[0] or ""
        if not kind.startswith(SHOWN) or kind == "image/svg+xml":
            response.headers.set("Content-Disposition", "attachment", filename=file.file_name)
        return response


def _demand_lesson(user: str, lesson: str) -> None:
    """Let through for whom a lesson is open."""
    course = frappe.db.get_value(LESSON, lesson, "course")
    reasons.deny("" if course else rights.UNKNOWN)
    outline.demand(progress.decision_on(user, course, lesson))


def _demand_work(user: str, submission: str) -> None:
    """Let through whose work it is, and who grades it once it is handed in; for all others there is nothing here."""
    rows = frappe.db.sql(
        "SELECT w.course, w.state, s.user FROM `tabAcademy Submission` w"
        " JOIN `tabAcademy Student` s ON s.name = w.student WHERE w.name = %s",
        submission,
        as_dict=True,
    )
    reasons.deny("" if rows else rights.UNKNOWN)
    if rows[0].user != user:
        is_staff = rows[0].state != assignments.DRAFT and access.role_in(user, rows[0].course) in rights.STAFF
        reasons.deny("" if is_staff else rights.UNKNOWN)
