import frappe
from werkzeug.test import TestResponse

from lms_app.services import access, enrolment, grading_queue, quiz_engine
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.site_case import SiteTestCase

CANARY = "canary-of-another-course"
HINT = "canary-for-those-who-write-questions"
ESSAY = {"kind": "Essay", "body": "Why does *bread* rise?", "options": [], "points": 4, "explanation": HINT}


def text(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


class GradingCase(SiteTestCase):
    def written(self, pupil: str, quiz, *words: str) -> str:
        """Return an attempt that was handed in with these essays."""
        enrolled = access.enrolment_of(pupil, quiz.course)
        if not enrolled:
            enrolment.join(pupil, quiz.course)
        attempt = quiz_engine.start(pupil, quiz.name)
        for position, word in enumerate(words, 1):
            quiz_engine.save(pupil, attempt, position, word, 1)
        quiz_engine.submit(pupil, attempt)
        return attempt


class TestQueue(GradingCase):
    def setUp(self):
        self.lead = school.person("lead", access.INSTRUCTOR_ROLE)
        self.quiz = school.quiz(school.course(), ESSAY, ESSAY)

    def paths(self, user: str, course: str | None = None) -> list[str]:
        return [one.path for one in grading_queue.waiting(user, course).first]

    def test_whoever_has_waited_longest_is_read_first(self):
        first = self.written(school.person("ada"), self.quiz, "One", "Two")
        second = self.written(school.person("bo"), self.quiz, "Three")
        for attempt, day in ((second, "2026-01-01"), (first, "2026-01-02")):
            frappe.db.set_value("Academy Quiz Attempt", attempt, "submitted_on", day)
        wanted = [f"/teach/grading/{name}/{number}" for name, number in ((second, 1), (first, 1), (first, 2))]
        self.assertEqual(self.paths(self.lead, self.quiz.course), wanted)

    def test_the_queue_asks_one_query_for_each_kind_however_long_it_is(self):
        for name in ("ada", "bo", "cy"):
            self.written(school.person(name), self.quiz, "One", "Two")
        frappe.get_roles(self.lead)
        with self.assertQueryCount(len(grading_queue.SOURCES)):
            self.assertEqual(grading_queue.waiting(self.lead, self.quiz.course).total, 6)
        attempt = grading_queue.waiting(self.lead, self.quiz.course).first[0].path.split("/")[3]
        with self.assertQueryCount(2):
            grading_queue.answer(self.lead, attempt, 1)

    def test_after_the_last_one_the_queue_begins_anew(self):
        self.written(school.person("ada"), self.quiz, "One", "Two")
        one, two = grading_queue.waiting(self.lead, self.quiz.course).first
        self.assertEqual(grading_queue.after([one, two], one.path, one.since), two)
        self.assertEqual(grading_queue.after([one, two], two.path, two.since), one)
        self.assertIsNone(grading_queue.after([one], one.path, one.since))

    def test_nobody_finds_what_is_handed_in_elsewhere_or_what_they_lost_the_role_for(self):
        attempt = self.written(school.person("ada"), self.quiz, "One")
        other = school.person("other", access.INSTRUCTOR_ROLE)
        school.course(instructors=[{"user": other, "role": "Lead"}])
        for user in (other, school.person("ada"), school.person("guest-like")):
            self.assertEqual(self.paths(user), [])
            with self.assertRaises(frappe.PermissionError):
                grading_queue.answer(user, attempt, 1)
        self.assertIn(f"/teach/grading/{attempt}/1", self.paths("Administrator"))

    def test_what_is_under_way_is_nobody_s_to_read(self):
        ada = school.person("ada")
        enrolment.join(ada, self.quiz.course)
        attempt = quiz_engine.start(ada, self.quiz.name)
        quiz_engine.save(ada, attempt, 1, "One", 1)
        self.assertEqual(self.paths(self.lead, self.quiz.course), [])
        with school.told(frappe.PermissionError, "unknown"):
            grading_queue.answer(self.lead, attempt, 1)


class TestGradingPages(GradingCase):
    """Pages by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lead, helper = school.person("lead", access.INSTRUCTOR_ROLE), school.person("helper", access.ASSISTANT_ROLE)
        other = school.person("other", access.INSTRUCTOR_ROLE)
        named = [{"user": lead, "role": "Lead"}, {"user": helper, "role": "Grader"}]
        cls.quiz = school.quiz(school.course(title="Bread", instructors=named), ESSAY)
        cls.foreign = school.quiz(
            school.course(title=CANARY, instructors=[{"user": other, "role": "Lead"}]),
            {**ESSAY, "body": CANARY},
            title=CANARY,
        )
        cls.ada, cls.bo = school.person("ada"), school.person("bo")
        cls.keys = {"lead": lead, "helper": helper, "other": other, "pupil": cls.ada}
        cls.keys = {who: key_of(user) for who, user in cls.keys.items()}
        cls.slug = frappe.db.get_value("Academy Course", cls.quiz.course, "slug")
        cls.addClassCleanup(school.remove, [cls.quiz.course, cls.foreign.course])
        frappe.db.commit()

    def setUp(self):
        self.first = self.written(self.ada, self.quiz, "Yeast <script>alert(1)</script>")
        self.second = self.written(self.bo, self.quiz, "Gas")
        self.elsewhere = self.written(self.ada, self.foreign, CANARY)
        frappe.db.commit()

    def tearDown(self):
        frappe.db.rollback()
        for quiz in (self.quiz, self.foreign):
            attempts = frappe.get_all("Academy Quiz Attempt", {"quiz": quiz.name}, pluck="name")
            frappe.db.delete("Academy Quiz Answer", {"parent": ("in", [*attempts, ""])})
            frappe.db.delete("Academy Quiz Attempt", {"quiz": quiz.name})
        frappe.db.commit()

    def path(self, attempt: str) -> str:
        return f"/teach/grading/{attempt}/1"

    def test_a_teacher_grades_one_answer_and_is_led_to_the_next_until_nothing_waits(self):
        listed = text(ask("/teach/grading", key=self.keys["lead"]))
        self.assertIn(f'class="button" href="{self.path(self.first)}"', listed)
        page = text(ask(self.path(self.first), key=self.keys["lead"]))
        self.assertIn("Why does <em>bread</em> rise?", page)
        self.assertIn("Yeast &lt;script&gt;", page)
        self.assertIn("Points, of 4", page)
        answer = ask(self.path(self.first), {"points": "3,5", "comment": "Good"}, key=self.keys["lead"])
        self.assertEqual((answer.status_code, answer.location), (303, f"{self.path(self.second)}?said=graded"))
        frappe.db.rollback()
        kept = frappe.db.get_value("Academy Quiz Answer", {"parent": self.first}, ["points", "comment", "needs_grade"])
        self.assertEqual(kept, (3.5, "Good", 0))
        self.assertIn("autofocus", text(ask(answer.location, key=self.keys["lead"])))
        last = ask(self.path(self.second), {"points": "0", "comment": ""}, key=self.keys["lead"])
        self.assertEqual(last.location, "/teach/grading?said=graded")
        self.assertIn("Nothing waits for a grade", text(ask(last.location, key=self.keys["lead"])))

    def test_a_queue_of_one_course_stays_in_it(self):
        within = f"?course={self.slug}"
        self.assertIn(f"{self.path(self.first)}{within}", text(ask(f"/teach/grading{within}", key=self.keys["lead"])))
        given = {"points": "1", "course": self.slug}
        answer = ask(f"{self.path(self.first)}{within}", given, key=self.keys["lead"])
        self.assertEqual(answer.location, f"{self.path(self.second)}{within}&said=graded")

    def test_points_that_cannot_be_are_refused_and_the_word_is_kept(self):
        for points in ("5", "-1", "many", "", "1e400", "9" * 400):
            answer = ask(self.path(self.first), {"points": points, "comment": "Good work"}, key=self.keys["lead"])
            self.assertEqual(answer.status_code, 409, points)
            self.assertIn("Good work</textarea>", text(answer))
            self.assertIn('role="alert">The answer cannot have so many points.', text(answer))

    def test_a_grade_can_be_given_anew(self):
        ask(self.path(self.first), {"points": "1", "comment": "Short"}, key=self.keys["lead"])
        page = text(ask(self.path(self.first), key=self.keys["lead"]))
        self.assertIn('value="1"', page)
        self.assertIn("Short</textarea>", page)
        self.assertEqual(ask(self.path(self.first), {"points": "2"}, key=self.keys["lead"]).status_code, 303)

    def test_a_grader_grades_and_does_not_see_what_only_those_who_write_questions_do(self):
        self.assertIn(HINT, text(ask(self.path(self.first), key=self.keys["lead"])))
        page = ask(self.path(self.first), key=self.keys["helper"])
        self.assertEqual(page.status_code, 200)
        self.assertNotIn(HINT, text(page))
        self.assertEqual(ask(self.path(self.first), {"points": "2"}, key=self.keys["helper"]).status_code, 303)

    def test_nothing_of_a_course_of_others_is_read_or_graded(self):
        for who in ("lead", "helper", "pupil"):
            for path in ("/teach/grading", self.path(self.elsewhere)):
                self.assertNotIn(CANARY, text(ask(path, key=self.keys[who])), (who, path))
            answer = ask(self.path(self.elsewhere), {"points": "1"}, key=self.keys[who])
            self.assertEqual(answer.status_code, 403)
            self.assertNotIn(CANARY, text(answer))
        frappe.db.rollback()
        self.assertTrue(frappe.db.get_value("Academy Quiz Answer", {"parent": self.elsewhere}, "needs_grade"))

    def test_a_pupil_and_a_guest_find_no_queue(self):
        for path in ("/teach/grading", self.path(self.first)):
            self.assertEqual(ask(path, key=self.keys["pupil"]).status_code, 403)
            self.assertEqual(ask(path).location, f"/login?redirect-to={path}")
