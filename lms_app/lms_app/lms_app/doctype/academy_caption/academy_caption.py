"""Captions of videos."""

from frappe.model.document import Document


class AcademyCaption(Document):
    """The captions of one video in one language."""
