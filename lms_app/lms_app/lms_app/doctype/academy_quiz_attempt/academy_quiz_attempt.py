"""Attempts at quizzes."""

import frappe
from frappe.model.document import Document


class AcademyQuizAttempt(Document):
    """What one pupil was asked once, and answered; written by services/quiz_engine.py and services/grading.py alone."""


def on_doctype_update() -> None:
    """Let there be one attempt of a number, and find quickly those whose time is up."""
    frappe.db.add_unique("Academy Quiz Attempt", ["quiz", "student", "attempt_no"], "academy_attempt")
    frappe.db.add_index("Academy Quiz Attempt", ["state", "deadline"], "academy_overdue")
