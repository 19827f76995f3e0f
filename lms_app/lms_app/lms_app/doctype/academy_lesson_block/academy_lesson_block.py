"""What lessons are made of."""

from frappe.model.document import Document


class AcademyLessonBlock(Document):
    """A piece of a lesson, of one of ten kinds."""
