from datetime import timedelta
from unittest.mock import patch

import frappe
from frappe.utils import add_days, now_datetime

from lms_app.services import access, enrolment, outline, progress, reasons
from lms_app.tests import school
from lms_app.tests.school_case import SchoolCase


class TestProgress(SchoolCase):
    def setUp(self):
        self.user = school.person("ada")

    def joined(self, *lessons, **values):
        course = school.course(*lessons, **values)
        enrolment.join(self.user, course.name)
        return course, school.lessons_of(course)

    def video_joined(self):
        """Return a lesson that is completed by half of its video, which is a minute long."""
        _, [name] = self.joined({})
        video = {"kind": "Video", "file": school.attach(name, "leeks.mp4", "x"), "has_no_speech": 1, "duration": 60}
        lesson = frappe.get_doc("Academy Lesson", name)
        lesson.update({"kind": "Video", "completion_rule": "Video %", "video_percent": 50, "blocks": [video]})
        lesson.save()
        return name

    def enrolled(self, course):
        return access.enrolment_of(self.user, course.name)

    def test_a_video_is_completed_by_watching_and_not_by_saying_so(self):
        lesson = self.video_joined()
        start = now_datetime()
        found = []
        for second, position in ((0, 0), (1, 60), (16, 16), (31, 31)):
            with patch("lms_app.services.progress.now_datetime", return_value=start + timedelta(seconds=second)):
                found.append(progress.beat(self.user, lesson, 900, position))
        self.assertEqual([one.is_completed for one in found], [False, False, False, True])
        self.assertEqual(found[-1].percent, 100)
        with self.assertRaises(reasons.RefusedError):
            progress.declare(self.user, self.video_joined())

    def test_only_required_and_published_lessons_count(self):
        course, lessons = self.joined({}, {"is_required": 0}, {"status": "Draft"}, {})
        self.assertEqual(progress.declare(self.user, lessons[0]).percent, 50)
        self.assertEqual(progress.declare(self.user, lessons[1]).percent, 50)
        self.assertEqual(progress.declare(self.user, lessons[3]).percent, 100)
        self.assertEqual(self.enrolled(course).state, "Completed")

    def test_what_is_completed_stays_so_when_a_lesson_is_added(self):
        course, [lesson] = self.joined({})
        progress.declare(self.user, lesson)
        module = frappe.db.get_value("Academy Module", {"course": course.name}, "name")
        school.lesson(frappe.get_doc("Academy Module", module), title="More")
        self.assertEqual((self.enrolled(course).state, self.enrolled(course).percent), ("Completed", 100))

    def test_a_lesson_more_or_less_changes_the_percent_of_those_who_are_not_through(self):
        course, lessons = self.joined({}, {})
        progress.declare(self.user, lessons[0])
        module = frappe.db.get_value("Academy Module", {"course": course.name}, "name")
        added = school.lesson(frappe.get_doc("Academy Module", module), title="More")
        self.assertEqual(self.enrolled(course).percent, 33)
        added.status = "Draft"
        added.save()
        self.assertEqual(self.enrolled(course).percent, 50)
        frappe.delete_doc("Academy Lesson", lessons[1])
        self.assertEqual((self.enrolled(course).state, self.enrolled(course).percent), ("Completed", 100))

    def test_completing_again_changes_nothing(self):
        course, [lesson, _] = self.joined({}, {})
        for _ in range(2):
            self.assertEqual(progress.declare(self.user, lesson).percent, 50)
        self.assertEqual(frappe.db.count("Academy Event", {"course": course.name, "verb": "completed"}), 1)

    def test_a_lesson_is_not_opened_before_it_is_open(self):
        tomorrow = add_days(now_datetime(), 1)
        [first, second] = self.joined({}, {}, sequential=1)[1]
        for call in (lambda: progress.beat(self.user, second, 0), lambda: progress.declare(self.user, second)):
            with self.denied("lesson_first"):
                call()
        progress.declare(self.user, first)
        progress.beat(self.user, second, 0)
        with self.denied("not_before"):
            progress.beat(self.user, self.joined({}, starts_on=tomorrow)[1][0], 0)

    def test_lessons_are_shut_for_all_but_those_who_learn(self):
        course, [lesson] = self.joined({})
        name = self.enrolled(course).name
        for state, reason in (("Suspended", "suspended"), ("Expired", "expired"), ("Waitlisted", "waitlisted")):
            frappe.db.set_value("Academy Enrollment", name, "state", state)
            with self.denied(reason):
                progress.beat(self.user, lesson, 0)
        with self.denied("not_enrolled"):
            progress.beat(school.person("bo"), lesson, 0)
        with self.denied("log_in"):
            progress.beat("Guest", lesson, 0)
        with self.denied("unknown"):
            progress.beat(self.user, "no such lesson", 0)

    def test_a_draft_is_shut_for_pupils(self):
        _, [lesson] = self.joined({})
        frappe.db.set_value("Academy Lesson", lesson, "status", "Draft")
        with self.denied("not_published"):
            progress.beat(self.user, lesson, 0)

    def test_a_preview_is_open_to_everybody_and_counted_for_nobody(self):
        _, [lesson] = self.joined({"is_preview": 1})
        for user in ("Guest", school.person("bo")):
            self.assertEqual(progress.beat(user, lesson, 15), {"percent": 0, "is_completed": False, "watched": 0})
        self.assertEqual(frappe.db.count("Academy Lesson Progress", {"lesson": lesson}), 0)

    def test_the_last_lesson_is_where_a_pupil_goes_on(self):
        course, [first, second] = self.joined({}, {})
        progress.beat(self.user, first, 0)
        [row] = [one for one in progress.courses_of(self.user) if one.course == course.name]
        self.assertEqual(row.last_slug, frappe.db.get_value("Academy Lesson", first, "slug"))
        self.assertEqual(progress.going_on(self.user, row).name, first)
        progress.declare(self.user, first)
        self.assertEqual(progress.going_on(self.user, row).name, second)

    def test_teachers_see_drafts_and_nothing_is_locked_for_them(self):
        course, _ = self.joined({}, {"status": "Draft"}, sequential=1)
        lead = access.viewer(school.person("lead"), course.name)
        modules = outline.load(course.name, with_drafts=True)
        outline.decide(modules, course, lead, None, ())
        self.assertEqual([one.decision.is_allowed for one in outline.lessons(modules)], [True, True])
