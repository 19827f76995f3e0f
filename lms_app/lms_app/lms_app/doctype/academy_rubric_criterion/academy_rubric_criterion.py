"""What rubrics look at."""

from frappe.model.document import Document


class AcademyRubricCriterion(Document):
    """Something of a pupil's work that is looked at by itself."""
