"""When the scheduled jobs of a school are due: at minutes of its own, so that a hundred schools do not wake at once.

Pure: nothing here needs a site.
"""

import hashlib
import re

# Jobs that a new school begins without, because each serves something that no school has, and why. An administrator who
# comes to need one starts it in the list of Scheduled Job Types; it is never stopped again.
IDLE = {
    "erpnext.erpnext_integrations.doctype.plaid_settings.plaid_settings.automatic_synchronization":
        "reads bank accounts through Plaid, which needs a contract",
    "erpnext.manufacturing.doctype.bom_update_log.bom_update_log.resume_bom_cost_update_jobs":
        "counts what manufactured goods cost",
    "erpnext.manufacturing.doctype.bom_update_tool.bom_update_tool.auto_update_latest_price_in_all_boms":
        "counts what manufactured goods cost",
    "erpnext.utilities.doctype.video.video.update_youtube_data":
        "counts the viewers of videos through a key of Google's",
    "frappe.desk.doctype.changelog_feed.changelog_feed.fetch_changelog_feed":
        "asks frappe.io for news of versions, which the operator chooses",
    "frappe.integrations.doctype.dropbox_settings.dropbox_settings.take_backups_daily":
        "backups are the operator's",
    "frappe.integrations.doctype.dropbox_settings.dropbox_settings.take_backups_weekly":
        "backups are the operator's",
    "frappe.integrations.doctype.google_drive.google_drive.daily_backup":
        "backups are the operator's",
    "frappe.integrations.doctype.google_drive.google_drive.weekly_backup":
        "backups are the operator's",
    "frappe.integrations.doctype.s3_backup_settings.s3_backup_settings.take_backups_daily":
        "backups are the operator's",
    "frappe.integrations.doctype.s3_backup_settings.s3_backup_settings.take_backups_monthly":
        "backups are the operator's",
    "frappe.integrations.doctype.s3_backup_settings.s3_backup_settings.take_backups_weekly":
        "backups are the operator's",
    "frappe.utils.change_log.check_for_update":
        "asks GitHub for versions, which the operator chooses",
}  # fmt: skip

# Jobs that need not run as often as Frappe lets them: what they write waits in Redis, and nobody waits for it.
SELDOM = {"frappe.monitor.flush": "0 * * * *"}

# The hours from midnight on in which a school's nightly jobs are spread: all of them before anybody comes.
NIGHT = 5

# Every so many minutes; once an hour; once a day, week, month or year, at midnight or in the hour after it.
_REPEATED = re.compile(r"(?:\*|\d+)/(\d+) \* \* \* \*")
_HOURLY = re.compile(r"\d+ \* \* \* \*")
_NIGHTLY = re.compile(r"\d+ 0( \S+ \S+ \S+)")


def own_time(stock: str, job: str, school: str) -> str:
    """Return the cron expression by which a school's job is due as often as by Frappe's, at minutes of its own.

    stock: Frappe's expression. job: the method's dotted path. school: what no other school is called. The same three
    always give the same; an expression of another kind than Frappe's usual ones is returned as it is.
    """
    stock = SELDOM.get(job, stock)
    drawn = int.from_bytes(hashlib.sha256(f"{school} {job}".encode()).digest()[:8], "big")
    if (repeated := _REPEATED.fullmatch(stock)) and 0 < int(repeated[1]) <= 60:
        return f"{drawn % int(repeated[1])}/{repeated[1]} * * * *"
    if _HOURLY.fullmatch(stock):
        return f"{drawn % 60} * * * *"
    if nightly := _NIGHTLY.fullmatch(stock):
        hour, minute = divmod(drawn % (NIGHT * 60), 60)
        return f"{minute} {hour}{nightly[1]}"
    return stock
