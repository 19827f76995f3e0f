"""What a version earned by its rubric."""

from frappe.model.document import Document


class AcademySubmissionScore(Document):
    """The level that a version reached in a criterion, in the words of the rubric at that time."""
