"""Users who learn."""

from frappe.model.document import Document


class AcademyStudent(Document):
    """What the school keeps of a user who learns; written by services/students.py alone."""
