"""What questions are answered with."""

from frappe.model.document import Document


class AcademyQuestionOption(Document):
    """A choice, an accepted answer, a pair or an item of a question."""
