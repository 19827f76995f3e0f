"""Quizzes and certificates in a browser: by keyboard alone, without a network, on two devices, against the clock."""

import re
from datetime import timedelta
from typing import Any

import pytest
from lively import TEACHER, Lively
from playwright.sync_api import Locator, Page, expect
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


def test_questions_of_all_kinds_are_answered_by_keyboard_alone(tech: School, lively: Lively) -> None:
    teacher, pupil = lively.people[TEACHER], tech.person("olu")
    names = lively.names
    tech.call_as(teacher, "enrolment.add", course=names["course"], user=pupil)
    tech.call_as(pupil, "progress.beat", lesson=names["first_lesson"])
    tech.call_as(pupil, "progress.complete", lesson=names["second_lesson"])
    with tech.window(pupil) as page:
        page.goto(f"/learn/quiz/{names['quiz']}")
        page.get_by_role("button", name="Start").press("Enter")
        for position, asked in enumerate(lively.questions, 1):
            question = page.locator(f"#q{position}")
            expect(question).to_be_visible()
            answer_by_keyboard(question, asked)
            if position < len(lively.questions):
                page.get_by_role("button", name="Next").press("Enter")
        # While some of it is still on its way, the page is loaded anew, and shows the same.
        page.reload()
        page.locator("[data-to='7']").press("Enter")
        expect(page.locator("#q7 .order li > span")).to_have_text(
            [one["text"] for one in lively.questions[6]["options"]]
        )
        page.locator("[data-to='9']").press("Enter")
        page.get_by_role("button", name="Hand in").press("Enter")
        expect(page.get_by_text("Every question has an answer.")).to_be_visible()
        page.locator("[data-sure='1']").press("Enter")
        expect(page.get_by_role("heading", name="Waiting for a grade")).to_be_visible()
        grade = {
            "attempt": page.url.rpartition("/")[2].partition("#")[0],
            "position": len(lively.questions),
            "points": 3,
        }
        tech.call_as(teacher, "quiz.grade", **grade)
        page.reload()
        expect(page.get_by_role("heading", name="Passed")).to_be_visible()
        expect(page.locator(".reached")).to_contain_text("100%")


def answer_by_keyboard(question: Locator, asked: dict[str, Any]) -> None:
    """Answer a question as it should be, with keys alone."""
    page, options = question.page, asked.get("options", [])
    right = [one for one in options if one.get("weight", 0) == 100]
    match asked["kind"]:
        case "Single Choice":
            question.get_by_role("radio").first.focus()
            for _ in range(options.index(right[0])):
                page.keyboard.press("ArrowDown")
        case "True or False":
            question.get_by_role("radio", name=asked["truth"]).press("Space")
        case "Multiple Choice":
            for one in right:
                question.get_by_role("checkbox", name=one["text"]).press("Space")
        case "Matching":
            for one in options:
                if "text" in one:
                    choose(question.get_by_label(one["text"]), one["key"])
        case "Ordering":
            for place, one in enumerate(options):
                items = question.locator(".order li > span")
                for _ in range(items.all_inner_texts().index(one["text"]) - place):
                    question.get_by_role("button", name=f"Move up: {one['text']}").press("Enter")
                expect(items.nth(place)).to_have_text(one["text"])
            if question.get_attribute("data-answered") is None:
                # It was shown in its order, which is no answer yet.
                for way in ("down", "up"):
                    question.get_by_role("button", name=f"Move {way}: {options[0]['text']}").press("Enter")
        case "Cloze":
            for one in options:
                question.get_by_label(f"Gap {one['gap']}").press_sequentially(one["key"])
        case kind:
            words = "Heat, and a wire that was pulled at." if kind == "Essay" else options[0]["key"]
            question.get_by_role("textbox").press_sequentially(words)


def choose(field: Locator, words: str) -> None:
    """Choose from a list by the keys that go down it."""
    for _ in range(field.locator("option").count()):
        if field.evaluate("list => list.selectedOptions[0].text") == words:
            return
        field.press("ArrowDown")
    raise AssertionError(f"no `{words}` is in the list")
