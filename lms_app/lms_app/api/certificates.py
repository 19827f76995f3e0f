"""What teachers decide about certificates that were issued."""

import frappe

from lms_app.deadlocks import tried_again
from lms_app.services import access, certificates, reasons, rights


@frappe.whitelist(methods=["POST"])
@tried_again
def revoke(certificate: str, reason: str) -> None:
    """Take a certificate back, as a teacher of its course. reason: not told to who checks it; 280 characters."""
    _may_edit(certificate)
    certificates.revoke(certificate, reason, by=frappe.session.user)


@frappe.whitelist(methods=["POST"])
@tried_again
def reinstate(certificate: str) -> None:
    """Let a certificate that was taken back be valid again, as a teacher of its course."""
    _may_edit(certificate)
    certificates.reinstate(certificate)


def _may_edit(certificate: str) -> None:
    """Let through who may change the course of a certificate."""
    course = frappe.db.get_value(certificates.CERTIFICATE, certificate, "course")
    reasons.deny("" if course else rights.NOT_STAFF)
    access.to_edit(frappe.session.user, course)
