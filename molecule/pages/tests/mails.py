"""The mails of a school, which nobody takes away, and what somebody does with one."""

import email
import json
import re
import secrets
import time

from playwright.sync_api import Page
from visits import School

# How many seconds a job, and the mail that it writes, may take.
PATIENCE = 60


def mail_to(school: School, address: str, having: str = "") -> str:
    """Return the words of the newest mail to an address, as soon as there is one with these words in it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := mails_to(school, address)) or having not in found[0]:
        assert time.monotonic() < deadline, f"no mail to {address} with `{having}`: {found}"
        time.sleep(0.5)
    return found[0]


def mails_to(school: School, address: str) -> list[str]:
    """Return what the mails to an address say, as HTML; the newest comes first."""
    fields, filters = json.dumps(["message"]), json.dumps([["Email Queue Recipient", "recipient", "=", address]])
    path = f"/api/resource/Email Queue?fields={fields}&filters={filters}&order_by=`tabEmail Queue`.creation desc"
    return [
        "\n".join(
            (part.get_payload(decode=True) or b"").decode()
            for part in email.message_from_string(mail["message"]).walk()
            if part.get_content_type() == "text/html"
        )
        for mail in school.manage("GET", path)["data"]
    ]


def choose_password(page: Page, words: str) -> None:
    """Follow the link of a mail, and choose a password on Frappe's own page."""
    found = re.search(r"/update-password\?key=\w+", words)
    assert found, words
    page.goto(found[0])
    password = secrets.token_urlsafe(16)
    for field in ("#new_password", "#confirm_password"):
        if page.locator(field).count():
            # Frappe's page listens to the keys.
            page.locator(field).press_sequentially(password)
    page.locator("#update").click()
