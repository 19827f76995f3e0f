import frappe

from lms_app.tests.site_case import SiteTestCase


class TestAcademySettings(SiteTestCase):
    def settings(self, **values):
        return frappe.get_doc("Academy Settings").update(values)

    def test_colours_that_cannot_be_read_are_refused_by_name(self):
        with self.assertRaisesRegex(frappe.ValidationError, "Muted cannot be read well on Paper"):
            self.settings(paper="#FFFFFF", muted="#DDDDDD").save()

    def test_what_is_no_colour_is_refused(self):
        for value in ("red", "#12", "#123456;} body {display:none"):
            with self.subTest(value), self.assertRaisesRegex(frappe.ValidationError, "Accent must be a colour"):
                self.settings(accent=value).save()

    def test_only_those_who_manage_the_site_may_change_it(self):
        roles = {row.role for row in frappe.get_meta("Academy Settings").permissions}
        self.assertEqual(roles, {"System Manager"})
