import frappe

from lms_app import setup
from lms_app.services import colours
from lms_app.tests.site_case import SiteTestCase


class TestPersonalise(SiteTestCase):
    def setUp(self):
        frappe.db.set_single_value("Academy Settings", "school_name", "")
        frappe.clear_document_cache("Academy Settings", "Academy Settings")

    def test_a_new_school_gets_its_name_its_palette_and_its_address(self):
        setup.personalise("Cuisine School", "head@cuisine-school.com")
        settings = frappe.get_doc("Academy Settings")
        self.assertEqual(settings.school_name, "Cuisine School")
        self.assertEqual(settings.accent, colours.palette_for("Cuisine School").accent)
        self.assertEqual(frappe.db.get_value("User", "Administrator", "email"), "head@cuisine-school.com")
        self.assertEqual(frappe.db.get_single_value("Website Settings", "app_name"), "Cuisine School")

    def test_a_second_run_keeps_the_colours_that_the_school_has_chosen(self):
        setup.personalise("Cuisine School")
        settings = frappe.get_doc("Academy Settings")
        settings.accent = "#224466"
        settings.save()
        setup.personalise("Cuisine Academy")
        settings.reload()
        self.assertEqual((settings.school_name, settings.accent), ("Cuisine Academy", "#224466"))

    def test_an_address_that_is_none_is_refused_before_anything_changes(self):
        with self.assertRaises(frappe.InvalidEmailAddressError):
            setup.personalise("Cuisine School", "not an address")
        self.assertFalse(frappe.db.get_single_value("Academy Settings", "school_name"))

    def test_a_front_page_that_was_chosen_stays(self):
        frappe.db.set_single_value("Website Settings", "home_page", "about")
        setup.personalise("Cuisine School")
        self.assertEqual(frappe.db.get_single_value("Website Settings", "home_page"), "about")
