import io
from unittest.mock import patch

import frappe
from frappe.utils.password import check_password, set_encrypted_password, update_password

from lms_app import golden, setup
from lms_app.tests.site_case import SiteTestCase


class TestGolden(SiteTestCase):
    def setUp(self):
        frappe.db.savepoint("golden_test")
        frappe.db.set_single_value("Academy Settings", "school_name", "")
        # The table that is searched is in no transaction.
        searching = patch("lms_app.golden.sync_global_search")
        self.sync = searching.start()
        self.addCleanup(searching.stop)

    def tearDown(self):
        frappe.db.rollback(save_point="golden_test")
        frappe.cache.delete_value("global_search_queue")
        frappe.clear_cache()

    def test_what_was_made_can_be_found_by_the_search_before_it_is_copied(self):
        golden.prepare()
        self.sync.assert_called_once()

    def note(self, title, content=""):
        return frappe.get_doc(doctype="Note", title=title, content=content).insert(ignore_permissions=True).name

    def test_a_schools_site_is_never_made_golden(self):
        frappe.db.set_single_value("Academy Settings", "school_name", "Tech School")
        with self.assertRaises(frappe.ValidationError):
            golden.prepare()

    def test_a_golden_site_lets_nobody_in_and_tells_nothing_of_its_past(self):
        update_password("Administrator", "known to the builder")
        set_encrypted_password("User", "Administrator", "sealed", "api_secret")
        frappe.db.set_value("User", "Administrator", {"api_key": "key", "last_ip": "192.0.2.1"})
        golden.prepare()
        self.assertEqual(frappe.db.sql("SELECT COUNT(*) FROM `__Auth`")[0][0], 0)
        kept = frappe.db.get_value("User", "Administrator", ["api_key", "last_ip"])
        self.assertEqual(kept, (None, None))
        for doctype in golden.TRACES:
            if frappe.db.table_exists(doctype):
                self.assertEqual(frappe.db.count(doctype), 0, doctype)

    def test_each_place_of_the_companys_name_is_found_and_given_to_the_school(self):
        first = self.note(f"about {golden.TITLE}", f"<p>{golden.TITLE}, or Main - {golden.INITIALS}</p>")
        golden.prepare()
        self.assertTrue(golden.is_golden())
        self.assertTrue(golden.take_over("L'École % d'Art"))
        note = frappe.db.get_value("Note", first, ["title", "content"], as_dict=True)
        self.assertEqual(note.title, "about L'École % d'Art")
        self.assertEqual(note.content, "<p>L'École % d'Art, or Main - LD</p>")
        self.assertFalse(golden.is_golden())

    def test_what_was_taken_over_is_not_taken_over_again(self):
        golden.prepare()
        self.assertTrue(golden.take_over("Tech School"))
        self.assertFalse(golden.take_over("Other School"))

    def test_a_name_in_another_form_is_refused(self):
        self.note(golden.TITLE.lower().replace(" ", "-"))
        with self.assertRaises(frappe.ValidationError):
            golden.prepare()

    def test_jobs_of_a_school_are_due_from_its_first_day_on(self):
        frappe.db.sql("UPDATE `tabScheduled Job Type` SET creation = '2001-01-01', last_execution = '2001-01-02'")
        golden.prepare()
        golden.take_over("Tech School")
        job = frappe.get_all("Scheduled Job Type", fields=["creation", "last_execution"], limit=1)[0]
        self.assertGreater(job.creation.year, 2001)
        self.assertIsNone(job.last_execution)

    def test_the_administrators_password_comes_by_stdin(self):
        golden.prepare()
        with patch("sys.stdin", io.StringIO("correct horse battery\n")):
            setup.personalise("Tech School", password_on_stdin=True)
        self.assertEqual(check_password("Administrator", "correct horse battery"), "Administrator")
