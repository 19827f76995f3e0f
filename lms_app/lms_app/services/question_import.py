"""Questions of other programs, written into a bank: all of them, or none and the reason for each line."""

from typing import Any

import frappe

from lms_app.services import question_formats, quiz_content, reasons

FORMS = (question_formats.GIFT, question_formats.CSV)


def look(text: str, form: str) -> dict[str, Any]:
    """Return what a text holds, and write nothing: questions (title, kind, points), and faults as `into` does."""
    found = _read(text, form)
    shown = [{field: question[field] for field in ("title", "kind", "points")} for question in found.questions]
    return {"questions": shown, "faults": _told(found)}


def into(bank: str, text: str, form: str) -> dict[str, Any]:
    """Write the questions of a text into a bank; return imported (how many) and faults.

    form: GIFT or CSV. faults: line, reason and words of each; with one nothing is written.
    """
    found = _read(text, form)
    if found.faults:
        return {"imported": 0, "faults": _told(found)}
    for question in found.questions:
        frappe.get_doc({"doctype": quiz_content.QUESTION, "bank": bank, **question}).insert(ignore_permissions=True)
    return {"imported": len(found.questions), "faults": []}


def _read(text: str, form: str) -> question_formats.Found:
    reasons.reject("" if form in FORMS else "bad_form")
    return question_formats.read(text, form)


def _told(found: question_formats.Found) -> list[dict[str, Any]]:
    return [
        {"line": fault.line, "reason": fault.reason, "words": reasons.words(fault.reason)} for fault in found.faults
    ]
