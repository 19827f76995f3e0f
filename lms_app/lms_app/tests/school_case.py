"""Test cases for what the school's services do."""

from contextlib import AbstractContextManager

import frappe
from frappe.model.document import Document

from lms_app.services import enrolment, reasons
from lms_app.tests import school
from lms_app.tests.site_case import SiteTestCase


class SchoolCase(SiteTestCase):
    """Tests of services, which say in a reason why they do not do something."""

    def refused(self, reason: str) -> AbstractContextManager[None]:
        """Expect that something cannot be done now."""
        return school.told(reasons.RefusedError, reason)

    def denied(self, reason: str) -> AbstractContextManager[None]:
        """Expect that somebody may not do something."""
        return school.told(reasons.DeniedError, reason)

    def rejected(self, reason: str) -> AbstractContextManager[None]:
        """Expect that nothing of ours would ask so."""
        return school.told(reasons.MalformedError, reason)


class CommittedCase(SiteTestCase):
    """Tests by requests or by many at once: the courses of what is shared are committed, and removed at the end."""

    courses: list[str]

    @classmethod
    def setUpClass(cls) -> None:
        """Begin without courses."""
        super().setUpClass()
        cls.courses = []
        cls.addClassCleanup(lambda: school.remove(cls.courses))

    def shared(self, made: Document, *users: str) -> Document:
        """Return something of a course as it was given, once these people are in the course and others see all that."""
        self.courses.append(made.course)
        for user in users:
            enrolment.join(user, made.course)
        frappe.db.commit()
        return made
