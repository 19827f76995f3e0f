import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import frappe
from frappe.email.email_body import get_email
from frappe.utils.background_jobs import get_queue
from PIL import Image
from werkzeug.test import Client, TestResponse

from lms_app import access
from lms_app.tests.site_case import SiteTestCase

REMOVE = "frappe.core.doctype.rq_job.rq_job.remove_failed_jobs"


class TestJobsOfNeighbours(SiteTestCase):
    """Jobs that failed, because no worker takes those away meanwhile."""

    def setUp(self):
        self.own = failed_job(frappe.local.site)
        self.neighbours = failed_job(f"{frappe.local.site}-two")

    def tearDown(self):
        for job in (self.own, self.neighbours):
            job.delete()

    def test_a_school_sees_its_own_jobs_and_none_of_a_neighbour_whose_name_begins_with_its_own(self):
        names = [job.name for job in frappe.get_list("RQ Job", filters=[["RQ Job", "status", "=", "failed"]])]
        self.assertIn(self.own.id, names)
        self.assertNotIn(self.neighbours.id, names)

    def test_a_page_holds_no_more_than_was_asked_for(self):
        second = failed_job(frappe.local.site)
        try:
            asked = {"filters": [["RQ Job", "status", "=", "failed"]], "page_length": 1}
            controller = frappe.model.base_document.get_controller("RQ Job")
            pages = [controller.get_list(asked | {"start": start}) for start in (0, 1)]
            self.assertEqual([len(page) for page in pages], [1, 1])
            self.assertNotEqual(pages[0][0].name, pages[1][0].name)
            self.assertGreaterEqual(controller.get_count(asked), 2)
        finally:
            second.delete()

    def test_removing_what_failed_leaves_the_neighbour_s_alone(self):
        [method] = frappe.get_hooks("override_whitelisted_methods")[REMOVE]
        frappe.call(method)
        failed = get_queue("short").failed_job_registry.get_job_ids()
        self.assertNotIn(self.own.id, failed)
        self.assertIn(self.neighbours.id, failed)


class TestPrivateFiles(SiteTestCase):
    def setUp(self):
        # Frappe lets an address use five links an hour.
        frappe.cache.delete_keys("rl:frappe.www.login.login_via_key")

    def test_a_file_that_is_asked_for_past_the_edge_is_named_and_not_sent(self):
        answer = visit(access.login_link(minutes=1)["path"], "/backups/..%2f..%2fsite_config.json")
        self.assertEqual(answer.headers["X-Accel-Redirect"], "/protected/private/backups/../../site_config.json")
        self.assertEqual(answer.data, b"")


class TestMail(SiteTestCase):
    def mail(self, embedded):
        content = f'<p>Hello</p><img embed="{embedded}">'
        account = frappe._dict(default_sender="b@example.com")
        mail = get_email(["a@example.com"], subject="Hello", content=content, email_account=account)
        mail.make()
        return mail

    def test_a_mail_embeds_no_settings(self):
        for path in (
            f"{frappe.local.site}/site_config.json",
            f"//{Path(frappe.get_site_path()).resolve()}/site_config.json",
        ):
            with self.assertRaisesRegex(frappe.PermissionError, "site_config.json"):
                self.mail(path)

    def test_a_mail_embeds_a_picture(self):
        mail = self.mail("assets/frappe/images/frappe-favicon.svg")
        self.assertIn("image/svg+xml", [part.get_content_type() for part in mail.msg_root.walk()])


class TestThumbnails(SiteTestCase):
    def test_a_thumbnail_stays_in_the_school_s_own_folder(self):
        for words in (
            {"file_url": "/files/../../another-school/private/files/a.png"},
            {"file_url": "/files/a.png", "suffix": "/../../../another-school/public/files/a"},
        ):
            file = frappe.get_doc(doctype="File", file_name="a.png", file_url=words.pop("file_url"))
            with self.assertRaisesRegex(frappe.PermissionError, "own folder"):
                file.make_thumbnail(**words)

    def test_a_picture_of_the_school_s_own_has_a_thumbnail(self):
        picture = io.BytesIO()
        Image.new("RGB", (9, 9)).save(picture, "PNG")
        file = frappe.get_doc(doctype="File", file_name="own-picture.png", content=picture.getvalue()).insert()
        try:
            self.assertEqual(file.make_thumbnail(), file.file_url.replace(".png", "_small.png"))
        finally:
            file.delete()


class TestPackages(SiteTestCase):
    def test_a_package_is_not_unpacked(self):
        package = frappe.get_doc(doctype="Package Import", activate=1)
        with self.assertRaisesRegex(frappe.PermissionError, "cannot be imported"):
            package.insert()


def failed_job(site):
    queue = get_queue("short")
    # What was ever put into a queue has made it known; on a bench that is new, nothing may have been.
    queue.connection.sadd(queue.redis_queues_keys, queue.key)
    words = {"site": site, "user": "Administrator", "method": "frappe.ping", "job_name": "ping", "kwargs": {}}
    job = queue.create_job("frappe.ping", kwargs=words, job_id=f"{site}::{frappe.generate_hash()}", status="failed")
    job.save()
    queue.failed_job_registry.add(job, ttl=600)
    return job


def visit(*paths: str) -> TestResponse:
    """Return the answer to the last of some paths that one browser asks for."""

    def as_a_browser() -> TestResponse:
        from frappe.app import application

        client = Client(application)
        return [client.get(path, headers={"X-Frappe-Site-Name": site}) for path in paths][-1]

    site = frappe.local.site
    # In a thread of its own: a request ends by closing everything that frappe.local holds.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(as_a_browser).result()
