"""What quizzes are made of."""

from frappe.model.document import Document


class AcademyQuizSlot(Document):
    """A question of a quiz, or so many that are drawn from a bank."""
