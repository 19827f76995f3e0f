"""Quizzes and certificates in a browser: by keyboard alone, without a network, on two devices, against the clock."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from visits import PHONE, Quiz, School

SAVED = re.compile(r"^Saved \d")
# What is left of a quiz that closes while a pupil sits in it, and how long its page may take to notice.
CLOSES_S, NOTICED_MS = 6, 60_000


@pytest.fixture(scope="module")
def quiz(tech: School) -> Quiz:
    return tech.quiz()


def begin(page: Page, quiz: Quiz) -> None:
    """Join the course of a quiz, and start it."""
    enter(page, quiz)
    start(page, quiz)


def enter(page: Page, quiz: Quiz) -> None:
    """Join the course of a quiz."""
    page.goto(f"/learn/c/{quiz.slug}")
    page.locator(".join button").click()
    expect(page.locator(".join progress")).to_be_visible()


def start(page: Page, quiz: Quiz) -> None:
    """Start a quiz."""
    page.goto(quiz.address)
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#q1")).to_be_visible()


def answer_both(page: Page) -> None:
    """Answer both questions as they should be."""
    page.get_by_role("radio", name="Flour").check()
    page.get_by_role("button", name="Next").click()
    page.locator("#q2 input").fill("salt")
    expect(page.get_by_role("status")).to_have_text(SAVED)


def test_answers_survive_a_reload_and_a_lost_network(tech: School, quiz: Quiz) -> None:
    with tech.window(tech.person("jan")) as page:
        begin(page, quiz)
        page.get_by_role("radio", name="Flour").check()
        expect(page.get_by_role("status")).to_have_text(SAVED)
        page.get_by_role("button", name="Next").click()
        page.context.set_offline(True)
        page.locator("#q2 input").fill("salt")
        expect(page.get_by_role("status")).to_contain_text("there is no connection")
        page.context.set_offline(False)
        expect(page.get_by_role("status")).to_have_text(SAVED)
        page.reload()
        expect(page.locator("#q2 input")).to_have_value("salt")
        page.get_by_role("button", name="Previous").click()
        expect(page.get_by_role("radio", name="Flour")).to_be_checked()


def test_the_later_answer_of_two_devices_counts_and_is_shown_on_both(tech: School, quiz: Quiz) -> None:
    pupil = tech.person("liv")
    with tech.window(pupil) as desk, tech.window(pupil, viewport=PHONE) as phone:
        begin(desk, quiz)
        desk.get_by_role("radio", name="Salt").check()
        expect(desk.get_by_role("status")).to_have_text(SAVED)
        phone.goto(quiz.address)
        phone.get_by_role("link", name="Go on with your attempt").click()
        expect(phone.locator("#q2 input")).to_be_visible()
        phone.locator("#q2 input").fill("sugar")
        expect(phone.get_by_role("status")).to_have_text(SAVED)
        phone.locator("#q2 input").fill("salt")
        expect(phone.get_by_role("status")).to_have_text(SAVED)
        with phone.expect_response(lambda answer: "save_answer" in answer.url):
            phone.locator("#q2 input").blur()
            phone.locator("#q2 input").fill("salt and cold")
        # What the desk says of it is older: it is told so, and shows what is kept.
        desk.get_by_role("button", name="Next").click()
        with desk.expect_navigation():
            desk.locator("#q2 input").fill("flour")
        expect(desk.locator("#q2 input")).to_have_value("salt and cold")


def test_a_quiz_that_closes_hands_itself_in_with_what_was_answered(tech: School) -> None:
    quiz = tech.quiz(closes_on="2099-01-01 12:00:00")
    with tech.window(tech.person("mia")) as page:
        begin(page, quiz)
        now = tech.change("Academy Quiz", quiz.name, title="Do you know flour by now?")
        tech.change("Academy Quiz", quiz.name, closes_on=str(now + timedelta(seconds=CLOSES_S)))
        # Each answer that is saved brings back how much time is left.
        answer_both(page)
        expect(page.get_by_role("heading", name="Passed")).to_be_visible(timeout=NOTICED_MS)
        page.goto(quiz.address)
        expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_the_time_left_is_said_three_times_and_a_clock_that_is_ahead_ends_nothing(tech: School) -> None:
    quiz = tech.quiz(time_limit=11)
    pupil = tech.person("nils")
    with tech.window(pupil) as page:
        page.clock.install()
        begin(page, quiz)
        said = page.locator(".quiz-bar [aria-live]")
        for later, words in (("01:05", "10 minutes left"), ("05:00", "5 minutes left"), ("04:00", "1 minute left")):
            page.clock.fast_forward(later)
            expect(said).to_have_text(words)
        page.clock.fast_forward("01:00")
        page.clock.run_for(3000)
        # It asked the server, which had most of the time left.
        expect(page.get_by_role("timer")).to_have_text(re.compile(r"^(10|9):"))
        given = {
            "student": tech.named("Academy Student", user=pupil),
            "item_type": "Academy Quiz",
            "item": quiz.name,
            "extra_minutes": 30,
        }
        tech.manage("POST", "/api/resource/Academy Override", {**given, "course": quiz.course})
        page.reload()
        expect(page.get_by_role("timer")).to_have_text(re.compile(r"^(40|39):"))
