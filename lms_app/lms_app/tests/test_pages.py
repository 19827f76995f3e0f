import gzip
import re
from unittest.mock import patch
from urllib.parse import quote

import frappe
from jinja2 import Environment
from jinja2.bccache import Bucket
from werkzeug.test import TestResponse

from lms_app import compiled, demo
from lms_app.services import access, enrolment, invitations, progress, quiz_content
from lms_app.tests import school
from lms_app.tests.browser import ask, asked, key_of
from lms_app.tests.site_case import SiteTestCase

CANARY = "canary-in-a-closed-lesson"


def text(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


class TestPages(SiteTestCase):
    """Pages by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pupil = school.person("ada")
        cls.key = key_of(cls.pupil)
        cls.course = school.course(
            {"title": "Stock", "is_preview": 1, "completion_rule": "View"},
            {"title": "Roux", "blocks": [{"kind": "Markdown", "body": CANARY}]},
            title="Soups <b>and more</b>",
            summary="Loops over {index}, then {next}.",
            outcomes=[{"outcome": "Cook </script><script>alert(1)</script>"}],
        )
        cls.hidden = school.course(title="Sauces", visibility="Private")
        cls.draft = school.course(title="Salads", status="Draft")
        cls.abroad = school.course(title="Супы и соусы", visibility="Members")
        frappe.db.commit()
        cls.path = f"/learn/c/{cls.course.slug}"
        cls.first, cls.second = (
            f"{cls.path}/l/{frappe.db.get_value('Academy Lesson', name, 'slug')}"
            for name in school.lessons_of(cls.course)
        )
        cls.addClassCleanup(school.remove, [one.name for one in (cls.course, cls.hidden, cls.draft, cls.abroad)])

    def tearDown(self):
        joined = ("in", [self.course.name, self.hidden.name, self.abroad.name])
        for enrolled in frappe.get_all("Academy Enrollment", {"course": joined}, pluck="name"):
            frappe.db.delete("Academy Lesson Progress", {"enrollment": enrolled})
            frappe.db.delete("Academy Enrollment", {"name": enrolled})
        frappe.db.commit()

    def join(self) -> None:
        enrolment.join(self.pupil, self.course.name)
        frappe.db.commit()

    def test_a_guest_finds_a_course_by_words_and_opens_it(self):
        found = text(ask("/learn?q=soups"))
        self.assertIn(f'href="{self.path}"', found)
        self.assertIn("Soups &lt;b&gt;and more&lt;/b&gt;", found)
        self.assertNotIn(self.hidden.title, found)
        page = ask(self.path)
        self.assertEqual(page.status_code, 200)
        self.assertIn("Log in to join", text(page))

    def test_words_that_nothing_fits_lead_back_to_all(self):
        page = ask("/learn?q=%25_nothing")
        self.assertEqual(page.status_code, 200)
        self.assertIn("No course fits", text(page))
        self.assertIn('href="/learn"', text(page))

    def test_what_somebody_wrote_ends_no_script(self):
        for path in (self.path, self.first):
            self.assertNotIn("<script>alert(1)", text(ask(path, key=self.key)))

    def test_words_in_braces_are_words(self):
        self.assertIn("Loops over {index}, then {next}.</p>", text(ask(self.path)))

    def test_a_guest_reads_a_preview_and_nothing_else_of_a_lesson(self):
        self.assertIn("Boil <strong>water</strong>", text(ask(self.first)))
        closed = ask(self.second)
        self.assertEqual(closed.status_code, 403)
        self.assertNotIn(CANARY, text(closed))
        self.assertIn(f"/login?redirect-to={self.second}", text(closed))

    def test_what_does_not_exist_and_what_is_not_for_somebody_differ(self):
        self.assertEqual(ask("/learn/c/no-such-course").status_code, 404)
        self.assertEqual(ask(f"{self.path}/l/no-such-lesson").status_code, 404)
        for course in (self.hidden, self.draft):
            answer = ask(f"/learn/c/{course.slug}", key=self.key)
            self.assertEqual(answer.status_code, 403)
            self.assertNotIn(course.title, text(answer))

    def test_where_there_is_nothing_the_school_says_so_itself(self):
        for path in ("/learn/no-such-page", "/learn/c/soups/and/more", "/teach/no-such-page", "/verify/no/such"):
            for key in ("", self.key):
                answer = ask(path, key=key)
                self.assertEqual(answer.status_code, 404, path)
                self.assertIn('<a class="brand" href="/learn">', text(answer))
                self.assertIn("<h1>There is nothing at this address.</h1>", text(answer))

    def test_what_a_school_makes_itself_below_our_addresses_is_shown(self):
        made = {"doctype": "Web Page", "title": "Our house", "route": "learn/our-house", "published": 1}
        page = frappe.get_doc({**made, "content_type": "Rich Text", "main_section": "By the river"}).insert()
        frappe.db.commit()
        try:
            answer = ask("/learn/our-house")
            self.assertEqual(answer.status_code, 200)
            self.assertIn("By the river", text(answer))
        finally:
            page.delete()
            frappe.db.commit()

    def test_who_has_to_log_in_is_led_there_and_back(self):
        for path in (f"/learn/c/{self.hidden.slug}", "/learn/me", "/learn/me/settings"):
            answer = ask(path)
            self.assertEqual((answer.status_code, answer.location), (302, f"/login?redirect-to={path}"))

    def test_joining_needs_no_javascript(self):
        answer = ask(self.path, {"deed": "join"}, key=self.key)
        self.assertEqual((answer.status_code, answer.location), (303, self.path))
        page = text(ask(self.path, key=self.key))
        self.assertIn(f'href="{self.first}">Begin', page)

    def test_a_guest_who_posts_joins_nothing(self):
        self.assertEqual(ask(self.path, {"deed": "join"}).status_code, 403)
        self.assertFalse(frappe.db.exists("Academy Enrollment", {"course": self.course.name}))

    def test_joining_twice_says_so_and_changes_nothing(self):
        self.join()
        answer = ask(self.path, {"deed": "join"}, key=self.key)
        self.assertEqual(answer.status_code, 409)
        self.assertIn('role="alert">You have joined this course already', text(answer))
        self.assertEqual(frappe.db.count("Academy Enrollment", {"course": self.course.name}), 1)

    def test_a_lesson_is_completed_and_noted_by_plain_forms(self):
        self.join()
        lesson = school.lessons_of(self.course)[1]
        self.assertEqual(ask(self.second, {"deed": "complete", "name": lesson}, key=self.key).status_code, 303)
        self.assertEqual(
            ask(self.second, {"deed": "note", "name": lesson, "text": "More salt"}, key=self.key).status_code, 303
        )
        page = text(ask(self.second, key=self.key))
        self.assertIn('<p class="completed">Completed</p>', page)
        self.assertIn("More salt</textarea>", page)
        self.assertIn('value="50"', page)

    def test_my_learning_has_one_button_to_go_on_with(self):
        self.assertIn("Nothing begun yet", text(ask("/learn/me", key=self.key)))
        self.join()
        progress.declare(self.pupil, school.lessons_of(self.course)[0])
        frappe.db.commit()
        page = text(ask("/learn/me", key=self.key))
        self.assertEqual(re.findall(r'class="button" href="([^"]+)"', page), [self.second])

    def test_who_teaches_chooses_mails_about_that_and_nobody_else_is_asked(self):
        teacher, path = school.person("lead", access.INSTRUCTOR_ROLE), "/learn/me/settings"
        lead = key_of(teacher)
        frappe.db.commit()
        self.addCleanup(frappe.db.commit)
        self.addCleanup(frappe.db.delete, "DefaultValue", {"parent": teacher})
        self.assertNotIn("Mails about my teaching", text(ask(path, key=self.key)))
        self.assertEqual(ask(path, {"deed": "prefer-as-teacher"}, key=self.key).status_code, 403)
        answer = ask(path, {"deed": "prefer-as-teacher", "mails_about_work": "1"}, key=lead)
        self.assertEqual(answer.location, f"{path}?said=kept")
        page = text(ask(path, key=lead))
        self.assertIn('name="mails_about_requests" value="1">', page)
        self.assertIn('name="mails_about_work" value="1" checked>', page)

    def test_settings_are_kept_and_everything_is_removed_on_request(self):
        self.join()
        ask("/learn/me/settings", {"deed": "prefer", "mails_about_progress": "1"}, key=self.key)
        page = text(ask("/learn/me/settings", key=self.key))
        self.assertIn('name="mails_about_progress" value="1" checked', page)
        self.assertIn('name="mails_about_enrolment" value="1">', page)

        wrong = ask("/learn/me/settings", {"deed": "erase", "confirmation": "somebody@else.org"}, key=self.key)
        self.assertEqual(wrong.status_code, 409)
        done = ask("/learn/me/settings", {"deed": "erase", "confirmation": self.pupil}, key=self.key)
        self.assertEqual(done.location, "/learn/me/settings?said=erased")
        self.assertFalse(frappe.db.exists("Academy Student", {"user": self.pupil}))

    def test_an_invitation_is_shown_to_guests_and_accepted_by_who_logs_in(self):
        token = invitations.invite(self.hidden.name, max_uses=2)
        frappe.db.commit()
        self.assertIn(f"/login?redirect-to=/i/{token}", text(ask(f"/i/{token}")))
        answer = ask(f"/i/{token}", {}, key=self.key)
        self.assertEqual((answer.status_code, answer.location), (303, f"/learn/c/{self.hidden.slug}"))
        self.assertEqual(ask("/i/no-such-token").status_code, 404)

    def test_pages_that_are_asked_for_by_the_names_of_their_files_are_not_found(self):
        for page in ("invitation", "course", "lesson"):
            for path in (f"/learn/{page}", f"/learn/{page}?token=&slug=&lesson="):
                self.assertEqual(ask(path).status_code, 404, path)
        for token in ("", {"x": 1}):
            self.assertEqual(ask("/learn/invitation", {"token": token}, key=self.key).status_code, 404)

    def test_an_old_address_leads_to_the_new_one(self):
        course = frappe.get_doc("Academy Course", self.course.name)
        before, course.slug = course.slug, "soups-again"
        course.save(ignore_permissions=True)
        frappe.db.commit()
        try:
            answer = ask(f"/learn/c/{before}")
            self.assertEqual((answer.status_code, answer.location), (301, "/learn/c/soups-again"))
        finally:
            course.slug = before
            course.save(ignore_permissions=True)
            frappe.db.commit()

    def test_addresses_in_any_script_lead_where_they_should(self):
        course = frappe.get_doc("Academy Course", self.abroad.name)
        old = f"/learn/c/{quote(course.slug)}"
        self.assertIn("%", old)
        self.assertEqual(ask(old).location, f"/login?redirect-to={old}")
        self.assertEqual(ask(old, {"deed": "join"}, key=self.key).location, old)
        frappe.db.rollback()
        course.reload()
        course.slug = "щи"
        course.save(ignore_permissions=True)
        frappe.db.commit()
        answer = ask(old, key=self.key)
        self.assertEqual((answer.status_code, answer.location), (301, f"/learn/c/{quote('щи')}"))
        self.assertEqual(ask(answer.location, key=self.key).status_code, 200)

    def test_a_course_says_which_address_is_its_own(self):
        page = text(ask(f"{self.path}?from=a-letter"))
        own = frappe.utils.get_url(self.path)
        self.assertEqual(re.findall(r'<link rel="canonical" href="([^"]*)"', page), [own])
        self.assertEqual(re.findall(r'<meta property="og:url" content="([^"]*)"', page), [own])
        self.assertNotIn("canonical", text(ask("/learn")))

    def test_no_page_looks_through_the_desk(self):
        self.join()
        for path in ("/learn", self.path, self.first, "/learn/me", "/learn/me/settings"):
            for key in ("", self.key):
                with asked() as queries:
                    ask(path, key=key)
                self.assertEqual(
                    [one for one in queries if re.search("tab(Workspace|DocPerm|Has Role)", one)], [], path
                )

    def test_what_a_page_is_made_of_is_compiled_once_and_again_when_it_is_another(self):
        ask("/learn")
        with patch("jinja2.Environment.compile", autospec=True, side_effect=Environment.compile) as compiling:
            ask("/learn")
            self.assertEqual(compiling.call_count, 0)
            bucket = Bucket(frappe.get_jenv(), "a key of this test", "one source")
            bucket.code = compile("1", "a page", "eval")
            compiled.TEMPLATES.dump_bytecode(bucket)
            same, other = (Bucket(bucket.environment, bucket.key, source) for source in ("one source", "another"))
            for each in (same, other):
                compiled.TEMPLATES.load_bytecode(each)
            self.assertEqual((same.code, other.code), (bucket.code, None))

    def test_pages_are_light(self):
        self.join()
        for path in ("/learn", self.path, self.first, "/learn/me"):
            page = text(ask(path, key=self.key))
            self.assertLess(len(gzip.compress(page.encode())), 25_000, path)
            self.assertNotRegex(page, r'(?:src|href)="https?://(?!localhost)[^"]+\.(?:js|css|woff2?)', path)


class TestDemo(SiteTestCase):
    def test_each_demo_course_is_whole_and_made_once(self):
        for kind in demo.KINDS:
            slug = demo.install(kind)
            # One that the site had already may be of another time.
            frappe.db.set_value("Academy Course", {"slug": slug}, "slug", f"{slug}-before")
            for _ in range(2):
                self.assertEqual(demo.install(kind), slug)
            course = frappe.get_doc("Academy Course", {"slug": slug})
            self.assertEqual(course.status, "Published")
            quiz = frappe.db.get_value("Academy Lesson", {"course": course.name, "kind": "Quiz"}, "quiz")
            self.assertEqual(sum(slot.count for slot in quiz_content.slots(quiz)), 8)
            self.assertGreaterEqual(course.lesson_count, 5)
            self.assertGreater(course.minutes, 30)

    def test_an_unknown_demo_course_is_refused_with_those_that_there_are(self):
        with self.assertRaisesRegex(frappe.ValidationError, "bread, circuits"):
            demo.install("karate")
