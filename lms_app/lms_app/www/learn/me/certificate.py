"""A certificate of one's own: to look at, to print, and to let others check."""

import frappe
from frappe import _
from frappe.utils import get_url
from lms_app import pages
from lms_app.services import branding, certificates, reasons

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the certificate, or that there is none; guests are led to the login and back."""
    user, code = frappe.session.user, frappe.form_dict.get("code") or ""
    page = pages.show(context, _("Certificate"), lambda: certificates.own(user, code))
    if page is None:
        return
    if frappe.form_dict.get("trouble") == "too_often":
        context.update({"trouble": reasons.words("too_often"), "status": 429})
    said = page.snapshot
    context.update(
        {
            "page_title": f"{said['words']['heading']} · {page.course}",
            "said": said,
            "said_direction": branding.direction(said["language"]),
            "signatures": certificates.signed(said),
            "address": get_url(f"/verify/{page.code}"),
            "unlisted": True,
        }
    )
