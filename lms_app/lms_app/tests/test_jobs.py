from unittest.mock import patch

import frappe
from frappe.core.doctype.scheduled_job_type.scheduled_job_type import sync_jobs
from frappe.utils import get_datetime

from lms_app import jobs
from lms_app.services import timetable
from lms_app.tests.site_case import SiteTestCase

FIELDS = ["name", "method", "frequency", "cron_format", "stopped", "creation"]
HOURLY = "frappe.model.utils.link_count.update_link_count"
QUARTERLY = "frappe.automation.doctype.reminder.reminder.send_reminders"
STOCK = {HOURLY: "0 * * * *", QUARTERLY: "0/15 * * * *"}


class TestJobs(SiteTestCase):
    def setUp(self):
        frappe.db.savepoint("jobs_test")
        jobs.spread()

    def tearDown(self):
        frappe.db.rollback(save_point="jobs_test")

    def row(self, method):
        return frappe.db.get_value("Scheduled Job Type", {"method": method}, FIELDS, as_dict=True)

    def own(self, method):
        return timetable.own_time(STOCK[method], method, frappe.conf.db_name)

    def test_frappe_lets_a_job_be_due_at_the_school_s_own_minute(self):
        job = frappe.get_doc("Scheduled Job Type", self.row(HOURLY).name)
        job.last_execution = "2026-01-01 00:00:00"
        minute = int(self.own(HOURLY).split()[0])
        first = get_datetime("2026-01-01 00:00:00") if minute else get_datetime("2026-01-01 01:00:00")
        self.assertEqual(job.get_next_execution(), first.replace(minute=minute))

    def test_each_job_of_an_app_has_its_own_time_and_keeps_how_often_it_runs(self):
        for method, stock in STOCK.items():
            self.assertEqual(self.row(method).cron_format, timetable.own_time(stock, method, frappe.conf.db_name))
        self.assertEqual((self.row(HOURLY).frequency, self.row(QUARTERLY).frequency), ("Hourly", "Cron"))

    def test_migrating_keeps_the_rows_and_what_was_stopped_and_ends_with_the_same_times(self):
        frappe.db.set_value("Scheduled Job Type", self.row(QUARTERLY).name, "stopped", 1)
        before = frappe.get_all("Scheduled Job Type", fields=FIELDS, order_by="name")
        for hook in frappe.get_hooks("before_migrate", app_name="lms_app"):
            frappe.get_attr(hook)()
        self.assertEqual(self.row(QUARTERLY).cron_format, STOCK[QUARTERLY])
        sync_jobs()
        for hook in frappe.get_hooks("after_migrate", app_name="lms_app"):
            frappe.get_attr(hook)()
        self.assertEqual(frappe.get_all("Scheduled Job Type", fields=FIELDS, order_by="name"), before)

    def test_what_has_run_today_does_not_run_again_because_its_time_changed(self):
        jobs.put_back()
        daily = frappe.get_all("Scheduled Job Type", {"frequency": "Daily", "stopped": 0}, pluck="name")
        noon = get_datetime("2026-01-05 12:00:00")
        for name in daily:
            frappe.db.set_value("Scheduled Job Type", name, "last_execution", "2026-01-05 00:00:30")
        with patch("lms_app.jobs.now_datetime", return_value=noon):
            jobs.spread()
        due = [name for name in daily if frappe.get_doc("Scheduled Job Type", name).is_event_due(noon)]
        self.assertEqual(due, [])
        self.assertGreater(len(daily), 5)

    def test_a_job_of_the_school_s_own_keeps_its_time(self):
        own = frappe.get_doc(
            doctype="Scheduled Job Type", method="school.own.job", frequency="Cron", cron_format="0 * * * *"
        )
        own.insert(ignore_permissions=True)
        jobs.spread()
        self.assertEqual(self.row("school.own.job").cron_format, "0 * * * *")

    def test_a_job_that_was_started_again_is_not_stopped_by_spreading(self):
        jobs.stop_idle()
        idle = next(method for method in timetable.IDLE if self.row(method))
        self.assertTrue(self.row(idle).stopped)
        frappe.db.set_value("Scheduled Job Type", self.row(idle).name, "stopped", 0)
        jobs.spread()
        self.assertFalse(self.row(idle).stopped)

    def test_every_idle_job_is_one_of_the_apps(self):
        for method in timetable.IDLE:
            if method.split(".")[0] in frappe.get_installed_apps():
                self.assertTrue(self.row(method), method)
