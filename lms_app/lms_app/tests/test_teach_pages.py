import gzip
import re
from contextlib import AbstractContextManager
from unittest.mock import patch

import frappe
from werkzeug.test import TestResponse

from lms_app.services import access, authoring, enrolment, teaching, uploads, writing
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.site_case import SiteTestCase

CANARY = "canary-of-another-teacher"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


def text(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


def trouble(answer: TestResponse) -> list[str]:
    """Return what a page says is in the way, for when a test fails."""
    return re.findall(r'role="alert">([^<]+)', text(answer))


class TestTeachPages(SiteTestCase):
    """Pages by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lead = school.person("lead", access.INSTRUCTOR_ROLE)
        cls.course = school.course({"title": "Stock"}, {"title": "Roux", "status": "Draft"}, enrolment_mode="Approval")
        other = {"user": school.person("other", access.INSTRUCTOR_ROLE), "role": "Lead"}
        lesson = {"title": f"Lesson {CANARY}", "status": "Draft"}
        cls.foreign = school.course({}, lesson, title=f"Sauces {CANARY}", instructors=[other], visibility="Private")
        cls.keys = {
            "lead": key_of(cls.lead),
            "pupil": key_of(school.person("ada")),
            "helper": key_of(school.person("bo", access.ASSISTANT_ROLE)),
            "manager": key_of(school.person("max", access.MANAGER_ROLE)),
        }
        enrolment.join(school.person("ada"), cls.course.name)
        frappe.db.commit()
        cls.path = f"/teach/c/{cls.course.slug}"
        cls.addClassCleanup(school.remove, [cls.course.name, cls.foreign.name])

    def test_a_guest_is_led_to_the_login_and_back(self):
        for path in ("/teach", self.path):
            answer = ask(path)
            self.assertEqual((answer.status_code, answer.location), (302, f"/login?redirect-to={path}"))

    def test_a_pupil_finds_no_page_of_those_who_teach(self):
        for path in ("/teach", self.path, "/teach/c/no-such-course"):
            answer = ask(path, key=self.keys["pupil"])
            self.assertEqual(answer.status_code, 403, path)
            self.assertNotIn("Roux", text(answer))
        self.assertNotIn('href="/teach"', text(ask("/learn", key=self.keys["pupil"])))

    def test_a_teacher_finds_the_own_courses_with_what_waits_there(self):
        page = text(ask("/teach", key=self.keys["lead"]))
        self.assertIn(f'href="{self.path}"', page)
        self.assertIn("1 request to join", page)
        self.assertIn("1 draft", page)
        self.assertNotIn(CANARY, page)
        self.assertIn('href="/teach" aria-current="page"', page)

    def test_a_teacher_gets_nothing_of_a_course_of_others(self):
        for who in ("lead", "helper"):
            answer = ask(f"/teach/c/{self.foreign.slug}", key=self.keys[who])
            self.assertEqual(answer.status_code, 403)
            self.assertNotIn(CANARY, text(answer))

    def test_a_manager_finds_every_course(self):
        for course in (self.course, self.foreign):
            self.assertEqual(ask(f"/teach/c/{course.slug}", key=self.keys["manager"]).status_code, 200)
        found = text(ask(f"/teach?q={CANARY}", key=self.keys["manager"]))
        self.assertIn(f'href="/teach/c/{self.foreign.slug}"', found)
        self.assertNotIn(f'href="{self.path}"', found)

    def test_the_outline_shows_drafts_to_teachers(self):
        page = text(ask(self.path, key=self.keys["lead"]))
        self.assertIn("Stock", page)
        self.assertIn("Roux", page)

    def test_what_does_not_exist_is_not_found(self):
        for path in ("/teach/c/no-such-course", "/teach/course", "/teach/course?slug="):
            self.assertEqual(ask(path, key=self.keys["lead"]).status_code, 404, path)

    def test_every_page_of_a_course_is_for_its_own_teachers_alone(self):
        slug = frappe.db.get_value("Academy Lesson", {"course": self.foreign.name, "status": "Draft"}, "slug")
        course = f"/teach/c/{self.foreign.slug}"
        for path in (course, f"{course}/settings", f"{course}/l/{slug}", f"{course}/l/{slug}/preview"):
            for who, status in (("pupil", 403), ("helper", 403), ("lead", 403), ("manager", 200)):
                answer = ask(path, key=self.keys[who])
                self.assertEqual(answer.status_code, status, (path, who))
                self.assertEqual(CANARY in text(answer), status == 200, (path, who))
            self.assertEqual(ask(path).status_code, 302, path)

    def test_no_endpoint_changes_a_course_for_anybody_but_its_editors(self):
        course = self.foreign.name
        module = frappe.db.get_value("Academy Module", {"course": course}, "name")
        lesson = frappe.db.get_value("Academy Lesson", {"course": course, "status": "Draft"}, "name")
        own = frappe.db.get_value("Academy Lesson", {"course": self.course.name}, "name")
        before = _state(course)
        for path, given in (
            ("teach.change_course", {"course": course, "seen": "", "values": {"title": "Mine"}}),
            ("teach.name_teacher", {"course": course, "user": self.lead, "role": "Lead"}),
            ("teach.dismiss_teacher", {"course": course, "user": school.person("other")}),
            ("teach.set_course_status", {"course": course, "status": "Draft"}),
            ("teach.add_module", {"course": course, "title": "Mine"}),
            ("teach.change_module", {"module": module, "seen": "", "values": {"title": "Mine"}}),
            ("teach.place_module", {"module": module, "position": 1}),
            ("teach.remove_module", {"module": module}),
            ("teach.add_lesson", {"module": module, "title": "Mine"}),
            ("teach.place_lesson", {"lesson": lesson, "module": module, "position": 1}),
            ("teach.remove_lesson", {"lesson": lesson}),
            ("teach_lesson.save", {"lesson": lesson, "seen": "", "values": {"title": "Mine"}, "blocks": []}),
        ):
            for who in ("pupil", "helper", "lead"):
                answer = ask(f"/api/method/lms_app.api.{path}", given, key=self.keys[who])
                self.assertEqual((answer.status_code, answer.json["reason"]), (403, "not_staff"), (path, who))
        for path, given in (
            ("teach.upload_cover", {"course": course}),
            ("teach_lesson.upload", {"lesson": lesson, "kind": "Image"}),
        ):
            for who in ("pupil", "helper", "lead"):
                sent = {"file": ("a.png", PNG)}
                answer = ask(f"/api/method/lms_app.api.{path}", given, key=self.keys[who], files=sent)
                self.assertEqual((answer.status_code, answer.json["reason"]), (403, "not_staff"), (path, who))
        # Out of a course of one's own into another's as well.
        answer = ask(
            "/api/method/lms_app.api.teach.place_lesson",
            {"lesson": own, "module": module, "position": 1},
            key=self.keys["lead"],
        )
        self.assertEqual((answer.status_code, answer.json["reason"]), (400, "wrong_module"))
        frappe.db.rollback()
        self.assertEqual(_state(course), before)

    def test_an_assistant_of_a_course_reads_it_and_changes_nothing(self):
        helper = {"user": school.person("bo", access.ASSISTANT_ROLE), "role": "Assistant"}
        course = frappe.get_doc("Academy Course", self.course.name)
        course.append("instructors", helper)
        course.save(ignore_permissions=True)
        frappe.db.commit()
        slug = frappe.db.get_value("Academy Lesson", {"course": course.name}, "slug")
        page = text(ask(self.path, key=self.keys["helper"]))
        self.assertIn(f'href="{self.path}/l/{slug}/preview"', page)
        self.assertNotIn("<form", page)
        self.assertEqual(ask(f"{self.path}/l/{slug}/preview", key=self.keys["helper"]).status_code, 200)
        for path in (f"{self.path}/settings", f"{self.path}/l/{slug}"):
            self.assertEqual(ask(path, key=self.keys["helper"]).status_code, 403, path)
        answer = ask(self.path, {"deed": "status", "status": "Archived"}, key=self.keys["helper"])
        self.assertEqual(answer.status_code, 403)
        self.assertEqual(ask("/teach", {"title": "Mine"}, key=self.keys["helper"]).status_code, 403)

    def test_an_uploaded_file_is_for_whom_the_lesson_is_open(self):
        lesson = frappe.db.get_value("Academy Lesson", {"course": self.course.name, "status": "Draft"}, "name")
        path, given = "/api/method/lms_app.api.teach_lesson.upload", {"lesson": lesson, "kind": "Image"}
        answer = ask(path, given, key=self.keys["lead"], files={"file": ("stove.png", PNG)})
        self.assertEqual(answer.status_code, 200, text(answer))
        address = answer.json["message"]["address"]
        self.assertEqual(ask(address, key=self.keys["lead"]).status_code, 200)
        self.assertEqual(ask(address, key=self.keys["pupil"]).status_code, 403)
        refused = ask(path, given, key=self.keys["lead"], files={"file": ("stove.png", b"<html>")})
        self.assertEqual((refused.status_code, refused.json["reason"]), (409, "not_a_picture"))
        self.assertEqual(ask(path, given, key=self.keys["lead"]).json["reason"], "nothing_sent")


class TestWithoutScripts(SiteTestCase):
    """Courses by plain forms: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = key_of(school.person("lead", access.INSTRUCTOR_ROLE))
        frappe.db.commit()
        cls.made = []
        cls.addClassCleanup(lambda: school.remove(cls.made))

    def send(self, path: str, files: dict[str, tuple[str, bytes]] | None = None, **form: str) -> TestResponse:
        sent = {name.replace("__", "."): value for name, value in form.items()}
        answer = ask(path, sent, key=self.key, files=files)
        # What is read next is as the request has left it.
        frappe.db.rollback()
        return answer

    def seen(self, path: str) -> str:
        return re.findall(r'name="seen" value="([^"]+)"', text(ask(path, key=self.key)))[0]

    def test_a_teacher_builds_a_course_and_publishes_it(self):
        path = self.send("/teach", title="Soups of the north").location
        self.made.append(frappe.db.get_value("Academy Course", {"slug": path.rpartition("/")[2]}, "name"))
        self.assertIn("Nothing in it yet", text(ask(path, key=self.key)))

        refused = self.send(path, deed="status", status="Published")
        self.assertEqual(refused.status_code, 409)
        self.assertIn('role="alert">This course cannot be published without', text(refused))

        again = self.send(
            f"{path}/settings", seen="an old one", title="Soups", summary="Typed by me", address="soups-north"
        )
        self.assertEqual(again.status_code, 409)
        self.assertIn("Typed by me</textarea>", text(again))
        kept = self.send(
            f"{path}/settings",
            seen=self.seen(f"{path}/settings"),
            title="Soups of the north",
            summary="Two sentences.",
            address="soups-north",
            files={"file": ("a.png", PNG)},
        )
        self.assertEqual(
            (kept.status_code, kept.location), (303, "/teach/c/soups-north/settings?said=kept"), trouble(kept)
        )
        path = "/teach/c/soups-north"
        self.assertRegex(
            text(ask(f"{path}/settings", key=self.key)), r'<img class="cover" src="/files/[0-9a-f]{24}\.png"'
        )

        module = self.send(path, deed="add-module", title="Beginnings").location.rpartition("#m-")[2]
        lesson = self.send(path, deed="add-lesson", name=module, title="Stock", kind="Page").location
        self.assertTrue(lesson.startswith(f"{path}/l/"))

        first = {
            "seen": self.seen(lesson),
            "title": "Stock",
            "kind": "Page",
            "completion_rule": "Manual",
            "is_required": "1",
        }
        page = text(self.send(lesson, **first, deed="add:Markdown"))
        self.assertIn('name="b0.kind" value="Markdown"', page)
        self.assertIn('name="b0.title" type="text" value=""', page)
        self.assertIn("Not saved", page)
        typed = {**first, "b0__kind": "Markdown", "b0__body": "Boil **water**."}
        page = text(self.send(lesson, **typed, deed="add:Image"))
        self.assertIn("Boil **water**.</textarea>", page)
        self.assertIn('name="b1.kind" value="Image"', page)

        # The picture is kept with the form, wherever its block is moved to; a description is asked for.
        typed |= {"b1__kind": "Image", "b1__title": "The stove"}
        page = text(self.send(lesson, {"b1.upload": ("stove.png", PNG)}, **typed, deed="up:1"))
        file = re.findall(r'name="b0\.file" value="(\w+)"', page)[0]
        self.assertIn('name="b1.kind" value="Markdown"', page)
        typed = {**first, "b0__kind": "Image", "b0__file": file, "b1__kind": "Markdown", "b1__body": "Boil **water**."}
        refused = self.send(lesson, **typed, deed="publish")
        self.assertEqual(refused.status_code, 409)
        self.assertIn('<a href="#piece-0">Block 1 (Image): the alternative text is missing</a>', text(refused))
        self.assertIn("Boil **water**.</textarea>", text(refused))
        saved = self.send(lesson, **typed, b0__alt_text="A stove", deed="publish")
        self.assertEqual((saved.status_code, saved.location), (303, f"{lesson}?said=saved"), trouble(saved))

        # Whoever had the page open since before is told, and keeps what was typed.
        clash = self.send(lesson, **typed, b0__alt_text="Mine", deed="save")
        self.assertEqual(clash.status_code, 409)
        self.assertIn("Lead has saved this since you opened it", text(clash))
        self.assertIn("Mine</textarea>", text(clash))
        over = re.findall(r'name="over" value="([^"]+)"', text(clash))[0]
        self.assertIn('name="refused" value="save"', text(clash))
        self.assertEqual(self.send(lesson, **typed, b0__alt_text="Mine", over=over).status_code, 303)

        preview = text(ask(f"{lesson}/preview", key=self.key))
        self.assertIn("This is a preview", preview)
        self.assertIn(f'src="/learn/media/{file}" alt="Mine"', preview)

        self.assertEqual(self.send(path, deed="status", status="Published").location, path)
        self.assertIn("Soups of the north", text(ask("/learn?q=north")))

    def test_whoever_publishes_over_what_somebody_else_has_saved_publishes_it(self):
        course = school.course({"title": "One"}, {"title": "Two", "status": "Draft"})
        self.made.append(course.name)
        frappe.db.commit()
        draft = {"course": course.name, "title": "Two"}
        lesson, slug = frappe.db.get_value("Academy Lesson", draft, ["name", "slug"])
        path = f"/teach/c/{course.slug}/l/{slug}"
        form = {"title": "Two", "kind": "Page", "completion_rule": "Manual", "seen": "an old one"}
        form |= {"b0__kind": "Markdown", "b0__body": "Boil."}
        clash = text(self.send(path, **form, deed="publish"))
        more = {name: re.findall(rf'name="{name}" value="([^"]+)"', clash)[0] for name in ("over", "refused")}
        self.assertEqual(self.send(path, **form, **more).status_code, 303)
        self.assertEqual(frappe.db.get_value("Academy Lesson", lesson, "status"), "Published")

    def test_what_the_database_ended_for_another_is_done_again_with_its_files(self):
        course = school.course({"title": "One"}, {"title": "Two", "status": "Draft", "blocks": []})
        self.made.append(course.name)
        frappe.db.commit()
        draft = {"course": course.name, "title": "Two"}
        lesson, slug = frappe.db.get_value("Academy Lesson", draft, ["name", "slug"])
        path, ended = f"/teach/c/{course.slug}/l/{slug}", frappe.QueryDeadlockError()

        def once(module: object, name: str) -> AbstractContextManager[object]:
            """Let the database end the first transaction in the middle of a deed."""
            deed, faults = getattr(module, name), iter([ended])

            def ending(*given: object, **named: object) -> object:
                for fault in faults:
                    raise fault
                return deed(*given, **named)

            return patch.object(module, name, ending)

        form = {"title": "Two", "kind": "Page", "completion_rule": "Manual", "b0__kind": "Image", "b0__alt_text": "A"}
        for number, (module, name) in enumerate(((uploads, "of_lesson"), (writing, "save")), 1):
            with once(module, name):
                sent = {"b0.upload": ("stove.png", PNG)}
                answer = self.send(path, sent, **form, seen=self.seen(path), deed="save")
            self.assertEqual(answer.status_code, 303, trouble(answer))
            block = frappe.get_last_doc("Academy Lesson Block", {"parent": lesson})
            self.assertTrue(frappe.db.exists("File", block.file), name)
            self.assertEqual(frappe.db.count("File", {"attached_to_name": lesson}), number, name)
        settings = f"/teach/c/{course.slug}/settings"
        with once(uploads, "cover_of"):
            sent = {"file": ("a.png", PNG)}
            answer = self.send(settings, sent, seen=self.seen(settings), title="Sauces", address=course.slug)
        self.assertEqual(answer.status_code, 303, trouble(answer))
        # All of it again, and not the part alone in which it was ended.
        title, cover = frappe.db.get_value("Academy Course", course.name, ["title", "cover"])
        self.assertEqual((title, bool(cover)), ("Sauces", True))
        with once(authoring, "add_module"):
            given = {"course": course.name, "title": "Then"}
            answer = ask("/api/method/lms_app.api.teach.add_module", given, key=self.key)
        self.assertEqual(answer.status_code, 200)

    def test_a_course_builds_on_others_by_its_settings(self):
        course, first, second = (school.course(title=title) for title in ("Soups", "Stocks <1>", "Stocks 2"))
        self.made += [course.name, first.name, second.name]
        frappe.db.commit()
        path = f"/teach/c/{course.slug}/settings"
        self.assertIn(f'<option value="{first.name}">Stocks &lt;1&gt;</option>', text(ask(path, key=self.key)))
        form = {"title": "Soups", "address": course.slug}
        for wanted in ([first.name, second.name], []):
            sent = {**form, "seen": self.seen(path), "prerequisites": wanted}
            answer = ask(path, sent, key=self.key, files={})
            self.assertEqual(answer.status_code, 303, trouble(answer))
            frappe.db.rollback()
            kept = frappe.get_all(
                "Academy Course Prerequisite", {"parent": course.name}, pluck="requires", order_by="idx"
            )
            self.assertEqual({*kept}, {*wanted})
        sent = {**form, "seen": "an old one", "prerequisites": [second.name]}
        page = text(ask(path, sent, key=self.key, files={}))
        self.assertIn(f'<option value="{second.name}" selected>', page)

    def test_a_moved_line_and_a_removed_one_are_so_after_the_next_page(self):
        course = school.course({"title": "One"}, {"title": "Two"})
        self.made.append(course.name)
        frappe.db.commit()
        path, (first, second) = f"/teach/c/{course.slug}", school.lessons_of(course)
        module = frappe.db.get_value("Academy Module", {"course": course.name}, "name")
        moved = self.send(path, deed="place-lesson", name=second, module=module, position="1")
        self.assertEqual(moved.location, f"{path}#l-{second}")
        self.assertLess(
            (page := text(ask(path, key=self.key))).index(f'id="l-{second}"'), page.index(f'id="l-{first}"')
        )
        self.assertEqual(self.send(path, deed="remove-lesson", name=first).location, f"{path}?said=removed")
        self.assertNotIn(f'id="l-{first}"', text(ask(path, key=self.key)))

    def test_what_somebody_wrote_ends_no_script_and_no_field(self):
        evil = '"><script>alert(1)</script></textarea>{{ "can" ~ "ary" }}'
        course = school.course(
            {"title": evil[:140], "blocks": [{"kind": "Markdown", "title": evil, "body": evil}]}, title=evil[:140]
        )
        self.made.append(course.name)
        frappe.db.commit()
        slug = frappe.db.get_value("Academy Lesson", {"course": course.name}, "slug")
        path = f"/teach/c/{course.slug}"
        for page in ("/teach", path, f"{path}/settings", f"{path}/l/{slug}", f"{path}/l/{slug}/preview"):
            shown = text(ask(page, key=self.key))
            self.assertNotIn("<script>alert(1)", shown, page)
            self.assertNotIn("canary", shown, page)

    def test_pages_are_light(self):
        course = school.course(*[{"title": f"Lesson {number}"} for number in range(20)])
        self.made.append(course.name)
        frappe.db.commit()
        slug = frappe.db.get_value("Academy Lesson", {"course": course.name}, "slug")
        path = f"/teach/c/{course.slug}"
        for page in ("/teach", path, f"{path}/settings", f"{path}/l/{slug}"):
            shown = text(ask(page, key=self.key))
            self.assertLess(len(gzip.compress(shown.encode())), 25_000, page)


def _state(course: str) -> list[object]:
    """Return everything of a course that these endpoints could change."""
    rows = [
        frappe.get_all(doctype, {field: course}, ["name", "title", "position", "modified"], order_by="name")
        for doctype, field in (("Academy Module", "course"), ("Academy Lesson", "course"))
    ]
    return [*rows, frappe.db.get_value("Academy Course", course, ["title", "status", "cover", "modified"])]


class TestTeaching(SiteTestCase):
    def test_a_course_names_nobody_a_teacher_whom_the_school_gave_no_role(self):
        user = school.person("eve", access.ASSISTANT_ROLE)
        course = school.course(instructors=[{"user": school.person("lead", access.INSTRUCTOR_ROLE), "role": "Lead"}])
        row = {"doctype": "Academy Course Instructor", "parent": course.name, "parenttype": "Academy Course"}
        frappe.get_doc({**row, "parentfield": "instructors", "user": user, "role": "Lead"}).db_insert()
        self.assertEqual(teaching.courses(user).total, 0)
        with school.told(frappe.PermissionError, "not_staff"):
            teaching.course(course.slug, user)

    def test_an_old_address_leads_to_the_new_one(self):
        course = school.course()
        before, course.slug = course.slug, "soups-of-today"
        course.save(ignore_permissions=True)
        self.assertEqual(teaching.course(before, "Administrator").moved, "soups-of-today")

    def test_my_courses_ask_one_query_and_a_course_two(self):
        course, user = school.course(), school.person("lead", access.INSTRUCTOR_ROLE)
        frappe.get_roles(user)
        with self.assertQueryCount(1):
            teaching.courses(user)
        with self.assertQueryCount(2):
            teaching.course(course.slug, user)
