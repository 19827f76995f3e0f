"""Addresses that courses and lessons had."""

import frappe
from frappe.model.document import Document


class AcademySlugHistory(Document):
    """A slug that leads on to whose it was; written by services/addresses.py alone."""


def on_doctype_update() -> None:
    """Let an old address lead to one place."""
    frappe.db.add_unique("Academy Slug History", ["scope", "slug"], "academy_slug")
