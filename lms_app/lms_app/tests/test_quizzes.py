import json
import re
from datetime import timedelta
from functools import partial
from unittest.mock import patch

import frappe
from frappe.utils import add_to_date, now_datetime

from lms_app.services import (
    access,
    enrolment,
    grading,
    notify,
    passing,
    privacy,
    quiz_content,
    quiz_engine,
    quiz_pages,
    reasons,
    scoring,
    students,
)
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.parallel import at_once
from lms_app.tests.school_case import CommittedCase, SchoolCase

CANARY = "canary-of-what-is-right"
ESSAY = {"kind": "Essay", "body": "Why?", "options": []}
SHORT = {"kind": "Short Text", "body": "What is it called?", "options": [{"key": "gluten"}]}
# One question of each kind, with something in every field that no pupil may see.
OF_EACH_KIND = [
    {
        "kind": "Single Choice",
        "options": [{"text": "Salt", "feedback": CANARY, "key": CANARY}, {"text": "Flour", "weight": 100}],
    },
    {"kind": "Multiple Choice", "options": [{"text": "Salt", "feedback": CANARY}, {"text": "Flour", "weight": 100}]},
    {"kind": "True or False", "options": [], "truth": "True"},
    {"kind": "Short Text", "options": [{"key": CANARY, "feedback": CANARY}]},
    {"kind": "Numeric", "options": [{"key": "31415926", "tolerance": 0.0271828}]},
    {"kind": "Matching", "options": [{"text": "volt", "key": "U"}, {"text": "ampere", "key": "I"}]},
    {"kind": "Ordering", "options": [{"text": "mix"}, {"text": "fold"}, {"text": "bake"}]},
    {"kind": "Cloze", "body": "Add [[1]].", "options": [{"gap": 1, "key": CANARY}]},
    ESSAY,
]


def later(**by):
    """Let the clock of attempts show a later time."""
    return patch("lms_app.services.quiz_engine.now_datetime", return_value=add_to_date(now_datetime(), **by))


class QuizCase(SchoolCase):
    def setUp(self):
        self.user = school.person("ada")

    def quiz(self, *questions, **values):
        made = school.quiz(school.course(), *questions, **values)
        enrolment.join(self.user, made.course)
        return made

    def begun(self, *questions, **values):
        return quiz_engine.start(self.user, self.quiz(*questions, **values).name)

    def shown(self, attempt, position=1):
        page = quiz_pages.attempt_page(attempt, self.user)
        return page.questions[position - 1]

    def option(self, attempt, text, position=1):
        return next(item["id"] for item in self.shown(attempt, position)["items"] if item["text"] == text)

    def save(self, attempt, response, seq=1, position=1):
        return quiz_engine.save(self.user, attempt, position, response, seq)

    def kept(self, attempt, *fields):
        return frappe.db.get_value("Academy Quiz Attempt", attempt, fields or ["state", "percent", "is_passed"])

    def answered(self, quiz, text):
        """Take a quiz of one choice, and return the attempt."""
        attempt = quiz_engine.start(self.user, quiz.name)
        self.save(attempt, self.option(attempt, text))
        quiz_engine.submit(self.user, attempt)
        return attempt


class TestStarting(QuizCase):
    def test_an_attempt_that_is_under_way_is_gone_on_with(self):
        quiz = self.quiz()
        attempt = quiz_engine.start(self.user, quiz.name)
        self.assertEqual(quiz_engine.start(self.user, quiz.name), attempt)
        self.assertEqual(frappe.db.count("Academy Quiz Attempt", {"quiz": quiz.name}), 1)

    def test_what_was_drawn_can_be_drawn_again_by_its_seed(self):
        quiz = self.quiz(*OF_EACH_KIND, shuffle_questions=1)
        attempt = quiz_engine.start(self.user, quiz.name)
        seed = frappe.db.get_value("Academy Quiz Attempt", attempt, "seed")
        rows = frappe.get_all(
            "Academy Quiz Answer",
            {"parent": attempt, "parenttype": "Academy Quiz Attempt"},
            ["position", "question", "most", "shown", "refs"],
            order_by="position",
        )
        again = quiz_engine._drawn(quiz_content.of(quiz.name), seed)
        self.assertEqual([tuple(row.values()) for row in rows], [row[:5] for row in again])

    def test_questions_are_drawn_from_a_bank_and_fixed_ones_are_not_among_them(self):
        quiz = self.quiz(*[{} for _ in range(6)])
        bank = frappe.db.get_value("Academy Question", quiz.slots[0].question, "bank")
        quiz.slots = quiz.slots[:1]
        quiz.append("slots", {"kind": "Random", "bank": bank, "count": 3, "points": 2})
        quiz.save(ignore_permissions=True)
        attempt = quiz_engine.start(self.user, quiz.name)
        rows = frappe.get_all("Academy Quiz Answer", {"parent": attempt}, ["question", "most"], order_by="position")
        self.assertEqual(len({row.question for row in rows}), 4)
        self.assertEqual([row.most for row in rows], [1, 2, 2, 2])
        self.assertEqual(self.kept(attempt, "most"), 7)

    def test_it_is_shut_for_all_but_those_who_learn(self):
        quiz = self.quiz()
        with self.denied("log_in"):
            quiz_engine.start("Guest", quiz.name)
        with self.denied("not_enrolled"):
            quiz_engine.start(school.person("bo"), quiz.name)
        with self.denied("not_enrolled"):
            quiz_engine.start(school.person("lead"), quiz.name)
        with self.denied("unknown"):
            quiz_engine.start(self.user, "no such quiz")
        enrolled = access.enrolment_of(self.user, quiz.course)
        frappe.db.set_value("Academy Enrollment", enrolled.name, "state", "Suspended")
        with self.denied("suspended"):
            quiz_engine.start(self.user, quiz.name)

    def test_a_lesson_that_is_locked_or_a_draft_opens_no_quiz(self):
        made = school.quiz(school.course({}, sequential=1))
        enrolment.join(self.user, made.course)
        with self.denied("lesson_first"):
            quiz_engine.start(self.user, made.name)
        quiz = self.quiz()
        frappe.db.set_value("Academy Lesson", {"quiz": quiz.name}, "status", "Draft")
        with self.denied("not_published"):
            quiz_engine.start(self.user, quiz.name)

    def test_a_quiz_opens_and_closes_and_says_so(self):
        tomorrow, yesterday = (add_to_date(now_datetime(), days=days) for days in (1, -1))
        with self.refused("quiz_not_open"):
            self.begun(opens_on=tomorrow)
        with self.refused("quiz_closed"):
            self.begun(closes_on=yesterday)

    def test_attempts_and_the_pause_between_them_are_held(self):
        quiz = self.quiz(attempts=2, cooldown=30)
        self.answered(quiz, "Salt")
        with self.refused("cooldown"):
            quiz_engine.start(self.user, quiz.name)
        frappe.db.set_value(
            "Academy Quiz Attempt", {"quiz": quiz.name}, "submitted_on", add_to_date(now_datetime(), minutes=-31)
        )
        self.answered(quiz, "Salt")
        frappe.db.set_value(
            "Academy Quiz Attempt", {"quiz": quiz.name}, "submitted_on", add_to_date(now_datetime(), minutes=-31)
        )
        with self.refused("no_attempts_left"):
            quiz_engine.start(self.user, quiz.name)

    def test_a_bank_that_got_too_small_is_told(self):
        quiz = self.quiz({}, {}, {})
        bank = frappe.db.get_value("Academy Question", quiz.slots[0].question, "bank")
        quiz.slots = []
        quiz.append("slots", {"kind": "Random", "bank": bank, "count": 3})
        quiz.save(ignore_permissions=True)
        frappe.delete_doc("Academy Question", frappe.db.get_value("Academy Question", {"bank": bank}, "name"))
        with self.refused("too_few_questions"):
            quiz_engine.start(self.user, quiz.name)


class TestAnswering(QuizCase):
    def test_an_answer_is_kept_and_the_same_again_changes_nothing(self):
        attempt = self.begun(SHORT)
        first = self.save(attempt, "starch", 1)
        again = self.save(attempt, "starch", 1)
        self.assertEqual((first.is_kept, again.is_kept, again.seq), (True, True, 1))
        self.assertEqual(self.shown(attempt).response, "starch")

    def test_what_comes_late_is_not_kept_and_that_is_said(self):
        attempt = self.begun(SHORT)
        self.save(attempt, "second", 2)
        late = self.save(attempt, "first", 1)
        other = self.save(attempt, "by another device", 2)
        self.assertEqual([(one.is_kept, one.seq) for one in (late, other)], [(False, 2), (False, 2)])
        self.assertEqual(self.shown(attempt).response, "second")

    def test_an_answer_can_be_taken_back(self):
        attempt = self.begun(SHORT)
        self.save(attempt, "starch", 1)
        self.save(attempt, "", 2)
        self.assertIsNone(self.shown(attempt).response)

    def test_what_the_page_never_offered_is_refused(self):
        one, other = self.begun(), self.begun()
        foreign = self.option(other, "Flour")
        for response, reason in ((foreign, "foreign_option"), ("Flour", "foreign_option"), (["x"], "foreign_option")):
            with self.rejected(reason):
                self.save(one, response)
        with self.rejected("unknown_question"):
            self.save(one, None, position=2)
        for seq in (0, -1, 2**31):
            with self.rejected("bad_answer"):
                self.save(one, None, seq=seq)

    def test_nobody_writes_into_or_reads_or_hands_in_the_attempt_of_another(self):
        attempt = self.begun(SHORT)
        other = school.person("bo")
        enrolment.join(other, self.kept(attempt, "course"))
        for call in (
            lambda: quiz_engine.save(other, attempt, 1, "x", 1),
            lambda: quiz_engine.submit(other, attempt),
            lambda: quiz_engine.clock(other, attempt),
            lambda: quiz_pages.attempt_page(attempt, other),
            lambda: quiz_pages.attempt_page(attempt, school.person("lead")),
        ):
            with self.denied("unknown"):
                call()

    def test_the_time_is_over_after_the_grace_and_not_before(self):
        attempt = self.begun(SHORT, time_limit=10, grace=30)
        self.assertEqual(self.save(attempt, "a", 1).seconds_left, 600)
        late = later(minutes=10, seconds=20)
        with late:
            self.assertEqual(self.save(attempt, "b", 2).seconds_left, 0)
        late = later(minutes=10, seconds=40)
        with late, self.refused("time_over"):
            self.save(attempt, "c", 3)

    def test_an_override_holds_for_an_attempt_that_has_begun(self):
        quiz = self.quiz(SHORT, time_limit=10, attempts=1)
        attempt = quiz_engine.start(self.user, quiz.name)
        given = {"student": students.find(self.user), "course": quiz.course, "item_type": "Academy Quiz"}
        given |= {"item": quiz.name, "extra_minutes": 5, "extra_attempts": 1}
        override = frappe.get_doc({"doctype": "Academy Override", **given}).insert(ignore_permissions=True)
        started, ends = self.kept(attempt, "started_on", "deadline")
        self.assertEqual(ends - started, timedelta(minutes=15))
        late = later(minutes=14)
        with late:
            self.assertTrue(self.save(attempt, "gluten").is_kept)
            self.assertLessEqual(quiz_engine.clock(self.user, attempt).seconds_left, 60)
        quiz_engine.submit(self.user, attempt)
        self.assertFalse(quiz_engine.clock(self.user, attempt).is_under_way)
        self.assertNotEqual(quiz_engine.start(self.user, quiz.name), attempt)
        override.delete(ignore_permissions=True)
        with self.assertRaises(frappe.UniqueValidationError):
            for _ in range(2):
                frappe.get_doc({"doctype": "Academy Override", **given}).insert(ignore_permissions=True)

    def test_an_override_that_would_leave_no_time_is_refused_whichever_date_is_the_quizs_own(self):
        now = now_datetime()
        quiz = self.quiz(SHORT, opens_on=now, closes_on=add_to_date(now, days=2))
        given = {"student": students.find(self.user), "course": quiz.course, "item_type": "Academy Quiz"}
        given |= {"doctype": "Academy Override", "item": quiz.name}
        for dates in ({"opens_on": add_to_date(now, days=3)}, {"closes_on": add_to_date(now, days=-1)}):
            with self.assertRaisesRegex(frappe.ValidationError, "cannot close before it opens"):
                frappe.get_doc({**given, **dates}).insert(ignore_permissions=True)
        frappe.get_doc({**given, "opens_on": add_to_date(now, days=1)}).insert(ignore_permissions=True)

    def test_other_times_of_a_quiz_hold_for_attempts_that_have_begun(self):
        quiz = self.quiz(SHORT, time_limit=10)
        attempt = quiz_engine.start(self.user, quiz.name)
        quiz.time_limit = 20
        quiz.save(ignore_permissions=True)
        started, ends = self.kept(attempt, "started_on", "deadline")
        self.assertEqual(ends - started, timedelta(minutes=20))


class TestGrading(QuizCase):
    def test_a_passed_quiz_completes_its_lesson_and_a_failed_one_does_not(self):
        quiz = school.quiz(school.course({"is_required": 0}))
        enrolment.join(self.user, quiz.course)
        self.assertEqual(self.kept(self.answered(quiz, "Salt")), ("Graded", 0, 0))
        self.assertEqual(access.enrolment_of(self.user, quiz.course).percent, 0)
        self.assertEqual(self.kept(self.answered(quiz, "Flour")), ("Graded", 100, 1))
        self.assertEqual(access.enrolment_of(self.user, quiz.course).state, "Completed")

    def test_every_kind_is_graded_by_what_the_page_sent(self):
        attempt = self.begun(*OF_EACH_KIND, pass_percent=100)
        answers = [
            self.option(attempt, "Flour", 1),
            [self.option(attempt, "Flour", 2)],
            self.option(attempt, "True", 3),
            CANARY.upper(),
            "31 415 926,01",
            None,
            [self.option(attempt, text, 7) for text in ("mix", "fold", "bake")],
            {"1": CANARY},
            "Because.",
        ]
        pairs = self.shown(attempt, 6)
        texts = {one["text"]: one["id"] for one in (*pairs["items"], *pairs.targets)}
        answers[5] = {texts["volt"]: texts["U"], texts["ampere"]: texts["I"]}
        for position, response in enumerate(answers, 1):
            self.save(attempt, response, position=position)
        quiz_engine.submit(self.user, attempt)
        state, points, most = self.kept(attempt, "state", "points", "most")
        self.assertEqual((state, points, most), ("Waiting for a Grade", 8, 9))
        self.assertEqual({*scoring.KINDS}, {one["kind"] for one in OF_EACH_KIND})

    def test_an_essay_waits_for_a_teacher_and_then_completes_the_lesson(self):
        quiz = self.quiz(ESSAY)
        attempt = quiz_engine.start(self.user, quiz.name)
        self.save(attempt, "Because.")
        quiz_engine.submit(self.user, attempt)
        self.assertEqual(self.kept(attempt, "state"), "Waiting for a Grade")
        self.assertNotIn("percent", quiz_pages.attempt_page(attempt, self.user))
        with self.refused("bad_points"):
            grading.grade(attempt, 1, 2, "", by="Administrator")
        with self.rejected("unknown_question"):
            grading.grade(attempt, 2, 1, "", by="Administrator")
        found = grading.grade(attempt, 1, 1, " Well argued ", by="Administrator")
        self.assertEqual((found.state, found.percent), ("Graded", 100))
        page = quiz_pages.attempt_page(attempt, self.user)
        self.assertEqual((page.is_passed, page.answers[0]["comment"]), (True, "Well argued"))
        lesson = frappe.db.get_value("Academy Lesson", {"quiz": quiz.name}, "name")
        self.assertTrue(frappe.db.get_value("Academy Lesson Progress", {"lesson": lesson}, "is_completed"))

    def test_an_attempt_under_way_cannot_be_graded(self):
        with self.refused("not_submitted"):
            grading.grade(self.begun(ESSAY), 1, 1, "", by="Administrator")

    def test_after_it_is_handed_in_nothing_is_written_and_handing_in_again_changes_nothing(self):
        attempt = self.answered(self.quiz(), "Flour")
        before = self.kept(attempt, "*")
        quiz_engine.submit(self.user, attempt)
        with self.refused("already_submitted"):
            self.save(attempt, None, 2)
        self.assertEqual(self.kept(attempt, "*"), before)

    def test_several_attempts_count_as_the_quiz_says(self):
        for method, is_completed in (("Highest", True), ("Last", False), ("First", False)):
            quiz = self.quiz(grading=method)
            lesson = frappe.db.get_value("Academy Lesson", {"quiz": quiz.name}, "name")
            self.answered(quiz, "Salt")
            frappe.db.set_value("Academy Quiz", quiz.name, "pass_percent", 101)
            self.answered(quiz, "Flour")
            frappe.db.set_value("Academy Quiz", quiz.name, "pass_percent", 60)
            self.answered(quiz, "Salt")
            done = frappe.db.get_value("Academy Lesson Progress", {"lesson": lesson}, "is_completed")
            self.assertEqual(bool(done), is_completed, method)

    def half_right(self, **values):
        """Return a quiz that decides alone about its course, and the pupil's attempt, which is half right."""
        quiz = school.quiz(school.course({"is_required": 0}), {}, {}, pass_percent=80, **values)
        enrolment.join(self.user, quiz.course)
        return quiz, self.answered(quiz, "Flour")

    def changed(self, doc, **values):
        doc.reload()
        doc.update(values).save(ignore_permissions=True)

    def state(self, quiz):
        return access.enrolment_of(self.user, quiz.course).state

    def test_a_lower_mark_passes_who_had_reached_it_and_completes_what_waited_for_that(self):
        quiz, attempt = self.half_right(attempts=1)
        self.assertEqual(self.kept(attempt), ("Graded", 50, 0))
        self.changed(quiz, pass_percent=50)
        self.assertEqual(self.kept(attempt), ("Graded", 50, 1))
        self.assertTrue(quiz_pages.quiz_page(quiz.name, self.user).is_passed)
        self.assertEqual(self.state(quiz), "Completed")
        self.assertEqual(frappe.db.count("Academy Event", {"object_name": quiz.name, "verb": "passed"}), 1)

    def test_where_many_pass_at_once_some_are_completed_now_and_the_others_by_jobs(self):
        quiz, _attempt = self.half_right()
        users = [self.user, *(school.person(name) for name in ("bo", "cy"))]
        for user in users[1:]:
            enrolment.join(user, quiz.course)
            attempt = quiz_engine.start(user, quiz.name)
            shown = quiz_pages.attempt_page(attempt, user).questions[0]["items"]
            [flour] = [item["id"] for item in shown if item["text"] == "Flour"]
            quiz_engine.save(user, attempt, 1, flour, 1)
            quiz_engine.submit(user, attempt)
        jobs = []
        with (
            patch.object(passing, "AT_ONCE", 2),
            patch.object(frappe, "enqueue", side_effect=lambda method, **given: jobs.append((method, given))),
        ):
            self.changed(quiz, pass_percent=50)
            ours = [given for method, given in jobs if method == "lms_app.services.passing.complete"]
            states = sorted(access.enrolment_of(user, quiz.course).state for user in users)
            self.assertEqual(states, ["Active", "Completed", "Completed"])
            self.assertEqual([given["enqueue_after_commit"] for given in ours], [True])
            passing.complete(ours[0]["lesson"], ours[0]["after"])
        self.assertEqual({access.enrolment_of(user, quiz.course).state for user in users}, {"Completed"})

    def test_a_higher_mark_takes_nothing_back_that_is_completed(self):
        quiz, attempt = self.half_right()
        for mark in (50, 90):
            self.changed(quiz, pass_percent=mark)
        self.assertEqual((self.kept(attempt, "is_passed"), self.state(quiz)), (0, "Completed"))

    def test_another_rule_for_several_attempts_completes_what_it_lets_pass(self):
        quiz = school.quiz(school.course({"is_required": 0}), grading="First")
        enrolment.join(self.user, quiz.course)
        for text in ("Salt", "Flour"):
            self.answered(quiz, text)
        self.assertEqual(self.state(quiz), "Active")
        self.changed(quiz, grading="Highest")
        self.assertEqual(self.state(quiz), "Completed")

    def test_a_lesson_that_asks_for_its_quiz_only_later_is_completed_by_who_has_passed_it(self):
        quiz = school.quiz(school.course({"is_required": 0}))
        lesson = frappe.get_doc("Academy Lesson", {"quiz": quiz.name})
        self.changed(lesson, completion_rule="Manual")
        people = [school.person(name) for name in ("ada", "bo", "cy")]
        for user, text in zip(people, ("Flour", "Flour", "Salt"), strict=True):
            self.user = user
            enrolment.join(user, quiz.course)
            self.answered(quiz, text)
        enrolment.suspend(access.enrolment_of(people[1], quiz.course).name, by="Administrator")
        self.changed(lesson, completion_rule="Quiz Passed")
        states = [access.enrolment_of(user, quiz.course).state for user in people]
        self.assertEqual(states, ["Completed", "Suspended", "Active"])

    def test_a_pupil_is_told_once_when_a_teacher_has_graded_all_their_answers(self):
        quiz = self.quiz(ESSAY, ESSAY)
        attempt = quiz_engine.start(self.user, quiz.name)
        for position in (1, 2):
            self.save(attempt, "Because.", position=position)
        quiz_engine.submit(self.user, attempt)
        with patch.object(notify, "_send") as send:
            grading.grade(attempt, 1, 1, "", by="Administrator")
            self.assertEqual(send.call_count, 0)
            for points in (1, 0):
                grading.grade(attempt, 2, points, "", by="Administrator")
        told = [call.args for call in send.call_args_list if call.args[1].startswith("Graded")]
        self.assertEqual([(email, subject) for email, subject, _ in told], [(self.user, "Graded: Do you know flour?")])
        self.assertTrue(told[0][2]["address"].endswith(f"/learn/attempt/{attempt}"))
        students.prefer(self.user, {"mails_about_progress": False})
        with patch.object(notify, "_send") as send:
            notify.answers_graded(attempt)
        self.assertEqual(send.call_count, 0)

    def test_a_job_hands_in_what_is_over_and_nothing_else(self):
        over, under_way = self.begun(SHORT, time_limit=10), self.begun(SHORT, time_limit=60)
        self.save(over, "gluten")
        late = later(minutes=20)
        with late, patch.object(frappe.db, "commit"):
            quiz_engine.submit_overdue()
        state, percent, submitted, deadline = self.kept(over, "state", "percent", "submitted_on", "deadline")
        self.assertEqual((state, percent, submitted), ("Graded", 100, deadline))
        self.assertEqual(self.kept(under_way, "state"), "In Progress")

    def test_one_that_cannot_be_graded_keeps_no_other_waiting(self):
        first, second = self.begun(SHORT, time_limit=10), self.begun(SHORT, time_limit=11)
        whole = grading.mark

        def mark(locked, submitted_on):
            if locked.name == first:
                raise ValueError("broken")
            whole(locked, submitted_on)

        late = later(minutes=20)
        kept = (patch.object(frappe.db, name) for name in ("commit", "rollback"))
        with late, next(kept), next(kept), patch.object(grading, "mark", mark):
            quiz_engine.submit_overdue()
        self.assertEqual((self.kept(first, "state"), self.kept(second, "state")), ("In Progress", "Graded"))

    def test_an_attempt_that_is_over_makes_room_for_the_next(self):
        quiz = self.quiz(SHORT, time_limit=10)
        first = quiz_engine.start(self.user, quiz.name)
        late = later(minutes=20)
        with late:
            second = quiz_engine.start(self.user, quiz.name)
        self.assertNotEqual(first, second)
        self.assertEqual(self.kept(first, "state"), "Graded")

    def test_a_pupil_who_is_suspended_meanwhile_is_graded_and_completes_nothing(self):
        quiz = self.quiz(SHORT, time_limit=10)
        attempt = quiz_engine.start(self.user, quiz.name)
        self.save(attempt, "gluten")
        enrolled = access.enrolment_of(self.user, quiz.course).name
        frappe.db.set_value("Academy Enrollment", enrolled, "state", "Suspended")
        with self.denied("suspended"):
            self.save(attempt, "starch", 2)
        late = later(minutes=20)
        with late, patch.object(frappe.db, "commit"):
            quiz_engine.submit_overdue()
        self.assertEqual(self.kept(attempt, "is_passed"), 1)
        self.assertEqual(frappe.db.count("Academy Lesson Progress", {"enrollment": enrolled}), 0)


class TestDue(QuizCase):
    def setUp(self):
        # Of this test alone: what is due is told of all courses.
        self.user = school.person(f"ada-{frappe.generate_hash(length=6)}")

    def in_days(self, days):
        return add_to_date(now_datetime().replace(microsecond=0), days=days)

    def closing(self):
        return [row.quiz for row in quiz_pages.closing_soon(self.user)]

    def test_my_learning_says_which_quizzes_close_this_week_until_they_are_done_with(self):
        quiz = self.quiz(closes_on=self.in_days(3), attempts=2)
        for closes_on in (None, self.in_days(30), self.in_days(-1)):
            self.quiz(closes_on=closes_on)
        [row] = quiz_pages.closing_soon(self.user)
        self.assertEqual((row.quiz, row.title, row.course_title), (quiz.name, "Do you know flour?", "Soups"))
        self.assertEqual(row.closes_on, quiz.closes_on)
        attempt = quiz_engine.start(self.user, quiz.name)
        self.assertEqual(self.closing(), [quiz.name])
        quiz_engine.submit(self.user, attempt)
        # Not passed, and there is an attempt left.
        self.assertEqual(self.closing(), [quiz.name])
        self.answered(quiz, "Flour")
        self.assertEqual(self.closing(), [])

    def test_it_goes_by_what_one_pupil_was_given_and_says_nothing_of_a_result_that_is_not_shown(self):
        quiz = self.quiz(closes_on=self.in_days(30), review="Nothing")
        given = {"student": students.find(self.user), "course": quiz.course, "item_type": "Academy Quiz"}
        given |= {"item": quiz.name, "closes_on": self.in_days(2)}
        frappe.get_doc({"doctype": "Academy Override", **given}).insert(ignore_permissions=True)
        self.assertEqual(self.closing(), [quiz.name])
        self.answered(quiz, "Salt")
        self.assertEqual(self.closing(), [])

    def test_it_asks_two_queries_however_many_there_are(self):
        for _ in range(3):
            self.quiz(closes_on=self.in_days(3))
        with self.assertQueryCount(2):
            self.assertEqual(len(self.closing()), 3)


class TestDocuments(QuizCase):
    def test_questions_of_another_course_are_no_part_of_a_quiz_or_a_lesson(self):
        one, other = self.quiz(), self.quiz()
        one.append("slots", {"kind": "Fixed", "question": other.slots[0].question})
        with self.assertRaisesRegex(frappe.ValidationError, "another course"):
            one.save(ignore_permissions=True)
        lesson = frappe.get_doc("Academy Lesson", {"quiz": one.name})
        lesson.quiz = other.name
        with self.assertRaisesRegex(frappe.ValidationError, "one of its course"):
            lesson.save(ignore_permissions=True)

    def test_a_quiz_that_wants_more_than_there_is_is_refused(self):
        quiz = self.quiz()
        bank = frappe.db.get_value("Academy Question", quiz.slots[0].question, "bank")
        quiz.append("slots", {"kind": "Random", "bank": bank, "count": 1})
        with self.assertRaisesRegex(frappe.ValidationError, "fewer questions"):
            quiz.save(ignore_permissions=True)

    def test_a_question_that_nobody_could_answer_is_refused(self):
        bank = frappe.db.get_value("Academy Question", self.quiz().slots[0].question, "bank")
        with self.assertRaisesRegex(frappe.ValidationError, "one needs the weight 100"):
            school.question(bank, options=[{"text": "a"}, {"text": "b"}])

    def test_a_question_that_was_asked_stays_of_its_kind_and_cannot_be_deleted(self):
        attempt = self.begun()
        asked = frappe.db.get_value("Academy Quiz Answer", {"parent": attempt}, "question")
        question = frappe.get_doc("Academy Question", asked)
        question.kind = "Multiple Choice"
        with self.assertRaisesRegex(frappe.ValidationError, "asked already"):
            question.save(ignore_permissions=True)
        frappe.db.delete("Academy Quiz Slot", {"question": asked})
        with self.assertRaises(frappe.LinkExistsError):
            frappe.delete_doc("Academy Question", asked)

    def test_an_override_is_for_a_pupil_of_the_course(self):
        quiz = self.quiz()
        stranger = students.ensure(school.person("bo"))
        for values, words in (
            ({"student": stranger, "course": quiz.course}, "not in the course"),
            ({"student": students.find(self.user), "course": school.course().name}, "not of this course"),
        ):
            row = {"doctype": "Academy Override", "item_type": "Academy Quiz", "item": quiz.name, **values}
            with self.assertRaisesRegex(frappe.ValidationError, words):
                frappe.get_doc(row).insert(ignore_permissions=True)


class TestReview(QuizCase):
    def test_what_is_right_is_shown_at_the_last_level_and_at_no_other(self):
        for review in ("Nothing", "Score", "Marks", "Answers"):
            question = {"explanation": CANARY, "options": [{"text": "Salt"}, {"text": "Flour", "weight": 100}]}
            attempt = self.answered(self.quiz(question, review=review), "Salt")
            page = frappe.as_json(quiz_pages.attempt_page(attempt, self.user))
            self.assertEqual(CANARY in page, review == "Answers", review)
            self.assertEqual('"percent": 0' in page, review != "Nothing", review)
            self.assertEqual('"points": 0' in page, review != "Nothing", review)

    def test_gaps_are_shown_by_their_numbers_afterwards(self):
        attempt = self.begun({"kind": "Cloze", "body": "Add [[1]].", "options": [{"gap": 1, "key": "salt"}]})
        self.save(attempt, {"1": "sand"})
        quiz_engine.submit(self.user, attempt)
        [answer] = quiz_pages.attempt_page(attempt, self.user).answers
        self.assertEqual((answer["html"].strip(), answer["answer"]), ("<p>Add (1) ….</p>", ["1: sand"]))
        self.assertEqual(answer["right"], ["1: salt"])

    def test_the_score_alone_is_shown_while_there_are_attempts_left(self):
        question = {"explanation": CANARY}
        quiz = self.quiz(question, attempts=2, review_when="After the Last Attempt")
        first = self.answered(quiz, "Salt")
        self.assertEqual(quiz_pages.attempt_page(first, self.user).answers, [])
        # Nor while the last one can still be put right.
        last = quiz_engine.start(self.user, quiz.name)
        self.assertEqual(quiz_pages.attempt_page(first, self.user).answers, [])
        self.assertNotIn(CANARY, frappe.as_json(privacy.export(self.user)))
        quiz_engine.submit(self.user, last)
        self.assertIn(CANARY, frappe.as_json(quiz_pages.attempt_page(first, self.user).answers))

    def test_the_page_of_a_quiz_says_what_awaits_and_what_was_reached(self):
        quiz = self.quiz(attempts=3, time_limit=10)
        page = quiz_pages.quiz_page(quiz.name, self.user)
        self.assertEqual((page.quiz["count"], page.left, page.best, page.under_way), (1, 3, None, None))
        self.answered(quiz, "Flour")
        attempt = quiz_engine.start(self.user, quiz.name)
        page = quiz_pages.quiz_page(quiz.name, self.user)
        self.assertEqual((page.left, page.best, page.is_passed, page.under_way), (1, 100, True, attempt))

    def test_what_a_quiz_does_not_show_is_not_in_what_can_be_taken_away(self):
        question = {"explanation": CANARY}
        self.answered(self.quiz(question, review="Nothing"), "Flour")
        kept = privacy.export(self.user)
        self.assertEqual({row["verb"] for row in kept["Academy Event"]} & {"passed", "failed"}, set())
        [told] = kept["Academy Quiz Attempt"][-1:]
        self.assertEqual(told["answers"][0]["answer"], ["Flour"])
        for hidden in ("percent", "points", "is_passed"):
            self.assertNotIn(f'"{hidden}"', json.dumps(told))
        self.assertNotIn(CANARY, json.dumps(told))


class TestByRequest(CommittedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pupil = school.person("ada")
        cls.key = key_of(cls.pupil)
        cls.lead = key_of(school.person("lead", access.INSTRUCTOR_ROLE))

    def quiz(self, *questions, **values):
        return self.shared(school.quiz(school.course(), *questions, **values), self.pupil)

    def call(self, method, key=None, **given):
        return ask(f"/api/method/lms_app.api.quiz.{method}", given, key=key or self.key)

    def begun(self, *questions, **values):
        return self.call("start", quiz=self.quiz(*questions, **values).name).json["message"]["attempt"]

    def test_a_quiz_is_taken_by_the_endpoints(self):
        attempt = self.begun(SHORT, time_limit=10)
        kept = self.call("save_answer", attempt=attempt, position=1, seq=1, response="Gluten").json["message"]
        self.assertEqual((kept["is_kept"], kept["seq"]), (True, 1))
        self.assertRegex(kept["saved"], r"^\d\d:\d\d$")
        self.assertLessEqual(kept["seconds_left"], 600)
        self.assertEqual(self.call("submit", attempt=attempt).status_code, 200)
        frappe.db.rollback()
        self.assertEqual(frappe.db.get_value("Academy Quiz Attempt", attempt, "percent"), 100)

    def test_a_clock_a_foreign_option_and_a_repeated_one_are_bad_requests(self):
        attempt = self.begun({"kind": "Multiple Choice"}, {})
        page = ask(f"/learn/attempt/{attempt}", key=self.key).get_data(as_text=True)
        known = re.search(r'name="q1-(\w+)"', page)[1]
        for given, reason in (
            ({"response": [known], "now": "2026-01-01 00:00:00"}, "unexpected"),
            ({"response": [known], "deadline": "2030-01-01"}, "unexpected"),
            ({"response": ["deadbeef"]}, "foreign_option"),
            ({"response": [known, known]}, "repeated_option"),
            ({"response": "Salt", "position": 2}, "foreign_option"),
            ({"response": None, "position": 3}, "unknown_question"),
        ):
            answer = self.call("save_answer", **{"attempt": attempt, "position": 1, "seq": 1, **given})
            self.assertEqual((answer.status_code, answer.json["reason"]), (400, reason), given)
        self.assertEqual(self.call("submit", attempt=attempt, submitted_on="2026-01-01").status_code, 400)

    def test_what_is_right_is_in_no_answer_while_it_is_asked(self):
        asked = [{**one, "explanation": CANARY} for one in OF_EACH_KIND]
        quiz = self.quiz(*asked, review="Marks")
        answers = [ask(f"/learn/quiz/{quiz.name}", key=self.key), self.call("start", quiz=quiz.name)]
        attempt = answers[-1].json["message"]["attempt"]
        answers.append(ask(f"/learn/attempt/{attempt}", key=self.key))
        answers += [self.call("save_answer", attempt=attempt, position=n, seq=1, response="x") for n in range(1, 10)]
        answers += [self.call("submit", attempt=attempt), ask(f"/learn/attempt/{attempt}", key=self.key)]
        answers += [ask(f"/learn/quiz/{quiz.name}", key=self.key)]
        answers += [ask("/api/method/lms_app.api.me.export_data", {}, key=self.key)]
        for number, answer in enumerate(answers):
            text = answer.get_data(as_text=True)
            self.assertLess(answer.status_code, 500, number)
            self.assertNotIn(CANARY, text, number)
            self.assertNotIn("31415926", text, number)
            self.assertNotIn("0.0271828", text, number)

    def test_a_quiz_is_taken_by_plain_forms(self):
        quiz = self.quiz(SHORT, {"kind": "Multiple Choice"}, ESSAY, pass_percent=50)
        page = ask(f"/learn/quiz/{quiz.name}", key=self.key).get_data(as_text=True)
        self.assertIn("As many as you like", page)
        begun = ask(f"/learn/quiz/{quiz.name}", {}, key=self.key)
        self.assertEqual(begun.status_code, 303)
        page = ask(begun.location, key=self.key).get_data(as_text=True)
        flour = re.search(r'name="q2-(\w+)"[^>]*> <span>Flour', page)[1]
        form = {"q1": "gluten", f"q2-{flour}": "1", "q3": "<b>Because</b>", "deed": "save"}
        saved = ask(begun.location, form, key=self.key)
        self.assertEqual((saved.status_code, saved.location), (303, f"{begun.location}?said=saved"))
        page = ask(saved.location, key=self.key).get_data(as_text=True)
        self.assertIn("Your answers are saved.", page)
        self.assertIn('value="gluten"', page)
        self.assertIn("&lt;b&gt;Because&lt;/b&gt;</textarea>", page)
        self.assertEqual(ask(begun.location, {**form, "deed": "submit"}, key=self.key).status_code, 303)
        page = ask(begun.location, key=self.key).get_data(as_text=True)
        self.assertIn("Waiting for a grade", page)
        self.assertNotIn("<b>Because", page)
        frappe.db.rollback()
        self.assertEqual(frappe.db.get_value("Academy Quiz Attempt", {"quiz": quiz.name}, "points"), 2)

    def test_who_has_to_log_in_is_led_there_and_others_find_nothing(self):
        attempt = self.begun()
        answer = ask(f"/learn/attempt/{attempt}")
        self.assertEqual((answer.status_code, answer.location), (302, f"/login?redirect-to=/learn/attempt/{attempt}"))
        other = key_of(school.person("bo"))
        frappe.db.commit()
        self.assertEqual(ask(f"/learn/attempt/{attempt}", key=other).status_code, 404)
        self.assertEqual(ask("/learn/quiz/no-such-quiz", key=self.key).status_code, 404)

    def test_the_lesson_of_a_quiz_leads_to_it(self):
        quiz = self.quiz()
        slug = frappe.db.get_value("Academy Lesson", {"quiz": quiz.name}, "slug")
        course = frappe.db.get_value("Academy Course", quiz.course, "slug")
        page = ask(f"/learn/c/{course}/l/{slug}", key=self.key).get_data(as_text=True)
        self.assertIn(f'href="/learn/quiz/{quiz.name}"', page)
        self.assertIn("To complete this lesson, pass its quiz.", page)

    def test_teachers_import_questions_and_are_told_which_lines_cannot_be_read(self):
        bank = frappe.db.get_value("Academy Question", self.quiz().slots[0].question, "bank")
        bad = self.call("import_questions", key=self.lead, bank=bank, text="A {=x ~y}\n\nB", form="GIFT")
        self.assertEqual(bad.json["message"]["imported"], 0)
        self.assertEqual([one["line"] for one in bad.json["message"]["faults"]], [3])
        good = self.call("import_questions", key=self.lead, bank=bank, text="A {=x ~y}\n\nB {}", form="GIFT")
        self.assertEqual(good.json["message"], {"imported": 2, "faults": []})
        frappe.db.rollback()
        self.assertEqual(frappe.db.count("Academy Question", {"bank": bank}), 3)
        asked = {"bank": bank, "text": "A {}", "form": "GIFT"}
        self.assertEqual(self.call("import_questions", **asked).json["reason"], "not_staff")
        self.assertEqual(self.call("import_questions", key=self.lead, **{**asked, "form": "XML"}).status_code, 400)

    def test_pupils_grade_nothing(self):
        attempt = self.begun(ESSAY)
        self.call("save_answer", attempt=attempt, position=1, seq=1, response="x")
        self.call("submit", attempt=attempt)
        grade = {"attempt": attempt, "position": 1, "points": 1}
        self.assertEqual(self.call("grade", **grade).json["reason"], "not_staff")
        self.assertEqual(self.call("grade", key=self.lead, **grade).json["message"]["state"], "Graded")


class TestAtOnce(CommittedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = [school.person(f"pupil{number}") for number in range(8)]

    def quiz(self, *questions, **values):
        return self.shared(school.quiz(school.course(), *questions, **values), *self.people)

    def test_starts_at_once_give_one_attempt(self):
        quiz = self.quiz(attempts=1)
        found = at_once([partial(quiz_engine.start, self.people[0], quiz.name) for _ in range(8)])
        frappe.db.rollback()
        self.assertEqual(len({*map(str, found)}), 1, found)
        self.assertEqual(frappe.db.get_all("Academy Quiz Attempt", {"quiz": quiz.name}, pluck="name"), [found[0]])
        self.assertEqual(frappe.db.count("Academy Quiz Answer", {"parent": found[0]}), 1)

    def test_a_whole_class_starts_and_hands_in_at_once(self):
        quiz = self.quiz(SHORT)
        begun = at_once([partial(quiz_engine.start, user, quiz.name) for user in self.people])
        self.assertEqual([one for one in begun if isinstance(one, Exception)], [])
        pairs = [*zip(self.people, begun, strict=True)]
        saved = at_once([partial(quiz_engine.save, user, attempt, 1, "gluten", 1) for user, attempt in pairs])
        self.assertTrue(all(one.is_kept for one in saved), saved)
        ended = at_once([partial(quiz_engine.submit, user, attempt) for user, attempt in pairs])
        self.assertEqual(ended, [None] * len(pairs))
        frappe.db.rollback()
        percents = frappe.get_all("Academy Quiz Attempt", {"quiz": quiz.name}, pluck="percent")
        self.assertEqual(percents, [100] * len(pairs))

    def test_handing_in_at_once_grades_once(self):
        quiz, user = self.quiz(SHORT), self.people[0]
        attempt = quiz_engine.start(user, quiz.name)
        quiz_engine.save(user, attempt, 1, "gluten", 1)
        frappe.db.commit()
        found = at_once([partial(quiz_engine.submit, user, attempt) for _ in range(8)])
        self.assertEqual(found, [None] * 8)
        frappe.db.rollback()
        self.assertEqual(frappe.db.count("Academy Event", {"object_name": quiz.name, "verb": "passed"}), 1)

    def test_of_answers_at_once_the_latest_is_kept(self):
        quiz, user = self.quiz(SHORT), self.people[0]
        attempt = quiz_engine.start(user, quiz.name)
        frappe.db.commit()
        found = at_once([partial(quiz_engine.save, user, attempt, 1, f"word {seq}", seq) for seq in range(1, 9)])
        self.assertEqual([one for one in found if isinstance(one, Exception)], [])
        frappe.db.rollback()
        kept = frappe.db.get_value("Academy Quiz Answer", {"parent": attempt}, ["response", "seq"])
        self.assertEqual(kept, ('"word 8"', 8))

    def test_what_is_kept_while_it_is_handed_in_is_graded(self):
        quiz, user = self.quiz(SHORT), self.people[0]
        attempt = quiz_engine.start(user, quiz.name)
        frappe.db.commit()
        save = partial(quiz_engine.save, user, attempt, 1, "gluten", 1)
        saved, _ = at_once([save, partial(quiz_engine.submit, user, attempt)])
        frappe.db.rollback()
        percent = frappe.db.get_value("Academy Quiz Attempt", attempt, "percent")
        self.assertEqual(percent, 0 if isinstance(saved, reasons.RefusedError) else 100, saved)
