import gzip

import frappe
from frappe.utils import set_request
from frappe.website.serve import get_response

from lms_app import setup
from lms_app.tests.site_case import SiteTestCase


def page(path: str = "/learn") -> tuple[int, str]:
    set_request(method="GET", path=path)
    response = get_response()
    return response.status_code, frappe.safe_decode(response.get_data())


class TestFrontPage(SiteTestCase):
    def setUp(self):
        frappe.set_user("Guest")

    def tearDown(self):
        frappe.set_user("Administrator")

    def test_a_guest_sees_the_schools_name_and_the_way_in(self):
        setup.personalise("Night School")
        status, html = page()
        self.assertEqual(status, 200)
        self.assertIn("<h1>Night School</h1>", html)
        self.assertIn('href="/login?redirect-to=/learn"', html)

    def test_a_name_is_shown_as_text_whatever_it_holds(self):
        frappe.db.set_single_value("Academy Settings", "school_name", "<script>alert(1)</script> {{ 7 * 7 }}")
        html = page()[1]
        self.assertNotIn("<script>alert", html)
        self.assertIn("<h1>&lt;script&gt;alert(1)&lt;/script&gt; {{ 7 * 7 }}</h1>", html)

    def test_an_ampersand_in_a_name_is_escaped_once(self):
        setup.personalise("Art & Craft")
        self.assertIn("<h1>Art &amp; Craft</h1>", page()[1])

    def test_a_changed_colour_is_on_the_next_page(self):
        frappe.set_user("Administrator")
        settings = frappe.get_doc("Academy Settings")
        settings.accent = "#123456"
        settings.save()
        frappe.set_user("Guest")
        self.assertIn("--accent: #123456;", page()[1])

    def test_the_page_is_light_and_asks_no_other_host(self):
        html = page()[1]
        self.assertLess(len(gzip.compress(html.encode())), 25_000)
        self.assertNotIn("https://", html)
        self.assertNotIn("<script", html)

    def test_a_user_of_the_desk_is_shown_the_way_there(self):
        frappe.set_user("Administrator")
        html = page()[1]
        self.assertIn('href="/app"', html)
        self.assertNotIn("/login?", html)
