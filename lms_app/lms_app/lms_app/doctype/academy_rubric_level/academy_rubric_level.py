"""How well a criterion can be met."""

from frappe.model.document import Document


class AcademyRubricLevel(Document):
    """One answer to a criterion, with its points."""
