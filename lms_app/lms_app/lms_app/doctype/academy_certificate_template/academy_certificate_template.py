"""How certificates look, and what they say."""

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import certificates, pictures, placeholders

MOST_SIGNATURES = 3


class AcademyCertificateTemplate(Document):
    """The words and signatures of certificates; those that are issued already keep their own."""

    def validate(self) -> None:
        """Refuse what would be printed as it is written, more than fits on the page, and pictures that cannot be."""
        for field in certificates.WORDS:
            if unknown := placeholders.unknown(self.get(field) or ""):
                frappe.throw(
                    _("{0}: nothing stands for {1}; there are {2}").format(
                        _(self.meta.get_label(field)), ", ".join(unknown), ", ".join(placeholders.ALL)
                    )
                )
        if len(self.signatures) > MOST_SIGNATURES:
            frappe.throw(_("A certificate has room for {0} signatures").format(MOST_SIGNATURES))
        for row in self.signatures:
            if row.picture and not pictures.as_data(row.picture):
                frappe.throw(
                    _("Row {0}: the signature must be an uploaded PNG, JPEG, GIF or WebP of at most 2 MB").format(
                        row.idx
                    )
                )
