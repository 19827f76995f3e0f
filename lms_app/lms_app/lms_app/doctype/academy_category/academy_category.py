"""Categories of courses."""

from frappe.model.document import Document


class AcademyCategory(Document):
    """A heading under which the catalogue shows courses."""
