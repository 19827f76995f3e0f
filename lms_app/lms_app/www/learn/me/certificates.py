"""My certificates: what somebody has completed, to show to others."""

import frappe
from frappe import _
from lms_app import pages
from lms_app.services import certificates, rights

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the certificates of whoever is logged in; guests are led to the login and back."""
    user = frappe.session.user
    if user == rights.GUEST:
        pages.go("/login?redirect-to=/learn/me/certificates", status=302)
    pages.begin(context, _("My certificates"))
    context.update({"certificates": certificates.of_user(user), "unlisted": True})
