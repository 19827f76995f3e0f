"""Say how a site fares, for `schoolctl doctor`: what only Frappe knows, and nothing is changed by asking."""

from typing import Any

import frappe
from frappe.email.doctype.email_account.email_account import EmailAccount
from frappe.utils import add_to_date, now_datetime
from frappe.utils.scheduler import is_dormant, is_scheduler_disabled

from lms_app import printing
from lms_app.staging import WAITING


def examine() -> dict[str, dict[str, Any]]:
    """Return how the site's scheduled jobs, its mail and its printing stand, as plain values.

    scheduler: enabled; paused, the key of the site's configuration that keeps jobs from running, null if none does;
    dormant, when nobody has been there for so long that Frappe runs jobs once a day only; and last_tick, the seconds
    since a job was last begun, or since the jobs were made where none ever was.
    mail: muted, when none shall leave; sender, the address that it leaves by when nothing else is said, null if there
    is none; failed, the mails of the last seven days that could not be sent; and waiting, those that have waited for
    more than an hour.
    printing: heads_lost, when the heads of documents are missing in their PDFs.
    """
    return {"scheduler": _scheduler(), "mail": _mail(), "printing": {"heads_lost": printing.loses_heads()}}


def _scheduler() -> dict[str, Any]:
    [[last, made]] = frappe.db.sql("SELECT MAX(last_execution), MAX(creation) FROM `tabScheduled Job Type`")
    since = last or made
    return {
        "enabled": not is_scheduler_disabled(verbose=False),
        "paused": next((key for key in ("maintenance_mode", "pause_scheduler") if frappe.conf.get(key)), None),
        "dormant": is_dormant(),
        "last_tick": int((now_datetime() - since).total_seconds()) if since else None,
    }


def _mail() -> dict[str, Any]:
    sender = EmailAccount.find_default_outgoing()
    week_ago, hour_ago = add_to_date(now_datetime(), days=-7), add_to_date(now_datetime(), hours=-1)
    return {
        "muted": bool(frappe.conf.mute_emails),
        "sender": sender.email_id if sender else None,
        "failed": frappe.db.count("Email Queue", {"status": "Error", "modified": (">", week_ago)}),
        "waiting": frappe.db.count("Email Queue", {"status": ("in", WAITING), "creation": ("<", hour_ago)}),
    }
