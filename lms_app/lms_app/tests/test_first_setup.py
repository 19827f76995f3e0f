import frappe
from frappe.utils import cint
from frappe.utils.data import get_datetime_in_timezone

from lms_app import setup
from lms_app.services import first_setup, fiscal_year
from lms_app.tests.site_case import SiteTestCase

FRANCE = {"country": "France", "language": "fr", "timezone": "Europe/Paris", "currency": "EUR"}
GERMANY = {"country": "Germany", "language": "de", "timezone": "Europe/Berlin", "currency": "EUR"}


def traces() -> dict:
    """Return what a second run would leave behind: how many rows there are, and when the last of them was written."""
    doctypes = ("Account", "Company", "Department", "Fiscal Year", "Price List", "User", "Warehouse")
    rows = {
        doctype: (frappe.db.count(doctype), frappe.db.get_value(doctype, {}, "max(modified)")) for doctype in doctypes
    }
    singles = frappe.db.sql("SELECT * FROM tabSingles WHERE doctype IN ('System Settings', 'Global Defaults')")
    return {**rows, "settings": sorted(map(str, singles))}


class TestLocale(SiteTestCase):
    def test_a_value_that_frappe_does_not_know_is_refused_by_name_before_anything_changes(self):
        known = frappe.db.get_single_value("Academy Settings", "school_name")
        for field, value in (
            ("country", "Frankreich"),
            ("country", "france"),
            ("language", "xx"),
            ("timezone", "Europe/Nowhere"),
            ("currency", "EURO"),
            ("currency", None),
        ):
            with (
                self.subTest(field=field, value=value),
                self.assertRaisesRegex(frappe.ValidationError, rf"^locale\.{field}: "),
            ):
                setup.personalise("Another School", "head@another-school.com", {**FRANCE, field: value})
        self.assertEqual(frappe.db.get_single_value("Academy Settings", "school_name"), known)
        self.assertFalse(frappe.db.exists("User", "head@another-school.com"))

    def test_a_near_miss_is_told_what_was_meant(self):
        with self.assertRaisesRegex(frappe.ValidationError, "did you mean `France`"):
            first_setup.checked({**FRANCE, "country": "Francee"})

    def test_an_unknown_field_and_a_missing_one_are_named(self):
        with self.assertRaisesRegex(frappe.ValidationError, r"^locale\.city: there is no such field"):
            first_setup.checked({**FRANCE, "city": "Paris"})
        with self.assertRaisesRegex(frappe.ValidationError, r"^locale\.currency: is missing"):
            first_setup.checked({name: FRANCE[name] for name in ("country", "language", "timezone")})


class TestFirstSetup(SiteTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.scheduler = frappe.db.get_single_value("System Settings", "enable_scheduler")
        cls.title = frappe.db.get_single_value("Academy Settings", "school_name") or "Tech School"
        # Does the work if the school was opened without a locale, and nothing otherwise.
        setup.personalise(cls.title, locale=FRANCE)

    @classmethod
    def tearDownClass(cls):
        # The wizard switches it off under test.
        frappe.db.set_single_value("System Settings", "enable_scheduler", cls.scheduler)
        frappe.db.commit()
        super().tearDownClass()

    def settings(self):
        return frappe.get_doc("System Settings")

    def test_nobody_is_led_to_the_wizard_any_more(self):
        self.assertTrue(first_setup.is_complete())
        self.assertNotEqual(frappe.db.get_default("desktop:home_page"), "setup-wizard")

    def test_the_company_has_the_school_s_name_its_country_s_money_and_accounts(self):
        company = frappe.get_doc("Company", frappe.db.get_single_value("Global Defaults", "default_company"))
        self.assertEqual(company.country, self.settings().country)
        self.assertEqual(company.default_currency, self.settings().currency)
        self.assertGreater(frappe.db.count("Account", {"company": company.name}), 50)
        for account in ("default_receivable_account", "default_payable_account", "default_bank_account"):
            self.assertTrue(company.get(account), account)
        self.assertTrue(frappe.db.exists("Price List", {"currency": company.default_currency, "selling": 1}))

    def test_the_books_are_open_for_the_country_s_year_that_contains_today(self):
        from erpnext.accounts.utils import get_fiscal_year

        today = get_datetime_in_timezone(self.settings().time_zone).date()
        begins, ends = fiscal_year.containing(today, self.settings().country)
        self.assertEqual(get_fiscal_year(today)[1:3], (begins, ends))

    def test_nothing_is_told_to_anybody_and_no_company_is_made_up(self):
        self.assertFalse(cint(self.settings().enable_telemetry))
        self.assertFalse(frappe.db.get_single_value("Global Defaults", "demo_company"))

    def test_a_second_run_changes_nothing_even_with_another_locale(self):
        before = traces()
        setup.personalise(self.title, locale=GERMANY)
        self.assertEqual(traces(), before)

    def test_a_run_that_was_killed_after_the_company_is_taken_up(self):
        company = frappe.get_all("Company", pluck="name")[0]
        accounts, departments = frappe.db.count("Account"), frappe.db.count("Department")
        frappe.db.set_single_value("System Settings", "setup_complete", 0)
        frappe.db.set_single_value("Global Defaults", "default_company", "")
        frappe.db.delete("Department", {"company": company})
        settings = self.settings()
        again = first_setup.Locale(settings.country, settings.language, settings.time_zone, settings.currency)
        first_setup.complete(company, again)
        self.assertTrue(first_setup.is_complete())
        self.assertEqual(frappe.db.get_single_value("Global Defaults", "default_company"), company)
        self.assertEqual(frappe.db.count("Department"), departments)
        self.assertEqual(frappe.db.count("Account"), accounts)
        self.assertEqual(frappe.db.count("Company"), 1)
