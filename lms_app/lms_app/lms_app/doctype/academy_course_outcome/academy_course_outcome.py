"""What a course is good for."""

from frappe.model.document import Document


class AcademyCourseOutcome(Document):
    """Something that a pupil can do at the end of a course."""
