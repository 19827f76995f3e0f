"""Writing a lesson, as a teacher."""

import frappe
from frappe.utils import format_time, now_datetime

from lms_app.api import teach
from lms_app.deadlocks import tried_again
from lms_app.services import access, uploads, writing


@frappe.whitelist(methods=["POST"])
@tried_again
def save(
    lesson: str, seen: str, values: dict[str, str], blocks: list[dict[str, str]], status: str = ""
) -> dict[str, str | list[str] | list[tuple[int, str]]]:
    """Keep a lesson; return slug, status, seen, saved (the time), anchors, and faults (number of the block, words).

    seen: the stamp of the page; where somebody has saved the lesson since, the answer is a 409 with the new one.
    values: title, minutes and the like. blocks: see services.lesson_form. status: Draft or Published.
    """
    access.to_change(frappe.session.user, writing.LESSON, lesson)
    return {**writing.save(lesson, seen, values, blocks, status), "saved": format_time(now_datetime(), "HH:mm")}


@frappe.whitelist(methods=["POST"])
@tried_again
def upload(lesson: str, kind: str) -> dict[str, str | int]:
    """Keep the file that is sent as `file` with a lesson; return file (its name), file_name, file_size, address.

    kind: Image, Video, Audio, Captions or File.
    """
    access.to_change(frappe.session.user, writing.LESSON, lesson)
    return uploads.of_lesson(lesson, kind, *teach.sent_file("file"))
