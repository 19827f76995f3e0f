from unittest.mock import patch

import frappe
from frappe.utils import add_to_date, get_url, now_datetime

from lms_app.services import (
    access,
    assignment_grading,
    enrolment,
    quiz_engine,
    submissions,
    teacher_mails,
    waiting_work,
)
from lms_app.tests import school
from lms_app.tests.site_case import SiteTestCase

ESSAY = {"kind": "Essay", "body": "Why?", "options": []}


class TestWaitingWork(SiteTestCase):
    def setUp(self):
        # Of this test alone: what waits for them is counted over all of their courses.
        mark = frappe.generate_hash(length=6)
        self.ada = school.person(f"ada-{mark}")
        self.lead = school.person(f"lead-{mark}", access.INSTRUCTOR_ROLE)
        self.grader = school.person(f"grader-{mark}", access.ASSISTANT_ROLE)
        named = [{"user": self.lead, "role": "Lead"}, {"user": self.grader, "role": "Grader"}]
        self.soups = school.course(title="Soups", instructors=named)
        self.sauces = school.course(title="Sauces", instructors=named[:1])

    def hand_in(self):
        """Let a pupil hand in an essay and a loaf in one course, and a loaf in the other; return that submission."""
        for course in (self.soups, self.sauces):
            enrolment.join(self.ada, course.name)
        attempt = quiz_engine.start(self.ada, school.quiz(self.soups, ESSAY).name)
        quiz_engine.save(self.ada, attempt, 1, "Because.", 1)
        quiz_engine.submit(self.ada, attempt)
        submissions.submit(self.ada, school.assignment(self.soups).name, 1, "My loaf")
        return submissions.submit(self.ada, school.assignment(self.sauces).name, 1, "My loaf")

    def told(self):
        """Return what the job writes to these teachers: the sentences of their mails, by their addresses."""
        with (
            patch("frappe.sendmail") as send,
            patch.dict(frappe.conf, {"mail_server": "localhost"}),
            patch.object(frappe.db, "commit"),
        ):
            waiting_work.tell()
        mails = [call.kwargs for call in send.call_args_list]
        self.assertLessEqual({mail["args"]["address"] for mail in mails}, {get_url("/teach/grading")})
        own = {self.lead, self.grader}
        return {mail["recipients"][0]: mail["args"]["sentences"][1:] for mail in mails if {*mail["recipients"]} & own}

    def test_each_teacher_gets_one_mail_for_all_that_waits_in_their_courses(self):
        self.hand_in()
        both = ["Sauces: 1 to grade", "Soups: 2 to grade"]
        self.assertEqual(self.told(), {self.lead: both, self.grader: both[1:]})

    def test_nobody_is_told_again_of_what_they_were_told_of_and_nobody_of_what_is_graded(self):
        work = self.hand_in()
        assignment_grading.grade(work, "Administrator", points=5)
        self.assertEqual(self.told()[self.lead], ["Soups: 2 to grade"])
        before = add_to_date(now_datetime(), days=-2)
        for doctype in ("Academy Quiz Attempt", "Academy Submission"):
            frappe.db.set_value(doctype, {"course": self.soups.name}, "submitted_on", before)
        self.assertEqual(self.told(), {})

    def test_who_wants_none_and_who_may_teach_no_more_gets_none(self):
        self.hand_in()
        teacher_mails.prefer(self.lead, {teacher_mails.WORK: False})
        frappe.db.delete("Has Role", {"parent": self.grader, "role": access.ASSISTANT_ROLE})
        frappe.clear_cache(user=self.grader)
        self.assertEqual(self.told(), {})

    def test_one_who_cannot_be_told_keeps_no_other_from_it(self):
        self.hand_in()
        whole = waiting_work.notify.work_waits

        def tell(user, courses):
            if user == self.grader:
                raise ValueError("broken")
            whole(user, courses)

        with patch.object(waiting_work.notify, "work_waits", tell), patch.object(frappe.db, "rollback"):
            self.assertEqual({*self.told()}, {self.lead})
