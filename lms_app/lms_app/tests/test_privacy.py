import json

import frappe

from lms_app.services import (
    access,
    certificates,
    enrolment,
    invitations,
    notes,
    privacy,
    progress,
    reasons,
    seals,
    students,
)
from lms_app.tests import school
from lms_app.tests.site_case import SiteTestCase


def pointing_at(target):
    """Return each DocType of the app that has a link to another, by its fields."""
    names = frappe.get_all("DocType", {"module": "LMS App"}, pluck="name")
    fields = {
        name: [f.fieldname for f in frappe.get_meta(name).get_link_fields() if f.options == target] for name in names
    }
    return {name: found for name, found in fields.items() if found}


class TestPrivacy(SiteTestCase):
    def setUp(self):
        self.user, self.other = school.person("ada"), school.person("bo")
        self.course = school.course({}, {}, seats=1)
        self.lesson = school.lessons_of(self.course)[0]
        for user in (self.user, self.other):
            enrolment.join(user, self.course.name)
        progress.declare(self.user, self.lesson)
        notes.write(self.user, self.lesson, "my own words")
        invitations.invite(self.course.name, self.user)
        completed = enrolment.join(self.user, school.course(issues_certificates=1).name).name
        school.completed(completed)
        self.code = certificates.issue(completed)

    def test_every_doctype_that_points_at_a_pupil_is_known_here(self):
        self.assertEqual(pointing_at("Academy Student"), {name: [field] for name, field in privacy.OF_STUDENT.items()})
        self.assertEqual(
            pointing_at("Academy Enrollment"), {name: [field] for name, field in privacy.OF_ENROLLMENT.items()}
        )
        staff = {
            "Academy Course Instructor": ["user"],
            "Academy Enrollment": ["decided_by"],
            "Academy Certificate": ["revoked_by"],
        }
        self.assertEqual(pointing_at("User"), {"Academy Student": ["user"], **staff})

    def test_all_that_is_kept_can_be_taken_away(self):
        found = privacy.export(self.user)
        self.assertEqual(json.loads(json.dumps(found)), found)
        for doctype in ("Academy Student", *privacy.OF_STUDENT, *privacy.OF_ENROLLMENT, "Academy Invitation"):
            self.assertTrue(found[doctype], doctype)
        self.assertIn("my own words", json.dumps(found))
        self.assertNotIn("token_hash", json.dumps(found))
        self.assertNotIn(self.other, json.dumps(found))

    def test_all_that_is_kept_can_be_removed_and_the_seat_goes_on(self):
        student = students.find(self.user)
        privacy.erase(self.user, f" {self.user.upper()} ")
        self.assertIsNone(students.find(self.user))
        for doctype in privacy.OF_STUDENT:
            self.assertEqual(frappe.db.count(doctype, {"student": student}), 0, doctype)
        self.assertEqual(frappe.db.count("Academy Lesson Progress", {"course": self.course.name}), 0)
        self.assertEqual(certificates.check(self.code), {"state": seals.UNKNOWN})
        self.assertNotIn(access.STUDENT_ROLE, frappe.get_roles(self.user))
        self.assertTrue(frappe.db.exists("User", self.user))
        self.assertEqual(access.enrolment_of(self.other, self.course.name).state, "Active")

    def test_nothing_is_removed_by_mistake(self):
        with self.assertRaises(reasons.RefusedError):
            privacy.erase(self.user, self.other)
        self.assertTrue(students.find(self.user))

    def test_somebody_who_never_joined_can_ask_as_well(self):
        nobody = school.person("eve")
        self.assertEqual(privacy.export(nobody)["Academy Student"], [])
        privacy.erase(nobody, nobody)
