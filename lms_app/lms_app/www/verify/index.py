"""Checking a certificate: what anybody may know who has its code."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.services import certificates, codes, limits, reasons, seals, visitors

no_cache = 1

# For one address, which may be that of a whole school; whoever tries codes does not get anywhere with them.
CHECKS_AN_HOUR = 600


def get_context(context: frappe._dict) -> None:
    """Fill in what the certificate with a code is worth; a form asks for the code, and leads to its address."""
    text = str(frappe.form_dict.get("code") or "").strip()[:100]
    path = frappe.local.request.path
    if path.rstrip("/") == "/verify" and (code := codes.read(text)):
        pages.go(f"/verify/{code}", status=302)
    pages.begin(context, _("Check a certificate"))
    context.update({"text": text, "found": None, "unlisted": True})
    if not text:
        return
    address = visitors.counted(getattr(frappe.local, "request_ip", None))
    try:
        limits.count("check", address, most=CHECKS_AN_HOUR, seconds=3600)
    except reasons.RefusedError as fault:
        frappe.clear_messages()
        context.update({"trouble": str(fault), "status": 429})
        return
    context.found = certificates.check(text)
    if context.found.state == seals.UNKNOWN:
        context.status = 404
