"""Who teaches a course."""

from frappe.model.document import Document


class AcademyCourseInstructor(Document):
    """A teacher whom a course names, and as what."""
