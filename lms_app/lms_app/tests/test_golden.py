import io
from unittest.mock import patch

import frappe
from frappe.utils.password import check_password, set_encrypted_password, update_password

from lms_app import golden, setup
from lms_app.services import first_setup
from lms_app.services.head import Head
from lms_app.services.stand_ins import HEAD, STAND_INS, TITLE
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
        first = self.note(f"about {TITLE}", f"<p>{TITLE}, or Main - {STAND_INS['initials']}</p>")
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
        self.note(TITLE.lower().replace(" ", "-"))
        with self.assertRaises(frappe.ValidationError):
            golden.prepare()

    def test_a_name_in_another_form_is_refused_beside_one_that_is_as_it_was_given(self):
        self.note(f"{TITLE}, {TITLE.upper()}")
        with self.assertRaises(frappe.ValidationError):
            golden.prepare()

    def test_a_name_within_json_is_refused_because_a_school_s_may_hold_quotes(self):
        self.note("chart", frappe.as_json({"company": TITLE}))
        with self.assertRaises(frappe.ValidationError):
            golden.prepare()

    def prepare_with_a_head(self):
        with patch("lms_app.services.first_setup.complete"):
            golden.prepare({"country": "France", "language": "fr", "timezone": "Europe/Paris", "currency": "EUR"})
        self.assertTrue(frappe.db.exists("User", HEAD.address))

    def rows_of(self, address, full_name):
        """Return what is a user's own, by table."""
        return {
            "User": frappe.get_all(
                "User", {"name": address}, ["email", "first_name", "last_name", "full_name", "username"]
            ),
            "Has Role": sorted(frappe.get_all("Has Role", {"parent": address}, pluck="role")),
            "User Social Login": frappe.get_all("User Social Login", {"parent": address}, ["provider", "parenttype"]),
            "DocShare": frappe.get_all(
                "DocShare", {"user": address, "share_name": address}, ["share_doctype", "write"]
            ),
            "Notification Settings": frappe.get_all("Notification Settings", {"name": address}, ["enabled"]),
            "Contact": frappe.get_all(
                "Contact", {"name": full_name}, ["user", "email_id", "first_name", "last_name", "full_name"]
            ),
            "Contact Email": frappe.get_all("Contact Email", {"email_id": address}, ["parent", "is_primary"]),
        }

    def test_the_head_has_the_user_that_was_made_for_one_as_if_it_had_been_made_for_this_head(self):
        for mine, others in (("ludivine.perrot", "ottokar.brandt"), ("ludivine", "ottokar")):
            frappe.db.savepoint("a_head")
            self.prepare_with_a_head()
            drawn = frappe.db.get_value("User Social Login", {"parent": HEAD.address}, "userid")
            head, other = Head.of(f"{mine}@tech-school.com"), Head.of(f"{others}@tech-school.com")
            golden.take_over("Tech School", Head.of(head.address.upper()))
            self.assertFalse(frappe.db.exists("User", HEAD.address))
            self.assertNotEqual(frappe.db.get_value("User Social Login", {"parent": head.address}, "userid"), drawn)
            first_setup.let_head_in(other)
            made = frappe.as_json(self.rows_of(other.address, other.full_name))
            for key in ("address", "full_name", "first_name", "username"):
                made = made.replace(other.words[key], head.words[key])
            made = made.replace("Brandt", "Perrot")
            self.assertEqual(frappe.as_json(self.rows_of(head.address, head.full_name)), made)
            frappe.db.rollback(save_point="a_head")

    def test_what_is_written_about_the_head_is_in_the_school_s_language(self):
        frappe.db.set_single_value("System Settings", "language", "fr")
        self.prepare_with_a_head()
        told = frappe.get_all("Comment", {"reference_name": HEAD.address, "comment_type": "Shared"}, pluck="content")
        self.assertEqual(told, [f"Administrator a partagé ce document avec {HEAD.full_name}"])
        self.assertEqual(frappe.local.lang, "en")

    def test_without_a_head_no_user_stands_for_one(self):
        users, contacts, roles = (frappe.db.count(doctype) for doctype in ("User", "Contact", "Has Role"))
        self.prepare_with_a_head()
        golden.take_over("Tech School")
        self.assertEqual(
            [frappe.db.count(doctype) for doctype in ("User", "Contact", "Has Role")], [users, contacts, roles]
        )
        self.assertFalse(frappe.db.exists("Notification Settings", HEAD.address))

    def test_a_head_whose_names_frappe_may_write_otherwise_is_left_to_it(self):
        for address in ("o'brien@tech-school.com", "administrator@tech-school.com"):
            frappe.db.savepoint("a_head")
            self.prepare_with_a_head()
            golden.take_over("Tech School", Head.of(address))
            self.assertFalse(frappe.db.exists("User", {"name": ("in", (address, HEAD.address))}), address)
            frappe.db.rollback(save_point="a_head")

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
