"""What guests and pupils do at a school, in a browser, behind the edge."""

import json
import re
from urllib.parse import urlsplit

from lively import DONE, Lively
from playwright.sync_api import expect
from visits import BREAD, CIRCUITS, COURSES, PHONE, School, join, tab_to


def test_a_guest_without_javascript_finds_a_course_and_reads_its_free_lesson(tech: School) -> None:
    with tech.window(java_script_enabled=False) as page:
        page.goto("/learn")
        page.get_by_role("searchbox").fill("LED")
        page.get_by_role("searchbox").press("Enter")
        expect(page.get_by_role("status")).to_contain_text("1 course")
        page.get_by_role("link", name="Circuits you can trust").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Circuits you can trust")
        expect(page.get_by_text("Choose a resistor for an LED by Ohm's law")).to_be_visible()
        page.get_by_role("link", name="Voltage, current, resistance").click()
        expect(page.get_by_role("cell", name="ampere (A)")).to_be_visible()
        expect(page.get_by_text("This lesson is a free preview.")).to_be_visible()


def test_a_guest_is_led_to_the_login_and_back_to_the_course(tech: School) -> None:
    with tech.window() as page:
        page.goto(COURSES[CIRCUITS])
        page.get_by_role("link", name="Log in to join").click()
        assert f"redirect-to={COURSES[CIRCUITS]}" in page.url


def test_a_pupil_joins_learns_and_goes_on_by_keyboard_alone(tech: School) -> None:
    pupil = tech.person("kim")
    with tech.window(pupil) as page:
        page.goto(COURSES[CIRCUITS])
        for words in ("Join this course", "Begin"):
            tab_to(page, words)
            page.keyboard.press("Enter")
            page.wait_for_load_state()
        # This one is completed by being opened.
        expect(page.locator(".done-bar .completed")).to_be_visible()
        tab_to(page, r"Next\s+A resistor for an LED")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("A resistor for an LED")
        tab_to(page, "Mark as completed")
        page.keyboard.press("Enter")
        expect(page.locator(".done-bar .completed")).to_be_visible()
        page.reload()
        expect(page.locator(".done-bar .completed")).to_be_visible()
        page.goto("/learn/me")
        done = page.locator(".going-on progress").evaluate("bar => bar.value")
        assert 0 < done < 100
        tab_to(page, "Continue")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("A breadboard that can be read")


def test_a_pupil_without_javascript_completes_a_lesson_and_keeps_a_note(tech: School) -> None:
    pupil = tech.person("noa")
    with tech.window(pupil, java_script_enabled=False) as page:
        join(page, CIRCUITS)
        page.get_by_role("link", name="Begin").click()
        page.get_by_role("button", name="Mark as completed").click()
        expect(page.locator(".done-bar .completed")).to_be_visible()
        page.get_by_role("textbox", name="My note").fill("Ohm, 1827")
        page.get_by_role("button", name="Save the note").click()
        expect(page.get_by_role("textbox", name="My note")).to_have_value("Ohm, 1827")


def test_a_note_is_said_to_be_saved_and_found_on_another_device(tech: School) -> None:
    pupil = tech.person("max")
    lesson = f"{COURSES[CIRCUITS]}/l/voltage-current-resistance"
    with tech.window(pupil) as page:
        join(page, CIRCUITS)
        page.goto(lesson)
        page.get_by_role("textbox", name="My note").fill("push, not flow")
        page.get_by_role("button", name="Save the note").click()
        expect(page.locator(".notes .saved")).to_have_text(re.compile(r"✓ \d"))
    with tech.window(pupil, viewport=PHONE) as page:
        page.goto(lesson)
        expect(page.get_by_role("textbox", name="My note")).to_have_value("push, not flow")


def test_a_lesson_asks_before_it_calls_another_host_and_helps_who_cooks(tech: School, lively: Lively) -> None:
    with tech.window(lively.people[DONE]) as page:
        page.route(
            "https://www.geogebra.org/**", lambda route: route.fulfill(content_type="text/html", body="<p>Play</p>")
        )
        page.clock.install()
        page.goto(f"/learn/c/{lively.names['slug']}/l/{lively.names['second']}")
        expect(page.locator("iframe")).to_have_count(0)
        page.get_by_role("button", name="Show it").press("Enter")
        expect(page.frame_locator("iframe").get_by_text("Play")).to_be_visible()
        page.get_by_label("servings").fill("6")
        expect(page.locator(".amount")).to_have_text(["300", "150", "3"])
        timer = page.locator(".timer")
        timer.press("Enter")
        page.clock.fast_forward("11:30")
        expect(timer).to_have_text(re.compile(r"^0:\d\d$"))
        page.clock.fast_forward("00:31")
        expect(timer).to_have_text("0:00")
        expect(timer).to_have_class(re.compile("over"))
        page.locator("video").evaluate("async (film) => { film.muted = true; await film.play(); }")


def test_an_invitation_leads_a_guest_through_the_login_into_the_course(cuisine: School) -> None:
    course = cuisine.course(BREAD)
    made = cuisine.manage("POST", "/api/method/lms_app.api.enrolment.invite", {"course": course})
    path = made["message"]["path"]
    with cuisine.window() as page:
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_have_text("Bread from four ingredients")
        leads_to = page.get_by_role("link", name="Log in", exact=True).last.get_attribute("href")
        assert leads_to is not None
        assert path in leads_to.replace("%2F", "/")
    with cuisine.window(cuisine.person("lea")) as page:
        page.goto(path)
        page.get_by_role("button", name="Accept the invitation").click()
        expect(page.get_by_role("link", name="Begin")).to_be_visible()
        assert urlsplit(page.url).path == COURSES[BREAD]
    with cuisine.window(cuisine.person("late")) as page:
        page.goto(path)
        expect(page.get_by_role("button", name="Accept the invitation")).to_have_count(0)


def test_who_waits_for_a_seat_gets_the_one_that_somebody_leaves(cuisine: School) -> None:
    course = cuisine.course(BREAD)
    first, second = cuisine.person("first"), cuisine.person("second")
    with cuisine.window(first) as page:
        join(page, BREAD)
    taken = cuisine.manage("GET", f"/api/resource/Academy Course/{course}")["data"]["taken_seats"]
    cuisine.manage("PUT", f"/api/resource/Academy Course/{course}", {"seats": taken})
    try:
        with cuisine.window(second) as page:
            page.goto(COURSES[BREAD])
            expect(page.get_by_text("All seats are taken.")).to_be_visible()
            page.get_by_role("button", name="Join the waitlist").click()
            expect(page.get_by_role("link", name="Begin")).to_have_count(0)
        with cuisine.window(first) as page:
            page.goto(COURSES[BREAD])
            page.get_by_text("Leave this course").click()
            page.get_by_role("button", name="Leave it").click()
            expect(page.get_by_text("Join the waitlist").or_(page.get_by_text("Join this course"))).to_be_visible()
        with cuisine.window(second) as page:
            page.goto(COURSES[BREAD])
            expect(page.get_by_role("link", name="Begin")).to_be_visible()
    finally:
        cuisine.manage("PUT", f"/api/resource/Academy Course/{course}", {"seats": 0})


def test_a_pupil_takes_what_is_kept_away_and_has_it_removed(tech: School) -> None:
    pupil = tech.person("zoe")
    with tech.window(pupil) as page:
        join(page, CIRCUITS)
        page.goto("/learn/me/settings")
        with page.expect_download() as downloading:
            page.get_by_role("button", name="Download it").click()
        kept = json.loads(downloading.value.path().read_text())
        assert kept["user"] == pupil
        assert len(kept["Academy Enrollment"]) == 1
        for words, said in (("somebody@example.com", "alert"), (pupil, "status")):
            page.get_by_text("Remove it").click()
            page.get_by_label("Write your e-mail address").fill(words)
            page.get_by_role("button", name="Remove everything").click()
            expect(page.get_by_role(said)).to_be_visible()
        page.goto("/learn/me")
        expect(page.get_by_role("heading", name="Nothing begun yet")).to_be_visible()


def test_a_session_of_one_school_is_nobody_in_the_other(tech: School, cuisine: School) -> None:
    pupil = tech.person("ana")
    assert tech.ask_as(pupil, "GET", "/api/method/frappe.auth.get_logged_user")["message"] == pupil
    with tech.window(pupil) as page:
        session = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "sid")
    with cuisine.window() as page:
        page.context.add_cookies([{"name": "sid", "value": session, "url": cuisine.root}])
        page.goto("/learn/me")
        assert urlsplit(page.url).path == "/login"
