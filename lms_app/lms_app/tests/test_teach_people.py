import csv
import io
from contextlib import contextmanager
from unittest.mock import patch

import frappe
from werkzeug.test import TestResponse

from lms_app.api import enrolment as enrolment_api
from lms_app.api import people as people_api
from lms_app.services import (
    access,
    assignment_grading,
    certificates,
    enrolment,
    invitations,
    notify,
    people,
    quiz_content,
    seals,
    students,
)
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.site_case import SiteTestCase

STRANGER = f"stranger.{school.MARK}@example.com"
CANARY = "canary-of-another-course"


def text(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


class TestPeople(SiteTestCase):
    def setUp(self):
        self.course = school.course()
        self.ada, self.bo = school.person("ada"), school.person("bo")
        self.lead = school.person("lead", access.INSTRUCTOR_ROLE)

    def names(self, **given) -> list[str]:
        return [row.full_name for row in people.listed(self.course.name, **given).rows]

    def test_who_asks_comes_first_then_who_waits_then_everybody_by_name(self):
        wanted = {
            "cy": ("Waitlisted", "2026-01-02"),
            "dee": ("Waitlisted", "2026-01-01"),
            "bo": ("Active", None),
            "ada": ("Completed", None),
            "eve": ("Pending Approval", None),
            "fay": ("Cancelled", None),
        }
        rows = {name: enrolment.join(school.person(name), self.course.name).name for name in wanted}
        for name, (state, since) in wanted.items():
            frappe.db.set_value("Academy Enrollment", rows[name], {"state": state, "waitlisted_on": since})
        self.assertEqual(self.names(), ["Eve", "Dee", "Cy", "Ada", "Bo"])
        self.assertEqual(self.names(group="waiting"), ["Dee", "Cy"])
        self.assertEqual(self.names(group="former"), ["Fay"])
        self.assertEqual(self.names(search="bo."), ["Bo"])
        self.assertEqual(self.names(search="%"), [])
        found = people.listed(self.course.name)
        self.assertEqual((found.total, found.counts["waiting"], found.counts["former"]), (5, 2, 1))

    def test_the_list_asks_two_queries_for_two_hundred_pupils(self):
        for number in range(200):
            student = students.ensure(school.person(f"p{number}"))
            row = {"doctype": "Academy Enrollment", "name": f"roll-{self.course.name}-{number}", "student": student}
            frappe.get_doc({**row, "course": self.course.name, "state": "Active", "run_key": ""}).db_insert()
        with self.assertQueryCount(2):
            found = people.listed(self.course.name)
        self.assertEqual((len(found.rows), found.total, found.pages), (people.PAGE, 200, 4))
        with self.assertQueryCount(1):
            people.invited(self.course.name)

    def test_an_address_with_an_account_comes_in_and_any_other_is_invited_once(self):
        self.assertEqual(people.bring(self.course.name, self.ada.upper(), by=self.lead), "added")
        self.assertEqual(access.enrolment_of(self.ada, self.course.name).state, "Active")
        self.assertEqual(people.bring(self.course.name, STRANGER, by=self.lead), "invited")
        self.assertEqual([row.email for row in people.invited(self.course.name)], [STRANGER])
        for address, reason in (
            (self.ada, "there_already"),
            (STRANGER, "invited_before"),
            ("nobody", "bad_address"),
            (f"{STRANGER}\n{self.bo}", "bad_address"),
        ):
            with school.told(frappe.ValidationError, reason):
                people.bring(self.course.name, address, by=self.lead)

    def test_who_asked_is_let_in_by_a_teacher_who_brings_them(self):
        frappe.db.set_value("Academy Course", self.course.name, "enrolment_mode", "Approval")
        enrolment.join(self.ada, self.course.name)
        self.assertEqual(people.bring(self.course.name, self.ada, by=self.lead), "added")

    def test_a_list_is_looked_at_line_by_line_before_anything_happens(self):
        enrolment.join(self.bo, self.course.name)
        shut = school.person("cy")
        frappe.db.set_value("User", shut, "enabled", 0)
        invitations.invite(self.course.name, f"invited.{school.MARK}@example.com")
        lines = "\n".join(["email", self.ada, self.bo, shut, STRANGER, f"invited.{school.MARK}@example.com"])
        found = people.look(self.course.name, lines, by=self.lead)
        self.assertEqual(
            [(line["line"], line["outcome"]) for line in found["lines"]],
            [(2, "add"), (3, "there"), (4, "disabled"), (5, "invite"), (6, "invited_before")],
        )
        self.assertIsNone(access.enrolment_of(self.ada, self.course.name))
        self.assertEqual(people.take(self.course.name, lines, by=self.lead), {"added": 1, "invited": 1, "full": 0})
        self.assertEqual(people.take(self.course.name, lines, by=self.lead), {"added": 0, "invited": 0, "full": 0})

    def test_of_a_list_with_a_fault_nothing_is_taken(self):
        lines = f"{self.ada}\nnobody"
        self.assertEqual(
            people.look(self.course.name, lines, by=self.lead)["faults"],
            [{"line": 2, "words": "This is no e-mail address."}],
        )
        with school.told(frappe.ValidationError, "bad_address"):
            people.take(self.course.name, lines, by=self.lead)
        self.assertIsNone(access.enrolment_of(self.ada, self.course.name))

    def test_a_list_longer_than_the_seats_says_who_found_none(self):
        frappe.db.set_value("Academy Course", self.course.name, {"seats": 1, "has_waitlist": 0})
        done = people.take(self.course.name, f"{self.ada}\n{self.bo}", by=self.lead)
        self.assertEqual(done, {"added": 1, "invited": 0, "full": 1})

    def test_a_list_holds_the_course_no_longer_than_it_must(self):
        lines = f"{self.ada}\n{STRANGER}\n{self.bo}"
        with (
            patch.object(enrolment, "settle", wraps=enrolment.settle) as settle,
            patch.object(notify, "moved") as told,
            patch.object(enrolment.frappe, "enqueue") as enqueue,
        ):
            self.assertEqual(people.take(self.course.name, lines, by=self.lead), {"added": 2, "invited": 1, "full": 0})
            self.assertEqual((settle.call_count, told.call_count), (1, 0))
            [call] = [call for call in enqueue.call_args_list if call.args == ("lms_app.services.notify.all_moved",)]
            self.assertTrue(call.kwargs["enqueue_after_commit"])
            rows = [access.enrolment_of(user, self.course.name).name for user in (self.ada, self.bo)]
            enrolment.leave(self.bo, self.course.name)
            told.reset_mock()
            notify.all_moved(call.kwargs["enrolments"])
            self.assertEqual([one.args for one in told.call_args_list], [(rows[0], "Active")])
        self.assertEqual(frappe.db.get_value("Academy Course", self.course.name, "learner_count"), 1)

    def test_an_export_holds_everybody_and_no_formula(self):
        formula = school.person("formula")
        frappe.db.set_value("User", formula, "full_name", '=HYPERLINK("http://x.org")')
        enrolment.join(formula, self.course.name)
        head, row = csv.reader(io.StringIO(people.export(self.course.name).removeprefix("\ufeff")))
        self.assertEqual(head[:4], ["name", "email", "state", "percent"])
        self.assertEqual(row[:4], ['\'=HYPERLINK("http://x.org")', formula, "Active", "0"])
        self.assertEqual(
            [line.email for line in people.people_table.read(people.export(self.course.name)).lines], [formula]
        )

    def test_what_is_given_to_a_pupil_in_a_quiz_holds_until_it_is_taken_back(self):
        quiz = school.quiz(self.course, attempts=1, time_limit=10)
        row = enrolment.join(self.ada, self.course.name).name
        student = students.find(self.ada)
        people.give(row, quiz.name, 5, 1, "2030-01-01T10:00", " ill ")
        rules = quiz_content.rules(quiz_content.of(quiz.name), student)
        self.assertEqual((rules.limit, rules.attempts, str(rules.closes_on)), (15, 2, "2030-01-01 10:00:00"))
        [shown] = people.pupil(self.course.name, row).quizzes
        self.assertEqual((shown.extra_minutes, shown.note), (5, "ill"))
        people.give(row, quiz.name, 7, 0, "", "")
        self.assertEqual(quiz_content.rules(quiz_content.of(quiz.name), student).limit, 17)
        people.give(row, quiz.name, 0, 0, "", "")
        self.assertFalse(frappe.db.exists("Academy Override", {"student": student}))

    def test_a_quiz_opens_for_a_pupil_when_that_was_given(self):
        quiz = school.quiz(self.course, opens_on="2029-01-01 10:00:00")
        row = enrolment.join(self.ada, self.course.name).name
        people.give(row, quiz.name, 0, 0, "", "", "2020-01-01T10:00")
        rules = quiz_content.rules(quiz_content.of(quiz.name), students.find(self.ada))
        self.assertEqual(str(rules.opens_on), "2020-01-01 10:00:00")
        [shown] = people.pupil(self.course.name, row).quizzes
        self.assertEqual(str(shown.opens_on), "2020-01-01 10:00:00")
        with school.told(frappe.ValidationError, "not_valid"):
            people.give(row, quiz.name, 0, 0, "2029-01-01T10:00", "", "2030-01-01T10:00")
        people.give(row, quiz.name, 0, 0, "", "", "")
        self.assertFalse(frappe.db.exists("Academy Override", {"item": quiz.name}))

    def test_no_override_gives_more_than_anybody_needs(self):
        quiz, work = school.quiz(self.course), school.assignment(self.course)
        student = frappe.db.get_value("Academy Enrollment", enrolment.join(self.ada, self.course.name).name, "student")
        for given in ({"days": 9_999_999}, {"days": 3651}, {"attempts": 101}):
            with school.told(frappe.ValidationError, "bad_override"):
                assignment_grading.grant(work.name, student, **given)
        row = {"doctype": "Academy Override", "item_type": "Academy Quiz", "item": quiz.name, "student": student}
        with school.told(frappe.ValidationError, "bad_override"):
            frappe.get_doc({**row, "course": self.course.name, "extra_minutes": 10_001}).insert(ignore_permissions=True)

    def test_what_cannot_be_given_is_refused(self):
        quiz, other = school.quiz(self.course), school.quiz(school.course())
        row = enrolment.join(self.ada, self.course.name).name
        for given, reason in (
            ((other.name, 1, 0, "", ""), "foreign_question"),
            ((quiz.name, -1, 0, "", ""), "bad_override"),
            ((quiz.name, 0, 101, "", ""), "bad_override"),
            ((quiz.name, 0, 0, "tomorrow", ""), "bad_day"),
            ((quiz.name, 1, 0, "", "x" * 501), "too_long"),
        ):
            with school.told(frappe.ValidationError, reason):
                people.give(row, *given)

    def test_nobody_brings_people_without_end(self):
        course = self.led()
        with school.as_user(self.lead), patch.object(people, "BROUGHT_A_DAY", 2):
            # What cannot be read, and who is there already, is nobody who is brought.
            with school.told(frappe.ValidationError, "bad_address"):
                people_api.take(course, "email\n" + "nobody\n" * 5)
            for _ in range(2):
                people_api.take(course, f"{self.ada}\n{self.bo}")
            for deed in (
                lambda: people_api.bring(course, STRANGER),
                lambda: people_api.take(course, STRANGER),
                lambda: enrolment_api.invite(course, STRANGER),
                lambda: enrolment_api.invite(course, max_uses=500),
                lambda: enrolment_api.add(course, school.person("zoe")),
            ):
                with school.told(frappe.ValidationError, "too_often_today"):
                    deed()

    def test_nobody_asks_without_end_which_addresses_have_an_account(self):
        course = self.led()
        with school.as_user(self.lead), patch.object(people, "LOOKED_AT_A_DAY", 2):
            people_api.look(course, f"{self.ada}\n{self.bo}")
            with school.told(frappe.ValidationError, "too_often_today"):
                people_api.look(course, STRANGER)

    def test_an_address_has_one_invitation_that_serves(self):
        invitations.invite(self.course.name, STRANGER)
        with school.told(frappe.ValidationError, "invited_before"):
            invitations.invite(self.course.name, STRANGER.upper())
        invitations.revoke(people.invited(self.course.name)[0].name)
        invitations.invite(self.course.name, STRANGER)

    def test_nobody_is_brought_into_a_course_that_is_not_open(self):
        for status in ("Draft", "Archived"):
            frappe.db.set_value("Academy Course", self.course.name, "status", status)
            for address in (self.ada, STRANGER):
                for deed in (people.bring, people.take):
                    with school.told(frappe.ValidationError, "not_published"):
                        deed(self.course.name, address, by=self.lead)
            with school.as_user(self.lead), school.told(frappe.ValidationError, "not_published"):
                enrolment_api.add(self.course.name, self.ada)
        self.assertIsNone(access.enrolment_of(self.ada, self.course.name))

    def test_frappe_s_own_users_come_into_no_course(self):
        guest = frappe.db.get_value("User", "Guest", "email")
        [line] = people.look(self.course.name, guest, by=self.lead)["lines"]
        self.assertEqual(line["outcome"], "invite")
        course = self.led()
        with school.as_user(self.lead):
            for name in ("Guest", "guest"):
                with school.told(frappe.ValidationError, "unknown"):
                    enrolment_api.add(course, name)

    def led(self) -> str:
        """Return a course that the lead leads, who has brought and looked at nobody yet."""
        for deed in ("often:bring", "often:look_at"):
            frappe.cache.delete_keys(deed)
            self.addCleanup(frappe.cache.delete_keys, deed)
        return self.course.name


class TestPeoplePages(SiteTestCase):
    """Pages by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lead = school.person("lead", access.INSTRUCTOR_ROLE)
        helper = school.person("helper", access.ASSISTANT_ROLE)
        named = [{"user": cls.lead, "role": "Lead"}, {"user": helper, "role": "Grader"}]
        cls.course = school.course(enrolment_mode="Approval", instructors=named)
        other = school.person("other", access.INSTRUCTOR_ROLE)
        cls.foreign = school.course(title="Sauces", instructors=[{"user": other, "role": "Lead"}])
        cls.quiz = school.quiz(cls.course)
        cls.ada = school.person("ada")
        cls.keys = {
            "lead": key_of(cls.lead),
            "helper": key_of(helper),
            "other": key_of(other),
            "pupil": key_of(cls.ada),
        }
        cls.path = f"/teach/c/{cls.course.slug}/people"
        cls.addClassCleanup(school.remove, [cls.course.name, cls.foreign.name])
        frappe.db.commit()

    def setUp(self):
        self.row = enrolment.join(self.ada, self.course.name, "Please <b>let</b> me in").name
        frappe.db.commit()

    def tearDown(self):
        frappe.db.rollback()
        for doctype in ("Academy Enrollment", "Academy Invitation", "Academy Override"):
            frappe.db.delete(doctype, {"course": self.course.name})
        for deed in ("often:bring", "often:look_at"):
            frappe.cache.delete_keys(deed)
        frappe.db.commit()

    @contextmanager
    def state(self, wanted: str):
        yield
        frappe.db.rollback()
        self.assertEqual(frappe.db.get_value("Academy Enrollment", self.row, "state"), wanted)

    def form(self, deed: str, path: str = "", who: str = "lead", **values: str) -> TestResponse:
        return ask(path or self.path, {"deed": deed, **values}, key=self.keys[who])

    def test_a_draft_says_that_nobody_comes_into_it_in_the_place_of_the_ways_in(self):
        ways = ('value="bring"', 'value="link"', f"{self.path}/import")
        for status, offers in (("Draft", False), ("Published", True)):
            frappe.db.set_value("Academy Course", self.course.name, "status", status)
            frappe.db.commit()
            page = text(ask(self.path, key=self.keys["lead"]))
            self.assertEqual([way in page for way in ways], [offers] * 3)
            self.assertEqual("This course is not open to pupils." in page, not offers)

    def test_a_request_is_answered_where_it_is_read(self):
        page = text(ask(self.path, key=self.keys["lead"]))
        self.assertIn("Please &lt;b&gt;let&lt;/b&gt; me in", page)
        with self.state("Active"):
            answer = self.form("accept", enrollment=self.row)
            self.assertEqual((answer.status_code, answer.location), (303, f"{self.path}?said=accepted"))
        self.assertIn("The request is accepted.", text(ask(answer.location, key=self.keys["lead"])))
        again = self.form("decline", enrollment=self.row)
        self.assertEqual(again.status_code, 409)
        self.assertIn("answered already", text(again))

    def test_a_pupil_is_suspended_let_in_again_and_taken_out(self):
        enrolment.decide(self.row, accept=True, by=self.lead)
        frappe.db.commit()
        path = f"{self.path}/p/{self.row}"
        for deed, wanted in (("suspend", "Suspended"), ("resume", "Active"), ("remove", "Cancelled")):
            with self.state(wanted):
                self.assertEqual(self.form(deed, path).status_code, 303)

    def test_more_time_is_given_by_a_form(self):
        path = f"{self.path}/p/{self.row}"
        answer = self.form("override", path, quiz=self.quiz.name, extra_minutes="15", extra_attempts="", note="ill")
        self.assertEqual(answer.status_code, 303)
        page = text(ask(path, key=self.keys["lead"]))
        self.assertIn("15 minutes more", page)
        self.assertIn("ill", page)

    def test_a_quiz_is_opened_for_one_pupil_by_a_form(self):
        path = f"{self.path}/p/{self.row}"
        answer = self.form("override", path, quiz=self.quiz.name, opens_on="2020-02-03T10:00")
        self.assertEqual(answer.status_code, 303)
        page = text(ask(path, key=self.keys["lead"]))
        self.assertIn('name="opens_on" type="datetime-local" value="2020-02-03T10:00"', page)

    def test_a_certificate_is_taken_back_and_given_again_by_who_may_change_the_course_alone(self):
        frappe.db.set_value("Academy Course", self.course.name, "issues_certificates", 1)
        school.completed(self.row)
        code = certificates.issue(self.row)
        name = frappe.db.get_value("Academy Certificate", {"code": code}, "name")
        frappe.db.commit()
        self.addCleanup(frappe.db.commit)
        self.addCleanup(frappe.db.delete, "Academy Certificate", {"name": name})
        path = f"{self.path}/p/{self.row}"
        self.assertIn("Take the certificate back", text(ask(path, key=self.keys["lead"])))
        seen = text(ask(path, key=self.keys["helper"]))
        self.assertIn(code, seen)
        self.assertNotIn("Take the certificate back", seen)
        for who, reason, status in (("helper", "odd", 403), ("lead", " ", 409), ("lead", "A <b>mistake</b>", 303)):
            answer = self.form("revoke", path, who, certificate=name, reason=reason)
            self.assertEqual(answer.status_code, status, (who, reason))
        frappe.db.rollback()
        self.assertEqual(certificates.check(code).state, seals.REVOKED)
        self.assertIn("A &lt;b&gt;mistake&lt;/b&gt;", text(ask(path, key=self.keys["lead"])))
        self.assertEqual(self.form("reinstate", path, certificate=name).status_code, 303)
        frappe.db.rollback()
        self.assertEqual(certificates.check(code).state, seals.VALID)

    def test_a_link_is_shown_once_and_leads_to_the_course(self):
        page = text(self.form("link", max_uses="5", days="7"))
        token = page.partition("/i/")[2].partition('"')[0]
        self.assertEqual(invitations.look(token).slug, self.course.slug)
        self.assertNotIn(token, text(ask(self.path, key=self.keys["lead"])))

    def test_an_invitation_is_taken_back(self):
        self.form("bring", email=STRANGER)
        frappe.db.rollback()
        [row] = people.invited(self.course.name)
        self.assertIn(STRANGER, text(ask(self.path, key=self.keys["lead"])))
        self.form("revoke", invitation=row.name)
        frappe.db.rollback()
        self.assertEqual(people.invited(self.course.name), [])

    def test_a_list_is_looked_at_then_taken_without_javascript(self):
        path = f"{self.path}/import"
        self.assertIn("<textarea", text(ask(path, key=self.keys["lead"])))
        wrong = text(self.form("look", path, text=f"email\n{STRANGER}\nnobody"))
        self.assertIn("Line 3: This is no e-mail address.", wrong)
        self.assertIn(f"{STRANGER}\nnobody</textarea>", wrong)
        looked = text(self.form("look", path, text=STRANGER))
        self.assertIn("1 are invited by mail", looked)
        self.assertIn("1 invited", text(self.form("take", path, text=STRANGER)))

    def test_an_export_is_a_file(self):
        answer = ask("/api/method/lms_app.api.people.export", {"course": self.course.name}, key=self.keys["lead"])
        self.assertIn("attachment", answer.headers["Content-Disposition"])
        self.assertIn(self.ada, text(answer))

    def test_a_helper_reads_and_decides_nothing(self):
        page = text(ask(self.path, key=self.keys["helper"]))
        self.assertIn("Ada", page)
        for word in ("<form method", "lms_app.api.people.export", "Accept"):
            self.assertNotIn(word, page)
        for answer in self.everything_by("helper"):
            self.assertEqual(answer.status_code, 403)
        self.assertEqual(ask(f"{self.path}/import", key=self.keys["helper"]).status_code, 403)

    def test_teachers_of_other_courses_and_pupils_get_nothing(self):
        for who in ("other", "pupil"):
            for path in ("", "/import", f"/p/{self.row}"):
                answer = ask(f"{self.path}{path}", key=self.keys[who])
                self.assertEqual(answer.status_code, 403, path)
                self.assertNotIn(self.ada, text(answer))
            for answer in self.everything_by(who):
                self.assertEqual(answer.status_code, 403)
                self.assertNotIn(STRANGER, text(answer))
        frappe.db.rollback()
        self.assertEqual(frappe.db.get_value("Academy Enrollment", self.row, "state"), "Pending Approval")
        self.assertEqual(frappe.db.count("Academy Invitation", {"course": self.course.name}), 0)

    def test_a_pupil_of_another_course_is_not_found_by_this_one_s_address(self):
        own = f"/teach/c/{self.foreign.slug}/people/p/{self.row}"
        answer = ask(own, key=self.keys["other"])
        self.assertEqual(answer.status_code, 404)
        self.assertNotIn("Ada", text(answer))

    def everything_by(self, who: str) -> list[TestResponse]:
        course, quiz = self.course.name, self.quiz.name
        pupil = f"{self.path}/p/{self.row}"
        calls = (
            ("bring", {"course": course, "email": STRANGER}),
            ("look", {"course": course, "text": STRANGER}),
            ("take", {"course": course, "text": STRANGER}),
            ("export", {"course": course}),
            ("override", {"enrollment": self.row, "quiz": quiz, "extra_minutes": 5}),
        )
        forms = [
            self.form("accept", who=who, enrollment=self.row),
            self.form("bring", who=who, email=STRANGER),
            self.form("link", who=who, max_uses="1", days="1"),
            self.form("take", f"{self.path}/import", who=who, text=STRANGER),
            self.form("remove", pupil, who=who),
            self.form("override", pupil, who=who, quiz=quiz, extra_minutes="5"),
        ]
        return [
            *forms,
            *(ask(f"/api/method/lms_app.api.people.{name}", given, key=self.keys[who]) for name, given in calls),
        ]
