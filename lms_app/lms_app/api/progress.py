"""What the page of a lesson reports."""

import frappe

from lms_app.deadlocks import tried_again
from lms_app.services import notes, progress, reasons, rights


@frappe.whitelist(methods=["POST"])
@tried_again
def beat(lesson: str, seconds: int = 0, position: int | None = None) -> dict[str, int | bool]:
    """Report active seconds since the last beat, and the position of the video; return percent, is_completed, watched.

    The first beat opens the lesson. How much of it counts, the server's clock decides.
    """
    return progress.beat(_pupil(), lesson, seconds, position)


@frappe.whitelist(methods=["POST"])
@tried_again
def complete(lesson: str) -> dict[str, int | bool]:
    """Say that a lesson is completed; return percent, is_completed."""
    return progress.declare(_pupil(), lesson)


@frappe.whitelist(methods=["POST"])
@tried_again
def write_note(lesson: str, text: str) -> None:
    """Keep one's own note on a lesson; an empty text removes it."""
    notes.write(_pupil(), lesson, text)


def _pupil() -> str:
    reasons.deny(rights.LOG_IN if frappe.session.user == rights.GUEST else "")
    return frappe.session.user
