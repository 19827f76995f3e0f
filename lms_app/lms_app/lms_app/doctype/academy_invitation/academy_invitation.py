"""Invitations to courses."""

from frappe.model.document import Document


class AcademyInvitation(Document):
    """An invitation without its token, of which only the hash is kept; written by services/invitations.py alone."""
