"""What pupils hand in at a school, in a browser, behind the edge: files go through it both ways."""

from playwright.sync_api import Page, expect
from visits import Assignment, School


def file(name: str, content: bytes = b"500 g of flour") -> dict[str, object]:
    """Return a file as somebody chooses it."""
    return {"name": name, "mimeType": "text/plain", "buffer": content}


def begin(page: Page, made: Assignment) -> None:
    """Join the course of an assignment, and go to its page."""
    page.goto(f"/learn/c/{made.slug}")
    page.locator(".join button").click()
    page.get_by_role("link", name="Begin").click()
    page.get_by_role("link", name="To the assignment").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bake a loaf")


def test_a_pupil_without_javascript_hands_in_and_again_what_was_given_back(tech: School) -> None:
    made, pupil = tech.assignment(), tech.person("eli")
    with tech.window(pupil, java_script_enabled=False) as page:
        begin(page, made)
        page.get_by_label("Your text").fill("One loaf")
        page.get_by_label("Add files").set_input_files([file("dough.txt"), file("oven.txt")])
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("status").first).to_contain_text("not handed in yet")
        page.get_by_role("button", name="Remove oven.txt").click()
        expect(page.get_by_text("oven.txt")).to_have_count(0)
        expect(page.get_by_label("Your text")).to_have_value("One loaf")
        page.get_by_role("button", name="Hand in").click()
        expect(page.get_by_text("Waiting for a grade")).to_be_visible()
        submission = tech.named("Academy Submission", assignment=made.name)
        words = {"submission": submission, "feedback": "Bake it longer."}
        tech.manage("POST", "/api/method/lms_app.api.assignment.give_back", words)
        page.reload()
        expect(page.get_by_text("Bake it longer.")).to_be_visible()
        page.get_by_label("Your text").fill("A darker loaf")
        page.get_by_role("button", name="Hand in").click()
        expect(page.get_by_role("heading", name="Version 2")).to_be_visible()
        page.goto(f"/learn/c/{made.slug}")
        expect(page.locator(".outline .done")).to_have_count(1)


def test_files_are_added_as_they_are_chosen_and_what_is_refused_is_told(tech: School) -> None:
    made, pupil, content = tech.assignment(file_count=2), tech.person("flo"), b"Salt, 2 percent"
    with tech.window(pupil) as page:
        begin(page, made)
        page.get_by_label("Your text").fill("Still typing")
        page.get_by_label("Add files").set_input_files([file("salt.txt", content), file("loaf.pdf", b"no PDF")])
        status = page.locator(".adding")
        expect(status).to_have_text("loaf.pdf: This file is not of the type that its name says.")
        expect(page.get_by_label("Your text")).to_have_value("Still typing")
        with page.expect_download() as downloading:
            page.get_by_role("link", name="salt.txt").click()
        assert downloading.value.suggested_filename == "salt.txt"
        assert downloading.value.path().read_bytes() == content
        page.get_by_label("Add files").set_input_files([file("dough.txt")])
        expect(status).to_have_text("The files are added, and not handed in yet.")
        expect(page.get_by_label("Add files")).to_be_disabled()
        address = page.get_by_role("link", name="salt.txt").get_attribute("href")
        assert address
        page.get_by_role("button", name="Hand in").click()
        expect(page.get_by_text("Waiting for a grade")).to_be_visible()
    for other in ("", tech.person("gil")):
        with tech.window(other) as page:
            answer = page.goto(address)
            assert answer
            assert answer.status == 403


def test_the_enter_key_hands_nothing_in(tech: School) -> None:
    made = tech.assignment(accepts_url=1)
    with tech.window(tech.person("hal")) as page:
        begin(page, made)
        page.get_by_label("Address of a web page").fill("https://example.org/loaf")
        page.get_by_label("Address of a web page").press("Enter")
        expect(page.get_by_role("status").first).to_contain_text("not handed in yet")
