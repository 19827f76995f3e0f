import io
import re
from datetime import date
from functools import partial
from pathlib import Path
from unittest.mock import patch

import frappe
from cryptography.fernet import Fernet
from frappe.utils import add_months, getdate, nowdate
from pypdf import PdfReader

from lms_app import staging
from lms_app.services import (
    access,
    certificate_pdf,
    certificates,
    enrolment,
    pictures,
    progress,
    reasons,
    seals,
    students,
)
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.parallel import at_once
from lms_app.tests.site_case import SiteTestCase

# Whatever a title may hold: nothing of it is code, on no page and in no file.
ODD = "Sauces <b>“more”</b> {{ 7 * 7 }} {course} {index} Соусы"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000" "1f15c4890000000d4944415478da63f8ffff3f0005fe02fe"
    "a735816b0000000049454e44ae426082"
)  # fmt: skip


def earned(user, **values):
    """Return an enrolment of somebody that is completed, in a course that issues certificates."""
    course = school.course(issues_certificates=1, **values)
    name = enrolment.join(user, course.name).name
    school.completed(name)
    return name


def template(**values):
    row = {"doctype": certificates.TEMPLATE, "title": frappe.generate_hash(length=8), **values}
    return frappe.get_doc(row).insert(ignore_permissions=True)


def number_of(enrollment):
    return frappe.db.count("Academy Certificate", {"enrollment": enrollment})


class TestIssuing(SiteTestCase):
    def setUp(self):
        self.ada = school.person("ada")

    def jobs(self, **values):
        course = school.course(**values)
        enrolment.join(self.ada, course.name)
        with patch("frappe.enqueue") as enqueue:
            progress.declare(self.ada, school.lessons_of(course)[0])
        return [(call.args, call.kwargs["enqueue_after_commit"]) for call in enqueue.call_args_list]

    def test_completing_a_course_has_a_job_issue_its_certificate_once_that_is_committed(self):
        self.assertEqual(self.jobs(issues_certificates=1), [(("lms_app.services.certificates.issue",), True)])
        self.assertEqual(self.jobs(), [])

    def test_an_enrolment_has_one_certificate_however_often_it_is_issued(self):
        name = earned(self.ada)
        codes = {certificates.issue(name) for _ in range(3)}
        self.assertEqual(len(codes), 1)
        self.assertEqual(number_of(name), 1)

    def test_nothing_is_issued_for_what_was_not_completed_or_is_not_any_more(self):
        name = earned(self.ada)
        for change in ({"completed_on": None}, {"state": "Cancelled"}, {"state": "Suspended"}):
            frappe.db.savepoint("changed")
            frappe.db.set_value("Academy Enrollment", name, change)
            self.assertIsNone(certificates.issue(name), change)
            frappe.db.rollback(save_point="changed")
        frappe.db.set_value("Academy Course", {"name": ("is", "set")}, "issues_certificates", 0)
        self.assertIsNone(certificates.issue(name))
        self.assertIsNone(certificates.issue("no such enrolment"))

    def test_those_that_are_missing_are_issued_and_one_that_cannot_be_keeps_nobody_from_theirs(self):
        names = [earned(school.person(name), title="Soups") for name in ("ada", "bo", "cy")]
        issue, bad = certificates.issue, names[1]

        def issue_but_one(name):
            if name == bad:
                frappe.throw("broken")
            return issue(name)

        with (
            patch.object(frappe.db, "commit"),
            patch.object(frappe.db, "rollback"),
            patch("lms_app.services.certificates.issue", issue_but_one),
        ):
            certificates.issue_missed()
        self.assertEqual([number_of(name) for name in names], [1, 0, 1])

    def test_what_it_says_stays_when_names_change(self):
        name = earned(self.ada, title="Soups")
        code = certificates.issue(name)
        course = frappe.db.get_value("Academy Enrollment", name, "course")
        frappe.db.set_value("Academy Course", course, "title", "Stews")
        frappe.db.set_value("User", self.ada, "full_name", "Somebody Else")
        for told in (certificates.check(code), certificates.own(self.ada, code)):
            self.assertEqual((told.pupil, told.course), ("Ada", "Soups"))

    def test_months_of_validity_are_counted_from_the_day_of_issue(self):
        code = certificates.issue(earned(self.ada, certificate_months=24))
        self.assertEqual(certificates.check(code).expires_on, getdate(add_months(nowdate(), 24)))
        self.assertIsNone(certificates.check(certificates.issue(earned(self.ada))).expires_on)

    def test_its_words_are_the_template_s_and_the_usual_ones_where_that_says_nothing(self):
        made = template(
            closing="{pupil} knows {course}.\n{school}, {code}",
            words_language="fr",
            orientation="Portrait",
            signatures=[{"person": "Grace Hopper", "role": "Head"}],
        )
        code = certificates.issue(earned(self.ada, title=ODD, certificate_template=made.name))
        said = certificates.own(self.ada, code).snapshot
        self.assertEqual(said["words"]["heading"], "Certificat")
        self.assertTrue(said["words"]["closing"].startswith(f"Ada knows {ODD}.\n"))
        self.assertTrue(said["words"]["closing"].endswith(f", {code}"))
        self.assertEqual(
            said["signatures"], [{"person": "Grace Hopper", "role": "Head", "picture": "", "fingerprint": ""}]
        )
        self.assertEqual(said["orientation"], "Portrait")

    def test_a_signature_that_was_replaced_is_on_no_older_certificate(self):
        file = frappe.get_doc({"doctype": "File", "file_name": "signed.png", "content": PNG}).insert()
        self.addCleanup(file.delete)
        signed = template(signatures=[{"person": "Grace Hopper", "picture": file.file_url}])
        code = certificates.issue(earned(self.ada, certificate_template=signed.name))
        [signature] = certificates.signed(certificates.own(self.ada, code).snapshot)
        self.assertTrue(signature["image"].startswith("data:image/png;base64,"))
        Path(file.get_full_path()).write_bytes(PNG + b"another hand")
        [signature] = certificates.signed(certificates.own(self.ada, code).snapshot)
        self.assertEqual((signature["person"], signature["image"]), ("Grace Hopper", ""))

    def test_a_template_that_would_print_something_odd_is_refused(self):
        for values, reason in (
            ({"opening": "{pupl} has"}, "nothing stands for {pupl}"),
            ({"signatures": [{"person": "x"}] * 4}, "room for 3"),
            (
                {"signatures": [{"person": "x", "picture": "/private/files/../../site_config.json"}]},
                "must be an uploaded",
            ),
        ):
            with self.assertRaisesRegex(frappe.ValidationError, re.escape(reason)):
                template(**values)

    def test_a_picture_is_one_of_the_school_s_own_uploads_or_nothing(self):
        file = frappe.get_doc({"doctype": "File", "file_name": "signed.png", "content": PNG}).insert()
        self.addCleanup(file.delete)
        self.assertTrue(pictures.as_data(file.file_url).startswith("data:image/png;base64,"))
        for url in ("/files/../../site_config.json", "/files/sub/x.png", "/etc/passwd", "https://x/y.png", "", None,
                    "/files/..", "/files/none.png"):  # fmt: skip
            self.assertEqual(pictures.as_data(url), "", url)
        text = frappe.get_doc({"doctype": "File", "file_name": "signed.txt", "content": "<svg/>"}).insert()
        self.addCleanup(text.delete)
        self.assertEqual(pictures.as_data(text.file_url), "")

    def test_a_pupil_is_told_if_they_want_to_be(self):
        for wants, subjects in ((True, ["Your certificate: Soups"]), (False, [])):
            name = earned(self.ada, title="Soups")
            students.prefer(self.ada, {"mails_about_progress": wants})
            with patch("frappe.sendmail") as send, patch.dict(frappe.conf, {"mail_server": "localhost"}):
                code = certificates.issue(name)
            self.assertEqual([call.kwargs["subject"] for call in send.call_args_list], subjects)
            if wants:
                self.assertIn(f"/learn/me/certificates/{code}", send.call_args.kwargs["args"]["address"])


class TestChecking(SiteTestCase):
    def setUp(self):
        self.ada = school.person("ada")
        self.enrollment = earned(self.ada)
        self.code = certificates.issue(self.enrollment)
        self.name = frappe.db.get_value("Academy Certificate", {"code": self.code}, "name")

    def state(self, code=""):
        return certificates.check(code or self.code).state

    def change(self, **values):
        frappe.db.set_value("Academy Certificate", self.name, values)

    def test_it_is_valid_however_its_code_is_written(self):
        for code in (self.code, self.code.lower(), self.code.replace("-", ""), f" {self.code.replace('-', ' ')} "):
            self.assertEqual(self.state(code), seals.VALID, code)

    def test_a_code_that_is_none_is_unknown(self):
        for code in ("", "x", "0000-0000-0000-0000", "%", self.code[:-1]):
            self.assertEqual(certificates.check(code or "-"), {"state": seals.UNKNOWN}, code)

    def test_what_was_changed_past_the_app_is_unknown(self):
        kept = frappe.db.get_value("Academy Certificate", self.name, ["snapshot", "seal", "code"], as_dict=True)
        other = certificates.issue(earned(school.person("bo")))
        others = frappe.db.get_value("Academy Certificate", {"code": other}, ["snapshot", "seal"], as_dict=True)
        for values in (
            {"snapshot": kept.snapshot.replace("Ada", "Eve")},
            {"seal": "0" * 64},
            {"snapshot": others.snapshot, "seal": others.seal},
        ):
            self.change(**values)
            self.assertEqual(self.state(), seals.UNKNOWN, values)
            self.change(**kept)
        self.assertEqual(self.state(), seals.VALID)

    def test_it_expires_after_its_last_day(self):
        code = certificates.issue(earned(self.ada, certificate_months=1))
        last = certificates.check(code).expires_on
        for day, state in ((last, seals.VALID), (date.fromordinal(last.toordinal() + 1), seals.EXPIRED)):
            with patch("lms_app.services.certificates.nowdate", return_value=day.isoformat()):
                self.assertEqual(self.state(code), state)

    def test_it_can_be_taken_back_with_a_reason_and_given_again(self):
        with school.told(reasons.RefusedError, "no_reason"):
            certificates.revoke(self.name, " ", by="Administrator")
        with school.told(reasons.RefusedError, "not_revoked"):
            certificates.reinstate(self.name)
        certificates.revoke(self.name, "Copied from another.", by="Administrator")
        self.assertEqual(self.state(), seals.REVOKED)
        self.assertNotIn("Copied", str(certificates.check(self.code)))
        with school.told(reasons.RefusedError, "certificate_revoked"):
            certificates.revoke(self.name, "Again.", by="Administrator")
        # Whoever completes the course anew does not get round it.
        self.assertEqual(certificates.issue(self.enrollment), self.code)
        self.assertEqual(self.state(), seals.REVOKED)
        certificates.reinstate(self.name)
        self.assertEqual(self.state(), seals.VALID)

    def test_only_who_may_change_the_course_takes_one_back(self):
        from lms_app.api import certificates as api

        lead, other = school.person("lead"), school.person("other-lead", access.INSTRUCTOR_ROLE)
        for user in (self.ada, other, "Guest"):
            with school.as_user(user), school.told(reasons.DeniedError, "not_staff"):
                api.revoke(self.name, "Because.")
        with school.as_user(lead):
            api.revoke(self.name, "Because.")
        self.assertEqual(self.state(), seals.REVOKED)

    def test_a_site_that_lost_its_encryption_key_knows_none(self):
        with patch.dict(frappe.local.conf, {"encryption_key": Fernet.generate_key().decode()}):
            self.assertEqual(self.state(), seals.UNKNOWN)
        self.assertEqual(self.state(), seals.VALID)

    def test_the_settings_can_be_saved_without_losing_the_key(self):
        frappe.get_doc("Academy Settings").save(ignore_permissions=True)
        self.assertEqual(self.state(), seals.VALID)

    def test_a_staging_copy_vouches_for_nothing_that_the_school_issued(self):
        try:
            with patch.dict(frappe.local.conf, {"academy_staging": 1}):
                staging.mute()
            self.assertEqual(self.state(), seals.UNKNOWN)
            # It has a key of its own as soon as it needs one, and certificates that look right to their pupils.
            self.assertEqual(self.state(certificates.issue(earned(self.ada))), seals.VALID)
            self.assertEqual(certificates.own(self.ada, self.code).pupil, "Ada")
        finally:
            frappe.db.rollback()
            frappe.clear_cache()


class TestPrinting(SiteTestCase):
    def printed(self, **values):
        ada = school.person("ada")
        code = certificates.issue(earned(ada, **values))
        return code, PdfReader(io.BytesIO(certificate_pdf.make(certificates.own(ada, code))))

    def test_it_is_one_page_of_a4_with_title_language_and_tags(self):
        for orientation, size in (("Landscape", (842, 595)), ("Portrait", (595, 842))):
            made = template(orientation=orientation)
            _, pdf = self.printed(title="Soups", language="fr", certificate_template=made.name)
            [sheet] = pdf.pages
            self.assertEqual((round(sheet.mediabox.width), round(sheet.mediabox.height)), size)
            self.assertEqual(pdf.metadata.title, "Certificat: Soups, Ada")
            root = pdf.trailer["/Root"]
            self.assertEqual(root["/Lang"], "fr")
            self.assertIn("/StructTreeRoot", root)
            self.assertTrue(root["/MarkInfo"]["/Marked"])

    def test_what_somebody_wrote_is_printed_as_it_is(self):
        code, pdf = self.printed(title=ODD)
        words = " ".join(pdf.pages[0].extract_text().split())
        for part in ("<b>", "{{ 7 * 7 }}", "{course}", "Соусы", code):
            self.assertIn(part, words)

    def test_texts_that_are_too_long_become_smaller_and_stay_on_one_page(self):
        long = template(**dict.fromkeys(("heading", "opening", "deed"), "W" * 140), closing="Word " * 56)
        _, pdf = self.printed(title="W" * 140, certificate_template=long.name)
        self.assertEqual(len(pdf.pages), 1)
        self.assertIn("Word", pdf.pages[0].extract_text())

    def test_nothing_is_fetched(self):
        code, _ = self.printed()
        found = certificates.own(school.person("ada"), code)
        found.snapshot["pupil"] = found.snapshot["words"]["closing"] = '<img src="http://127.0.0.1/x.png">'
        with patch("lms_app.services.sheet.fetch", side_effect=AssertionError) as fetch:
            certificate_pdf.make(found)
        fetch.assert_not_called()


class TestPages(SiteTestCase):
    """Pages by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ada, cls.bo = school.person("ada"), school.person("bo")
        cls.key, cls.other = key_of(cls.ada), key_of(cls.bo)
        cls.course = school.course(title=ODD, issues_certificates=1)
        cls.addClassCleanup(school.remove, [cls.course.name])
        cls.enrollment = enrolment.join(cls.ada, cls.course.name).name
        enrolment.join(cls.bo, cls.course.name)
        school.completed(cls.enrollment)
        cls.code = certificates.issue(cls.enrollment)
        cls.path = f"/learn/me/certificates/{cls.code}"
        frappe.db.commit()

    def setUp(self):
        frappe.cache.delete_keys("often:")

    def page(self, path, key="", status=200):
        answer = ask(path, key=key)
        self.assertEqual(answer.status_code, status, path)
        return answer.get_data(as_text=True)

    def test_a_pupil_finds_it_from_the_course_from_what_is_completed_and_in_the_list(self):
        for path in (f"/learn/c/{self.course.slug}", "/learn/me", "/learn/me/certificates"):
            self.assertIn(f'href="{self.path}"', self.page(path, self.key), path)
            self.assertNotIn(self.code, self.page(path, self.other), path)
        self.assertIn("No certificate yet", self.page("/learn/me/certificates", self.other))

    def test_it_is_shown_with_a_link_for_others_and_nothing_in_it_is_code(self):
        page = self.page(self.path, self.key)
        self.assertIn(f"/verify/{self.code}", page)
        self.assertIn(frappe.utils.escape_html(ODD), page)
        self.assertNotIn("<b>“more”", page)

    def test_a_file_of_it_is_its_pupil_s_alone(self):
        answer = ask(f"{self.path}.pdf", key=self.key)
        self.assertEqual((answer.status_code, answer.mimetype), (200, "application/pdf"))
        self.assertTrue(answer.get_data().startswith(b"%PDF-"))
        self.assertIn("no-store", answer.headers["Cache-Control"])
        for key in ("", self.other):
            self.assert_led_to_its_page(ask(f"{self.path}.pdf", key=key))

    def assert_led_to_its_page(self, answer, more=""):
        self.assertEqual((answer.status_code, answer.location), (302, f"{self.path}{more}"))

    def test_too_many_files_are_refused(self):
        with patch("lms_app.certificate_file.FILES_AN_HOUR", 1):
            ask(f"{self.path}.pdf", key=self.key)
            self.assert_led_to_its_page(ask(f"{self.path}.pdf", key=self.key), "?trouble=too_often")
        self.assertIn("You have done this too often", self.page(f"{self.path}?trouble=too_often", self.key, 429))

    def test_somebody_else_s_is_not_there_and_guests_are_led_to_the_login(self):
        self.assertNotIn("Soups", self.page(self.path, self.other, 404))
        for path in (self.path, "/learn/me/certificates"):
            answer = ask(path)
            self.assertEqual((answer.status_code, answer.location), (302, f"/login?redirect-to={path}"))

    def test_anybody_can_check_it_and_learns_nothing_else(self):
        page = self.page(f"/verify/{self.code}")
        self.assertIn("This certificate is valid.", page)
        self.assertIn(">Ada<", page)
        self.assertIn('name="robots" content="noindex"', page)
        for secret in (self.ada, self.enrollment, self.course.name, self.course.slug):
            self.assertNotIn(secret, page)

    def test_a_code_that_was_written_down_leads_to_its_address(self):
        written = self.code.replace("-", " ").lower()
        answer = ask("/verify?code=" + written.replace(" ", "+"))
        self.assertEqual((answer.status_code, answer.location), (302, f"/verify/{self.code}"))
        self.assertIn('<form class="search" action="/verify" method="get">', self.page("/verify"))

    def test_a_slip_in_a_code_is_told_with_what_was_written(self):
        page = self.page("/verify?code=%3Cb%3E7K3M", status=404)
        self.assertIn("No certificate has this code.", page)
        self.assertIn('value="&lt;b&gt;7K3M"', page)
        self.page("/verify/0000-0000-0000-0000", status=404)

    def test_one_address_checks_only_so_many(self):
        with patch("lms_app.www.verify.index.CHECKS_AN_HOUR", 2):
            found = [ask(f"/verify/{self.code}").status_code for _ in range(3)]
        self.assertEqual(found, [200, 200, 429])
        self.page("/verify")

    def test_one_that_was_taken_back_says_so_everywhere_and_is_not_printed(self):
        name = frappe.db.get_value("Academy Certificate", {"code": self.code}, "name")
        certificates.revoke(name, "Copied.", by="Administrator")
        frappe.db.commit()
        try:
            for path, key in (
                (f"/verify/{self.code}", ""),
                (self.path, self.key),
                ("/learn/me/certificates", self.key),
            ):
                page = self.page(path, key)
                self.assertIn("This certificate has been taken back.", page)
                self.assertNotIn("Copied.", page)
            self.assert_led_to_its_page(ask(f"{self.path}.pdf", key=self.key))
            self.assertNotIn(self.code, self.page("/learn/me", self.key))
        finally:
            certificates.reinstate(name)
            frappe.db.commit()


class TestAtOnce(SiteTestCase):
    """Many jobs at the same time, each with its own connection: what is made here is committed and removed again."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.courses = []
        cls.addClassCleanup(lambda: school.remove(cls.courses))

    def earned(self, user):
        name = earned(user)
        self.courses.append(frappe.db.get_value("Academy Enrollment", name, "course"))
        frappe.db.commit()
        return name

    def test_jobs_for_one_enrolment_issue_one_certificate(self):
        name = self.earned(school.person("ada"))
        found = at_once([partial(certificates.issue, name) for _ in range(8)])
        frappe.db.rollback()
        self.assertEqual(number_of(name), 1)
        self.assertEqual({*found}, {frappe.db.get_value("Academy Certificate", {"enrollment": name}, "code")})

    def test_the_first_certificates_of_a_school_are_sealed_with_one_key(self):
        names = [self.earned(school.person(f"crowd{number}")) for number in range(6)]
        kept = frappe.db.sql("SELECT * FROM `__Auth` WHERE fieldname = 'certificate_secret'", as_dict=True)
        frappe.db.delete("__Auth", {"fieldname": "certificate_secret"})
        frappe.db.commit()
        try:
            codes = at_once([partial(certificates.issue, name) for name in names])
            frappe.db.rollback()
            self.assertEqual([certificates.check(code).state for code in codes], [seals.VALID] * 6, codes)
        finally:
            frappe.db.delete("__Auth", {"fieldname": "certificate_secret"})
            for row in kept:
                columns = ", ".join(f"`{column}`" for column in row)
                gaps = ", ".join(["%s"] * len(row))
                frappe.db.sql(f"INSERT INTO `__Auth` ({columns}) VALUES ({gaps})", [*row.values()])  # noqa: S608 - its own
            frappe.db.commit()
