from datetime import date
from unittest.mock import patch

import frappe
from frappe.auth import CookieManager
from frappe.utils import set_request
from frappe.website.serve import get_response
from werkzeug.wrappers import Response

from lms_app import guests
from lms_app.tests.site_case import SiteTestCase

ASKED_BY_EDGE = {"X-Guest-Page-Seconds": "5"}


def visit(path: str = "/learn", headers: dict[str, str] = ASKED_BY_EDGE, method: str = "GET") -> Response:
    path, _, query = path.partition("?")
    set_request(method=method, path=path, query_string=query, headers=headers)
    frappe.local.response = frappe._dict()
    frappe.local.cookie_manager = CookieManager()
    frappe.local.cookie_manager.set_cookie("sid", frappe.session.sid)
    response = get_response()
    guests.share(response, frappe.local.request)
    return response


def is_shared(response: Response) -> bool:
    shared = response.headers.get("X-Guest-Page") == "yes"
    assert shared == (not frappe.local.cookie_manager.cookies), (
        "what is shared sets no cookie, and nothing else does not"
    )
    return shared


class TestGuests(SiteTestCase):
    def setUp(self):
        frappe.clear_cache()
        frappe.set_user("Guest")

    def tearDown(self):
        frappe.set_user("Administrator")
        frappe.db.rollback()
        frappe.clear_cache()

    def test_a_page_is_for_every_guest_once_it_came_out_the_same_twice(self):
        for path in ("/learn", "/login"):
            self.assertFalse(is_shared(visit(path)))
            response = visit(path)
            self.assertTrue(is_shared(response), path)
            self.assertEqual(response.headers["Cache-Control"], "max-age=5, stale-while-revalidate=5")

    def test_a_page_that_frappe_keeps_for_all_guests_is_too(self):
        # A bench for developers keeps none unless told so.
        frappe.flags.force_website_cache = True
        self.addCleanup(frappe.flags.pop, "force_website_cache", None)
        self.assertIn(True, [is_shared(visit("/about")) for _ in range(3)])

    def test_a_page_that_changed_is_looked_at_again(self):
        visit()
        self.assertTrue(is_shared(visit()))
        frappe.db.set_single_value("Academy Settings", "school_name", "Evening School")
        self.assertFalse(is_shared(visit()))
        self.assertTrue(is_shared(visit()))

    def test_a_login_page_with_a_token_of_its_own_is_never_shared(self):
        frappe.set_user("Administrator")
        key = frappe.new_doc("Social Login Key")
        key.get_social_login_provider("GitHub", initialize=True)
        key.update({"client_id": "school", "client_secret": "secret", "enable_social_login": 1})
        key.insert()
        frappe.set_user("Guest")
        self.assertIn(b"state=", visit("/login").get_data())
        self.assertEqual({is_shared(visit("/login")) for _ in range(4)}, {False})

    def test_what_a_certificate_is_worth_is_asked_anew_each_time(self):
        told = frappe._dict(
            state="valid", code="x", pupil="Ada", course="Soups", school="Cooks", completed_on=date.today()
        )
        with patch("lms_app.services.certificates.check", return_value=told):
            found = [visit("/verify/0000-0000-0000-0000") for _ in range(3)]
        self.assertEqual({one.status_code for one in found}, {200})
        self.assertEqual({is_shared(one) for one in found}, {False})

    def test_nothing_of_a_user_is_shared(self):
        visit()
        frappe.set_user("Administrator")
        self.assertEqual({is_shared(visit()) for _ in range(3)}, {False})

    def test_nothing_is_shared_that_the_edge_did_not_ask_for(self):
        for headers in ({}, {"X-Guest-Page-Seconds": "0"}, {"X-Guest-Page-Seconds": "soon"}):
            self.assertEqual({is_shared(visit(headers=headers)) for _ in range(3)}, {False})

    def test_no_question_with_words_of_its_own_is_shared(self):
        for path in ("/learn?course=1", "/login?redirect-to=/learn", "/no-such-page", "/me", "/verify"):
            self.assertEqual({is_shared(visit(path)) for _ in range(3)}, {False}, path)
        self.assertEqual({is_shared(visit(method="HEAD")) for _ in range(3)}, {False})

    def test_each_address_has_its_own(self):
        visit("/learn")
        self.assertFalse(is_shared(visit("/learn/")))
        for _ in range(2):
            self.assertTrue(is_shared(visit("/learn")))
            self.assertTrue(is_shared(visit("/learn/")))

    def test_each_language_has_its_own(self):
        visit()
        frappe.local.lang = "fr"
        self.assertFalse(is_shared(visit()))
        self.assertTrue(is_shared(visit()))

    def test_a_bench_that_failed_has_nothing_to_share(self):
        set_request(method="GET", path="/learn", headers=ASKED_BY_EDGE)
        guests.share(None, frappe.local.request)
