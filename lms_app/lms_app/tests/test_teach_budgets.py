import re
from unittest.mock import patch
from urllib.parse import parse_qsl

import frappe
from frappe.utils import set_request
from frappe.website.serve import get_response

from lms_app.services import access, enrolment, grading_queue, invitations, people, quiz_engine, submissions, teaching
from lms_app.tests import crowd, school
from lms_app.tests.site_case import SiteTestCase

# How many more there are of everything that a course has, of the rows in one thing, and of what there are many of.
MORE, MORE_ROWS, COURSES, PUPILS = 60, 9, 200, 3000
# What a course has, with what has to differ in copies; and the rows inside, by what they are in.
OF_COURSE = {
    "Academy Module": {},
    "Academy Lesson": {"slug": "CONCAT(t.slug, '-', n.seq)", "quiz": "NULL", "assignment": "NULL", "kind": "'Page'"},
    "Academy Question Bank": {},
    "Academy Question": {},
    "Academy Quiz": {},
    "Academy Assignment": {},
    "Academy Rubric": {},
    "Academy Quiz Attempt": {"attempt_no": "t.attempt_no + n.seq"},
    "Academy Submission": {"version": "t.version + n.seq"},
    "Academy Invitation": {"token_hash": "SHA2(CONCAT(t.token_hash, n.seq), 256)"},
}
INSIDE = ("Academy Lesson Block", "Academy Quiz Slot", "Academy Rubric Criterion", "Academy Rubric Level")
INSIDE += ("Academy Quiz Answer", "Academy Question Option")
# Answers are found by their number.
ONE_OF_EACH = {"Academy Quiz Answer"}
NAME = "CONCAT(t.name, '-', n.seq)"


class TestTeachBudgets(SiteTestCase):
    """Pages of those who teach, in a small school and in a great one."""

    def setUp(self):
        self.lead, pupil = school.person("solo", access.INSTRUCTOR_ROLE), school.person("ada")
        self.course = school.course(
            {}, {"title": "Roux", "status": "Draft"}, instructors=[{"user": self.lead, "role": "Lead"}]
        )
        self.quiz = school.quiz(self.course, {"kind": "Essay", "options": []})
        self.assignment = school.assignment(self.course, rubric=school.rubric(self.course).name)
        self.enrolled = enrolment.join(pupil, self.course.name)
        self.attempt = quiz_engine.start(pupil, self.quiz.name)
        quiz_engine.save(pupil, self.attempt, 1, "One", 1)
        quiz_engine.submit(pupil, self.attempt)
        self.submission = submissions.submit(pupil, self.assignment.name, 1, "Mine")
        invitations.invite(self.course.name, max_uses=2)

    def pages(self) -> list[str]:
        """Return an address of each page, made of the routes: a new one is among them by itself."""
        slot = self.quiz.slots[0]
        values = {
            "slug": self.course.slug,
            "lesson": frappe.db.get_value("Academy Lesson", {"course": self.course.name, "status": "Draft"}, "slug"),
            "bank": frappe.db.get_value("Academy Question", slot.question, "bank"),
            "question": slot.question,
            "quiz": self.quiz.name,
            "assignment": self.assignment.name,
            "rubric": self.assignment.rubric,
            "attempt": self.attempt,
            "position": "1",
            "submission": self.submission,
            "enrollment": self.enrolled.name,
        }
        rules = [rule["from_route"] for rule in frappe.get_hooks("website_route_rules", app_name="lms_app")]
        routes = [route for route in rules if route.startswith("/teach")]
        self.assertGreater(len(routes), 15)
        asked = [re.sub(r"<(\w+)>", lambda found: values[found[1]], route) for route in routes]
        return ["/teach", "/teach/grading", f"/teach/grading?course={self.course.slug}", *asked]

    def visit(self, path: str) -> tuple[int, str]:
        """Return how many queries a page asks, and what it shows."""
        frappe.local.form_dict = frappe._dict(parse_qsl(path.partition("?")[2]))
        set_request(method="GET", path=path.partition("?")[0], query_string=path.partition("?")[2])
        with patch.object(frappe.db, "sql", wraps=frappe.db.sql) as sql:
            answer = get_response()
        self.assertEqual(answer.status_code, 200, path)
        return sql.call_count, frappe.safe_decode(answer.get_data())

    def grow(self) -> None:
        """Let there be more of everything."""
        course = frappe.db.escape(self.course.name)
        inside = {table: self.originals(table) for table in INSIDE}
        for doctype, differing in OF_COURSE.items():
            crowd.copy(doctype, MORE, f"t.course = {course}", name=NAME, **differing)
        for table, originals in inside.items():
            crowd.copy(table, MORE, originals, name=NAME, parent="CONCAT(t.parent, '-', n.seq)")
            if table not in ONE_OF_EACH:
                crowd.copy(table, MORE_ROWS, originals, name="CONCAT('more-', t.name, '-', n.seq)")
        runs = {"run_key": "CONCAT('run-', n.seq)", "message": "'Please'"}
        crowd.copy("Academy Enrollment", PUPILS, f"t.course = {course}", name=NAME, **runs)
        crowd.copy(access.COURSE, COURSES, f"t.name = {course}", name=NAME, slug="CONCAT(t.slug, '-', n.seq)")
        named = f"t.parent = {course} AND t.parenttype = {frappe.db.escape(access.COURSE)}"
        crowd.copy("Academy Course Instructor", COURSES, named, name=NAME, parent="CONCAT(t.parent, '-', n.seq)")

    def originals(self, table: str) -> str:
        """Return the SQL that finds the rows of a kind inside what the course has now."""
        meta = {doctype: frappe.get_meta(doctype).get_table_fields() for doctype in OF_COURSE}
        holders = [doctype for doctype, fields in meta.items() if table in {field.options for field in fields}]
        found = [frappe.get_all(doctype, {"course": self.course.name}, pluck="name") for doctype in holders]
        return f"t.parent IN ({', '.join(frappe.db.escape(name) for names in found for name in names)})"

    def counted(self, paths: list[str]) -> dict[str, int]:
        with school.as_user(self.lead):
            return {path: self.visit(path)[0] for path in paths}

    def test_no_page_asks_more_in_a_greater_school(self):
        paths = self.pages()
        # What a page asks but once for all, such as of its DocTypes.
        self.counted(paths)
        before = self.counted(paths)
        self.grow()
        self.assertEqual(self.counted(paths), before)

    def test_long_lists_have_pages_that_lead_to_one_another(self):
        self.grow()
        people_path = f"/teach/c/{self.course.slug}/people"
        waiting = grading_queue.waiting(self.lead, self.course.name).total
        self.assertEqual(waiting, 2 * (MORE + 1))
        for path, number, size in (
            ("/teach", COURSES + 1, teaching.PAGE),
            (people_path, PUPILS + 1, people.PAGE),
            ("/teach/grading", waiting, grading_queue.PAGE),
        ):
            last = -(-number // size)
            with school.as_user(self.lead):
                shown = {page: self.visit(f"{path}?page={page}")[1] for page in (1, 2, last, last + 1)}
            self.assertIn(f'rel="next" href="{path}?page=2"', shown[1])
            self.assertNotIn('rel="prev"', shown[1])
            self.assertIn(f'rel="prev" href="{path}"', shown[2])
            self.assertIn(f"Page {last} of {last}", shown[last])
            self.assertNotIn('rel="next"', shown[last])
            # Whoever kept the address of a page that is no more finds the first one.
            self.assertIn(f"Page 1 of {last}", shown[last + 1])
