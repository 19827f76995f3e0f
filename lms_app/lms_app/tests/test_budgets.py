from unittest.mock import patch

import frappe

from lms_app.services import (
    assignment_grading,
    assignment_pages,
    branding,
    catalogue,
    certificates,
    content,
    enrolment,
    progress,
    quiz_engine,
    submissions,
)
from lms_app.tests import crowd, school
from lms_app.tests.site_case import SiteTestCase


class TestBudgets(SiteTestCase):
    """How many queries a page may ask. What it shows of the school itself (branding) is read from the cache."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.course = school.course(*[{} for _ in range(12)], outcomes=[{"outcome": "Cook"}])
        cls.user = school.person("ada")
        enrolment.join(cls.user, cls.course.name)
        cls.lessons = school.lessons_of(cls.course)
        progress.beat(cls.user, cls.lessons[0], 0)
        for user in ("Guest", cls.user):
            frappe.get_roles(user)
        branding.brand()

    def test_the_catalogue_asks_two(self):
        with self.assertQueryCount(2):
            catalogue.courses(catalogue.Filters(), "Guest")
            catalogue.facets("Guest")

    def test_the_page_of_a_course_asks_five_at_most(self):
        for user in ("Guest", self.user):
            with self.assertQueryCount(3 if user == "Guest" else 5):
                catalogue.course_page(self.course.slug, user)

    def test_the_page_of_a_lesson_asks_eight_at_most(self):
        slug = frappe.db.get_value("Academy Lesson", self.lessons[0], "slug")
        with self.assertQueryCount(8):
            content.lesson_page(self.course.slug, slug, self.user)

    def test_a_beat_asks_two(self):
        with self.assertQueryCount(2):
            progress.beat(self.user, self.lessons[0], 15, 15)

    def test_an_answer_asks_three(self):
        quiz = school.quiz(school.course(), {"kind": "Essay", "options": []})
        enrolment.join(self.user, quiz.course)
        attempt = quiz_engine.start(self.user, quiz.name)
        quiz_engine.save(self.user, attempt, 1, "One", 1)
        with self.assertQueryCount(3):
            quiz_engine.save(self.user, attempt, 1, "One, two", 2)

    def test_the_start_of_a_quiz_does_not_ask_more_for_more_questions(self):
        asked = []
        for number in (1, 12):
            quiz = school.quiz(school.course(), *[{} for _ in range(number)])
            enrolment.join(self.user, quiz.course)
            with patch.object(frappe.db, "sql", wraps=frappe.db.sql) as sql:
                quiz_engine.start(self.user, quiz.name)
            asked.append(sql.call_count)
        self.assertEqual(*asked)

    def test_the_page_of_an_assignment_asks_thirteen_at_most_however_often_it_was_handed_in(self):
        course = school.course()
        made = school.assignment(course, rubric=school.rubric(course).name, attempts=0)
        enrolment.join(self.user, course.name)
        for version in range(1, 5):
            submissions.attach(self.user, made.name, version, "loaf.txt", b"x")
            submissions.submit(self.user, made.name, version, "x")
        with self.assertQueryCount(13):
            assignment_pages.assignment_page(made.name, self.user)

    def test_what_waits_for_a_grade_and_what_is_due_ask_one_each(self):
        lead = school.person("lead")
        frappe.get_roles(lead)
        with self.assertQueryCount(1):
            assignment_grading.waiting(lead)
        with self.assertQueryCount(1):
            assignment_pages.due_soon(self.user)

    def test_the_number_of_queries_does_not_grow_with_the_course(self):
        small, user = school.course(), school.person("bo")
        enrolment.join(user, small.name)
        frappe.get_roles(user)
        with self.assertQueryCount(5):
            catalogue.course_page(small.slug, user)

    def test_my_certificates_ask_one(self):
        with self.assertQueryCount(1):
            certificates.of_user(self.user)

    def test_my_courses_ask_one(self):
        with self.assertQueryCount(1):
            progress.courses_of(self.user)

    def test_a_crowd_is_a_school_that_its_pages_can_show(self):
        with patch.dict(frappe.conf, allow_tests=1), patch.object(frappe.db, "commit"):
            found = crowd.make(courses=9, lessons=3, pupils=4, keys=2)
        self.assertEqual(frappe.db.count("Academy Enrollment", {"student": "crowd-4"}), crowd.COURSES_EACH)
        self.assertEqual(catalogue.course_page("crowd-9", "Guest").course.lesson_count, 3)
        for number, pupil in enumerate(found["pupils"], 1):
            user = f"crowd-{number}@example.com"
            progress.beat(user, pupil["lesson"], 0)
            slug, lesson = pupil["path"].removeprefix("/learn/c/").split("/l/")
            self.assertEqual(content.lesson_page(slug, lesson, user).decision.reason, "")
            self.assertTrue(quiz_engine.start(user, found["quiz"]))
