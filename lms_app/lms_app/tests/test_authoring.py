import time
from pathlib import Path
from unittest.mock import patch

import frappe
from frappe.utils import get_site_path

from lms_app.services import access, authoring, content, documents, enrolment, progress, reasons, uploads, writing
from lms_app.tests import school
from lms_app.tests.parallel import at_once
from lms_app.tests.site_case import SiteTestCase

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
MP4 = b"\0\0\0\x18ftypmp42" + b"\0" * 64
VTT = b"WEBVTT\n\n00:00.000 --> 00:01.000\nBoil.\n"


def stamp_of(doctype: str, name: str) -> str:
    return documents.stamp(frappe.db.get_value(doctype, name, "modified"))


def titles(course: str) -> list[list[str]]:
    """Return the titles of a course's lessons by its modules, in their order."""
    return [[lesson.title for lesson in module.lessons] for module in authoring.outline_page(course).modules]


class TestCourses(SiteTestCase):
    def setUp(self):
        self.course = school.course({"title": "Stock"})

    def change(self, **values: str) -> str:
        return authoring.change_course(self.course.name, stamp_of("Academy Course", self.course.name), values)

    def test_whoever_makes_a_course_leads_its_draft(self):
        for role in (access.INSTRUCTOR_ROLE, access.MANAGER_ROLE):
            user = school.person(f"maker-{frappe.scrub(role)}", role)
            with school.as_user(user):
                slug = authoring.make_course(" Soups of the sea ", user)
            made = frappe.get_doc("Academy Course", {"slug": slug})
            self.assertEqual((made.title, made.status), ("Soups of the sea", "Draft"))
            self.assertEqual([(row.user, row.role) for row in made.instructors], [(user, "Lead")])

    def test_what_a_course_says_of_itself_is_changed(self):
        slug = self.change(
            title="Sauces",
            slug="all-sauces",
            outcomes="Cook\r\n\r\nTaste",
            seats="12",
            sequential="1",
            enrolment_mode="Approval",
            starts_on="2027-01-10T08:30",
            category="",
        )
        made = frappe.get_doc("Academy Course", self.course.name)
        self.assertEqual((slug, made.title, made.seats, made.sequential), ("all-sauces", "Sauces", 12, 1))
        self.assertEqual([row.outcome for row in made.outcomes], ["Cook", "Taste"])
        self.assertEqual(str(made.starts_on), "2027-01-10 08:30:00")
        self.assertEqual(made.enrolment_mode, "Approval")

    def test_what_no_page_sends_of_a_course_is_refused(self):
        for field in ("status", "owner", "instructors", "cover", "learner_count"):
            with school.told(reasons.MalformedError, "unexpected"):
                self.change(**{field: "Published"})
        with school.told(reasons.MalformedError, "unexpected"):
            self.change(enrolment_mode="Whenever")

    def test_what_cannot_be_read_is_refused_in_words(self):
        for values, reason in (
            ({"title": " "}, "empty_title"),
            ({"title": "x" * 141}, "too_long"),
            ({"seats": "-1"}, "bad_count"),
            ({"seats": "9" * 5000}, "bad_count"),
            ({"starts_on": "soon"}, "bad_day"),
            ({"starts_on": "0001-01-01T00:00"}, "bad_day"),
            ({"enrol_from": "2027-02-01T00:00+01:00", "enrol_until": "2027-03-01T00:00"}, "bad_day"),
            ({"price": "free"}, "bad_number"),
            ({"price": "1,500"}, "bad_number"),
            ({"price": "9" * 400}, "bad_number"),
            ({"category": "no-such-category"}, "not_valid"),
            ({"enrol_from": "2027-02-01T00:00", "enrol_until": "2027-01-01T00:00"}, "not_valid"),
        ):
            with school.told(reasons.RefusedError, reason):
                self.change(**values)

    def test_whoever_saves_what_somebody_else_has_changed_is_told_and_changes_nothing(self):
        seen = stamp_of("Academy Course", self.course.name)
        self.change(title="Sauces")
        with self.assertRaises(reasons.RefusedError) as refused:
            authoring.change_course(self.course.name, seen, {"title": "Broths"})
        self.assertEqual(refused.exception.reason, "changed_meanwhile")
        self.assertEqual(frappe.db.get_value("Academy Course", self.course.name, "title"), "Sauces")
        # What the page says next is the state of now.
        authoring.change_course(self.course.name, refused.exception.details["seen"], {"title": "Broths"})
        self.assertEqual(frappe.db.get_value("Academy Course", self.course.name, "title"), "Broths")

    def test_a_course_that_lacks_something_is_not_published(self):
        bare = school.course({"status": "Draft"}, status="Draft", summary="")
        self.assertEqual(len(authoring.outline_page(bare.name).lacks), 2)
        with self.assertRaisesRegex(reasons.RefusedError, "a summary, a published lesson"):
            authoring.set_status(bare.name, "Published")

    def test_a_course_is_published_taken_back_and_archived(self):
        for status in ("Draft", "Published", "Archived"):
            authoring.set_status(self.course.name, status)
            self.assertEqual(frappe.db.get_value("Academy Course", self.course.name, "status"), status)
        for status in ("In Review", "", "Deleted"):
            with school.told(reasons.MalformedError, "bad_status"):
                authoring.set_status(self.course.name, status)

    def test_a_course_names_teachers_whom_the_school_gave_the_role(self):
        helper, pupil = school.person("bo", access.ASSISTANT_ROLE), school.person("ada")
        authoring.name_teacher(self.course.name, helper, "Assistant", is_shown=False)
        named = {row.user: (row.role, row.is_shown) for row in authoring.teachers(self.course.name)}
        self.assertEqual(named[helper], ("Assistant", 0))
        authoring.name_teacher(self.course.name, helper, "Grader", is_shown=True)
        self.assertEqual(len(authoring.teachers(self.course.name)), 2)
        # Who is nobody and who may not are told the same.
        for user, role in ((helper, "Lead"), (pupil, "Grader"), ("nobody@example.com", "Grader")):
            with school.told(reasons.RefusedError, "no_such_teacher"):
                authoring.name_teacher(self.course.name, user, role, is_shown=True)
        authoring.dismiss_teacher(self.course.name, helper)
        self.assertEqual([row.role for row in authoring.teachers(self.course.name)], ["Lead"])

    def test_somebody_always_leads_a_course(self):
        [lead] = [row.user for row in authoring.teachers(self.course.name)]
        with school.told(reasons.RefusedError, "last_lead"):
            authoring.dismiss_teacher(self.course.name, lead)
        with school.told(reasons.RefusedError, "last_lead"):
            authoring.name_teacher(self.course.name, lead, "Assistant", is_shown=True)

    def test_a_course_builds_on_what_its_teacher_finds_and_on_nothing_else(self):
        lead, other = (school.person(name, access.INSTRUCTOR_ROLE) for name in ("lead", "other"))
        others = [{"user": other, "role": "Lead"}]
        found = school.course(title="Found", instructors=others).name
        hidden = school.course(title="Hidden", visibility="Private", instructors=others).name
        draft = school.course({"status": "Draft"}, title="Own draft", status="Draft").name
        with school.as_user(lead):
            known = {row.label: row.value for row in authoring.prerequisites(self.course.name, lead)}
            self.assertEqual((known["Found"], known["Own draft"]), (found, draft))
            self.assertNotIn("Hidden", known)
            self.change(prerequisites=f"{found}\n{draft}")
            with school.told(reasons.MalformedError, "unexpected"):
                self.change(prerequisites=hidden)
        chosen = {row.value for row in authoring.prerequisites(self.course.name, lead) if row.is_chosen}
        self.assertEqual(chosen, {found, draft})
        # What a manager chose stays when its teacher saves, who does not learn what it is.
        self.change(prerequisites=hidden)
        with school.as_user(lead):
            [row] = [row for row in authoring.prerequisites(self.course.name, lead) if row.is_chosen]
            self.assertEqual(row.label, "A course that you cannot see")
            self.change(title="Sauces", prerequisites=row.value)
        with self.assertRaisesRegex(reasons.RefusedError, "“Sauces” builds on this course"):
            seen = stamp_of("Academy Course", hidden)
            authoring.change_course(hidden, seen, {"prerequisites": self.course.name})
        self.change(prerequisites="")
        self.assertFalse(frappe.get_doc("Academy Course", self.course.name).prerequisites)

    def test_no_course_becomes_one_that_pupils_could_not_join_yet_and_one_that_is_stays_so(self):
        self.assertEqual([value for value, _words in authoring.modes("Open")], ["Open", "Approval", "Invite"])
        for mode in ("Paid", "Cohort Only"):
            with school.told(reasons.MalformedError, "unexpected"):
                self.change(enrolment_mode=mode)
        frappe.db.set_value("Academy Course", self.course.name, "enrolment_mode", "Cohort Only")
        self.change(title="Sauces", enrolment_mode="Cohort Only")
        self.assertIn("Cohort Only", dict(authoring.modes("Cohort Only")))

    def test_certificates_and_what_search_engines_show_are_chosen(self):
        template = frappe.get_doc({"doctype": "Academy Certificate Template", "title": "Gold"}).insert()
        self.assertIn((template.name, "Gold"), authoring.settings(self.course.name).chosen["certificate_template"])
        shown = {"meta_title": "Soups online", "meta_description": "Learn to cook."}
        self.change(certificate_template=template.name, certificate_months="12", **shown)
        fields = ["certificate_template", "certificate_months", *shown]
        found = frappe.db.get_value("Academy Course", self.course.name, fields)
        self.assertEqual(found, (template.name, 12, *shown.values()))

    def test_settings_say_what_to_choose_from(self):
        found = authoring.settings(self.course.name)
        self.assertIn(("en", "English"), found.chosen["language"])
        self.assertEqual(found.chosen["category"][0][0], "")


class TestOutline(SiteTestCase):
    def setUp(self):
        self.course = school.course({"title": "One"}, {"title": "Two"}, {"title": "Three"})
        self.first = frappe.db.get_value("Academy Module", {"course": self.course.name}, "name")
        self.second = authoring.add_module(self.course.name, "Then")
        self.lessons = dict(zip(("One", "Two", "Three"), school.lessons_of(self.course), strict=True))

    def change_module(self, **values: str) -> None:
        authoring.change_module(self.second, stamp_of("Academy Module", self.second), values)

    def test_lessons_are_moved_within_a_module_and_into_another(self):
        seen = stamp_of("Academy Lesson", self.lessons["Three"])
        authoring.place_lesson(self.lessons["Three"], self.first, 1)
        self.assertEqual(titles(self.course.name), [["Three", "One", "Two"], []])
        authoring.place_lesson(self.lessons["Three"], self.first, 2)
        self.assertEqual(titles(self.course.name), [["One", "Three", "Two"], []])
        authoring.place_lesson(self.lessons["Three"], self.second, 10_000)
        self.assertEqual(titles(self.course.name), [["One", "Two"], ["Three"]])
        # Whoever writes in it meanwhile is not in the way.
        self.assertEqual(stamp_of("Academy Lesson", self.lessons["Three"]), seen)

    def test_modules_are_moved(self):
        authoring.place_module(self.second, 1)
        self.assertEqual(
            [one.title for one in authoring.outline_page(self.course.name).modules], ["Then", "Beginnings"]
        )

    def test_a_lesson_is_not_moved_into_another_course(self):
        foreign = frappe.db.get_value("Academy Module", {"course": school.course().name}, "name")
        for module in (foreign, "no-such-module"):
            with school.told(reasons.MalformedError, "wrong_module"):
                authoring.place_lesson(self.lessons["One"], module, 1)

    def test_a_new_lesson_is_a_draft_at_the_end_completed_as_its_kind_is(self):
        slug = authoring.add_lesson(self.first, "Soup quiz", "Quiz")
        made = frappe.get_doc("Academy Lesson", {"course": self.course.name, "slug": slug})
        self.assertEqual((made.status, made.completion_rule), ("Draft", "Quiz Passed"))
        self.assertEqual(titles(self.course.name)[0][-1], "Soup quiz")
        with school.told(reasons.MalformedError, "unexpected"):
            authoring.add_lesson(self.first, "Dance", "Dance")

    def test_a_module_opens_as_its_teacher_says(self):
        self.change_module(title="Later", release_rule="On Date", release_on="2027-01-01T08:00")
        self.assertEqual(str(frappe.db.get_value("Academy Module", self.second, "release_on")), "2027-01-01 08:00:00")
        with school.told(reasons.RefusedError, "not_valid"):
            self.change_module(release_rule="After Module", release_after=self.second)
        with school.told(reasons.MalformedError, "unexpected"):
            self.change_module(course="another")

    def test_a_module_that_somebody_else_has_changed_is_not_overwritten_unasked(self):
        [seen] = [one.seen for one in authoring.outline_page(self.course.name).modules if one.name == self.second]
        self.change_module(title="Theirs")
        with self.assertRaises(reasons.RefusedError) as refused:
            authoring.change_module(self.second, seen, {"title": "Mine"})
        self.assertEqual(refused.exception.reason, "changed_meanwhile")
        self.assertEqual(frappe.db.get_value("Academy Module", self.second, "title"), "Theirs")
        authoring.change_module(self.second, refused.exception.details["seen"], {"title": "Mine"})
        self.assertEqual(frappe.db.get_value("Academy Module", self.second, "title"), "Mine")

    def test_a_lesson_that_pupils_have_begun_is_not_removed(self):
        user = school.person("ada")
        enrolment.join(user, self.course.name)
        progress.beat(user, self.lessons["One"], 0)
        for remove, name in ((authoring.remove_lesson, self.lessons["One"]), (authoring.remove_module, self.first)):
            with school.told(reasons.RefusedError, "has_learners"):
                remove(name)
        self.assertEqual(titles(self.course.name)[0], ["One", "Two", "Three"])
        authoring.remove_lesson(self.lessons["Two"])
        self.assertEqual(titles(self.course.name)[0], ["One", "Three"])
        self.assertEqual(frappe.db.get_value("Academy Course", self.course.name, "lesson_count"), 2)

    def test_files_go_with_their_lesson(self):
        file = school.attach(self.lessons["One"], "stove.png", PNG)
        authoring.remove_lesson(self.lessons["One"])
        self.assertFalse(frappe.db.exists("File", file))

    def test_a_module_is_removed_with_its_lessons_but_not_one_that_another_waits_for(self):
        self.change_module(release_rule="After Module", release_after=self.first)
        with school.told(reasons.RefusedError, "others_wait"):
            authoring.remove_module(self.first)
        self.change_module(release_rule="Now")
        authoring.remove_module(self.first)
        self.assertEqual(titles(self.course.name), [[]])

    def test_drafts_say_what_they_lack(self):
        school.lesson(
            frappe.get_doc("Academy Module", self.second), title="Bare", status="Draft", blocks=[{"kind": "Image"}]
        )
        [bare] = authoring.outline_page(self.course.name).modules[1].lessons
        self.assertEqual(len(bare.faults), 2)
        self.assertIn("Block 1 (Image)", bare.faults[0])


class TestWriting(SiteTestCase):
    def setUp(self):
        self.course = school.course({"title": "Stock", "status": "Published"}, {"title": "Roux"})
        self.lesson = school.lessons_of(self.course)[0]

    def save(self, *blocks: dict[str, str], status: str = "", seen: str = "", **values: str) -> frappe._dict:
        return writing.save(self.lesson, seen or stamp_of("Academy Lesson", self.lesson), values, blocks, status)

    def editor(self) -> frappe._dict:
        return writing.editor(self.course.name, frappe.db.get_value("Academy Lesson", self.lesson, "slug"))

    def test_what_is_saved_is_shown_again(self):
        kept = self.save(
            {"kind": "Callout", "body": "Hot!", "tone": "Warning"}, {"kind": "Code", "body": "a = 1"}, title="Broth"
        )
        shown = self.editor()
        self.assertEqual([block["body"] for block in shown.blocks], ["Hot!", "a = 1"])
        self.assertEqual([block["anchor"] for block in shown.blocks], kept.anchors)
        # Its address stays when its title changes.
        self.assertEqual((shown.seen, shown.lesson.title, kept.slug), (kept.seen, "Broth", "stock"))

    def test_a_block_that_stays_keeps_its_row_whatever_is_moved(self):
        before = frappe.get_doc("Academy Lesson", self.lesson).blocks[0]
        old = self.editor().blocks[0]
        self.save({"kind": "Markdown", "body": "New"}, old)
        rows = frappe.get_doc("Academy Lesson", self.lesson).blocks
        self.assertEqual((rows[1].name, rows[1].anchor), (before.name, before.anchor))
        self.assertNotEqual(rows[0].anchor, before.anchor)

    def test_two_blocks_never_share_an_anchor(self):
        old = self.editor().blocks[0]
        self.assertEqual(len({*self.save(old, old).anchors}), 2)

    def test_what_somebody_else_has_saved_is_not_overwritten_unasked(self):
        seen = self.editor().seen
        self.save({"kind": "Markdown", "body": "Theirs"})
        with self.assertRaises(reasons.RefusedError) as refused:
            self.save({"kind": "Markdown", "body": "Mine"}, seen=seen)
        self.assertEqual(refused.exception.reason, "changed_meanwhile")
        self.assertEqual(self.editor().blocks[0]["body"], "Theirs")
        self.save({"kind": "Markdown", "body": "Mine"}, seen=refused.exception.details["seen"])
        self.assertEqual(self.editor().blocks[0]["body"], "Mine")

    def test_a_picture_without_a_description_is_kept_in_a_draft_and_not_published(self):
        file = school.attach(self.lesson, "stove.png", PNG)
        picture = {"kind": "Image", "file": file}
        with self.assertRaises(reasons.RefusedError) as refused:
            self.save(picture)
        self.assertEqual(refused.exception.reason, "incomplete")
        self.assertEqual([number for number, _said in refused.exception.details["faults"]], [1])
        kept = self.save(picture, status="Draft")
        self.assertEqual((kept.status, len(kept.faults)), ("Draft", 1))
        self.assertEqual(self.save({**picture, "alt_text": "A stove"}, status="Published").status, "Published")

    def test_files_that_nothing_shows_any_more_go_after_some_days(self):
        shown, linked, left, fresh = (
            school.attach(self.lesson, f"{name}.png", PNG + name.encode()) for name in ("a", "b", "c", "d")
        )

        def age(*files: str) -> None:
            frappe.db.set_value("File", {"name": ("in", files)}, "modified", "2020-01-01", update_modified=False)

        def there() -> set[str]:
            return {*writing.files_of(self.lesson)}

        text = {"kind": "Markdown", "body": f"[b](/learn/media/{linked})"}
        picture, another = ({"kind": "Image", "file": file, "alt_text": "A"} for file in (shown, left))
        age(shown, linked, left)
        self.save(text, picture, another)
        self.assertEqual(there(), {shown, linked, left, fresh})
        # Whoever removes a block can bring it back.
        self.save(text, picture)
        self.assertEqual(there(), {shown, linked, left, fresh})
        age(shown, linked, left)
        self.save(text, picture)
        self.assertEqual(there(), {shown, linked, fresh})

    def test_a_video_is_published_with_captions_alone(self):
        video, captions = school.attach(self.lesson, "boil.mp4", MP4), school.attach(self.lesson, "boil.vtt", VTT)
        block = {"kind": "Video", "file": video, "duration": "9"}
        with school.told(reasons.RefusedError, "incomplete"):
            self.save(block)
        lines = {"caption.0.file": captions, "caption.0.language": "en"}
        kept = self.save({**block, **lines})
        [row] = frappe.get_doc("Academy Lesson", self.lesson).captions
        self.assertEqual((row.block, row.language, row.file), (kept.anchors[0], "en", captions))
        # And shown again, and gone when the box says so.
        [shown] = self.editor().blocks
        self.assertEqual(shown["caption.0.file"], captions)
        with school.told(reasons.RefusedError, "incomplete"):
            self.save({**shown, "caption.0.remove": "1"})

    def test_files_of_another_lesson_are_not_taken(self):
        foreign = school.attach(school.lessons_of(self.course)[1], "canary.png", PNG)
        with school.told(reasons.RefusedError, "not_valid"):
            self.save({"kind": "Image", "file": foreign, "alt_text": "x"}, status="Draft")

    def test_what_no_page_sends_is_refused(self):
        for values in ({"course": "x"}, {"position": "1"}, {"kind": "Dance"}, {"owner": "x"}):
            with school.told(reasons.MalformedError, "unexpected"):
                self.save(**values)
        with school.told(reasons.RefusedError, "bad_block"):
            self.save({"kind": "Script"})
        with school.told(reasons.RefusedError, "too_many_blocks"):
            self.save(*[{"kind": "Code", "body": "x"}] * 201)
        with school.told(reasons.MalformedError, "bad_status"):
            self.save(status="Archived")

    def test_a_quiz_of_the_course_is_linked_and_offered_to_no_other_lesson(self):
        quiz = school.quiz(self.course)
        taken = frappe.get_doc("Academy Lesson", {"quiz": quiz.name})
        self.assertEqual(self.editor().links["Quiz"], [])
        self.assertEqual([one.value for one in writing.editor(self.course.name, taken.slug).links["Quiz"]], [quiz.name])
        foreign = school.quiz(school.course())
        with school.told(reasons.RefusedError, "not_valid"):
            self.save(kind="Quiz", quiz=foreign.name, status="Draft")

    def test_a_quiz_or_an_assignment_of_one_lesson_is_refused_in_another(self):
        made = {"Quiz": school.quiz(self.course).name, "Assignment": school.assignment(self.course).name}
        for kind, name in made.items():
            field = kind.lower()
            with self.assertRaisesRegex(reasons.RefusedError, f"Another lesson has this {field} already"):
                self.save(kind=kind, status="Draft", **{field: name})
            self.assertEqual(frappe.db.count("Academy Lesson", {field: name}), 1)

    def test_an_old_address_leads_to_the_new_one_and_none_to_nothing(self):
        slug = frappe.db.get_value("Academy Lesson", self.lesson, "slug")
        doc = frappe.get_doc("Academy Lesson", self.lesson)
        doc.slug = "broth-of-today"
        doc.save(ignore_permissions=True)
        self.assertEqual(writing.editor(self.course.name, slug).moved, "broth-of-today")
        with school.told(reasons.DeniedError, "unknown"):
            writing.editor(self.course.name, "no-such-lesson")


class TestAtOnce(SiteTestCase):
    """What is made here is committed, and removed at the end."""

    def test_whoever_saves_or_adds_a_lesson_waits_for_the_course_and_holds_nothing_meanwhile(self):
        course = school.course()
        self.addCleanup(school.remove, [course.name])
        [lesson] = school.lessons_of(course)
        module = frappe.db.get_value("Academy Lesson", lesson, "module")
        seen = stamp_of("Academy Lesson", lesson)
        frappe.db.commit()

        def place() -> None:
            enrolment.lock(course.name)
            time.sleep(1)
            # As when lessons are numbered anew: whoever holds one now waits for the course, in a circle.
            frappe.db.sql("SELECT name FROM `tabAcademy Lesson` WHERE course = %s FOR UPDATE NOWAIT", course.name)

        def save() -> str:
            time.sleep(0.3)
            block = {"kind": "Markdown", "body": "Boil."}
            return writing.save(lesson, seen, {"title": "Broth", "minutes": "7"}, [block]).slug

        def add() -> str:
            time.sleep(0.3)
            return authoring.add_lesson(module, "Roux", "Page")

        found = at_once([place, save, add])
        frappe.db.rollback()
        self.assertEqual([one for one in found if isinstance(one, Exception)], [])
        self.assertEqual(frappe.db.get_value("Academy Lesson", lesson, "title"), "Broth")


class TestUploads(SiteTestCase):
    def setUp(self):
        self.course = school.course()
        [self.lesson] = school.lessons_of(self.course)

    def test_a_file_of_a_lesson_is_private_under_a_name_that_nobody_guesses(self):
        kept = uploads.of_lesson(self.lesson, "Image", "my stove.png", PNG + frappe.generate_hash().encode())
        row = frappe.get_doc("File", kept.file)
        self.assertEqual((row.is_private, row.attached_to_name, row.file_name), (1, self.lesson, "my stove.png"))
        self.assertRegex(row.file_url, r"^/private/files/[0-9a-f]{24}\.png$")
        self.assertEqual(kept.address, f"/learn/media/{kept.file}")

    def test_only_what_a_purpose_needs_is_taken(self):
        for kind, name, sent, reason in (
            ("Image", "a.svg", b"<svg onload=alert(1)>", "not_a_picture"),
            ("Image", "a.png", b"<html>", "not_a_picture"),
            ("Video", "a.mp4", PNG, "not_a_video"),
            ("Audio", "a.mp3", PNG, "not_a_sound"),
            ("Captions", "a.vtt", b"1\n00:00", "not_captions"),
            ("File", "a.html", b"<script>", "bad_file"),
            ("File", "a", b"x", "bad_file"),
            ("Image", "a.png", b"", "nothing_sent"),
        ):
            with school.told(reasons.RefusedError, reason):
                uploads.of_lesson(self.lesson, kind, name, sent)
        with school.told(reasons.MalformedError, "bad_file"):
            uploads.of_lesson(self.lesson, "Recipe", "a.png", PNG)

    def test_what_is_larger_than_its_kind_may_be_is_refused(self):
        with patch.object(uploads, "largest", return_value=10), school.told(reasons.RefusedError, "large_file"):
            uploads.of_lesson(self.lesson, "Image", "a.png", PNG)

    def test_nobody_uploads_without_end(self):
        frappe.cache.delete_keys("often:upload:")
        self.addCleanup(frappe.cache.delete_keys, "often:upload:")
        with patch.object(uploads, "UPLOADS_AN_HOUR", 1):
            uploads.of_lesson(self.lesson, "Image", "a.png", PNG)
            with school.told(reasons.RefusedError, "too_often"):
                uploads.of_lesson(self.lesson, "Image", "a.png", PNG)
            with school.told(reasons.RefusedError, "too_often"):
                uploads.cover_of(self.course.name, "a.png", PNG)

    def test_a_name_keeps_nothing_that_leads_elsewhere(self):
        kept = uploads.of_lesson(self.lesson, "Captions", "../../up%2Fhere\\a.vtt", VTT)
        self.assertNotRegex(kept.file_name, r"[/\\%]")
        self.assertTrue(kept.file_name.endswith("a.vtt"))

    def test_a_cover_is_public_and_takes_the_place_of_the_one_before(self):
        seen = stamp_of("Academy Course", self.course.name)
        first = uploads.cover_of(self.course.name, "a.png", PNG + b"1")
        second = uploads.cover_of(self.course.name, "b.png", PNG + b"2")
        self.assertEqual(frappe.db.get_value("Academy Course", self.course.name, "cover"), second)
        self.assertTrue(second.startswith("/files/"))
        self.assertFalse(frappe.db.exists("File", {"file_url": first}))
        self.assertEqual(stamp_of("Academy Course", self.course.name), seen)
        self.assertTrue(Path(get_site_path("public", second.strip("/"))).is_file())


class TestPreview(SiteTestCase):
    def test_a_preview_shows_what_a_pupil_sees_and_the_draft_itself(self):
        course = school.course(
            {"title": "Stock"}, {"title": "Roux", "status": "Draft"}, {"title": "Later", "status": "Draft"}
        )
        slug = frappe.db.get_value("Academy Lesson", {"course": course.name, "title": "Roux"}, "slug")
        lead = school.person("lead", access.INSTRUCTOR_ROLE)
        page = content.preview(course.slug, slug, lead)
        self.assertEqual([one.title for one in page.outline[0].lessons], ["Stock", "Roux"])
        self.assertFalse(page.viewer.is_staff)
        self.assertEqual(page.previous.title, "Stock")
        other = school.person("other", access.INSTRUCTOR_ROLE)
        for user, reason in ((school.person("ada"), "no_teacher"), (other, "not_staff"), ("Guest", "log_in")):
            with school.told(reasons.DeniedError, reason):
                content.preview(course.slug, slug, user)

    def test_what_is_locked_for_pupils_is_said_and_shown_all_the_same(self):
        course = school.course({"title": "Stock"}, {"title": "Roux"}, sequential=1)
        slug = frappe.db.get_value("Academy Lesson", {"course": course.name, "title": "Roux"}, "slug")
        page = content.preview(course.slug, slug, "Administrator")
        self.assertTrue(page.decision.is_allowed)
        self.assertIn("Stock", page.lock)
        self.assertTrue(page.blocks)


class TestBudgets(SiteTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.course = school.course(*[{"title": f"Lesson {number}", "status": "Draft"} for number in range(12)], {})
        cls.slug = frappe.db.get_value("Academy Lesson", {"course": cls.course.name}, "slug")
        # Forms and lists of choices are read from the cache.
        authoring.outline_page(cls.course.name)
        writing.editor(cls.course.name, cls.slug)
        authoring.settings(cls.course.name)

    def test_an_outline_asks_six_however_long_it_is(self):
        for course in (self.course, school.course({"status": "Draft"}, {})):
            with self.assertQueryCount(6):
                authoring.outline_page(course.name)

    def test_the_editor_of_a_lesson_asks_seven_at_most(self):
        with self.assertQueryCount(7):
            writing.editor(self.course.name, self.slug)

    def test_settings_ask_six_and_what_a_course_can_build_on_is_one_more(self):
        lead = school.person("lead", access.INSTRUCTOR_ROLE)
        frappe.get_roles(lead)
        with self.assertQueryCount(1):
            authoring.prerequisites(self.course.name, lead)
        with self.assertQueryCount(6):
            authoring.settings(self.course.name)
