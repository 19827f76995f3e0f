import io
import json
from pathlib import Path

import frappe
from frappe.utils import get_url
from PIL import Image

from lms_app.services import access, content, enrolment, media, notes, reasons
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.site_case import SiteTestCase

CANARY = "canary-of-the-content-tests"
SOUP = {"servings": 2, "ingredients": [{"name": "Water", "amount": 1, "unit": "l"}], "steps": [{"text": "Boil."}]}
WEBVTT = "WEBVTT\n\n00:00.000 --> 00:01.000\nBoil.\n"


class TestLessons(SiteTestCase):
    def setUp(self):
        self.course = school.course()
        self.lesson = frappe.get_doc("Academy Lesson", {"course": self.course.name})

    def save(self, *blocks, **values):
        self.lesson.reload()
        self.lesson.update({**values, "blocks": list(blocks)})
        self.lesson.save()
        return content.blocks_of(self.lesson.name)

    def test_a_lesson_that_lacks_what_some_need_is_not_published(self):
        picture = school.attach(self.lesson.name, "pot.txt", "x")
        for block, words in (
            ({"kind": "Image", "file": picture}, r"Block 1 \(Image\): the alternative text is missing"),
            ({"kind": "Video", "file": picture}, r"Block 1 \(Video\): captions are missing"),
            ({"kind": "Embed", "title": "x", "url": "https://example.com"}, "nothing from this address"),
            ({"kind": "Recipe", "recipe": "{}"}, "the recipe is incomplete"),
        ):
            with self.assertRaisesRegex(frappe.ValidationError, words):
                self.save(block)
        with self.assertRaisesRegex(frappe.ValidationError, "there is nothing in it"):
            self.save()

    def test_a_draft_may_lack_anything(self):
        self.assertEqual(self.save({"kind": "Image"}, status="Draft")[0]["address"], "")

    def test_captions_belong_to_their_video_whatever_is_moved(self):
        video, words = (school.attach(self.lesson.name, name, WEBVTT) for name in ("a.txt", "a.vtt"))
        self.save({"kind": "Video", "file": video}, status="Draft")
        anchor = self.lesson.blocks[0].anchor
        caption = {"block": anchor, "language": "en", "label": "English", "file": words}
        text = {"kind": "Markdown", "body": "Before"}
        kept = {"kind": "Video", "file": video, "anchor": anchor}
        _, shown = self.save(text, kept, status="Published", captions=[caption])
        self.assertEqual(shown["anchor"], anchor)
        self.assertEqual(
            shown["captions"], [{"address": f"/learn/media/{words}", "language": "en", "label": "English"}]
        )

    def test_every_kind_of_block_has_what_its_template_needs(self):
        file = school.attach(self.lesson.name, "a.txt", "x")
        youtube = {"url": "https://youtu.be/dQw4w9WgXcQ", "title": "Leeks"}
        blocks = [
            {"kind": "Rich Text", "body": "<p onclick=x>Hi</p>"},
            {"kind": "Markdown", "body": "**Hi**"},
            {"kind": "Image", "file": file, "alt_text": "A pot"},
            {"kind": "Video", "transcript": "*Boil*", **youtube},
            {"kind": "Audio", "file": file, "transcript": "Boil"},
            {"kind": "File", "file": file, "title": "List"},
            {"kind": "Code", "body": "<b>", "code_language": "html"},
            {"kind": "Callout", "body": "Hot!", "tone": "Warning"},
            {"kind": "Embed", **youtube},
            {"kind": "Recipe", "recipe": json.dumps(SOUP)},
        ]
        shown = {block["kind"]: block for block in self.save(*blocks)}
        self.assertEqual([*shown], frappe.get_meta("Academy Lesson Block").get_field("kind").options.split("\n"))
        self.assertEqual(shown["Rich Text"]["html"], "<p>Hi</p>")
        self.assertIn("<strong>Hi</strong>", shown["Markdown"]["html"])
        self.assertEqual((shown["Image"]["address"], shown["Image"]["alt"]), (f"/learn/media/{file}", "A pot"))
        self.assertIn("<em>Boil</em>", shown["Video"]["transcript"])
        self.assertEqual(shown["Video"]["embed"]["provider"], "YouTube")
        self.assertEqual((shown["File"]["file_name"], shown["File"]["size"]), ("a.txt", 1))
        self.assertEqual((shown["Code"]["text"], shown["Code"]["language"]), ("<b>", "html"))
        self.assertEqual(shown["Callout"]["tone"], "Warning")
        self.assertEqual(shown["Recipe"]["recipe"]["ingredients"][0], {"name": "Water", "amount": 1, "unit": "l"})

    def test_what_was_stored_by_another_way_is_clean_when_it_is_shown(self):
        self.save({"kind": "Rich Text", "body": "<p>Hi</p>"}, {"kind": "Recipe", "recipe": json.dumps(SOUP)})
        hostile = '{"a": "<script>x</script><style>y</style>"}'
        frappe.db.set_value("Academy Lesson Block", self.lesson.blocks[0].name, "body", hostile)
        frappe.db.set_value("Academy Lesson Block", self.lesson.blocks[1].name, "recipe", '{"servings": "<script>"}')
        text, recipe = content.blocks_of(self.lesson.name)
        self.assertNotIn("<s", text["html"])
        self.assertIsNone(recipe["recipe"])

    def test_files_of_others_are_refused(self):
        other = frappe.get_doc("Academy Lesson", {"course": school.course().name})
        file = school.attach(other.name, "a.txt", "x")
        with self.assertRaisesRegex(frappe.ValidationError, "belongs to something else"):
            self.save({"kind": "File", "file": file, "title": "Theirs"})

    def test_a_lesson_stays_in_its_course(self):
        self.lesson.module = school.module(school.course()).name
        with self.assertRaisesRegex(frappe.ValidationError, "stays in its course"):
            self.lesson.save()


class TestLessonPage(SiteTestCase):
    def page(self, user):
        return content.lesson_page(self.course.slug, "stock", user)

    def setUp(self):
        self.course = school.course({"blocks": [{"kind": "Markdown", "body": CANARY}]}, {"title": "Next one"})
        self.ada = school.person("ada")

    def test_a_pupil_reads_it_and_finds_the_way_on(self):
        enrolment.join(self.ada, self.course.name)
        notes.write(self.ada, school.lessons_of(self.course)[0], "Salt!")
        page = self.page(self.ada)
        self.assertTrue(page.decision.is_allowed)
        self.assertIn(CANARY, page.blocks[0]["html"])
        self.assertEqual((page.previous, page.next.title, page.note), (None, "Next one", "Salt!"))

    def test_nothing_of_it_is_in_the_page_of_somebody_else(self):
        waiting = school.person("bo")
        enrolment.join(waiting, self.course.name)
        frappe.db.set_value("Academy Enrollment", {"course": self.course.name}, "state", "Suspended")
        for user, reason in (("Guest", "log_in"), (self.ada, "not_enrolled"), (waiting, "suspended")):
            page = self.page(user)
            self.assertEqual(page.decision.reason, reason)
            self.assertNotIn(CANARY, repr(page))
            self.assertIsNone(page.get("blocks"))


class TestNotes(SiteTestCase):
    def test_a_note_is_changed_and_removed_by_whoever_wrote_it(self):
        course, ada = school.course(), school.person("ada")
        [lesson] = school.lessons_of(course)
        with self.assertRaises(reasons.DeniedError):
            notes.write(ada, lesson, "Too early")
        enrolment.join(ada, course.name)
        for text in ("Salt", "Pepper"):
            notes.write(ada, lesson, text)
        self.assertEqual(notes.read(ada, lesson), "Pepper")
        self.assertEqual(notes.read(school.person("bo"), lesson), "")
        self.assertEqual(frappe.db.count("Academy Note", {"lesson": lesson}), 1)
        notes.write(ada, lesson, " ")
        self.assertEqual(frappe.db.count("Academy Note", {"lesson": lesson}), 0)
        with self.assertRaises(reasons.RefusedError):
            notes.write(ada, lesson, "x" * (notes.LONGEST + 1))


class TestMedia(SiteTestCase):
    """Files by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        course = school.course()
        cls.addClassCleanup(lambda: school.remove([course.name]))
        [cls.lesson] = school.lessons_of(course)
        cls.file = school.attach(cls.lesson, "pot.png", f"{CANARY} {frappe.generate_hash()}")
        cls.page = school.attach(cls.lesson, "page.html", f"<script>{frappe.generate_hash()}</script>")
        pupil = school.person("ada")
        enrolment.join(pupil, course.name)
        cls.pupil, cls.other = key_of(pupil), key_of(school.person("bo"))
        frappe.db.commit()

    def get(self, file, key):
        return ask(media.address(file), key=key)

    def test_the_edge_sends_a_file_to_whom_its_lesson_is_open(self):
        answer = self.get(self.file, self.pupil)
        self.assertEqual(answer.status_code, 200)
        self.assertRegex(answer.headers["X-Accel-Redirect"], r"^/protected/private/files/pot.*\.png$")
        self.assertIn("private", answer.headers["Cache-Control"])
        self.assertNotIn("Content-Disposition", answer.headers)

    def test_nobody_else_gets_it_by_any_address(self):
        url = frappe.db.get_value("File", self.file, "file_url")
        for key in ("", self.other):
            for path in (media.address(self.file), url, f"{url}?fid={self.file}"):
                answer = ask(path, key=key)
                self.assertEqual(answer.status_code, 403, path)
                self.assertNotIn("X-Accel-Redirect", answer.headers)
        # Not even to the pupil past the guard, which may close the lesson again.
        self.assertEqual(ask(url, key=self.pupil).status_code, 403)

    def test_what_is_no_lesson_s_file_is_not_found_here(self):
        note = frappe.get_doc({"doctype": "File", "file_name": "own.txt", "content": "x", "is_private": 1}).insert()
        self.addCleanup(lambda: (frappe.delete_doc("File", note.name), frappe.db.commit()))
        frappe.db.commit()
        for name in (note.name, "no-such-file", "..%2f..%2fsite_config.json"):
            self.assertEqual(self.get(name, self.pupil).status_code, 403, name)

    def test_a_file_whose_name_looks_alike_opens_no_other(self):
        rows = []
        for user, name in (("Administrator", "alike.txt"), (school.person("bo"), "ALIKE.txt")):
            with school.as_user(user):
                row = {"doctype": "File", "file_name": name, "content": frappe.generate_hash(), "is_private": 1}
                rows.append(frappe.get_doc(row).insert())
        self.addCleanup(lambda: ([frappe.delete_doc("File", row.name) for row in rows], frappe.db.commit()))
        frappe.db.commit()
        self.assertEqual([ask(row.file_url, key=self.other).status_code for row in rows], [403, 200])

    def test_a_page_among_the_files_is_a_download(self):
        self.assertIn("attachment", self.get(self.page, self.pupil).headers["Content-Disposition"])


class TestFiles(SiteTestCase):
    def setUp(self):
        self.lesson = school.lessons_of(school.course())[0]

    def test_a_lesson_s_file_is_private_whatever_was_asked_for(self):
        row = {"doctype": "File", "file_name": "open.txt", "content": "x", "is_private": 0}
        row |= {"attached_to_doctype": "Academy Lesson", "attached_to_name": self.lesson}
        file = frappe.get_doc(row).insert()
        self.assertTrue(file.file_url.startswith("/private/files/"))
        file.is_private = 0
        file.save()
        self.assertEqual(file.is_private, 1)

    def test_nobody_adds_a_file_to_a_lesson_but_who_may_change_it(self):
        row = {"doctype": "File", "file_name": "mine.pdf", "content": "x", "is_private": 1}
        row |= {"attached_to_doctype": "Academy Lesson", "attached_to_name": self.lesson}
        for user in (school.person("ada"), school.person("other-lead", access.INSTRUCTOR_ROLE)):
            with school.as_user(user), self.assertRaises(frappe.PermissionError):
                frappe.get_doc(row).insert(ignore_permissions=True)
        with school.as_user(school.person("lead")):
            frappe.get_doc(row).insert()

    def test_a_private_file_of_somebody_else_is_nobody_s_to_attach(self):
        secret = frappe.get_doc({"doctype": "File", "file_name": "s.txt", "content": CANARY, "is_private": 1}).insert()
        row = {"doctype": "File", "file_url": secret.file_url, "file_name": "mine.txt", "is_private": 1}
        with school.as_user(school.person("ada")), self.assertRaises(frappe.PermissionError):
            frappe.get_doc(row).insert(ignore_permissions=True)
        with self.assertRaises(frappe.PermissionError):
            on_lesson = {"attached_to_doctype": "Academy Lesson", "attached_to_name": self.lesson}
            frappe.get_doc({**row, **on_lesson}).insert()
        frappe.get_doc(row).insert()

    def test_what_is_uploaded_is_written_anew_whatever_address_comes_with_it(self):
        secret = frappe.get_doc({"doctype": "File", "file_name": "s.txt", "content": CANARY, "is_private": 1}).insert()
        name = secret.file_url.removeprefix("/private/files/")
        quoted = f"%{ord(name[0]):x}{name[1:]}"
        for row in (
            {"file_name": "mine.txt", "file_url": secret.file_url},
            {"file_name": "mine.txt", "file_url": get_url(secret.file_url)},
            {"file_name": quoted},
            {"file_name": quoted.replace("%", "%25")},
        ):
            with school.as_user(school.person("ada")):
                file = frappe.get_doc({"doctype": "File", "content": "mine", "is_private": 1, **row}).insert()
            self.assertNotEqual(file.file_url, secret.file_url, row)
            self.assertEqual(frappe.get_doc("File", file.name).get_content(), "mine", row)

    def test_an_address_that_is_written_in_another_way_is_the_same(self):
        secret = frappe.get_doc({"doctype": "File", "file_name": "s.txt", "content": CANARY, "is_private": 1}).insert()
        with school.as_user(school.person("ada")):
            name = secret.file_url.removeprefix("/private/files/").upper()
            loud = {"doctype": "File", "file_name": name, "content": frappe.generate_hash(), "is_private": 1}
            self.assertEqual(frappe.get_doc(loud).insert().file_url, f"/private/files/{name}")
            for url in (
                get_url(secret.file_url),
                secret.file_url.replace("/s", "/%73"),
                secret.file_url.replace("/s", "/%2573"),
                # The database takes this one for the loud one above.
                secret.file_url,
            ):
                row = {"doctype": "File", "file_url": url, "file_name": "mine.txt", "is_private": 1}
                with self.assertRaises(frappe.PermissionError):
                    frappe.get_doc(row).insert(ignore_permissions=True)
            no_address = {"doctype": "File", "file_name": secret.file_url.split("/")[-1], "is_private": 1}
            with self.assertRaises(frappe.PermissionError):
                frappe.get_doc(no_address).insert(ignore_permissions=True)

    def test_a_row_of_one_s_own_cannot_be_turned_to_the_file_of_somebody_else(self):
        secret = frappe.get_doc({"doctype": "File", "file_name": "s.txt", "content": CANARY, "is_private": 1}).insert()
        with school.as_user(school.person("ada")):
            own = {"doctype": "File", "file_name": "own.txt", "content": "mine", "is_private": 1}
            own = frappe.get_doc(own).insert()
            for change in (
                {"file_url": secret.file_url},
                {"file_url": secret.file_url, "is_private": 0},
                {"file_url": get_url(secret.file_url)},
                {"file_url": secret.file_url.replace("/s", "/%73")},
                {"thumbnail_url": secret.file_url},
                {"attached_to_doctype": "Academy Lesson", "attached_to_name": self.lesson},
                {"attached_to_field": "title"},
                {"file_name": secret.file_name, "is_folder": 1},
                {"file_url": ""},
            ):
                changed = frappe.get_doc("File", own.name).update(change)
                with self.assertRaisesRegex(frappe.PermissionError, "stays where it is"):
                    changed.save()
        self.assertEqual(frappe.get_doc("File", secret.name).get_content(), CANARY)

    def test_a_file_of_one_s_own_is_opened_and_shut_again(self):
        with school.as_user(school.person("ada")):
            name = frappe.generate_hash()
            row = {"doctype": "File", "file_name": f"{name}.txt", "content": name, "is_private": 1}
            file = frappe.get_doc(row).insert()
            for is_private, beginning in ((0, "/files/"), (1, "/private/files/")):
                file.reload()
                file.is_private = is_private
                file.save()
                self.assertTrue(file.file_url.startswith(beginning), file.file_url)

    def test_a_file_that_others_have_as_well_is_moved_by_none_of_them(self):
        content = frappe.generate_hash()
        logo = frappe.get_doc(
            {"doctype": "File", "file_name": "logo.txt", "content": content, "is_private": 0}
        ).insert()
        with school.as_user(school.person("ada")):
            row = {"doctype": "File", "file_name": "mine.txt", "content": content, "is_private": 0}
            same = frappe.get_doc(row).insert()
            self.assertEqual(same.file_url, logo.file_url)
            same.is_private = 1
            with self.assertRaisesRegex(frappe.PermissionError, "not yours alone"):
                same.save()
        self.assertTrue(logo.exists_on_disk())

    def test_whoever_manages_the_school_may_turn_a_row_to_another_file(self):
        one, other = (
            frappe.get_doc({"doctype": "File", "file_name": "a.txt", "content": frappe.generate_hash()}).insert()
            for _ in range(2)
        )
        one.file_url = other.file_url
        one.save()
        self.assertEqual(one.file_url, other.file_url)

    def test_a_picture_is_made_smaller_where_it_is_and_over_no_other(self):
        pictures = []
        for name, size in (("logo.png", 9), ("mine.png", 99), ("logo.png", 99)):
            picture = io.BytesIO()
            Image.new("RGB", (size, size)).save(picture, "PNG", compress_level=0)
            row = {"doctype": "File", "file_name": name, "content": picture.getvalue(), "is_private": 0}
            pictures.append(frappe.get_doc(row).insert())
        logo, mine, same = pictures
        # What was uploaded a second time is there once, whatever it is called.
        self.assertEqual(same.file_url, mine.file_url)
        before = Path(logo.get_full_path()).read_bytes()
        same = frappe.get_doc("File", same.name)
        same.db_set("file_name", logo.file_url.rsplit("/", 1)[-1])
        same.optimize_file()
        self.assertEqual(Path(logo.get_full_path()).read_bytes(), before)
        self.assertEqual(same.file_url, mine.file_url)
