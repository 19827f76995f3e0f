import frappe

from lms_app.services import dates
from lms_app.services.languages import speaking
from lms_app.tests.site_case import SiteTestCase


class TestDates(SiteTestCase):
    def test_a_day_and_a_moment_are_written_as_the_language_does_that_is_spoken(self):
        for language, day, parts in (
            ("fr", "28 novembre 2026", ("28 nov. 2026", "10:42")),
            ("en", "November 28, 2026", ("Nov 28, 2026", "10:42")),
            ("de", "28. November 2026", ("28.11.2026", "10:42")),
        ):
            with speaking(language):
                self.assertEqual(dates.day("2026-11-28 10:42:31"), day)
                for part in parts:
                    self.assertIn(part, dates.moment("2026-11-28 10:42:31"))
                self.assertNotIn("31", dates.moment("2026-11-28 10:42:31"))

    def test_the_format_of_the_desk_changes_nothing(self):
        frappe.db.set_default("date_format", "mm/dd/yyyy")
        self.addCleanup(frappe.clear_cache)
        with speaking("fr"):
            self.assertEqual(dates.day("2026-11-28"), "28 novembre 2026")

    def test_a_language_of_which_nobody_knows_has_numbers(self):
        with speaking("xx-nowhere"):
            self.assertEqual(dates.day("2026-11-28"), "2026-11-28")
            self.assertEqual(dates.moment("2026-11-28 10:42:31"), "2026-11-28 10:42")
