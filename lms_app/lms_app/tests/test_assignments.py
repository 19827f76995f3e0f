import io
import re
from functools import partial
from pathlib import Path
from unittest.mock import patch

import frappe
from frappe.utils import add_to_date, get_datetime, now_datetime
from PIL import Image

from lms_app.services import (
    access,
    assignment_grading,
    assignment_pages,
    enrolment,
    media,
    notify,
    privacy,
    reasons,
    students,
    submissions,
)
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.parallel import at_once
from lms_app.tests.school_case import CommittedCase, SchoolCase

CANARY = "canary-of-another-pupil-s-work"
UNTOLD = "canary-of-what-the-pupil-is-not-told-yet"
BY = "Administrator"


def in_days(days):
    return add_to_date(now_datetime().replace(microsecond=0), days=days)


def later(**by):
    """Let the clock of those who hand in show a later time."""
    return patch("lms_app.services.submissions.now_datetime", return_value=add_to_date(now_datetime(), **by))


def picture():
    """Return a picture as a camera makes one."""
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "JPEG")
    return content.getvalue()


class AssignmentCase(SchoolCase):
    def setUp(self):
        self.user = school.person("ada")

    def assignment(self, **values):
        course = school.course()
        if values.pop("has_rubric", False):
            values["rubric"] = school.rubric(course).name
        made = school.assignment(course, **values)
        enrolment.join(self.user, made.course)
        return made

    def handed_in(self, assignment, text="My loaf", version=1):
        return submissions.submit(self.user, assignment.name, version, text)

    def page(self, assignment):
        return assignment_pages.assignment_page(assignment.name, self.user)

    def kept(self, submission, *fields):
        return frappe.db.get_value("Academy Submission", submission, fields or ["state", "points", "is_passed"])

    def anchors(self, assignment):
        """Return the anchors of the rubric's levels by their titles, and of its criteria."""
        rubric = frappe.get_doc("Academy Rubric", assignment.rubric)
        criteria = {row.title: row.anchor for row in rubric.criteria}
        return {row.title: {criteria[row.criterion]: row.anchor} for row in rubric.levels}, criteria

    def is_completed(self, assignment):
        lesson = frappe.db.get_value("Academy Lesson", {"assignment": assignment.name}, "name")
        return bool(frappe.db.get_value("Academy Lesson Progress", {"lesson": lesson}, "is_completed"))


class TestHandingIn(AssignmentCase):
    def test_what_is_written_is_kept_and_handed_in_later(self):
        made = self.assignment(accepts_url=1)
        submissions.save(self.user, made.name, 1, " Half a loaf ", "https://example.org/loaf")
        draft = self.page(made).draft
        self.assertEqual((draft.version, draft.text, draft.url), (1, "Half a loaf", "https://example.org/loaf"))
        self.assertEqual(self.page(made).versions, [])
        name = submissions.submit(self.user, made.name, 1, draft.text, draft.url)
        self.assertEqual(self.kept(name, "state", "text", "is_late"), ("Submitted", "Half a loaf", 0))
        self.assertEqual(frappe.db.count("Academy Event", {"object_name": made.name, "verb": "submitted"}), 1)

    def test_the_same_version_again_changes_nothing(self):
        made = self.assignment()
        name = self.handed_in(made)
        before = self.kept(name, "*")
        self.assertEqual(self.handed_in(made, "Something else"), name)
        self.assertEqual(self.kept(name, "*"), before)
        with self.refused("already_handed_in"):
            submissions.save(self.user, made.name, 1, "Something else")
        self.assertEqual(frappe.db.count("Academy Event", {"object_name": made.name, "verb": "submitted"}), 1)

    def test_a_number_that_does_not_come_next_is_refused(self):
        made = self.assignment(attempts=0)
        submissions.save(self.user, made.name, 1, "x")
        for version in (0, -1, 2, 9):
            with self.rejected("unknown_version"):
                submissions.submit(self.user, made.name, version, "x")

    def test_nothing_is_not_handed_in(self):
        made = self.assignment(accepts_url=1)
        with self.refused("nothing_handed_in"):
            self.handed_in(made, "  ")
        for url in ("javascript:alert(1)", "example.org"):
            with self.refused("bad_url"):
                submissions.submit(self.user, made.name, 1, "", url)
        with self.refused("too_long"):
            self.handed_in(made, "x" * (submissions.LONGEST_TEXT + 1))
        with self.rejected("unexpected"):
            submissions.submit(self.user, self.assignment().name, 1, "", "https://example.org")

    def test_it_is_shut_for_all_but_those_who_learn(self):
        made = self.assignment()
        for user, reason in (
            ("Guest", "log_in"),
            (school.person("bo"), "not_enrolled"),
            (school.person("lead"), "not_enrolled"),
        ):
            with self.denied(reason):
                submissions.submit(user, made.name, 1, "x")
        with self.denied("unknown"):
            submissions.submit(self.user, "no such assignment", 1, "x")
        enrolled = access.enrolment_of(self.user, made.course).name
        frappe.db.set_value("Academy Enrollment", enrolled, "state", "Suspended")
        with self.denied("suspended"):
            self.handed_in(made)

    def test_a_lesson_that_is_locked_or_a_draft_opens_no_assignment(self):
        made = school.assignment(school.course({}, sequential=1))
        enrolment.join(self.user, made.course)
        with self.denied("lesson_first"):
            self.handed_in(made)
        other = self.assignment()
        frappe.db.set_value("Academy Lesson", {"assignment": other.name}, "status", "Draft")
        with self.denied("not_published"):
            self.handed_in(other)

    def test_late_work_is_taken_until_the_cut_off_and_marked(self):
        made = self.assignment(due_on=in_days(1), cut_off_on=in_days(3))
        with later(days=2):
            name = self.handed_in(made)
        self.assertEqual(self.kept(name, "is_late", "due_on"), (1, get_datetime(made.due_on)))
        other = self.assignment(due_on=in_days(1), cut_off_on=in_days(3))
        with later(days=4), self.refused("assignment_closed"):
            self.handed_in(other)
        strict = self.assignment(due_on=in_days(1), late_policy="Not Accepted")
        with later(days=2), self.refused("assignment_closed"):
            self.handed_in(strict)

    def test_versions_are_counted_and_the_newer_one_waits_in_the_place_of_the_older(self):
        made = self.assignment(attempts=2)
        first, second = self.handed_in(made), self.handed_in(made, "Better", 2)
        self.assertEqual([self.kept(name, "state") for name in (first, second)], ["Replaced", "Submitted"])
        waiting = [row.submission for row in assignment_grading.waiting(school.person("lead"), made.course)]
        self.assertEqual(waiting, [second])
        with self.refused("no_versions_left"):
            self.handed_in(made, "Best", 3)
        page = self.page(made)
        self.assertEqual((page.left, page.draft), (0, None))
        self.assertIn("as often as you may", page.obstacle)

    def test_an_override_gives_one_pupil_days_and_versions_and_no_other(self):
        made = self.assignment(due_on=in_days(1), cut_off_on=in_days(2), attempts=1)
        other = school.person("bo")
        enrolment.join(other, made.course)
        assignment_grading.grant(made.name, students.find(self.user), days=5, attempts=1, note="Ill")
        with later(days=4):
            self.assertEqual(self.kept(self.handed_in(made), "is_late"), 0)
            self.handed_in(made, "Again", 2)
            with self.refused("assignment_closed"):
                submissions.submit(other, made.name, 1, "x")
        # Given anew it is the same one, and nothing of all takes it back.
        for days, is_late, number in ((1, 1, 1), (5, 0, 1), (0, 1, 0)):
            assignment_grading.grant(made.name, students.find(self.user), days=days)
            self.assertEqual(frappe.db.count("Academy Override", {"item": made.name}), number)
            self.assertEqual(self.kept({"assignment": made.name, "version": 2}, "is_late"), is_late)

    def test_another_date_holds_for_what_waits_for_a_grade(self):
        made = self.assignment(due_on=in_days(1))
        with later(days=2):
            name = self.handed_in(made)
        made.due_on = in_days(3)
        made.save(ignore_permissions=True)
        self.assertEqual(self.kept(name, "is_late", "due_on"), (0, get_datetime(made.due_on)))

    def test_what_is_due_is_also_said_by_the_reader_s_own_clock(self):
        made = self.assignment(due_on=in_days(1))
        self.assertIsNone(self.page(made).clock)
        frappe.db.set_value("User", self.user, "time_zone", "Pacific/Auckland")
        with patch("lms_app.services.assignment_pages.get_system_timezone", return_value="Europe/Paris"):
            self.assertNotIn(self.page(made).clock, (None, get_datetime(made.due_on)))

    def test_my_learning_says_what_is_due_this_week_until_it_is_handed_in(self):
        soon, far, none = self.assignment(due_on=in_days(3)), self.assignment(due_on=in_days(30)), self.assignment()
        late = self.assignment(due_on=in_days(-1))
        closed = self.assignment(due_on=in_days(-3), cut_off_on=in_days(-2))
        found = {row.assignment: row.is_late for row in assignment_pages.due_soon(self.user)}
        self.assertEqual((found.get(soon.name), found.get(late.name)), (False, True))
        self.assertFalse({far.name, none.name, closed.name} & found.keys())
        assignment_grading.grant(soon.name, students.find(self.user), days=20)
        self.handed_in(late)
        self.assertFalse({soon.name, late.name} & {row.assignment for row in assignment_pages.due_soon(self.user)})
        assignment_grading.give_back(self.handed_in(late), BY, "Bake it longer.", in_days(2))
        self.assertIn(late.name, {row.assignment for row in assignment_pages.due_soon(self.user)})


class TestFiles(AssignmentCase):
    def attach(self, assignment, name="loaf.txt", content=b"flour", version=1):
        return submissions.attach(self.user, assignment.name, version, name, content)

    def test_a_file_is_private_has_a_name_nobody_can_guess_and_belongs_to_nobody_by_frappe_s_rules(self):
        file = self.attach(self.assignment(), "../My loaf.jpg", picture())
        row = frappe.get_doc("File", file.file)
        self.assertRegex(row.file_url, r"^/private/files/[0-9a-f]{32}\.jpg$")
        self.assertEqual((row.is_private, row.file_name, row.owner), (1, "My loaf.jpg", "Administrator"))
        with school.as_user(self.user):
            for right in ("read", "write", "delete"):
                self.assertFalse(row.has_permission(right), right)

    def test_a_file_that_the_assignment_does_not_take_is_refused(self):
        made = self.assignment(file_size=1, file_count=2)
        for name, content, reason in (
            ("page.html", b"<script>", "bad_file_type"),
            ("loaf", b"x", "bad_file_type"),
            ("loaf.jpg", b"<script>", "bad_file_content"),
            ("loaf.txt", b"", "empty_file"),
            ("loaf.txt", b"x" * (1024 * 1024 + 1), "file_too_big"),
        ):
            with self.refused(reason):
                self.attach(made, name, content)
        for _ in range(2):
            self.attach(made)
        with self.refused("too_many_files"):
            self.attach(made)
        with self.refused("no_files_taken"):
            self.attach(self.assignment(accepts_files=0))

    def test_a_form_says_how_much_it_brings_at_once(self):
        made = self.assignment(file_size=0, file_count=9)
        with patch.dict(frappe.conf, max_file_size=7 * 1024 * 1024):
            told = self.page(made).assignment
        self.assertEqual((told.file_size, told.at_once), (7, 7))

    def test_files_are_handed_in_with_their_version_and_stay(self):
        made = self.assignment(attempts=2)
        file = self.attach(made)
        name = submissions.submit(self.user, made.name, 1)
        self.assertEqual([one.name for one in self.page(made).versions[0]["files"]], [file.file])
        with self.refused("already_handed_in"):
            submissions.detach(self.user, file.file)
        with self.refused("already_handed_in"):
            self.attach(made)
        self.assertEqual(frappe.db.get_value("File", file.file, "attached_to_name"), name)
        self.assertEqual(self.page(made).draft.files, [])

    def test_a_file_is_removed_before_it_is_handed_in_from_the_disk_as_well(self):
        made = self.assignment()
        first, same = self.attach(made), self.attach(made)
        paths = [Path(frappe.get_doc("File", one.file).get_full_path()) for one in (first, same)]
        self.assertNotEqual(*paths)
        submissions.detach(self.user, first.file)
        self.assertEqual([path.exists() for path in paths], [False, True])
        self.assertFalse(frappe.db.exists("Deleted Document", {"deleted_name": first.file}))

    def test_nobody_removes_or_claims_the_file_of_another(self):
        made = self.assignment()
        file = self.attach(made, "mine.txt", CANARY.encode())
        other = school.person("bo")
        enrolment.join(other, made.course)
        submissions.save(other, made.name, 1, "x")
        draft = frappe.db.get_value("Academy Submission", {"student": students.find(other)}, "name")
        with self.denied("unknown"):
            submissions.detach(other, file.file)
        url = frappe.db.get_value("File", file.file, "file_url")
        to_draft = {"attached_to_doctype": "Academy Submission", "attached_to_name": draft}
        with school.as_user(other):
            for row in ({"file_url": url}, {"file_url": url, **to_draft}, {"content": "x", **to_draft}):
                with self.assertRaises(frappe.PermissionError):
                    told = {"doctype": "File", "file_name": "mine.txt", "is_private": 1, **row}
                    frappe.get_doc({**told, "flags": {"is_handed_in": True}}).insert(ignore_permissions=True)

    def test_the_same_bytes_of_two_pupils_are_two_files(self):
        made = self.assignment()
        file = self.attach(made, "mine.txt", CANARY.encode())
        other = school.person("bo")
        enrolment.join(other, made.course)
        again = submissions.attach(other, made.name, 1, "mine.txt", CANARY.encode())
        urls = [frappe.db.get_value("File", one.file, "file_url") for one in (file, again)]
        self.assertNotEqual(*urls)
        with school.as_user(other):
            row = {"doctype": "File", "file_name": "x.txt", "content": CANARY, "is_private": 1}
            self.assertNotIn(frappe.get_doc(row).insert().file_url, urls)

    def test_erasing_a_pupil_removes_their_files_from_the_disk(self):
        made = self.assignment()
        file = self.attach(made)
        self.handed_in(made)
        path = Path(frappe.get_doc("File", file.file).get_full_path())
        privacy.erase(self.user, self.user)
        self.assertFalse(path.exists())
        self.assertFalse(frappe.db.exists("File", file.file))
        self.assertEqual(frappe.db.count("Academy Submission", {"assignment": made.name}), 0)


class TestGrading(AssignmentCase):
    def test_points_are_given_and_the_pupil_is_told_with_the_feedback(self):
        made = self.assignment()
        name = self.handed_in(made)
        found = assignment_grading.grade(name, BY, points=8, feedback=" Well baked ")
        self.assertEqual((found.state, found.points, found.percent, found.is_passed), ("Graded", 8, 80, 1))
        page = self.page(made)
        [version] = page.versions
        self.assertEqual((version["feedback"], version["points"], page.reached), ("Well baked", 8, 80))
        self.assertTrue(page.is_passed)
        for points in (-1, 11):
            with self.refused("bad_grade"):
                assignment_grading.grade(name, BY, points=points)

    def test_a_rubric_gives_the_points_in_the_words_of_that_time(self):
        made = self.assignment(has_rubric=True)
        name = self.handed_in(made)
        levels, criteria = self.anchors(made)
        chosen = {**levels["Open"], **levels["Pale"]}
        comments = {criteria["Crust"]: "Five minutes more."}
        found = assignment_grading.grade(name, BY, levels=chosen, comments=comments)
        self.assertEqual((found.points, found.most, found.percent), (4, 6, 66.67))
        rubric = frappe.get_doc("Academy Rubric", made.rubric)
        rubric.criteria[0].title = rubric.levels[0].criterion = rubric.levels[1].criterion = "Inside"
        rubric.save(ignore_permissions=True)
        scores = self.page(made).versions[0]["scores"]
        told = [(one["criterion"], one["level"], one["points"], one["comment"]) for one in scores]
        self.assertEqual(told, [("Crumb", "Open", 4, None), ("Crust", "Pale", 0, "Five minutes more.")])

    def test_a_level_is_one_of_its_criterion_and_none_may_be_missing(self):
        made = self.assignment(has_rubric=True)
        name = self.handed_in(made)
        levels, criteria = self.anchors(made)
        with self.refused("not_judged"):
            assignment_grading.grade(name, BY, levels=levels["Open"])
        with self.rejected("unknown_level"):
            assignment_grading.grade(name, BY, levels={criteria["Crust"]: levels["Open"][criteria["Crumb"]]})
        with self.rejected("unknown_criterion"):
            assignment_grading.grade(name, BY, levels={"x": "y"})
        with self.rejected("unexpected"):
            assignment_grading.grade(name, BY, points=3)
        with self.rejected("unexpected"):
            assignment_grading.grade(self.handed_in(self.assignment()), BY, levels={"x": "y"})

    def test_a_grade_that_is_kept_is_not_told_before_it_is_released(self):
        made = self.assignment(has_rubric=True, rule="Graded")
        name = self.handed_in(made)
        levels, criteria = self.anchors(made)
        secret = {"feedback": UNTOLD, "comments": {criteria["Crumb"]: UNTOLD}, "is_told": False}
        assignment_grading.grade(name, BY, levels=levels["Open"], **secret)
        self.assertEqual(assignment_grading.release(made.name), 0)
        found = assignment_grading.grade(name, BY, levels={**levels["Open"], **levels["Brown"]}, **secret)
        self.assertEqual((found.state, found.percent), ("Submitted", 100))
        [work] = privacy.export(self.user)["Academy Submission"]
        for told in (self.page(made).versions[0], work):
            self.assertFalse({"percent", "points", "scores", "feedback"} & told.keys())
        for told in (self.page(made), privacy.export(self.user)):
            self.assertNotIn(UNTOLD, str(told))
        [waiting] = assignment_grading.waiting(school.person("lead"), made.course)
        self.assertTrue(waiting.is_begun)
        self.assertFalse(self.is_completed(made))
        self.assertEqual(assignment_grading.release(made.name), 1)
        for told in (self.page(made), privacy.export(self.user)):
            self.assertIn(UNTOLD, str(told))
        self.assertTrue(self.is_completed(made))
        self.assertEqual(assignment_grading.waiting(school.person("lead"), made.course), [])
        with self.refused("already_told"):
            assignment_grading.grade(name, BY, levels={}, is_told=False)

    def test_being_late_costs_points_by_the_dates_of_the_moment(self):
        made = self.assignment(due_on=in_days(1), late_policy="Loses Points", late_percent=10)
        with later(days=1, hours=12):
            name = self.handed_in(made)
        found = assignment_grading.grade(name, BY, points=6)
        self.assertEqual((found.given, found.lost_percent, found.points), (6, 10, 5))
        assignment_grading.grant(made.name, students.find(self.user), days=2)
        found = assignment_grading.grade(name, BY, points=6)
        self.assertEqual((found.lost_percent, found.points), (0, 6))

    def test_work_that_was_given_back_is_handed_in_once_more(self):
        made = self.assignment(attempts=1)
        first = self.handed_in(made)
        with self.refused("no_feedback"):
            assignment_grading.give_back(first, BY, " ")
        assignment_grading.give_back(first, BY, "Bake it longer.")
        page = self.page(made)
        self.assertEqual((page.left, page.draft.version, page.reached), (1, 2, None))
        self.assertEqual(page.versions[0]["feedback"], "Bake it longer.")
        second = self.handed_in(made, "Longer", 2)
        with self.refused("replaced"):
            assignment_grading.give_back(first, BY, "Again?")
        assignment_grading.grade(second, BY, points=9)
        self.assertEqual([self.kept(name, "state") for name in (first, second)], ["Returned", "Graded"])
        self.assertEqual(self.page(made).reached, 90)

    def test_what_is_given_back_when_nothing_is_taken_any_more_needs_a_date(self):
        made = self.assignment(due_on=in_days(1), cut_off_on=in_days(2), late_policy="Loses Points", late_percent=50)
        name = self.handed_in(made)
        frappe.db.set_value("Academy Assignment", made.name, {"due_on": in_days(-2), "cut_off_on": in_days(-1)})
        with self.refused("needs_until"):
            assignment_grading.give_back(name, BY, "Bake it longer.")
        with self.refused("until_past"):
            assignment_grading.give_back(name, BY, "Bake it longer.", in_days(-1))
        assignment_grading.give_back(name, BY, "Bake it longer.", in_days(3))
        second = self.handed_in(made, "Longer", 2)
        self.assertEqual(self.kept(second, "is_late"), 0)
        self.assertEqual(assignment_grading.grade(second, BY, points=9).points, 9)

    def test_several_versions_count_by_the_last_or_the_highest(self):
        for grading, reached in (("Last", 40), ("Highest", 80)):
            made = self.assignment(attempts=2, grading=grading)
            for version, points in ((1, 8), (2, 4)):
                assignment_grading.grade(self.handed_in(made, "x", version), BY, points=points)
            self.assertEqual(self.page(made).reached, reached, grading)

    def test_what_is_not_handed_in_or_replaced_is_not_graded(self):
        made = self.assignment(attempts=2)
        submissions.save(self.user, made.name, 1, "x")
        draft = frappe.db.get_value("Academy Submission", {"assignment": made.name}, "name")
        with self.refused("not_handed_in"):
            assignment_grading.grade(draft, BY, points=1)
        with self.denied("unknown"):
            assignment_grading.work(draft)
        self.handed_in(made)
        self.handed_in(made, "Better", 2)
        with self.refused("replaced"):
            assignment_grading.grade(draft, BY, points=1)

    def test_a_lesson_is_completed_by_what_its_rule_says(self):
        submitted = self.assignment()
        self.handed_in(submitted)
        self.assertTrue(self.is_completed(submitted))
        made = self.assignment(rule="Graded")
        name = self.handed_in(made)
        self.assertFalse(self.is_completed(made))
        assignment_grading.grade(name, BY, points=4)
        self.assertFalse(self.is_completed(made))
        assignment_grading.grade(name, BY, points=5)
        self.assertTrue(self.is_completed(made))

    def test_a_lower_mark_passes_who_had_reached_it_and_completes_what_waited_for_that(self):
        made = self.assignment(rule="Graded", pass_percent=80)
        name = self.handed_in(made)
        self.assertEqual(assignment_grading.grade(name, BY, points=6).is_passed, 0)
        made.reload()
        made.update({"pass_percent": 60}).save(ignore_permissions=True)
        self.assertEqual(self.kept(name), ("Graded", 6, 1))
        self.assertTrue(self.is_completed(made))

    def test_another_mark_completes_nothing_by_a_grade_that_is_not_told_yet(self):
        made = self.assignment(rule="Graded", pass_percent=80)
        assignment_grading.grade(self.handed_in(made), BY, points=6, is_told=False)
        made.reload()
        made.update({"pass_percent": 60}).save(ignore_permissions=True)
        self.assertFalse(self.is_completed(made))
        self.assertEqual(frappe.db.count("Academy Event", {"object_name": made.name, "verb": "passed"}), 0)

    def test_a_lesson_that_asks_for_its_assignment_only_later_is_completed_by_what_was_handed_in(self):
        for rule, points in (("Submitted", None), ("Graded", 5)):
            made = self.assignment(rule="Manual")
            name = self.handed_in(made)
            if points:
                assignment_grading.grade(name, BY, points=points)
            self.assertFalse(self.is_completed(made))
            lesson = frappe.get_doc("Academy Lesson", {"assignment": made.name})
            lesson.update({"completion_rule": rule}).save(ignore_permissions=True)
            self.assertTrue(self.is_completed(made), rule)

    def test_a_pupil_who_is_suspended_meanwhile_is_graded_and_completes_nothing(self):
        made = self.assignment(rule="Graded")
        name = self.handed_in(made)
        enrolled = access.enrolment_of(self.user, made.course).name
        frappe.db.set_value("Academy Enrollment", enrolled, "state", "Suspended")
        self.assertEqual(assignment_grading.grade(name, BY, points=9).is_passed, 1)
        self.assertFalse(self.is_completed(made))

    def test_a_teacher_finds_what_waits_in_the_courses_that_name_them_alone(self):
        made, lead = self.assignment(), school.person("lead")
        name = self.handed_in(made)
        other = school.person("other-lead", access.INSTRUCTOR_ROLE)
        school.course(instructors=[{"user": other, "role": "Lead"}])
        [row] = assignment_grading.waiting(lead, made.course)
        self.assertEqual((row.submission, row.title, row.pupil, row.version), (name, "Bake a loaf", "Ada", 1))
        self.assertIn(name, [one.submission for one in assignment_grading.waiting(BY)])
        for user in (other, self.user, "Guest"):
            self.assertEqual(assignment_grading.waiting(user), [], user)
            self.assertEqual(assignment_grading.waiting(user, made.course), [], user)

    def test_a_teacher_grades_by_the_work_the_rubric_and_what_came_before(self):
        made = self.assignment(has_rubric=True, attempts=2)
        first = self.handed_in(made)
        levels, criteria = self.anchors(made)
        chosen = {**levels["Dense"], **levels["Pale"]}
        assignment_grading.grade(first, BY, levels=chosen, comments={criteria["Crumb"]: "Fold it."})
        file = submissions.attach(self.user, made.name, 2, "loaf.txt", b"x")
        work = assignment_grading.work(self.handed_in(made, "Better", 2))
        self.assertEqual((work.pupil, work.submission.text, work.most), ("Ada", "Better", 6))
        self.assertEqual([one.address for one in work.files], [media.address(file.file)])
        self.assertEqual([(one.version, one.state) for one in work.others], [(1, "Graded")])
        crumb, _ = assignment_grading.work(first).criteria
        self.assertEqual((crumb.comment, [level.is_chosen for level in crumb.levels]), ("Fold it.", [True, False]))

    def test_a_pupil_is_written_to_unless_they_do_not_want_it(self):
        made = self.assignment(attempts=2)
        with patch.object(notify, "_send") as send:
            assignment_grading.give_back(self.handed_in(made), BY, "Bake it longer.")
            assignment_grading.grade(self.handed_in(made, "Longer", 2), BY, points=9)
            students.prefer(self.user, {"mails_about_progress": False})
            assignment_grading.grade(frappe.db.get_value("Academy Submission", {"version": 2}, "name"), BY, points=8)
        told = [call.args for call in send.call_args_list if "loaf" in call.args[1]]
        self.assertEqual([subject for _, subject, _ in told], ["Once more: Bake a loaf", "Graded: Bake a loaf"])
        self.assertTrue(all(words["address"].endswith(f"/learn/assignment/{made.name}") for *_, words in told))
        # A mail lies in a mailbox that others may read.
        self.assertNotIn("9", "".join(" ".join(words["sentences"]) for *_, words in told))


class TestDocuments(AssignmentCase):
    def test_an_assignment_by_whose_rules_nothing_could_be_handed_in_is_refused(self):
        course = school.course()
        for values, words in (
            ({"accepts_text": 0, "accepts_files": 0}, "takes a text"),
            ({"file_types": " , "}, "of which types"),
            ({"pass_percent": 101}, "from 0 to 100"),
            ({"points": 0}, "has points"),
            ({"due_on": in_days(2), "cut_off_on": in_days(1)}, "until it is due"),
            ({"rubric": school.rubric(school.course()).name}, "one of its course"),
        ):
            with self.assertRaisesRegex(frappe.ValidationError, words):
                school.assignment(course, **values)

    def test_a_rubric_and_an_assignment_stay_in_their_course(self):
        made = self.assignment(has_rubric=True)
        for doc in (made, frappe.get_doc("Academy Rubric", made.rubric)):
            doc.course = school.course().name
            with self.assertRaisesRegex(frappe.ValidationError, "stays in its course"):
                doc.save(ignore_permissions=True)

    def test_a_rubric_by_which_nobody_could_judge_is_refused(self):
        rubric = school.rubric(school.course())
        rubric.levels[0].criterion = "Taste"
        with self.assertRaisesRegex(frappe.ValidationError, "names no criterion"):
            rubric.save(ignore_permissions=True)

    def test_an_assignment_of_another_course_is_no_part_of_a_lesson(self):
        lesson = frappe.get_doc("Academy Lesson", {"assignment": self.assignment().name})
        lesson.assignment = self.assignment().name
        with self.assertRaisesRegex(frappe.ValidationError, "one of its course"):
            lesson.save(ignore_permissions=True)

    def test_a_draft_is_nobody_s_to_read_but_the_pupil_s(self):
        made, lead = self.assignment(), school.person("lead")
        submissions.save(self.user, made.name, 1, "Not yet")
        draft = frappe.get_doc("Academy Submission", {"assignment": made.name})
        self.assertFalse(access.has_permission(draft, "read", lead))
        with school.as_user(lead):
            asked = {"filters": {"assignment": made.name}}
            self.assertEqual(frappe.get_list("Academy Submission", **asked), [])
            self.handed_in(made)
            self.assertEqual(len(frappe.get_list("Academy Submission", **asked)), 1)


class TestByRequest(CommittedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pupil = school.person("ada")
        cls.key, cls.other = key_of(cls.pupil), key_of(school.person("bo"))
        cls.lead = key_of(school.person("lead", access.INSTRUCTOR_ROLE))
        cls.stranger = key_of(school.person("other-lead", access.INSTRUCTOR_ROLE))

    def assignment(self, **values):
        return self.shared(school.assignment(school.course(), **values), self.pupil, school.person("bo"))

    def call(self, method, key=None, sent=None, **given):
        return ask(f"/api/method/lms_app.api.assignment.{method}", given, key=key or self.key, files=sent)

    def uploaded(self, made, content, name="loaf.txt"):
        answer = self.call("upload", assignment=made.name, version=1, sent={"file": (name, content)})
        self.assertEqual(answer.status_code, 200, answer.get_data(as_text=True))
        return answer.json["message"]

    def test_an_assignment_is_handed_in_and_graded_by_the_endpoints(self):
        made = self.assignment()
        asked = {"assignment": made.name, "version": 1}
        self.assertEqual(self.call("save", **asked, text="Half").status_code, 200)
        file = self.uploaded(made, b"Flour")
        self.assertEqual((file["file_name"], file["size"]), ("loaf.txt", 5))
        self.assertEqual(self.call("remove_file", file=self.uploaded(made, b"Salt")["file"]).status_code, 200)
        name = self.call("submit", **asked, text="Whole").json["message"]["submission"]
        told = self.call("grade", key=self.lead, submission=name, points=7, feedback="Good").json["message"]
        self.assertEqual((told["state"], told["points"], told["is_passed"]), ("Graded", 7, 1))
        back = {"submission": name, "feedback": "Once more", "until": "2099-01-01 12:00"}
        self.assertEqual(self.call("give_back", key=self.lead, **back).status_code, 200)
        self.assertEqual(self.call("release", key=self.lead, assignment=made.name).json["message"], {"told": 0})
        student = students.find(self.pupil)
        answer = self.call("grant", key=self.lead, assignment=made.name, student=student, days=2)
        self.assertEqual(answer.status_code, 200, answer.get_data(as_text=True))

    def test_a_clock_or_a_file_by_its_address_in_a_request_is_a_bad_request(self):
        made = self.assignment()
        asked = {"assignment": made.name, "version": 1, "text": "x"}
        for more in ({"submitted_on": "2026-01-01"}, {"files": ["/private/files/x"]}, {"file_url": "/private/files/x"}):
            answer = self.call("submit", **asked, **more)
            self.assertEqual((answer.status_code, answer.json["reason"]), (400, "unexpected"), more)
        answer = self.call("upload", assignment=made.name, version=1, file_url="/private/files/x")
        self.assertEqual((answer.status_code, answer.json["reason"]), (400, "unexpected"))
        answer = self.call("upload", assignment=made.name, version=1)
        self.assertEqual((answer.status_code, answer.json["reason"]), (409, "no_file_sent"))

    def test_pupils_and_teachers_of_other_courses_grade_and_grant_nothing(self):
        made = self.assignment()
        name = self.call("submit", assignment=made.name, version=1, text="x").json["message"]["submission"]
        for key in (self.key, self.other, self.stranger):
            for method, given in (
                ("grade", {"submission": name, "points": 10}),
                ("give_back", {"submission": name, "feedback": "x"}),
                ("release", {"assignment": made.name}),
                ("grant", {"assignment": made.name, "student": students.find(self.pupil), "days": 9}),
            ):
                answer = self.call(method, key=key, **given)
                self.assertEqual((answer.status_code, answer.json["reason"]), (403, "not_staff"), method)
        answer = self.call("give_back", key=self.lead, submission=name, feedback="x", until="tomorrow")
        self.assertEqual((answer.status_code, answer.json["reason"]), (409, "bad_day"))
        answer = self.call("grade", key=self.lead, submission=name, points="nan")
        self.assertEqual((answer.status_code, answer.json["reason"]), (409, "bad_grade"))

    def test_what_one_pupil_hands_in_is_on_no_page_of_another(self):
        made = self.assignment()
        self.uploaded(made, CANARY.encode(), f"{CANARY}.txt")
        self.call("submit", assignment=made.name, version=1, text=CANARY)
        name = frappe.db.get_value("Academy Submission", {"assignment": made.name}, "name", for_update=False)
        frappe.db.rollback()
        name = frappe.db.get_value("Academy Submission", {"assignment": made.name}, "name")
        self.call("grade", key=self.lead, submission=name, points=7, feedback=CANARY)
        path = f"/learn/assignment/{made.name}"
        self.assertIn(CANARY, ask(path, key=self.key).get_data(as_text=True))
        for key in (self.other, self.lead, self.stranger, ""):
            for page in (path, "/learn/me", "/learn"):
                self.assertNotIn(CANARY, ask(page, key=key).get_data(as_text=True), page)
            answer = self.call("grade", key=key or self.other, submission=name, points=7)
            self.assertNotIn(CANARY, answer.get_data(as_text=True))

    def test_what_a_teacher_keeps_is_in_no_answer_to_the_pupil(self):
        made = self.assignment(attempts=2)
        name = self.call("submit", assignment=made.name, version=1, text="x").json["message"]["submission"]
        kept = {"submission": name, "points": 7, "feedback": UNTOLD, "is_told": False}
        self.assertEqual(self.call("grade", key=self.lead, **kept).status_code, 200)
        answers = [ask(f"/learn/assignment/{made.name}", key=self.key), ask("/learn/me", key=self.key)]
        answers.append(ask("/api/method/lms_app.api.me.export_data", {}, key=self.key))
        answers.append(self.call("submit", assignment=made.name, version=1, text="x"))
        for number, answer in enumerate(answers):
            self.assertLess(answer.status_code, 400, number)
            self.assertNotIn(UNTOLD, answer.get_data(as_text=True), number)

    def test_a_file_is_sent_to_its_pupil_and_the_course_s_teachers_and_to_nobody_else_by_any_address(self):
        made = self.assignment()
        file = self.uploaded(made, frappe.generate_hash().encode())
        frappe.db.rollback()
        url = frappe.db.get_value("File", file["file"], "file_url")
        answer = ask(file["address"], key=self.key)
        self.assertEqual(answer.status_code, 200)
        self.assertRegex(answer.headers["X-Accel-Redirect"], r"^/protected/private/files/[0-9a-f]{32}\.txt$")
        self.assertIn("loaf.txt", answer.headers["Content-Disposition"])
        # What is not handed in is nobody's but the pupil's.
        self.assertEqual(ask(file["address"], key=self.lead).status_code, 403)
        self.assertEqual(ask(url, key=self.lead).status_code, 403)
        self.call("submit", assignment=made.name, version=1)
        self.assertEqual(ask(file["address"], key=self.lead).status_code, 200)
        for key in (self.other, self.stranger, ""):
            for path in (file["address"], url, f"{url}?fid={file['file']}"):
                answer = ask(path, key=key)
                self.assertEqual(answer.status_code, 403, path)
                self.assertNotIn("X-Accel-Redirect", answer.headers)
        for method in ("DELETE", "PUT"):
            answer = ask(f"/api/resource/File/{file['file']}", {"file_name": "x"}, method=method, key=self.key)
            self.assertGreaterEqual(answer.status_code, 400, method)

    def test_frappe_s_own_upload_adds_nothing_to_what_is_handed_in(self):
        made = self.assignment()
        self.call("save", assignment=made.name, version=1, text="x")
        frappe.db.rollback()
        draft = frappe.db.get_value("Academy Submission", {"assignment": made.name}, "name")
        told = {"doctype": "Academy Submission", "docname": draft, "is_private": 1}
        for key in (self.key, self.other, self.lead):
            ask("/api/method/upload_file", told, key=key, files={"file": ("x.txt", b"x")})
        frappe.db.rollback()
        self.assertEqual(frappe.db.count("File", {"attached_to_name": draft}), 0)

    def test_an_assignment_is_handed_in_by_a_plain_form(self):
        made = self.assignment(
            attempts=2, accepts_url=1, due_on=in_days(2), late_policy="Loses Points", late_percent=10
        )
        path = f"/learn/assignment/{made.name}"
        page = ask(path, key=self.key).get_data(as_text=True)
        self.assertIn("<strong>one</strong>", page)
        self.assertIn("10% of all points are lost", page)
        self.assertIn('accept=".pdf,.txt,.jpg"', page)
        form = {"version": 1, "text": "<b>Half</b>", "url": "", "deed": "save"}
        files = {"files": [("a.txt", b"a"), ("b.txt", b"b")]}
        saved = ask(path, form, key=self.key, files=files)
        self.assertEqual((saved.status_code, saved.location), (303, f"{path}?said=saved"))
        page = ask(saved.location, key=self.key).get_data(as_text=True)
        self.assertIn("not handed in yet", page)
        self.assertIn("&lt;b&gt;Half&lt;/b&gt;</textarea>", page)
        first, _ = re.findall(r'name="remove" value="(\w+)"', page)
        ask(path, {**form, "remove": first}, key=self.key, files={})
        page = ask(path, key=self.key).get_data(as_text=True)
        self.assertEqual(len(re.findall(r'name="remove" value="\w', page)), 1)
        sent = ask(path, {**form, "deed": "submit"}, key=self.key, files={"files": ("", b"")})
        self.assertEqual((sent.status_code, sent.location), (303, f"{path}?said=submitted"))
        # A second click on the same page.
        self.assertEqual(ask(path, {**form, "deed": "submit"}, key=self.key, files={}).status_code, 303)
        page = ask(path, key=self.key).get_data(as_text=True)
        self.assertIn("Waiting for a grade", page)
        self.assertIn("Hand in again", page)
        self.assertNotIn("<b>Half", page)
        self.assertNotIn("a.txt", page)
        self.assertIn("b.txt", page)
        frappe.db.rollback()
        self.assertEqual(frappe.db.count("Academy Submission", {"assignment": made.name}), 1)

    def test_what_was_typed_is_still_there_when_a_file_is_refused(self):
        made = self.assignment()
        path = f"/learn/assignment/{made.name}"
        form = {"version": 1, "text": "A long text", "deed": "submit"}
        answer = ask(path, form, key=self.key, files={"files": ("a.exe", b"MZ")})
        page = answer.get_data(as_text=True)
        self.assertEqual(answer.status_code, 409)
        self.assertIn("Files of this type are not taken here.", page)
        self.assertIn("A long text</textarea>", page)
        frappe.db.rollback()
        self.assertEqual(frappe.db.count("Academy Submission", {"assignment": made.name}), 0)
        answer = ask(path, {**form, "version": "x"}, key=self.key, files={})
        self.assertEqual(answer.status_code, 400)

    def test_who_has_to_log_in_is_led_there_and_others_are_told_why(self):
        made = self.assignment()
        path = f"/learn/assignment/{made.name}"
        self.assertEqual(ask(path).status_code, 403)
        self.assertIn("/login?redirect-to=", ask(path).get_data(as_text=True))
        self.assertEqual(ask(path, {"version": 1, "text": "x"}).status_code, 403)
        self.assertEqual(ask("/learn/assignment/no-such", key=self.key).status_code, 404)
        # Teachers see what pupils do, without a form to hand in.
        page = ask(path, key=self.lead)
        self.assertEqual(page.status_code, 200)
        self.assertNotIn("<textarea", page.get_data(as_text=True))

    def test_the_lesson_of_an_assignment_and_my_learning_lead_to_it(self):
        made = self.assignment(due_on=in_days(2))
        slug = frappe.db.get_value("Academy Lesson", {"assignment": made.name}, "slug")
        course = frappe.db.get_value("Academy Course", made.course, "slug")
        link = f'href="/learn/assignment/{made.name}"'
        page = ask(f"/learn/c/{course}/l/{slug}", key=self.key).get_data(as_text=True)
        self.assertIn(link, page)
        self.assertIn("To complete this lesson, hand in its assignment.", page)
        page = ask("/learn/me", key=self.key).get_data(as_text=True)
        self.assertIn("Due this week", page)
        self.assertIn(link, page)

    def test_nobody_fills_the_disk_without_end(self):
        made = self.assignment(file_count=9)
        frappe.cache.delete_keys("often:hand_in:")
        self.addCleanup(frappe.cache.delete_keys, "often:hand_in:")
        with patch("lms_app.api.assignment.FILES_AN_HOUR", 1):
            self.uploaded(made, b"x")
            answer = self.call("upload", assignment=made.name, version=1, sent={"file": ("loaf.txt", b"x")})
        self.assertEqual((answer.status_code, answer.json["reason"]), (409, "too_often"))


class TestAtOnce(CommittedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = [school.person(f"pupil{number}") for number in range(8)]

    def assignment(self, **values):
        return self.shared(school.assignment(school.course(), **values), *self.people)

    def states(self, made):
        frappe.db.rollback()
        return frappe.get_all("Academy Submission", {"assignment": made.name}, pluck="state", order_by="version")

    def test_handing_in_at_once_gives_one_version(self):
        made, user = self.assignment(attempts=0), self.people[0]
        found = at_once([partial(submissions.submit, user, made.name, 1, f"by window {n}") for n in range(8)])
        self.assertEqual(len({*map(str, found)}), 1, found)
        self.assertEqual(self.states(made), ["Submitted"])
        self.assertEqual(frappe.db.count("Academy Event", {"object_name": made.name, "verb": "submitted"}), 1)

    def test_saving_and_adding_files_at_once_gives_one_draft(self):
        made, user = self.assignment(file_count=4), self.people[0]
        calls = [partial(submissions.attach, user, made.name, 1, f"{n}.txt", b"x") for n in range(6)]
        found = at_once([*calls, partial(submissions.save, user, made.name, 1, "x")])
        self.assertEqual(self.states(made), ["Draft"])
        refused = [one for one in found if isinstance(one, Exception)]
        self.assertEqual([one.reason for one in refused], ["too_many_files"] * 2, found)
        draft, counted = frappe.db.get_value("Academy Submission", {"assignment": made.name}, ["name", "file_count"])
        there = frappe.db.count("File", {"attached_to_doctype": "Academy Submission", "attached_to_name": draft})
        self.assertEqual((there, counted), (4, 4))

    def test_removing_a_file_at_once_removes_one(self):
        made, user = self.assignment(file_count=2), self.people[0]
        first, _ = [submissions.attach(user, made.name, 1, f"{n}.txt", b"x").file for n in range(2)]
        frappe.db.commit()
        found = at_once([partial(submissions.detach, user, first) for _ in range(6)])
        self.assertEqual(found.count(None), 1, found)
        frappe.db.rollback()
        self.assertEqual(frappe.db.get_value("Academy Submission", {"assignment": made.name}, "file_count"), 1)

    def test_a_whole_class_hands_in_at_once(self):
        made = self.assignment()
        found = at_once([partial(submissions.submit, user, made.name, 1, "x") for user in self.people])
        self.assertEqual([one for one in found if isinstance(one, Exception)], [])
        self.assertEqual(self.states(made), ["Submitted"] * len(self.people))

    def test_grading_and_handing_in_anew_at_once_keep_both_whole(self):
        made, user = self.assignment(attempts=2), self.people[0]
        first = submissions.submit(user, made.name, 1, "x")
        frappe.db.commit()
        grade = partial(assignment_grading.grade, first, BY, points=9)
        graded, second = at_once([grade, partial(submissions.submit, user, made.name, 2, "y")])
        states = self.states(made)
        self.assertIsInstance(second, str)
        if isinstance(graded, reasons.RefusedError):
            self.assertEqual((graded.reason, states), ("replaced", ["Replaced", "Submitted"]))
        else:
            self.assertEqual(states, ["Graded", "Submitted"])
