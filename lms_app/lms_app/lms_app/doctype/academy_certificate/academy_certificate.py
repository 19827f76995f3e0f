"""Certificates of completed courses."""

from frappe.model.document import Document


class AcademyCertificate(Document):
    """What a school certified, sealed; written by services/certificates.py alone."""
