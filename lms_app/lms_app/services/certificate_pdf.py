"""Certificates as PDF: found at /learn/me/certificates/<code>.pdf by their pupils alone, and made for each request."""

import frappe
from frappe.utils import get_url
from werkzeug.wrappers import Response

from lms_app.services import branding, certificates, limits, pictures, reasons, seals, sheet
from lms_app.services.languages import speaking

ROUTE = "learn/me/certificate.pdf"
TEMPLATE = "lms_app/templates/learn/sheet.html"
# A page takes as long to make as many requests: so many of them for one pupil, in so many seconds.
MOST, SECONDS = 20, 300
# How many columns and rows of tiles the drawing has at the side of a wide page, and at the top of a high one.
_BAND = {True: (4, 12), False: (10, 3)}


class CertificateFile:
    """The page renderer of /learn/me/certificates/<code>.pdf; see Frappe's `page_renderer` hook."""

    def __init__(self, path: str, _http_status_code: int | None = None) -> None:
        self.path = path

    def can_render(self) -> bool:
        """Say whether this is where `website_route_rules` lead the address of a file."""
        return self.path == ROUTE

    def render(self) -> Response:
        """Return the PDF; raises DeniedError for everybody but its pupil, and for one that was taken back."""
        user = frappe.session.user
        found = certificates.own(user, frappe.form_dict.get("code") or "")
        reasons.deny("certificate_revoked" if found.state == seals.REVOKED else "")
        reasons.refuse("too_often" if limits.is_spent("certificate_pdf", user, most=MOST, seconds=SECONDS) else "")
        response = Response(make(found), mimetype="application/pdf")
        response.headers["Cache-Control"] = "private, no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.set("Content-Disposition", "inline", filename=f"certificate-{found.code}.pdf")
        return response


def make(found: frappe._dict) -> bytes:
    """Return a certificate, as `certificates.own` tells it, as one page of PDF in the school's colours of today."""
    said = found.snapshot
    brand = branding.brand()
    address = get_url(f"/verify/{found.code}")
    path, size = sheet.code_path(address)
    columns, rows = _BAND[said["orientation"] == certificates.LANDSCAPE]
    with speaking(said["language"]):
        context = {
            "said": said,
            "brand": brand,
            "logo": pictures.as_data(brand["logo"]),
            "art": sheet.art(said["school"], brand["motif"], brand["light"], columns, rows),
            "signatures": [{**one, "image": pictures.as_data(one["picture"])} for one in said["signatures"]],
            "qr": path,
            "qr_size": size,
            "address": get_url("/verify").partition("://")[2],
            "expires": certificates.day(found.expires_on) if found.expires_on else "",
            "direction": branding.direction(said["language"]),
        }
        template = frappe.get_template(TEMPLATE)
        return sheet.print_page(lambda scale: template.render({**context, "scale": scale}))
