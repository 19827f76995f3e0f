import re

import frappe

from lms_app.tests import school
from lms_app.tests.browser import ask, asked, key_of
from lms_app.tests.site_case import SiteTestCase

OF_THE_DESK = re.compile("tab(DocPerm|Custom DocPerm)")


class TestVisitorPage(SiteTestCase):
    """Frappe's own pages by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(school.remove, [])

    def test_who_has_no_desk_gets_frappes_pages_without_a_look_at_its_permissions(self):
        key = key_of(school.person("ada"))
        frappe.db.commit()
        for path, known in (("/login", ""), ("/about", ""), ("/me", key), ("/update-password", key)):
            # The first visit also reads what every visit needs, such as the forms of DocTypes.
            ask(path, key=known)
            with asked() as queries:
                answer = ask(path, key=known)
            self.assertEqual(answer.status_code, 200, path)
            # Once is what Frappe needs to know whether its own objects are shown, 44 times is what it would take here.
            self.assertLess(len([one for one in queries if OF_THE_DESK.search(one)]), 5, path)

    def test_whoever_is_given_the_desk_finds_its_workspaces_in_the_next_request(self):
        user = school.person("bert")
        key = key_of(user)
        frappe.db.commit()
        self.assertEqual(ask("/me", key=key).status_code, 200)
        frappe.get_doc("User", user).add_roles("System Manager")
        # Frappe forgets a secret when a user is saved whose document does not have it.
        key = key_of(user)
        frappe.db.commit()
        found = ask("/api/method/frappe.desk.desktop.get_workspace_sidebar_items", key=key).json["message"]
        self.assertGreater(len(found["pages"]), 3)

    def test_a_page_that_a_school_made_comes_before_frappes_own(self):
        page = frappe.get_doc(
            {
                "doctype": "Web Page",
                "title": "About our kitchen",
                "route": "about",
                "published": 1,
                "content_type": "Rich Text",
                "main_section": "<p>We bake.</p>",
            }
        ).insert()
        frappe.db.commit()
        try:
            frappe.clear_cache()
            self.assertIn("We bake.", ask("/about").get_data(as_text=True))
        finally:
            page.delete()
            frappe.db.commit()
