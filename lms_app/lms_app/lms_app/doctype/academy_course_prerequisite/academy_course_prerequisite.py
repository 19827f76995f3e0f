"""What has to be learned before a course."""

from frappe.model.document import Document


class AcademyCoursePrerequisite(Document):
    """A course that has to be completed before another."""
