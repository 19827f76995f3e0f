"""The whole way of a newcomer: signing up, a course, its quiz, the certificate; and whoever checks that."""

import secrets
from typing import Literal

import pytest
from mails import choose_password, mail_to
from playwright.sync_api import Page, expect
from visits import ADMINISTRATOR, School, tab_to

# A certificate is issued by a job.
ISSUED_MS = 60_000
# What leads from the page of a course into its quiz.
WAY: tuple[tuple[Literal["button", "link"], str], ...] = (
    *(("button", "Join this course"), ("link", "Begin")),
    *(("link", "To the quiz"), ("button", "Start")),
)
# The first letters of a file that the browser would show and not save.
BEGINNING = "async (path) => (await (await fetch(path)).text()).slice(0, 5)"


@pytest.mark.usefixtures("mails")
def test_a_newcomer_signs_up_passes_a_quiz_by_keyboard_alone_and_a_guest_checks_the_certificate(tech: School) -> None:
    quiz = tech.quiz()
    course = f"/learn/c/{quiz.slug}"
    address = f"new-{secrets.token_hex(4)}@example.com"
    with tech.window(java_script_enabled=False) as page:
        page.goto(course)
        page.get_by_role("link", name="Sign up").last.click()
        page.get_by_label("Your name").fill("Nia New")
        page.get_by_label("Your e-mail address").fill(address)
        page.get_by_role("button", name="Send me the link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mails")
    words = mail_to(tech, address)
    assert "Nia" not in words, "whoever asks could write to strangers"
    with tech.window() as page:
        choose_password(page, words)
        page.wait_for_url(f"**{course}")
        for role, words in WAY:
            expect(page.get_by_role(role, name=words)).to_be_visible()
            tab_to(page, words)
            page.keyboard.press("Enter")
        expect(page.locator("#q1")).to_be_visible()
        page.get_by_role("radio", name="Salt").focus()
        page.keyboard.press("ArrowDown")
        tab_to(page, "^Next$")
        page.keyboard.press("Enter")
        expect(page.locator("#q2")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.type("salt")
        tab_to(page, "^Hand in$")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Every question has an answer.")).to_be_visible()
        tab_to(page, "^Hand in$")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Passed")).to_be_visible()
        expect(page.get_by_text("100%")).to_be_visible()
        code = certificate_of(page)
        page.goto(f"/learn/me/certificates/{code}")
        expect(page.get_by_text("Nia New")).to_be_visible()
        file = page.get_by_role("link", name="Print it, as PDF").get_attribute("href")
        assert page.evaluate(BEGINNING, file) == "%PDF-"
    with tech.window(java_script_enabled=False) as page:
        page.goto("/verify")
        page.get_by_label("Code").fill(code.lower())
        page.get_by_role("button", name="Check it").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("This certificate is valid.")
        expect(page.get_by_text("Nia New")).to_be_visible()
        reason = "Somebody else wrote it."
        certificate = tech.named("Academy Certificate", code=code)
        tech.call_as(ADMINISTRATOR, "certificates.revoke", certificate=certificate, reason=reason)
        page.goto(f"/verify/{code}")
        expect(page.get_by_role("heading", level=1)).to_have_text("This certificate has been taken back.")
        expect(page.get_by_text(reason)).to_have_count(0)


def certificate_of(page: Page) -> str:
    """Return the code of a pupil's only certificate, as soon as it is issued."""
    page.goto("/learn/me/certificates")
    link = page.locator(".mine a")
    waited = 0
    while not link.count() and waited < ISSUED_MS:
        page.wait_for_timeout(500)
        waited += 500
        page.reload()
    return str(link.get_attribute("href")).rpartition("/")[2]
