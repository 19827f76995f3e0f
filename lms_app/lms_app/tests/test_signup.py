import re
from contextlib import contextmanager
from unittest.mock import patch

import frappe
from frappe.utils import add_days, now_datetime
from frappe.utils.password import update_password
from werkzeug.test import TestResponse

from lms_app.services import access, branding, enrolment, invitations, limits, notify, sign_up, students
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.site_case import SiteTestCase

NEW = f"newcomer.{school.MARK}@example.com"

LINK = frappe._dict(name="link", email="", max_uses=1)


@contextmanager
def policy(who: str, domains: str = ""):
    """Let a school say who may sign up, for a while."""
    # Of settings that nobody ever saved nothing is kept.
    fields = ["sign_up", "sign_up_domains"]
    kept = frappe.db.get_value("Academy Settings", None, fields, as_dict=True) or frappe._dict()
    write({"sign_up": who, "sign_up_domains": domains})
    try:
        yield
    finally:
        write({"sign_up": kept.sign_up or "Invited", "sign_up_domains": kept.sign_up_domains or ""})


def write(values: dict[str, str]) -> None:
    frappe.db.set_single_value("Academy Settings", values)
    frappe.clear_document_cache("Academy Settings", "Academy Settings")
    frappe.cache.delete_keys("often:sign_up")


class TestSignUp(SiteTestCase):
    def setUp(self):
        sending = patch.dict(frappe.conf, {"mail_server": "localhost"})
        sending.start()
        self.addCleanup(sending.stop)
        frappe.cache.delete_keys("often:sign_up")

    def tearDown(self):
        frappe.clear_document_cache("Academy Settings", "Academy Settings")

    def ask(self, email: str = NEW, name: str = "Ada", target: str = "/learn/c/soups", **given) -> list[dict]:
        """Return what the jobs are given that follow from asking for an account."""
        with patch("frappe.enqueue") as enqueue:
            sign_up.ask(email, name, target, given.pop("visitor", "192.0.2.7"), **given)
        own = {"queue", "enqueue_after_commit"}
        return [{key: value for key, value in call.kwargs.items() if key not in own} for call in enqueue.call_args_list]

    def welcome(self, email: str = NEW) -> tuple[str, str, str]:
        """Return to whom the mail goes, what it is about and where it leads."""
        with patch("frappe.enqueue"), patch("frappe.sendmail") as send:
            sign_up.welcome(email, "Ada Lovelace", "/learn/c/soups", "en")
        if not send.call_args:
            return ("", "", "")
        self.assertNotIn("Ada", str(send.call_args), "whoever asks could write to strangers")
        given = send.call_args.kwargs
        return (given["recipients"][0], given["subject"], given["args"]["address"])

    def test_a_newcomer_becomes_a_pupil_who_proves_the_address_by_frappe_s_own_link(self):
        address, _, link = self.welcome()
        self.assertEqual(address, NEW)
        user = frappe.get_doc("User", NEW)
        self.assertEqual((user.full_name, user.user_type, user.enabled), ("Ada Lovelace", "Website User", 1))
        self.assertEqual([row.role for row in user.roles], [access.STUDENT_ROLE])
        self.assertTrue(students.find(NEW))
        key = re.fullmatch(r".*/update-password\?key=(\w+)", link)[1]
        self.assertEqual(user.reset_password_key, frappe.utils.data.sha256_hash(key))
        self.assertEqual(frappe.db.get_value("User", NEW, "redirect_url"), "/learn/c/soups")
        self.assertFalse(frappe.db.exists("__Auth", {"doctype": "User", "name": NEW}), "nobody chose a password yet")

    def test_who_lost_the_mail_gets_another_and_stays_one_user(self):
        _, _, first = self.welcome()
        _, _, second = self.welcome()
        self.assertNotEqual(first, second)
        self.assertEqual(frappe.db.count("User", {"email": NEW}), 1)

    def test_who_has_an_account_is_told_so_by_mail_alone(self):
        ada = school.person("ada")
        frappe.db.set_value("User", ada, {"last_login": "2026-01-01", "reset_password_key": "kept"})
        address, _, link = self.welcome(ada)
        self.assertEqual((address, link), (ada, frappe.utils.get_url("/login?redirect-to=/learn/c/soups")))
        self.assertEqual(frappe.db.get_value("User", ada, "reset_password_key"), "kept")

    def test_who_was_shut_out_of_the_school_gets_no_mail(self):
        ada = school.person("ada")
        frappe.db.set_value("User", ada, "enabled", 0)
        self.assertEqual(self.welcome(ada), ("", "", ""))
        self.assertEqual(frappe.db.get_value("User", ada, "enabled"), 0)

    def test_the_administrator_gets_no_link_to_choose_a_password(self):
        email = frappe.db.get_value("User", "Administrator", "email")
        frappe.db.delete("User", {"name": email})
        self.assertIn("/login", self.welcome(email)[2])

    def test_whether_there_is_an_account_changes_nothing_of_what_is_asked_and_answered(self):
        ada = school.person("ada")
        with policy("Anybody"):
            [known], [new] = self.ask(ada), self.ask(f"unknown.{NEW}")
        self.assertEqual({**known, "email": ""}, {**new, "email": ""})
        self.assertFalse(frappe.db.exists("User", f"unknown.{NEW}"), "a job makes the account, in its own time")

    def test_an_address_is_one_whatever_its_capitals_and_spaces(self):
        with policy("Anybody"):
            [given] = self.ask(f" {NEW.upper()} ", " Ada \t L. ")
        self.assertEqual((given["email"], given["full_name"]), (NEW, "Ada L."))

    def test_the_school_says_who_may(self):
        for who, reason in (("Nobody", "sign_up_closed"), ("Invited", "sign_up_by_invitation")):
            with policy(who), school.told(frappe.ValidationError, reason):
                self.ask()
        with policy("Anybody", "school.org"):
            self.assertEqual(len(self.ask("ada@school.org")), 1)
            self.assertEqual(len(self.ask(invitation=LINK)), 1)
            with school.told(frappe.ValidationError, "other_domain"):
                self.ask()

    def test_a_school_that_sends_no_mails_promises_none(self):
        with policy("Anybody"), patch.object(notify, "can_send", return_value=False):
            self.assertEqual(sign_up.terms().reason, "school_sends_no_mail")
            with school.told(frappe.ValidationError, "school_sends_no_mail"):
                self.ask()

    def test_nobody_asks_without_end_for_one_address_or_from_one(self):
        with policy("Anybody"), patch.object(sign_up, "OF_ADDRESS_AN_HOUR", 2):
            for visitor in ("192.0.2.1", "192.0.2.2"):
                self.ask(visitor=visitor)
            with school.told(frappe.ValidationError, "too_often"):
                self.ask(visitor="192.0.2.3")
        with policy("Anybody"), patch.object(sign_up, "OF_VISITOR_AN_HOUR", 2):
            for number in range(2):
                self.ask(f"a{number}@example.com")
            with school.told(frappe.ValidationError, "too_often"):
                self.ask("a2@example.com")

    def test_nobody_shuts_out_the_others_by_asking_from_all_of_a_network(self):
        with policy("Anybody"), patch.object(sign_up, "OF_NETWORK_AN_HOUR", 2):
            for number in range(2):
                self.ask(f"a{number}@example.com", visitor=f"2001:db8:1:{number}::/64")
            for _ in range(5):
                with school.told(frappe.ValidationError, "too_often"):
                    self.ask("b@example.com", visitor="2001:db8:1:9::/64")
            with patch.object(sign_up, "OF_SCHOOL_AN_HOUR", 3):
                self.assertEqual(len(self.ask("c@example.com", visitor="2001:db8:2::/64")), 1)

    def test_what_is_refused_counts_for_nothing(self):
        self.addCleanup(frappe.cache.delete_keys, "often:tried")
        for times, is_refused in ((2, False), (3, True), (3, True), (1, False), (1, True)):
            if is_refused:
                with school.told(frappe.ValidationError, "too_often"):
                    limits.count("tried", "ada", most=3, seconds=60, times=times)
            else:
                limits.count("tried", "ada", most=3, seconds=60, times=times)

    def test_what_is_tried_again_counts_once_where_that_is_asked_for(self):
        self.addCleanup(frappe.cache.delete_keys, "often:tried")
        for is_undone in (True, False):
            frappe.cache.delete_keys("often:tried")
            for _ in range(2):
                limits.count("tried", "ada", most=3, seconds=60, times=2 if is_undone else 1, with_rollback=is_undone)
                frappe.db.rollback()
            counted = int(frappe.cache.get(frappe.cache.make_key("often:tried:ada")) or 0)
            self.assertEqual(counted, 0 if is_undone else 2)

    def test_what_is_counted_is_forgotten_in_time_even_if_it_is_just_being_forgotten(self):
        self.addCleanup(frappe.cache.delete_keys, "often:tried")
        key = frappe.cache.make_key("often:tried:ada")
        with patch.object(type(frappe.cache), "set", side_effect=lambda *_, **__: None):
            limits.count("tried", "ada", most=3, seconds=60)
        self.assertGreater(frappe.cache.ttl(key), 0)
        with school.told(frappe.ValidationError, "too_often_today"):
            limits.count("tried", "bo", most=0, seconds=86400)

    def test_a_link_makes_as_many_accounts_as_it_serves_and_each_may_ask_again(self):
        with policy("Invited"):
            for number in range(2):
                self.ask(f"a{number}@example.com", invitation=LINK)
            with school.told(frappe.ValidationError, "too_often_today"):
                self.ask("a2@example.com", invitation=LINK)
            self.ask("a2@example.com", invitation=frappe._dict(LINK, name="another"))

    def test_a_link_to_choose_a_password_goes_to_its_user_s_own_address_alone(self):
        ada = school.person("as")
        alike = ada.replace("as", "a\u017f", 1)
        self.assertEqual(self.welcome(alike), ("", "", ""))
        frappe.db.set_value("User", ada, "email", "elsewhere@example.com")
        self.assertEqual(self.welcome(ada), ("", "", ""))

    def test_an_account_that_nobody_used_goes_again_and_no_other(self):
        # What a round removes is removed for good, in a transaction of each.
        self.addCleanup(frappe.db.rollback)
        names = ("gone", "asked", "chose", "came", "joined", "staff", "named")
        made = {name: f"{name}.{NEW}" for name in names}
        with school.as_user("Guest"):
            for email in made.values():
                self.welcome(email)
        old = add_days(now_datetime(), -sign_up.UNPROVEN_DAYS - 1)
        for name, email in made.items():
            self.assertEqual(frappe.db.get_value("User", email, "owner"), "Guest")
            row = {"creation": old}
            if name != "asked":
                row["last_reset_password_key_generated_on"] = old
            frappe.db.set_value("User", email, row, update_modified=False)
        update_password(made["chose"], "a long word of nobody's")
        frappe.db.set_value("User", made["came"], "last_login", old, update_modified=False)
        enrolment.join(made["joined"], school.course().name)
        frappe.db.set_value("User", made["staff"], "owner", "Administrator", update_modified=False)
        # By whoever looks after the school's users.
        frappe.db.set_value("User", made["named"], "full_name", "Ada L.")
        with patch.object(frappe.db, "commit"):
            sign_up.forget_unproven()
        left = {name for name, email in made.items() if frappe.db.exists("User", email)}
        self.assertEqual(left, {*names} - {"gone"})
        self.assertIsNone(students.find(made["gone"]))
        self.assertFalse(frappe.db.exists("Contact", {"email_id": made["gone"]}))

    def test_a_page_elsewhere_is_not_gone_on_with(self):
        with policy("Anybody"):
            [given] = self.ask(target="//elsewhere.org")
        self.assertEqual(given["target"], "/learn")

    def test_settings_refuse_what_is_no_domain(self):
        with self.assertRaisesRegex(frappe.ValidationError, "is no domain"):
            frappe.get_doc("Academy Settings").update({"sign_up_domains": "school.org, everywhere"}).save()

    def test_where_nothing_was_chosen_who_is_invited_may(self):
        with policy(""):
            self.assertEqual(sign_up.terms().reason, "sign_up_by_invitation")
            self.assertEqual(sign_up.terms(is_invited=True).reason, "")
            self.assertFalse(branding.brand()["has_sign_up"])
            sign_up.write_policy()
            self.assertEqual(frappe.db.get_single_value("Academy Settings", "sign_up"), "Invited")


class TestSignUpPages(SiteTestCase):
    """Pages by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.course = school.course(enrolment_mode="Invite", visibility="Private")
        cls.key = key_of(school.person("ada"))
        cls.addClassCleanup(school.remove, [cls.course.name])
        frappe.db.commit()

    @contextmanager
    def open(self, who: str, domains: str = ""):
        with policy(who, domains):
            frappe.db.commit()
            yield
        frappe.db.commit()

    def form(self, path: str, **values: str) -> tuple[TestResponse, int]:
        """Return the answer to a form of a guest, and how many jobs followed from it."""
        given = {"deed": "sign_up", "full_name": "Ada", "email": NEW, **values}
        with patch.object(notify, "can_send", return_value=True), patch.object(sign_up.frappe, "enqueue") as enqueue:
            answer = ask(path, given)
        own = [call for call in enqueue.call_args_list if call.args == ("lms_app.services.sign_up.welcome",)]
        return answer, len(own)

    def page(self, path: str, key: str = "") -> str:
        with patch.object(notify, "can_send", return_value=True):
            return ask(path, key=key).get_data(as_text=True)

    def test_the_page_says_who_may_sign_up(self):
        for who, words in (("Nobody", "makes the accounts itself"), ("Invited", "by invitation only")):
            with self.open(who):
                page = self.page("/learn/join")
                self.assertIn(words, page)
                self.assertNotIn("<form", page)
                self.assertNotIn("/learn/join", self.page("/learn"))
                answer, jobs = self.form("/learn/join")
                self.assertEqual((answer.status_code, jobs), (409, 0))
        with self.open("Anybody", "school.org"):
            self.assertIn("school.org", self.page("/learn/join"))
            self.assertIn("/learn/join?to=/learn", self.page("/learn"))

    def test_a_form_without_javascript_asks_for_an_account_and_says_to_look_into_the_mails(self):
        with self.open("Anybody"):
            self.assertIn('name="to" value="/learn/c/soups"', self.page("/learn/join?to=/learn/c/soups"))
            answer, jobs = self.form("/learn/join", to="/learn/c/soups")
            self.assertEqual((answer.status_code, answer.location, jobs), (303, "/learn/join?said=sent", 1))
            self.assertIn("Look into your mails", self.page(answer.location))

    def test_what_is_wrong_is_said_and_what_was_written_stays(self):
        with self.open("Anybody"):
            answer, jobs = self.form("/learn/join", email="ada at school", full_name='Ada "L"')
            self.assertEqual((answer.status_code, jobs), (409, 0))
            page = answer.get_data(as_text=True)
            self.assertIn('role="alert">This is no e-mail address.', page)
            self.assertIn('value="Ada &#34;L&#34;"', page)
            self.assertIn('value="ada at school"', page)

    def test_whoever_is_logged_in_goes_on_instead(self):
        answer = ask("/learn/join?to=/learn/c/soups", key=self.key)
        self.assertEqual((answer.status_code, answer.location), (302, "/learn/c/soups"))

    def test_who_is_invited_makes_an_account_on_the_way_and_for_that_address_alone(self):
        token = invitations.invite(self.course.name, NEW)
        frappe.db.commit()
        path = f"/i/{token}"
        with self.open("Invited"):
            self.assertRegex(self.page(path), f'value="{NEW}"[^>]* readonly')
            with patch.object(sign_up, "ask") as asked:
                answer, _ = self.form(path, email="somebody@else.org")
            self.assertEqual((answer.status_code, answer.location), (303, f"{path}?said=sent"))
            self.assertEqual((asked.call_args.args[0], asked.call_args.args[2]), (NEW, path))
            self.assertEqual(asked.call_args.kwargs["invitation"].max_uses, 1)
            answer, jobs = self.form(path)
            self.assertEqual((answer.status_code, jobs), (303, 1))
            self.assertIn("Look into your mails", self.page(answer.location))
        with self.open("Nobody"):
            page = self.page(path)
            self.assertIn("Log in to accept.", page)
            self.assertNotIn("<form", page)

    def test_an_invitation_that_serves_no_more_makes_no_account(self):
        with self.open("Invited"):
            answer, jobs = self.form("/i/no-such-token")
            self.assertEqual((answer.status_code, jobs), (404, 0))
