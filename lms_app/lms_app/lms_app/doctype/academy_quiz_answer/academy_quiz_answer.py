"""What pupils answered."""

from frappe.model.document import Document


class AcademyQuizAnswer(Document):
    """A question as an attempt showed it, without its key, and the answer."""
