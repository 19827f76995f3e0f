"""Who signs certificates."""

from frappe.model.document import Document


class AcademyCertificateSignature(Document):
    """A person whose name, and perhaps signature, stands below a certificate."""
