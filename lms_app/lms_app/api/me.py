"""What somebody may do about what the school keeps of them."""

import frappe

from lms_app.deadlocks import tried_again
from lms_app.services import access, privacy, reasons, rights, students, teacher_mails


@frappe.whitelist(methods=["POST"])
@tried_again
def prefer(mails_about_enrolment: bool, mails_about_progress: bool) -> None:
    """Choose which mails one gets."""
    wanted = {"mails_about_enrolment": mails_about_enrolment, "mails_about_progress": mails_about_progress}
    students.prefer(_oneself(), wanted)


@frappe.whitelist(methods=["POST"])
@tried_again
def prefer_as_teacher(mails_about_requests: bool, mails_about_work: bool) -> None:
    """Choose which mails one gets who teaches."""
    access.to_teach(frappe.session.user)
    wanted = {"mails_about_requests": mails_about_requests, "mails_about_work": mails_about_work}
    teacher_mails.prefer(frappe.session.user, wanted)


@frappe.whitelist(methods=["POST"])
def export_data() -> None:
    """Download all that the school keeps of one's learning, as JSON."""
    found = privacy.export(_oneself())
    frappe.local.response.update(
        {"type": "download", "filename": "my-learning.json", "filecontent": frappe.as_json(found)}
    )


@frappe.whitelist(methods=["POST"])
@tried_again
def erase_data(confirmation: str) -> None:
    """Remove all that the school keeps of one's learning. confirmation: one's own e-mail address."""
    privacy.erase(_oneself(), confirmation)


def _oneself() -> str:
    reasons.deny(rights.LOG_IN if frappe.session.user == rights.GUEST else "")
    return frappe.session.user
