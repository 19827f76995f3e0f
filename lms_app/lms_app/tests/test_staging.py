from unittest.mock import patch

import frappe
from frappe.utils.password import get_decrypted_password, set_encrypted_password

from lms_app import staging
from lms_app.tests.site_case import SiteTestCase
from lms_app.tests.test_front_page import page


def copy():
    return patch.dict(frappe.local.conf, {"academy_staging": 1})


class TestMute(SiteTestCase):
    def tearDown(self):
        frappe.db.rollback()
        frappe.clear_cache()

    def mute(self):
        with copy():
            return staging.mute()

    def webhook(self):
        return frappe.get_doc(
            {
                "doctype": "Webhook",
                "name": "Tell the shop",
                "webhook_doctype": "User",
                "webhook_docevent": "after_insert",
                "request_url": "https://shop.example.com/hook",
                "request_method": "POST",
                "enabled": 1,
                "enable_security": 1,
                "webhook_secret": "signs what is sent",
                "webhook_headers": [{"key": "Authorization", "value": "Bearer abc"}],
            }
        ).insert()

    def test_a_webhook_is_off_and_can_sign_nothing(self):
        webhook = self.webhook()
        changed = self.mute()
        webhook.reload()
        self.assertEqual((webhook.enabled, webhook.webhook_secret), (0, None))
        self.assertIsNone(get_decrypted_password("Webhook", webhook.name, "webhook_secret", raise_exception=False))
        self.assertIsNone(webhook.webhook_headers[0].value)
        self.assertEqual(changed["webhooks"], 1)

    def test_no_email_account_sends_fetches_or_knows_its_password(self):
        account = frappe.new_doc("Email Account")
        account.update({"email_account_name": "Office", "email_id": "office@example.com", "name": "Office"})
        account.db_insert()
        on = {"enable_incoming": 1, "enable_outgoing": 1, "password": "****"}
        frappe.db.set_value("Email Account", account.name, on)
        set_encrypted_password("Email Account", account.name, "mail password", "password")
        self.assertGreaterEqual(self.mute()["email_accounts"], 1)
        self.assertEqual(frappe.db.count("Email Account", {"enable_outgoing": 1}), 0)
        self.assertEqual(frappe.db.count("Email Account", {"enable_incoming": 1}), 0)
        kept = get_decrypted_password("Email Account", account.name, raise_exception=False)
        self.assertIsNone(kept)

    def test_no_user_s_api_key_works_but_every_password_does(self):
        hashed = frappe.db.sql("SELECT * FROM `__Auth` WHERE encrypted = 0 ORDER BY 1, 2, 3")
        frappe.db.set_value("User", "Administrator", {"api_key": "0123456789abcde", "reset_password_key": "x"})
        frappe.db.set_value("User", "Guest", "api_key", "0123456789abcdf")
        set_encrypted_password("User", "Administrator", "api secret", "api_secret")
        self.assertEqual(self.mute()["user_keys"], 2)
        for field in ("api_key", "reset_password_key"):
            self.assertEqual(frappe.get_all("User", filters={field: ("is", "set")}), [])
        secret = get_decrypted_password("User", "Administrator", "api_secret", raise_exception=False)
        self.assertIsNone(secret)
        self.assertEqual(frappe.db.sql("SELECT * FROM `__Auth` WHERE encrypted = 0 ORDER BY 1, 2, 3"), hashed)

    def test_settings_of_integrations_are_off_and_forget_their_secrets(self):
        for doctype, values in {
            "S3 Backup Settings": {"enabled": 1, "access_key_id": "AKIA", "bucket": "school"},
            "Dropbox Settings": {"enabled": 1, "app_access_key": "key"},
            "Google Drive": {"enable": 1, "refresh_token": "token"},
            "Google Settings": {"enable": 1, "client_id": "id", "api_key": "key"},
            "Plaid Settings": {"enabled": 1, "plaid_client_id": "id"},
            "Push Notification Settings": {"enable_push_notification_relay": 1, "api_key": "key"},
            "SMS Settings": {"sms_gateway_url": "https://sms.example.com"},
        }.items():
            frappe.db.set_single_value(doctype, values)
        set_encrypted_password("S3 Backup Settings", "S3 Backup Settings", "secret", "secret_access_key")
        changed = self.mute()
        for doctype, field in (
            ("S3 Backup Settings", "enabled"),
            ("S3 Backup Settings", "access_key_id"),
            ("Dropbox Settings", "enabled"),
            ("Google Drive", "refresh_token"),
            ("Google Settings", "client_id"),
            ("Plaid Settings", "plaid_client_id"),
            ("Push Notification Settings", "enable_push_notification_relay"),
            ("SMS Settings", "sms_gateway_url"),
        ):
            with self.subTest(doctype=doctype, field=field):
                self.assertFalse(frappe.db.get_single_value(doctype, field))
        self.assertEqual(frappe.db.get_single_value("S3 Backup Settings", "bucket"), "school")
        self.assertEqual((changed["push"], changed["text_messages"]), (1, 1))
        self.assertGreaterEqual(changed["secrets"], 6)
        self.assertEqual(frappe.db.sql("SELECT COUNT(*) FROM `__Auth` WHERE encrypted = 1")[0][0], 0)

    def test_what_is_secret_in_settings_is_told_by_its_name(self):
        for name in ("api_key", "access_token", "plaid_client_id", "publishable_key", "access_key_id", "webhook_url"):
            self.assertTrue(staging.SECRET.fullmatch(name), name)
        for name in ("post_title_key", "token_uri", "access_token_url", "webhook_name", "minimum_password_score"):
            self.assertFalse(staging.SECRET.fullmatch(name), name)

    def test_waiting_mail_and_sessions_are_gone_and_sent_mail_stays(self):
        for status in ("Not Sent", "Sent"):
            mail = frappe.new_doc("Email Queue")
            mail.update({"status": status, "sender": "a@example.com", "message": "x", "name": f"mail {status}"})
            mail.append("recipients", {"recipient": "parent@example.com", "status": status})
            mail.insert(set_name=f"mail {status}")
        frappe.db.sql("INSERT INTO tabSessions (user, sid, sessiondata, status) VALUES ('Guest', 'x', '{}', 'Active')")
        changed = self.mute()
        self.assertEqual(
            frappe.get_all("Email Queue", filters={"name": ("like", "mail %")}, pluck="name"), ["mail Sent"]
        )
        self.assertFalse(frappe.db.exists("Email Queue Recipient", {"parent": "mail Not Sent"}))
        self.assertGreaterEqual(changed["queued_mail"], 1)
        self.assertEqual(frappe.db.sql("SELECT COUNT(*) FROM tabSessions")[0][0], 0)

    def test_nobody_comes_in_through_another_provider(self):
        frappe.get_doc(
            {"doctype": "Social Login Key", "provider_name": "Office", "client_id": "id", "enable_social_login": 0}
        ).db_insert()
        frappe.db.set_value("Social Login Key", {"provider_name": "Office"}, "enable_social_login", 1)
        client = frappe.get_doc(
            {
                "doctype": "OAuth Client",
                "app_name": "App",
                "scopes": "all",
                "redirect_uris": "https://app.example.com",
                "default_redirect_uri": "https://app.example.com",
            }
        ).insert()
        self.assertGreaterEqual(self.mute()["login_providers"], 2)
        self.assertEqual(frappe.db.count("Social Login Key", {"enable_social_login": 1}), 0)
        self.assertFalse(frappe.db.exists("OAuth Client", client.name))

    def test_muting_again_changes_nothing(self):
        self.webhook()
        self.assertGreater(sum(self.mute().values()), 0)
        again = self.mute()
        self.assertEqual(sum(again.values()), 0, again)

    def test_a_school_that_is_no_copy_keeps_its_keys(self):
        webhook = self.webhook()
        with self.assertRaisesRegex(frappe.ValidationError, "no staging copy"):
            staging.mute()
        self.assertEqual(frappe.db.get_value("Webhook", webhook.name, "enabled"), 1)


class TestStrip(SiteTestCase):
    def test_a_copy_says_so_on_its_pages_and_a_school_does_not(self):
        frappe.set_user("Guest")
        self.addCleanup(frappe.set_user, "Administrator")
        self.assertNotIn("Staging copy", page()[1])
        with copy():
            self.assertIn('<p class="staging" role="note"><strong>Staging copy</strong>', page()[1])
