from concurrent.futures import ThreadPoolExecutor

import frappe
from frappe.sessions import get_sessions_to_clear
from frappe.utils.password import check_password
from werkzeug.test import Client, TestResponse

from lms_app import access
from lms_app.tests.site_case import SiteTestCase

PUPIL = "pupil-of-the-access-tests@example.com"


def visit(path: str) -> tuple[TestResponse, str]:
    """Return a browser's answer from the whole web application, and who it was logged in as afterwards."""

    def as_a_browser() -> tuple[TestResponse, str]:
        from frappe.app import application

        client = Client(application)
        headers = {"X-Frappe-Site-Name": site}
        answer = client.get(path, headers=headers)
        return answer, client.get("/api/method/frappe.auth.get_logged_user", headers=headers).json.get("message")

    site = frappe.local.site
    # In a thread of its own: a request ends by closing everything that frappe.local holds.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(as_a_browser).result()


class TestAccess(SiteTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        frappe.get_doc(
            {"doctype": "User", "email": PUPIL, "first_name": "Pupil", "send_welcome_email": 0, "enabled": 1}
        ).insert(ignore_if_duplicate=True)
        frappe.db.commit()

    @classmethod
    def tearDownClass(cls):
        frappe.delete_doc("User", PUPIL, force=True)
        frappe.db.commit()
        super().tearDownClass()

    def setUp(self):
        # Frappe lets an address use five links an hour.
        frappe.cache.delete_keys("rl:frappe.www.login.login_via_key")

    def test_a_link_lets_the_administrator_into_the_desk_once(self):
        link = access.login_link(minutes=1)
        self.assertEqual((link["user"], link["expires_in"]), ("Administrator", 60))
        self.assertTrue(link["path"].startswith("/api/method/frappe.www.login.login_via_key?key="))
        first, who = visit(link["path"])
        self.assertEqual((first.status_code, who), (302, "Administrator"))
        self.assertIn("/app", first.location)
        second, who = visit(link["path"])
        self.assertEqual((second.status_code, who), (403, None))

    def test_a_link_works_where_nobody_may_ask_for_one(self):
        frappe.db.set_single_value("System Settings", "login_with_email_link", 0)
        frappe.db.commit()
        self.assertEqual(visit(access.login_link(PUPIL)["path"])[1], PUPIL)

    def test_two_links_have_nothing_in_common_but_where_they_lead(self):
        one, other = (access.login_link()["path"].partition("=")[2] for _ in range(2))
        self.assertNotEqual(one, other)
        self.assertGreaterEqual(len(one), 48)

    def test_whoever_cannot_log_in_gets_neither_link_nor_password(self):
        frappe.db.set_value("User", PUPIL, "enabled", 0)
        for ask in (access.login_link, access.new_password):
            for user, reason in ((PUPIL, "is disabled"), ("nobody@example.com", "nobody called"), ("Guest", "nobody")):
                with self.subTest(ask=ask, user=user), self.assertRaisesRegex(frappe.ValidationError, reason):
                    ask(user)
        frappe.db.set_value("User", PUPIL, "enabled", 1)

    def test_a_link_lasts_between_a_minute_and_a_day(self):
        for minutes in (0, -1, 1441, 1.5, "10"):
            with self.subTest(minutes), self.assertRaisesRegex(frappe.ValidationError, "^minutes: "):
                access.login_link(minutes=minutes)

    def test_a_new_password_replaces_the_old_one_and_ends_every_session(self):
        old = access.new_password(PUPIL)["password"]
        frappe.db.commit()
        self.assertEqual(visit(access.login_link(PUPIL)["path"])[1], PUPIL)
        frappe.db.rollback()  # to see what the browser's request has written
        self.assertTrue(get_sessions_to_clear(PUPIL, force=True))
        new = access.new_password(PUPIL)
        self.assertEqual(new["user"], PUPIL)
        self.assertGreaterEqual(len(new["password"]), 32)
        self.assertEqual(check_password(PUPIL, new["password"]), PUPIL)
        with self.assertRaises(frappe.AuthenticationError):
            check_password(PUPIL, old)
        self.assertFalse(get_sessions_to_clear(PUPIL, force=True))
