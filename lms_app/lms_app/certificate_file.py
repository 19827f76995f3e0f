"""Certificates as files: at /learn/me/certificates/<code>.pdf, for their pupils alone, and made for each request."""

from urllib.parse import quote

import frappe
from werkzeug.wrappers import Response

from lms_app import pages
from lms_app.services import certificate_pdf, certificates, limits, reasons, seals

ROUTE = "learn/me/certificate.pdf"
# A file takes as long to make as many pages: so many of them for one pupil.
FILES_AN_HOUR = 60


class CertificateFile:
    """The page renderer of these files; see Frappe's `page_renderer` hook."""

    def __init__(self, path: str, _http_status_code: int | None = None) -> None:
        self.path = path

    def can_render(self) -> bool:
        """Say whether this is where `website_route_rules` lead the address of a file."""
        return self.path == ROUTE

    def render(self) -> Response:
        """Return the PDF; who cannot have it is led to the certificate's page, which says why."""
        user, code = frappe.session.user, frappe.form_dict.get("code") or ""
        page = f"/learn/me/certificates/{quote(code, safe='')}"
        try:
            found = certificates.own(user, code)
            reasons.deny("certificate_revoked" if found.state == seals.REVOKED else "")
            limits.count("certificate_file", user, most=FILES_AN_HOUR, seconds=3600)
        except (reasons.DeniedError, reasons.RefusedError) as fault:
            frappe.clear_messages()
            pages.go(f"{page}?trouble=too_often" if fault.reason == "too_often" else page, status=302)
        response = Response(certificate_pdf.make(found), mimetype="application/pdf")
        response.headers["Cache-Control"] = "private, no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.set("Content-Disposition", "inline", filename=f"certificate-{found.code}.pdf")
        return response
