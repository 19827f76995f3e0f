import frappe
from frappe.utils import add_to_date, now_datetime

from lms_app import health
from lms_app.tests.site_case import SiteTestCase


class TestHealth(SiteTestCase):
    def setUp(self):
        frappe.db.savepoint("health_test")
        frappe.db.delete("Email Account")
        frappe.db.delete("Email Queue")

    def tearDown(self):
        frappe.db.rollback(save_point="health_test")

    def queue(self, status, **age):
        mail = frappe.get_doc({"doctype": "Email Queue", "sender": "a@example.com", "message": "x", "status": status})
        name = mail.insert(ignore_permissions=True).name
        moment = add_to_date(now_datetime(), **{unit: -number for unit, number in age.items()})
        frappe.db.set_value("Email Queue", name, {"creation": moment, "modified": moment}, update_modified=False)

    def test_the_account_that_mail_leaves_by_is_the_enabled_default(self):
        self.assertIsNone(health.examine()["mail"]["sender"])
        account = {"doctype": "Email Account", "email_account_name": "Office", "email_id": "office@example.com"}
        row = frappe.get_doc({**account, "enable_outgoing": 1, "default_outgoing": 1})
        row.db_insert()
        self.assertEqual(health.examine()["mail"]["sender"], "office@example.com")
        row.db_set("enable_outgoing", 0)
        self.assertIsNone(health.examine()["mail"]["sender"])

    def test_mails_that_failed_lately_and_those_that_wait_too_long_are_counted(self):
        for status, age in (
            ("Error", {"days": 1}),
            ("Error", {"days": 30}),
            ("Not Sent", {"hours": 2}),
            ("Not Sent", {"minutes": 2}),
            ("Sent", {"hours": 2}),
        ):
            self.queue(status, **age)
        mail = health.examine()["mail"]
        self.assertEqual((mail["failed"], mail["waiting"]), (1, 1))

    def test_the_last_tick_is_the_newest_job_that_was_begun(self):
        frappe.db.sql("UPDATE `tabScheduled Job Type` SET last_execution = NULL, creation = %s", now_datetime())
        self.assertLess(health.examine()["scheduler"]["last_tick"], 60)
        frappe.db.sql(
            "UPDATE `tabScheduled Job Type` SET last_execution = %s LIMIT 1", add_to_date(now_datetime(), hours=-3)
        )
        self.assertAlmostEqual(health.examine()["scheduler"]["last_tick"], 3 * 3600, delta=60)

    def test_a_scheduler_that_was_switched_off_is_told(self):
        for enabled in (0, 1):
            frappe.db.set_single_value("System Settings", "enable_scheduler", enabled)
            self.assertEqual(health.examine()["scheduler"]["enabled"], bool(enabled))
