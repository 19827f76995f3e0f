import frappe

from lms_app.services import access, bounds, enrolment, people, quiz_content, quiz_engine
from lms_app.tests import school
from lms_app.tests.site_case import SiteTestCase

# What a column of the database holds at most.
HIGHEST = 2**31 - 1


class TestBounds(SiteTestCase):
    def setUp(self):
        self.user = school.person("ada")
        self.course = school.course({}, access_days=30)
        self.quiz = school.quiz(self.course)
        self.assignment = school.assignment(self.course)
        self.enrolled = enrolment.join(self.user, self.course.name)
        people.give(self.enrolled.name, self.quiz.name, 5, 1, "", "")

    def rows(self) -> dict[str, str]:
        """Return a document of each kind that has bounds."""
        found = {doctype: {"course": self.course.name} for doctype in bounds.MOST} | {access.COURSE: self.course.name}
        return {doctype: frappe.db.get_value(doctype, which, "name") for doctype, which in found.items()}

    def test_what_is_beyond_its_bounds_is_refused_wherever_it_is_written(self):
        for doctype, name in self.rows().items():
            for field, most in bounds.MOST[doctype].items():
                for value in (most + 1, HIGHEST, -1):
                    doc = frappe.get_doc(doctype, name)
                    doc.set(field, value)
                    with self.assertRaises(frappe.ValidationError, msg=(doctype, field, value)):
                        doc.save()

    def test_what_was_kept_beyond_its_bounds_is_brought_within_them_and_can_be_saved_again(self):
        rows = self.rows()
        for value, times in ((-1, 0), (HIGHEST, 1)):
            for doctype, name in rows.items():
                frappe.db.set_value(doctype, name, dict.fromkeys(bounds.MOST[doctype], value))
            bounds.bring_within()
            for doctype, name in rows.items():
                found = frappe.db.get_value(doctype, name, [*bounds.MOST[doctype]], as_dict=True)
                self.assertEqual(found, {field: times * most for field, most in bounds.MOST[doctype].items()})
        for doctype, name in rows.items():
            frappe.get_doc(doctype, name).save()
        longest = bounds.MOST["Academy Lesson"]["minutes"]
        minutes = frappe.db.get_value(access.COURSE, self.course.name, "minutes")
        self.assertLess(minutes, longest + 100)
        self.assertGreaterEqual(minutes, longest)

    def test_what_was_within_its_bounds_stays_and_nothing_says_that_it_was_changed(self):
        before = {doctype: frappe.get_doc(doctype, name).as_dict() for doctype, name in self.rows().items()}
        bounds.bring_within()
        for doctype, row in before.items():
            self.assertEqual(frappe.get_doc(doctype, row.name).as_dict(), row)

    def test_a_quiz_and_a_course_with_numbers_from_before_work_again(self):
        frappe.db.set_value(quiz_content.QUIZ, self.quiz.name, {"time_limit": HIGHEST, "cooldown": HIGHEST})
        frappe.db.set_value(access.COURSE, self.course.name, "access_days", HIGHEST)
        bounds.bring_within()
        self.assertTrue(quiz_engine.start(self.user, self.quiz.name))
        self.assertEqual(enrolment.join(school.person("bo"), self.course.name).state, "Active")
