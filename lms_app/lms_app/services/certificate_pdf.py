"""Certificates as PDF."""

import frappe
from frappe.utils import get_url

from lms_app.services import branding, certificates, dates, pictures, sheet
from lms_app.services.languages import speaking

TEMPLATE = "lms_app/templates/learn/sheet.html"
# How many columns and rows of tiles the drawing has at the side of a wide page, and at the top of a high one.
_BAND = {True: (4, 12), False: (10, 3)}


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
            "signatures": certificates.signed(said),
            "qr": path,
            "qr_size": size,
            "address": get_url("/verify").partition("://")[2],
            "expires": dates.day(found.expires_on) if found.expires_on else "",
            "direction": branding.direction(said["language"]),
        }
        template = frappe.get_template(TEMPLATE)
        return sheet.print_page(lambda scale: template.render({**context, "scale": scale}))
