"""The page behind the link of an invitation."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import enrolment
from lms_app.services import invitations, reasons, rights, sign_up, visitors

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in what the invitation is to; accept it, or make an account on the way, where a form asks for that."""
    form = frappe.form_dict
    token = str(form.get("token") or "")
    if pages.is_form():
        pages.act(context, lambda: _obey(token, form))
    found = invitations.look(token)
    pages.begin(context, _("Invitation"))
    terms = sign_up.terms(is_invited=True)
    context.update(
        {
            "invitation": found,
            "reason": reasons.words(found.reason),
            "may_sign_up": not terms.reason,
            "typed": {field: str(form.get(field) or "") for field in ("full_name", "email")} if context.trouble else {},
            "said": None if context.trouble else form.get("said"),
            "unlisted": True,
        }
    )
    if found.reason:
        context.status = 404 if found.reason == "invitation_unknown" else 410


def _obey(token: str, form: frappe._dict) -> str:
    if form.get("deed") != "sign_up" or frappe.session.user != rights.GUEST:
        return f"/learn/c/{enrolment.accept_invitation(token)['course']}"
    found = invitations.look(token)
    reasons.refuse(found.reason)
    visitor = visitors.counted(getattr(frappe.local, "request_ip", None))
    email = found.email or str(form.get("email") or "")
    sign_up.ask(email, str(form.get("full_name") or ""), f"/i/{token}", visitor, invitation=found)
    return f"/i/{token}?said=sent"
