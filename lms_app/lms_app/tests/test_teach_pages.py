import frappe
from werkzeug.test import TestResponse

from lms_app.services import access, enrolment, teaching
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.site_case import SiteTestCase

CANARY = "canary-of-another-teacher"


def text(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


class TestTeachPages(SiteTestCase):
    """Pages by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lead = school.person("lead", access.INSTRUCTOR_ROLE)
        cls.course = school.course({"title": "Stock"}, {"title": "Roux", "status": "Draft"}, enrolment_mode="Approval")
        other = {"user": school.person("other", access.INSTRUCTOR_ROLE), "role": "Lead"}
        lesson = {"title": f"Lesson {CANARY}", "status": "Draft"}
        cls.foreign = school.course({}, lesson, title=f"Sauces {CANARY}", instructors=[other], visibility="Private")
        cls.keys = {
            "lead": key_of(cls.lead),
            "pupil": key_of(school.person("ada")),
            "helper": key_of(school.person("bo", access.ASSISTANT_ROLE)),
            "manager": key_of(school.person("max", access.MANAGER_ROLE)),
        }
        enrolment.join(school.person("ada"), cls.course.name)
        frappe.db.commit()
        cls.path = f"/teach/c/{cls.course.slug}"
        cls.addClassCleanup(school.remove, [cls.course.name, cls.foreign.name])

    def test_a_guest_is_led_to_the_login_and_back(self):
        for path in ("/teach", self.path):
            answer = ask(path)
            self.assertEqual((answer.status_code, answer.location), (302, f"/login?redirect-to={path}"))

    def test_a_pupil_finds_no_page_of_those_who_teach(self):
        for path in ("/teach", self.path, "/teach/c/no-such-course"):
            answer = ask(path, key=self.keys["pupil"])
            self.assertEqual(answer.status_code, 403, path)
            self.assertNotIn("Roux", text(answer))
        self.assertNotIn('href="/teach"', text(ask("/learn", key=self.keys["pupil"])))

    def test_a_teacher_finds_the_own_courses_with_what_waits_there(self):
        page = text(ask("/teach", key=self.keys["lead"]))
        self.assertIn(f'href="{self.path}"', page)
        self.assertIn("1 request to join", page)
        self.assertIn("1 draft", page)
        self.assertNotIn(CANARY, page)
        self.assertIn('href="/teach" aria-current="page"', page)

    def test_a_teacher_gets_nothing_of_a_course_of_others(self):
        for who in ("lead", "helper"):
            answer = ask(f"/teach/c/{self.foreign.slug}", key=self.keys[who])
            self.assertEqual(answer.status_code, 403)
            self.assertNotIn(CANARY, text(answer))

    def test_a_manager_finds_every_course(self):
        for course in (self.course, self.foreign):
            self.assertEqual(ask(f"/teach/c/{course.slug}", key=self.keys["manager"]).status_code, 200)
        found = text(ask(f"/teach?q={CANARY}", key=self.keys["manager"]))
        self.assertIn(f'href="/teach/c/{self.foreign.slug}"', found)
        self.assertNotIn(f'href="{self.path}"', found)

    def test_the_outline_shows_drafts_to_teachers(self):
        page = text(ask(self.path, key=self.keys["lead"]))
        self.assertIn("Stock", page)
        self.assertIn("Roux", page)

    def test_what_does_not_exist_is_not_found(self):
        for path in ("/teach/c/no-such-course", "/teach/course", "/teach/course?slug="):
            self.assertEqual(ask(path, key=self.keys["lead"]).status_code, 404, path)


class TestTeaching(SiteTestCase):
    def test_a_course_names_nobody_a_teacher_whom_the_school_gave_no_role(self):
        user = school.person("eve", access.ASSISTANT_ROLE)
        course = school.course(instructors=[{"user": school.person("lead", access.INSTRUCTOR_ROLE), "role": "Lead"}])
        row = {"doctype": "Academy Course Instructor", "parent": course.name, "parenttype": "Academy Course"}
        frappe.get_doc({**row, "parentfield": "instructors", "user": user, "role": "Lead"}).db_insert()
        self.assertEqual(teaching.courses(user).total, 0)
        with school.told(frappe.PermissionError, "not_staff"):
            teaching.course(course.slug, user)

    def test_an_old_address_leads_to_the_new_one(self):
        course = school.course()
        before, course.slug = course.slug, "soups-of-today"
        course.save(ignore_permissions=True)
        self.assertEqual(teaching.course(before, "Administrator").moved, "soups-of-today")

    def test_my_courses_ask_one_query_and_a_course_two(self):
        course, user = school.course(), school.person("lead", access.INSTRUCTOR_ROLE)
        frappe.get_roles(user)
        with self.assertQueryCount(1):
            teaching.courses(user)
        with self.assertQueryCount(2):
            teaching.course(course.slug, user)
