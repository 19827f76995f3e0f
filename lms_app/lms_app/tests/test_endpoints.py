import importlib
import inspect
import pkgutil
from itertools import chain
from unittest.mock import patch

import frappe

import lms_app
from lms_app.api import enrolment
from lms_app.deadlocks import tried_again
from lms_app.services import reasons
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.site_case import SiteTestCase

# Who is not logged in may call these, and no more than eight of them.
FOR_GUESTS = frozenset[str]()
# Frappe lets a GET pass without the token against forged requests: these only read.
READS = frozenset({"lms_app.overrides.search.get_link_title"})
# What is not done again where the database ended it for another, and why that does no harm.
ONCE = {
    "lms_app.api.me.export_data": "reads",
    "lms_app.api.people.export": "reads",
    "lms_app.api.people.look": "reads",
    "lms_app.api.questions.look": "reads",
    "lms_app.api.quiz.clock": "reads",
    "lms_app.overrides.rq_job.remove_failed_jobs": "changes what is in Redis alone",
    "lms_app.overrides.search.get_link_title": "reads",
}
# Something of each type that endpoints take.
GIVEN = {str: "x", int: 1, float: 1.5, bool: True, int | None: 1}
GIVEN |= {dict[str, str]: {"title": "x"}, list[dict[str, str]]: [{"text": "x"}]}
GIVEN |= {float | None: 1.5, dict[str, str] | None: {"x": "y"}, str | list[str] | dict[str, str] | None: "x"}


def endpoints():
    """Return each function of the app that a browser may call, by its dotted path."""
    for module in pkgutil.walk_packages(lms_app.__path__, "lms_app."):
        if ".www." not in module.name:
            importlib.import_module(module.name)
    return {
        f"{one.__module__}.{one.__name__}": one for one in frappe.whitelisted if one.__module__.startswith("lms_app.")
    }


def is_tried_again(function):
    """Say whether `tried_again` is among the decorators of a function."""
    inside = function
    while inside.__code__ is not tried_again(inside).__code__:
        inside = getattr(inside, "__wrapped__", None)
        if inside is None:
            return False
    return True


class TestEndpoints(SiteTestCase):
    def test_there_are_endpoints(self):
        self.assertGreater(len(endpoints()), 10)

    def test_each_says_what_it_takes_and_returns(self):
        for path, function in endpoints().items():
            signature = inspect.signature(function)
            untyped = [name for name, one in signature.parameters.items() if one.annotation is inspect.Parameter.empty]
            self.assertEqual(untyped, [], path)
            self.assertIsNot(signature.return_annotation, inspect.Signature.empty, path)
            self.assertTrue(inspect.getdoc(function), path)
            kinds = {one.kind for one in signature.parameters.values()}
            self.assertLessEqual(kinds, {inspect.Parameter.POSITIONAL_OR_KEYWORD}, path)

    def test_each_is_a_post_unless_it_only_reads(self):
        for path, function in endpoints().items():
            methods = frappe.allowed_http_methods_for_whitelisted_func[function]
            self.assertLessEqual(set(methods), {"GET", "POST"} if path in READS else {"POST"}, path)

    def test_each_that_writes_is_done_again_where_the_database_ended_it_for_another(self):
        self.assertEqual({path for path, one in endpoints().items() if not is_tried_again(one)}, {*ONCE})

    def test_guests_call_only_what_is_on_the_list(self):
        self.assertEqual({path for path, one in endpoints().items() if one in frappe.guest_methods}, FOR_GUESTS)
        self.assertLessEqual(len(FOR_GUESTS), 8)

    def test_what_pupils_and_teachers_call_is_in_one_place(self):
        outside = {path for path in endpoints() if not path.startswith("lms_app.api.")}
        stand_ins = chain.from_iterable(frappe.get_hooks("override_whitelisted_methods", app_name="lms_app").values())
        self.assertEqual(outside, {path for path in stand_ins if path.startswith("lms_app.")})

    def test_a_guest_gets_a_refusal_and_never_an_error(self):
        for path, function in endpoints().items():
            given = {name: GIVEN[one.annotation] for name, one in inspect.signature(function).parameters.items()}
            answer = ask(f"/api/method/{path}", given)
            self.assertEqual(answer.status_code, 403, (path, answer.get_data(as_text=True)))


class TestRefusals(SiteTestCase):
    """What is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.course = school.course()
        cls.addClassCleanup(lambda: school.remove([cls.course.name]))
        cls.key, cls.other = key_of(school.person("ada")), key_of(school.person("bo"))
        frappe.db.commit()

    def test_a_refusal_has_a_code_for_the_page_and_words_for_everybody_else(self):
        for path, given, status, reason in (
            ("enrolment.accept_invitation", {"token": "x"}, 409, "invitation_unknown"),
            ("progress.complete", {"lesson": "x"}, 403, "unknown"),
            ("enrolment.suspend", {"enrollment": "x"}, 403, "not_staff"),
            ("quiz.start", {"quiz": "x"}, 403, "unknown"),
            ("quiz.start", {"quiz": "x", "now": "2026-01-01"}, 400, "unexpected"),
            ("quiz.submit", {"attempt": "x"}, 403, "unknown"),
            ("quiz.grade", {"attempt": "x", "position": 1, "points": 1}, 403, "not_staff"),
            ("quiz.import_questions", {"bank": "x", "text": "x", "form": "GIFT"}, 403, "not_staff"),
            ("teach.make_course", {"title": "x"}, 403, "no_teacher"),
            ("teach.set_course_status", {"course": "x", "status": "Published"}, 403, "not_staff"),
            ("teach_lesson.save", {"lesson": "x", "seen": "", "values": {}, "blocks": []}, 403, "not_staff"),
            ("people.override", {"enrollment": "x", "quiz": "x"}, 403, "not_staff"),
            ("people.take", {"course": "x", "text": "x"}, 403, "not_staff"),
            ("questions.save", {"bank": "x", "body": "x", "options": []}, 403, "not_staff"),
            ("questions.save_quiz", {"course": "x", "values": {}, "slots": []}, 403, "not_staff"),
            ("questions.remove", {"question": "x"}, 403, "not_staff"),
            ("questions.remove_quiz", {"quiz": "x"}, 403, "not_staff"),
            ("assignments.save", {"course": "x", "values": {}}, 403, "not_staff"),
            ("assignments.remove", {"assignment": "x"}, 403, "not_staff"),
            ("assignments.save_rubric", {"course": "x", "title": "x", "criteria": [], "levels": []}, 403, "not_staff"),
            ("assignments.remove_rubric", {"rubric": "x"}, 403, "not_staff"),
            ("assignment.submit", {"assignment": "x", "version": 1}, 403, "unknown"),
            ("assignment.submit", {"assignment": "x", "version": 1, "now": "2026-01-01"}, 400, "unexpected"),
            ("assignment.remove_file", {"file": "x"}, 403, "unknown"),
            ("assignment.grade", {"submission": "x", "points": 1}, 403, "not_staff"),
            ("assignment.grant", {"assignment": "x", "student": "x"}, 403, "not_staff"),
            ("me.erase_data", {"confirmation": "x"}, 409, "not_confirmed"),
        ):
            answer = ask(f"/api/method/lms_app.api.{path}", given, key=self.key)
            self.assertEqual((answer.status_code, answer.json["reason"]), (status, reason), path)
            self.assertIn(reasons.words(reason), answer.json["_server_messages"])

    def test_what_the_database_ended_for_another_is_done_again_and_given_up_after_that(self):
        path = "/api/method/lms_app.api.enrolment.join"
        lost = frappe.QueryDeadlockError()
        for faults, status in (((lost,), 200), ((lost, lost), 500)):
            outcomes = iter((*faults, frappe._dict(state="Active")))
            with patch.object(enrolment.enrolment, "join", side_effect=outcomes) as join:
                answer = ask(path, {"course": self.course.slug}, key=self.key)
            self.assertEqual((answer.status_code, join.call_count), (status, 2))

    def test_what_is_of_another_type_is_refused(self):
        answer = ask("/api/method/lms_app.api.progress.beat", {"lesson": {"x": 1}}, key=self.key)
        self.assertGreaterEqual(answer.status_code, 400)
        self.assertNotIn("reason", answer.json)

    def test_nobody_joins_and_leaves_without_end(self):
        frappe.cache.delete_keys("often:join:")
        self.addCleanup(frappe.cache.delete_keys, "often:join:")
        path = "/api/method/lms_app.api.enrolment"
        with patch.object(enrolment, "JOINS_AN_HOUR", 2):
            for _ in range(2):
                self.assertEqual(ask(f"{path}.join", {"course": self.course.slug}, key=self.key).status_code, 200)
                self.assertEqual(ask(f"{path}.leave", {"course": self.course.slug}, key=self.key).status_code, 200)
            answer = ask(f"{path}.join", {"course": self.course.slug}, key=self.key)
            self.assertEqual((answer.status_code, answer.json["reason"]), (409, "too_often"))
            # The school's other pupils may come from the same address.
            self.assertEqual(ask(f"{path}.join", {"course": self.course.slug}, key=self.other).status_code, 200)
