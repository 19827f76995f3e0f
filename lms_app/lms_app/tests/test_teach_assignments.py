import re

import frappe
from frappe.utils import add_to_date, now_datetime
from werkzeug.test import TestResponse

from lms_app.services import (
    access,
    assignment_content,
    assignment_form,
    assignment_grading,
    enrolment,
    grading_queue,
    students,
    submissions,
)
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.site_case import SiteTestCase

CANARY = "canary-of-another-course"
# Forms as their pages send them.
RUBRIC = {
    "title": "A loaf",
    "title-1": "Crumb",
    "description-1": "What the cut shows.",
    "title-1-1": "Dense",
    "points-1-1": "1",
    "title-1-2": "Open",
    "points-1-2": "2,5",
    "title-2": "Crust",
    "title-2-1": "Brown",
    "points-2-1": "2",
}
ASSIGNMENT = {
    "title": "Bake a loaf",
    "instructions": "Bake **one**.",
    "due_on": "2027-01-15T18:00",
    "cut_off_on": "2027-01-20T18:00",
    "late_policy": "Loses Points",
    "late_percent": "12,5",
    "late_most": "50",
    "accepts_text": "1",
    "accepts_files": "1",
    "file_types": "pdf, jpg",
    "file_size": "5",
    "file_count": "2",
    "attempts": "3",
    "grading": "Highest",
    "points": "20",
    "pass_percent": "60",
}


def text(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


class PagesCase(SiteTestCase):
    """Pages by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lead, helper = school.person("lead", access.INSTRUCTOR_ROLE), school.person("helper", access.ASSISTANT_ROLE)
        other = school.person("other", access.INSTRUCTOR_ROLE)
        named = [{"user": lead, "role": "Lead"}, {"user": helper, "role": "Grader"}]
        cls.course = school.course(title="Bread", instructors=named)
        cls.foreign = school.course(title=CANARY, instructors=[{"user": other, "role": "Lead"}])
        cls.ada, cls.bo, cls.lead = school.person("ada"), school.person("bo"), lead
        for user in (cls.ada, cls.bo):
            for course in (cls.course, cls.foreign):
                enrolment.join(user, course.name)
        people = {"lead": lead, "helper": helper, "other": other, "pupil": cls.ada}
        cls.keys = {who: key_of(user) for who, user in people.items()}
        cls.addClassCleanup(school.remove, [cls.course.name, cls.foreign.name])
        frappe.db.commit()

    def tearDown(self):
        frappe.db.rollback()
        for course in (self.course.name, self.foreign.name):
            for doctype in ("Academy Submission", "Academy Override", "Academy Assignment", "Academy Rubric"):
                names = ("in", [*frappe.get_all(doctype, {"course": course}, pluck="name"), ""])
                for table in frappe.get_meta(doctype).get_table_fields():
                    frappe.db.delete(table.options, {"parenttype": doctype, "parent": names})
                frappe.db.delete("File", {"attached_to_doctype": doctype, "attached_to_name": names})
                frappe.db.delete(doctype, {"name": names})
            frappe.db.delete("Academy Lesson", {"course": course, "kind": "Assignment"})
        frappe.db.commit()

    def send(self, path: str, who: str = "lead", **values: str) -> TestResponse:
        answer = ask(path, values, key=self.keys[who])
        frappe.db.rollback()
        return answer

    def see(self, path: str, who: str = "lead") -> str:
        return text(ask(path, key=self.keys[who]))


class TestGradingWork(PagesCase):
    def setUp(self):
        self.rubric = school.rubric(self.course)
        self.made = school.assignment(self.course, rubric=self.rubric.name, rule="Graded", attempts=1)
        self.first = self.handed_in(self.ada, "A loaf <script>alert(1)</script>")
        self.second = self.handed_in(self.bo, "Another loaf")
        for name, day in ((self.first, "2026-01-01"), (self.second, "2026-01-02")):
            frappe.db.set_value("Academy Submission", name, "submitted_on", day)
        frappe.db.commit()

    def handed_in(self, user: str, words: str, made=None, version: int = 1) -> str:
        return submissions.submit(user, (made or self.made).name, version, words)

    def path(self, submission: str) -> str:
        return f"/teach/grading/submission/{submission}"

    def chosen(self, *titles: str) -> dict[str, str]:
        """Return the fields of the form by which levels are chosen."""
        criteria = {row.title: row.anchor for row in self.rubric.criteria}
        return {f"level-{criteria[row.criterion]}": row.anchor for row in self.rubric.levels if row.title in titles}

    def kept(self, submission: str, *fields: str) -> tuple:
        return frappe.db.get_value("Academy Submission", submission, fields)

    def test_what_my_courses_count_is_found_in_the_queue_and_can_be_graded(self):
        link = f"/teach/grading?course={self.course.slug}"
        page = self.see("/teach")
        self.assertIn(f'href="{link}"', page)
        self.assertIn("2 to grade", page)
        listed = self.see(link)
        self.assertIn(f'class="button" href="{self.path(self.first)}?course={self.course.slug}"', listed)
        for name in (self.first, self.second):
            self.assertIn(self.path(name), listed)

    def test_a_teacher_grades_by_the_rubric_and_is_led_to_the_next_until_nothing_waits(self):
        page = self.see(self.path(self.first))
        self.assertIn("A loaf &lt;script&gt;", page)
        self.assertIn("Bake <strong>one</strong>.", page)
        self.assertEqual(page.count('type="radio"'), 4)
        crust = next(row.anchor for row in self.rubric.criteria if row.title == "Crust")
        said = {**self.chosen("Open", "Pale"), f"comment-{crust}": "Five minutes more.", "feedback": "Good"}
        answer = self.send(self.path(self.first), deed="tell", **said)
        self.assertEqual((answer.status_code, answer.location), (303, f"{self.path(self.second)}?said=graded"))
        self.assertEqual(self.kept(self.first, "state", "points", "most", "feedback"), ("Graded", 4, 6, "Good"))
        comment = frappe.db.get_value(
            "Academy Submission Score", {"parent": self.first, "criterion": "Crust"}, "comment"
        )
        self.assertEqual(comment, "Five minutes more.")
        self.assertIn("autofocus", self.see(answer.location))
        # What was said is there to be changed.
        again = self.see(self.path(self.first))
        self.assertEqual(again.count(" checked"), 2)
        self.assertIn("Five minutes more.</textarea>", again)
        self.assertNotIn('value="keep"', again)
        last = self.send(self.path(self.second), **self.chosen("Dense", "Brown"))
        self.assertEqual(last.location, "/teach/grading?said=graded")
        self.assertIn("Nothing waits for a grade", self.see(last.location))

    def test_a_queue_of_one_course_stays_in_it(self):
        within = f"?course={self.course.slug}"
        answer = self.send(f"{self.path(self.first)}{within}", course=self.course.slug, **self.chosen("Open", "Brown"))
        self.assertEqual(answer.location, f"{self.path(self.second)}{within}&said=graded")
        self.assertIn('aria-current="page">Grading', self.see(answer.location))

    def test_a_level_that_is_missing_is_refused_and_what_was_written_is_kept(self):
        answer = self.send(self.path(self.first), feedback="Good work", **self.chosen("Open"))
        self.assertEqual(answer.status_code, 409)
        self.assertIn("choose a level for each criterion", text(answer))
        self.assertIn("Good work</textarea>", text(answer))
        self.assertEqual(text(answer).count(" checked"), 1)
        self.assertEqual(self.kept(self.first, "state", "feedback"), ("Submitted", None))
        self.assertEqual(self.send(self.path(self.first), **{"level-unknown": "x"}).status_code, 400)

    def test_a_grade_is_kept_without_telling_and_told_with_those_of_the_class(self):
        answer = self.send(self.path(self.first), deed="keep", **self.chosen("Open", "Brown"))
        self.assertEqual(answer.location, f"{self.path(self.second)}?said=kept")
        self.assertEqual(self.kept(self.first, "state", "is_whole"), ("Submitted", 1))
        self.assertIn("A grade is kept, and not told yet", self.see("/teach/grading"))
        page = self.see(self.path(self.second))
        self.assertIn("1 grade of this assignment is kept", page)
        self.assertEqual(self.send(self.path(self.second), deed="release").status_code, 303)
        self.assertEqual(self.kept(self.first, "state"), "Graded")
        self.assertEqual(self.kept(self.second, "state"), "Submitted")

    def test_work_is_given_back_with_a_word_and_what_was_said_to_the_criteria(self):
        answer = self.send(self.path(self.first), deed="back", feedback=" ")
        self.assertEqual((answer.status_code, self.kept(self.first, "state")), (409, "Submitted"))
        self.assertIn('<details class="sure" open>', text(answer))
        until = add_to_date(now_datetime(), days=2).strftime("%Y-%m-%dT%H:%M")
        said = {**self.chosen("Dense"), "feedback": "Bake it longer.", "until": until}
        answer = self.send(self.path(self.first), deed="back", **said)
        self.assertEqual(answer.location, f"{self.path(self.second)}?said=back")
        self.assertEqual(self.kept(self.first, "state", "feedback"), ("Returned", "Bake it longer."))
        [dense] = [one for one in assignment_grading.scores_of([self.first])[self.first] if one.level]
        self.assertEqual(dense.level, "Dense")
        again = self.handed_in(self.ada, "A darker loaf", version=2)
        frappe.db.commit()
        page = self.see(self.path(again))
        self.assertIn(self.path(self.first), page)
        self.assertIn("Given back", page)

    def test_points_that_cannot_be_are_refused_and_nothing_breaks(self):
        made = school.assignment(self.course, title="Points alone")
        name = self.handed_in(self.ada, "A roll", made)
        frappe.db.commit()
        for points in ("11", "-1", "many", "", "1e400", "nan", "9" * 5000):
            answer = self.send(self.path(name), points=points, feedback="Good work")
            self.assertEqual(answer.status_code, 409, points[:9])
            self.assertIn("Good work</textarea>", text(answer))
        for until in ("tomorrow", "2026-01-01T10:00+02:00"):
            self.assertEqual(self.send(self.path(name), deed="back", feedback="x", until=until).status_code, 409)
        self.assertEqual(self.send(self.path(name), points="8,5").status_code, 303)
        self.assertEqual(self.kept(name, "state", "points"), ("Graded", 8.5))
        self.assertIn('value="8.5"', self.see(self.path(name)))

    def test_late_work_says_so_and_what_it_loses(self):
        made = school.assignment(self.course, title="Due", due_on="2026-01-01 12:00", late_policy="Loses Points")
        name = self.handed_in(self.ada, "Late", made)
        frappe.db.set_value("Academy Submission", name, {"submitted_on": "2026-01-02 18:00", "is_late": 1})
        frappe.db.commit()
        page = self.see(self.path(name))
        self.assertIn("Late by 2 days begun", page)
        self.assertIn("It loses 20% of all points.", page)

    def test_a_grader_grades_and_finds_the_files(self):
        made = school.assignment(self.course, title="With files")
        file = submissions.attach(self.ada, made.name, 1, "crumb.txt", b"x")
        name = submissions.submit(self.ada, made.name, 1)
        frappe.db.commit()
        self.assertIn(f'href="{file.address}"', self.see(self.path(name), "helper"))
        self.assertEqual(ask(self.path(name), key=self.keys["other"]).status_code, 403)
        self.assertEqual(self.send(self.path(name), "helper", points="7").status_code, 303)

    def test_nothing_of_a_course_of_others_is_read_or_graded(self):
        made = school.assignment(self.foreign, title=CANARY)
        elsewhere = self.handed_in(self.ada, CANARY, made)
        frappe.db.commit()
        for who in ("lead", "helper", "pupil"):
            self.assertNotIn(CANARY, self.see("/teach/grading", who), who)
            for values in (None, {"points": "1"}, {"deed": "back", "feedback": "x"}, {"deed": "release"}):
                answer = ask(self.path(elsewhere), values, key=self.keys[who])
                self.assertEqual(answer.status_code, 403, (who, values))
                self.assertNotIn(CANARY, text(answer))
        frappe.db.rollback()
        self.assertEqual(self.kept(elsewhere, "state"), "Submitted")
        self.assertEqual(ask(self.path(elsewhere)).location, f"/login?redirect-to={self.path(elsewhere)}")
        self.assertEqual(ask(self.path("none"), key=self.keys["lead"]).status_code, 404)

    def test_what_a_pupil_still_writes_is_nobody_s_to_read(self):
        made = school.assignment(self.course, title="Begun")
        submissions.save(self.ada, made.name, 1, CANARY)
        draft = frappe.db.get_value("Academy Submission", {"assignment": made.name}, "name")
        frappe.db.commit()
        answer = ask(self.path(draft), key=self.keys["lead"])
        self.assertEqual(answer.status_code, 404)
        self.assertNotIn(CANARY, text(answer))

    def test_the_queue_asks_two_and_the_work_ten_at_most(self):
        for user in (self.lead, self.ada):
            frappe.get_roles(user)
        with self.assertQueryCount(2):
            self.assertEqual(grading_queue.waiting(self.lead, self.course.name).total, 2)
        with self.assertQueryCount(10):
            grading_queue.work(self.lead, self.first)


class TestAuthoring(PagesCase):
    def setUp(self):
        self.path = f"/teach/c/{self.course.slug}"

    def only(self, doctype: str):
        return frappe.get_last_doc(doctype, {"course": self.course.name})

    def made(self, **values: str):
        answer = self.send(f"{self.path}/assignments/new", **{**ASSIGNMENT, **values})
        self.assertEqual((answer.status_code, answer.location), (303, f"{self.path}/assignments?said=assignment"))
        return self.only("Academy Assignment")

    def made_rubric(self, **values: str):
        answer = self.send(f"{self.path}/rubrics/new", **{**RUBRIC, **values})
        self.assertEqual((answer.status_code, answer.location), (303, f"{self.path}/assignments?said=rubric"))
        return self.only("Academy Rubric")

    def shown(self, path: str) -> dict[str, str]:
        """Return what the form of a page would send as it is."""
        page = self.see(path)
        fields = re.findall(r'<input [^>]*name="([\w-]+)"(?: type="text")?[^>]* value="([^"]*)"', page)
        return dict(fields)

    def test_an_assignment_is_made_and_changed_by_a_form_with_all_its_rules(self):
        self.assertIn("No assignment yet", self.see(f"{self.path}/assignments"))
        made = self.made()
        kept = {
            field: made.get(field) for field in ("late_policy", "late_percent", "grading", "attempts", "file_count")
        }
        wanted = {"late_policy": "Loses Points", "late_percent": 12.5, "grading": "Highest"}
        self.assertEqual(kept, {**wanted, "attempts": 3, "file_count": 2})
        self.assertEqual((str(made.due_on), made.accepts_url, made.rubric), ("2027-01-15 18:00:00", 0, None))
        listed = self.see(f"{self.path}/assignments")
        self.assertIn("Bake a loaf", listed)
        self.assertIn("In no lesson yet", listed)
        path = f"{self.path}/assignments/{made.name}"
        page = self.see(path)
        self.assertIn('value="2027-01-15T18:00"', page)
        self.assertIn('value="12.5"', page)
        seen = self.shown(path)["seen"]
        answer = self.send(path, seen=seen, **{**ASSIGNMENT, "title": "Bake two", "accepts_text": ""})
        self.assertEqual(answer.status_code, 303)
        made.reload()
        self.assertEqual((made.title, made.accepts_text), ("Bake two", 0))

    def test_a_form_that_is_stale_overwrites_nothing_before_it_is_said_so(self):
        made, rubric = self.made(), self.made_rubric()
        for path, form, doctype, name in (
            (f"{self.path}/assignments/{made.name}", ASSIGNMENT, "Academy Assignment", made.name),
            (f"{self.path}/rubrics/{rubric.name}", RUBRIC, "Academy Rubric", rubric.name),
        ):
            seen = self.shown(path)["seen"]
            self.assertEqual(self.send(path, seen=seen, **{**form, "title": "Theirs"}).status_code, 303)
            answer = self.send(path, seen=seen, **{**form, "title": "Mine"})
            self.assertEqual(answer.status_code, 409)
            self.assertIn("has saved this since you opened it", text(answer))
            self.assertIn('value="Mine"', text(answer))
            self.assertEqual(frappe.db.get_value(doctype, name, "title"), "Theirs")
            over = re.search(r'name="over" value="([^"]+)"', text(answer))[1]
            self.assertEqual(self.send(path, seen=seen, over=over, **{**form, "title": "Mine"}).status_code, 303)
            self.assertEqual(frappe.db.get_value(doctype, name, "title"), "Mine")

    def test_what_cannot_be_is_refused_and_what_was_written_is_kept(self):
        for wrong in (
            {"title": " "},
            {"instructions": ""},
            {"accepts_text": "", "accepts_files": ""},
            {"file_types": ""},
            {"cut_off_on": "2027-01-01T18:00"},
            {"due_on": "soon"},
            {"late_percent": "101"},
            {"attempts": "1.5"},
            {"attempts": "-1"},
            {"points": "1e400"},
            {"points": "9" * 5000},
            {"points": "0"},
            {"pass_percent": "nan"},
            {"grading": "Average"},
            {"late_policy": ""},
        ):
            answer = self.send(f"{self.path}/assignments/new", **{**ASSIGNMENT, **wrong})
            self.assertEqual(answer.status_code, 409, wrong)
            self.assertIn('role="alert"', text(answer), wrong)
            self.assertIn("pdf, jpg" if "file_types" not in wrong else "Bake **one**.", text(answer), wrong)
        self.assertEqual(frappe.db.count("Academy Assignment", {"course": self.course.name}), 0)

    def test_a_rubric_is_made_and_changed_and_what_is_there_keeps_its_place_in_grades(self):
        rubric = self.made_rubric()
        levels = [(row.criterion, row.title, row.points) for row in rubric.levels]
        self.assertEqual(levels, [("Crumb", "Dense", 1), ("Crumb", "Open", 2.5), ("Crust", "Brown", 2)])
        before = {row.anchor: row.name for row in (*rubric.criteria, *rubric.levels)}
        path = f"{self.path}/rubrics/{rubric.name}"
        form = self.shown(path)
        self.assertEqual(form["title-1-2"], "Open")
        answer = self.send(path, **{**form, "title-1": "Inside", "title-1-3": "Very open", "points-1-3": "4"})
        self.assertEqual(answer.status_code, 303)
        rubric.reload()
        after = {row.anchor: row.name for row in (*rubric.criteria, *rubric.levels)}
        self.assertLessEqual(before.items(), after.items())
        self.assertEqual(
            [(row.criterion, row.title) for row in rubric.levels],
            [("Inside", "Dense"), ("Inside", "Open"), ("Inside", "Very open"), ("Crust", "Brown")],
        )
        # A criterion goes with its levels.
        form = self.shown(path)
        gone = {key: "" for key in form if re.fullmatch(r"(title|points|description)-2(-\d+)?", key)}
        self.assertEqual(self.send(path, **{**form, **gone}).status_code, 303)
        rubric.reload()
        self.assertEqual([row.title for row in rubric.criteria], ["Inside"])
        self.assertEqual(len(rubric.levels), 3)

    def test_a_rubric_by_which_nobody_could_judge_is_refused_and_what_was_written_is_kept(self):
        for wrong in (
            {"title": ""},
            {"title-2-1": "", "points-2-1": ""},
            {"title-2": "Crumb"},
            {"title-1-2": "Dense"},
            {"title-2": ""},
            {"title-1-1": ""},
            {"points-1-1": "-1"},
            {"points-1-1": "many"},
            {"points-1-1": "0", "points-1-2": "0", "points-2-1": "0"},
        ):
            answer = self.send(f"{self.path}/rubrics/new", **{**RUBRIC, **wrong})
            self.assertEqual(answer.status_code, 409, wrong)
            self.assertIn('role="alert"', text(answer), wrong)
            self.assertIn("What the cut shows.", text(answer), wrong)
        self.assertEqual(frappe.db.count("Academy Rubric", {"course": self.course.name}), 0)

    def test_more_rows_are_a_form_that_writes_nothing(self):
        few = self.see(f"{self.path}/rubrics/new").count('name="title-')
        answer = self.send(f"{self.path}/rubrics/new", deed="more", **RUBRIC)
        self.assertEqual(answer.status_code, 200)
        self.assertGreater(text(answer).count('name="title-'), few)
        self.assertIn('value="2,5"', text(answer))
        self.assertEqual(frappe.db.count("Academy Rubric", {"course": self.course.name}), 0)

    def test_nothing_is_removed_that_something_needs(self):
        rubric = self.made_rubric()
        made = self.made(rubric=rubric.name)
        path, of_rubric = f"{self.path}/assignments/{made.name}", f"{self.path}/rubrics/{rubric.name}"
        self.assertEqual(self.send(of_rubric, deed="remove").status_code, 409)
        part = frappe.get_doc("Academy Module", {"course": self.course.name})
        lesson = school.lesson(
            part, title="A loaf", kind="Assignment", assignment=made.name, completion_rule="Submitted", blocks=[]
        )
        assignment_grading.grant(made.name, students.find(self.ada), days=2)
        frappe.db.commit()
        self.assertEqual(self.send(path, deed="remove").status_code, 409)
        submissions.save(self.ada, made.name, 1, "x")
        frappe.db.set_value("Academy Lesson", lesson.name, "assignment", None)
        frappe.db.commit()
        answer = self.send(path, deed="remove")
        self.assertEqual(answer.status_code, 409)
        self.assertIn("kept with their work", text(answer))
        frappe.db.delete("Academy Submission", {"assignment": made.name})
        frappe.db.commit()
        for one in (path, of_rubric):
            self.assertEqual(self.send(one, deed="remove").location, f"{self.path}/assignments?said=removed")
        self.assertFalse(frappe.db.exists("Academy Override", {"item": made.name}))

    def test_the_editor_of_lessons_offers_assignments_and_says_their_rules_in_words(self):
        self.made()
        slug = frappe.db.get_value("Academy Lesson", {"course": self.course.name}, "slug")
        page = self.see(f"{self.path}/l/{slug}")
        self.assertIn(">Bake a loaf</option>", page)
        for words in ("Its assignment was handed in", "Its assignment was graded well enough to pass"):
            self.assertIn(words, page)

    def test_who_may_not_change_the_course_neither_reads_nor_writes(self):
        made, rubric = self.made(), self.made_rubric()
        paths = ("assignments", "assignments/new", f"assignments/{made.name}", "rubrics/new", f"rubrics/{rubric.name}")
        for who in ("helper", "other", "pupil"):
            for path in paths:
                for form in (None, {**ASSIGNMENT, **RUBRIC, "seen": "x"}, {"deed": "remove"}):
                    if path == "assignments" and form:
                        continue
                    answer = ask(f"{self.path}/{path}", form, key=self.keys[who])
                    self.assertEqual(answer.status_code, 403, (who, path, form))
                    self.assertNotIn("Bake **one**", text(answer).split("<form")[0])
        # What is of another course is at no address of this one.
        elsewhere = school.assignment(self.foreign)
        frappe.db.commit()
        path = f"{self.path}/assignments/{elsewhere.name}"
        self.assertEqual(ask(path, key=self.keys["lead"]).status_code, 404)
        self.assertGreaterEqual(self.send(path, deed="remove").status_code, 403)
        self.assertGreaterEqual(self.send(path, seen="x", **ASSIGNMENT).status_code, 403)
        self.assertTrue(frappe.db.exists("Academy Assignment", {"name": elsewhere.name, "course": self.foreign.name}))
        self.assertNotIn(">Assignments</a>", self.see("/teach/grading?course=" + self.course.slug, "helper"))

    def test_the_lists_ask_one_each(self):
        self.made(rubric=self.made_rubric().name)
        with self.assertQueryCount(1):
            self.assertEqual(len(assignment_form.listed(self.course.name)), 1)
        with self.assertQueryCount(1):
            self.assertEqual(assignment_form.rubrics(self.course.name)[0]["count"], 2)


class TestGiving(PagesCase):
    def setUp(self):
        due = {"due_on": "2026-01-10 12:00", "cut_off_on": "2026-01-12 12:00", "attempts": 1}
        self.made = school.assignment(self.course, **due)
        frappe.db.commit()
        enrolled = access.enrolment_of(self.ada, self.course.name).name
        self.path = f"/teach/c/{self.course.slug}/people/p/{enrolled}"

    def given(self):
        fields = ["extra_days", "extra_attempts", "due_on", "closes_on", "note"]
        return frappe.db.get_value("Academy Override", {"item": self.made.name}, fields)

    def give(self, who: str = "lead", **values: str) -> TestResponse:
        return self.send(self.path, who, deed="grant", assignment=self.made.name, **values)

    def test_one_pupil_is_given_days_and_versions_and_they_are_taken_back(self):
        answer = self.give(days="3", versions="2", note="Was ill")
        self.assertEqual((answer.status_code, answer.location), (303, f"{self.path}?said=grant"))
        self.assertEqual(self.given(), (3, 2, None, None, "Was ill"))
        page = self.see(self.path)
        for words in ("3 days more", "2 versions more", "Was ill"):
            self.assertIn(words, page)
        rules = assignment_content.rules(assignment_content.of(self.made.name), students.find(self.ada))
        self.assertEqual((str(rules.due_on), rules.attempts), ("2026-01-13 12:00:00", 3))
        self.assertEqual(self.give(days="0", versions="").status_code, 303)
        self.assertIsNone(self.given())

    def test_more_than_can_be_given_is_refused_and_nothing_breaks(self):
        for wrong in (
            {"days": "3651"},
            {"days": "-1"},
            {"days": "9" * 5000},
            {"versions": "101"},
            {"versions": "x"},
            {"due_on": "soon"},
            {"due_on": "2026-02-02T10:00", "cut_off_on": "2026-02-01T10:00"},
            {"days": "1", "note": "x" * 501},
        ):
            answer = self.give(**wrong)
            self.assertEqual(answer.status_code, 409, wrong)
            self.assertIn('role="alert"', text(answer), wrong)
        self.assertIsNone(self.given())

    def test_who_may_not_change_the_course_gives_nothing(self):
        for who in ("helper", "other", "pupil"):
            self.assertEqual(self.give(who, days="3").status_code, 403, who)
        self.assertIsNone(self.given())
        self.assertNotIn('value="grant"', self.see(self.path, "helper"))
