"""Questions of other programs, written into a bank: all of them, or none and the reason for each line."""

from typing import Any

import frappe

from lms_app.services import question_formats, quiz_content, reasons

FORMS = (question_formats.GIFT, question_formats.CSV)


def into(bank: str, text: str, form: str) -> dict[str, Any]:
    """Write the questions of a text into a bank; return imported (how many) and faults.

    form: GIFT or CSV. faults: line, reason and words of each; with one nothing is written.
    """
    reasons.reject("" if form in FORMS else "bad_form")
    found = question_formats.read(text, form)
    if found.faults:
        told = [
            {"line": fault.line, "reason": fault.reason, "words": reasons.words(fault.reason)} for fault in found.faults
        ]
        return {"imported": 0, "faults": told}
    for question in found.questions:
        frappe.get_doc({"doctype": quiz_content.QUESTION, "bank": bank, **question}).insert(ignore_permissions=True)
    return {"imported": len(found.questions), "faults": []}
