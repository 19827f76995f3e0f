"""The page behind the link of an invitation."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import enrolment
from lms_app.services import invitations, reasons

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in what the invitation is to, and accept it where a form asks for that."""
    token = str(frappe.form_dict.get("token") or "")
    if pages.is_form():
        pages.act(context, lambda: f"/learn/c/{enrolment.accept_invitation(token)['course']}")
    found = invitations.look(token)
    pages.begin(context, _("Invitation"))
    context.update({"invitation": found, "reason": reasons.words(found.reason), "unlisted": True})
    if found.reason:
        context.status = 404 if found.reason == "invitation_unknown" else 410
