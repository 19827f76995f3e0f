"""What teachers do at a school, in a browser, behind the edge: a course from nothing to its first reader."""

import re

import pytest
from playwright.sync_api import Page, Route, expect
from visits import INSTRUCTOR, PHONE, School, grave, tab_to

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
MP4 = b"\0\0\0\x18ftypmp42" + b"\0" * 64
VTT = b"WEBVTT\n\n00:00.000 --> 00:01.000\nBoil the bones.\n"


@pytest.fixture(scope="module")
def teacher(tech: School) -> str:
    return tech.person("tea", "en", INSTRUCTOR)


@pytest.fixture(scope="module")
def course(tech: School, teacher: str) -> str:
    """Return the address of a course of the teacher, with a module of two lessons."""
    slug = tech.call_as(teacher, "teach.make_course", title="Soups, told by one")["course"]
    name = tech.named("Academy Course", slug=slug)
    module = tech.call_as(teacher, "teach.add_module", course=name, title="Beginnings")["module"]
    for title in ("Stock", "Roux"):
        tech.call_as(teacher, "teach.add_lesson", module=module, title=title)
    return f"/teach/c/{slug}"


def stands(page: Page) -> None:
    """Expect a page that everybody can use, as wide as its window."""
    assert grave(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"


def test_a_teacher_builds_a_course_from_nothing_and_publishes_it(tech: School) -> None:
    teacher = tech.person("mia", "en", INSTRUCTOR)
    with tech.window(teacher) as page:
        page.goto("/learn")
        page.get_by_role("link", name="Teaching").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Teaching")
        stands(page)
        page.get_by_role("textbox", name="Title").fill("Soups of the north")
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_text("Nothing in it yet")).to_be_visible()
        course = page.url

        page.get_by_role("textbox", name="New module").fill("Beginnings")
        page.get_by_role("button", name="Add the module").click()
        page.get_by_role("textbox", name="New lesson").fill("Stock")
        page.get_by_role("button", name="Add the lesson").click()
        expect(page.get_by_role("heading", name="What is in it")).to_be_visible()
        stands(page)

        adding = page.get_by_role("group", name="Add a block")
        adding.get_by_role("button", name="Text in Markdown").click()
        page.get_by_role("textbox", name="Text in Markdown").fill("Boil **water** first.")
        adding.get_by_role("button", name="Picture").click()
        page.get_by_label("A picture: PNG, JPEG, WebP or GIF").set_input_files(
            {"name": "stove.png", "mimeType": "image/png", "buffer": PNG}
        )
        expect(page.get_by_role("link", name="stove.png")).to_be_visible()
        adding.get_by_role("button", name="Video").click()
        page.get_by_label("A video: MP4 or WebM").set_input_files(
            {"name": "boil.mp4", "mimeType": "video/mp4", "buffer": MP4}
        )
        expect(page.get_by_role("link", name="boil.mp4")).to_be_visible()
        expect(page.locator(".state")).to_have_text("Not saved")
        stands(page)

        # What some pupils need is asked for, and nothing of what was typed is lost.
        page.get_by_role("button", name="Save and publish").click()
        missing = page.locator(".missing")
        expect(missing).to_contain_text("Block 2 (Image): the alternative text is missing")
        expect(missing).to_contain_text("Block 3 (Video): captions are missing")
        page.get_by_role("textbox", name="What it shows, for those who cannot see it").fill("A pot on a stove")
        page.get_by_label("A WebVTT file (.vtt)").set_input_files(
            {"name": "boil.vtt", "mimeType": "text/vtt", "buffer": VTT}
        )
        expect(page.get_by_role("link", name="boil.vtt")).to_be_visible()
        page.get_by_role("group", name="Captions").get_by_role("combobox", name="Language").select_option("en")
        page.get_by_role("button", name="Save and publish").click()
        expect(page.locator(".state")).to_contain_text("Saved")
        expect(page.locator(".bar .status")).to_have_text("Published")
        expect(missing).to_be_hidden()

        page.get_by_role("link", name="See it as a pupil").click()
        expect(page.get_by_text("This is a preview")).to_be_visible()
        expect(page.get_by_role("img", name="A pot on a stove")).to_have_count(1)
        expect(page.locator("track[kind=captions]")).to_have_count(1)
        stands(page)

        page.goto(course)
        expect(page.locator(".publishing li")).to_have_text(["a summary"])
        page.get_by_role("link", name="Settings").last.click()
        page.get_by_role("textbox", name="Summary").fill("Everything about soups of the north.")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("Your changes are kept.")
        stands(page)
        page.goto(course)
        page.get_by_role("button", name="Publish the course").click()
        expect(page.get_by_text("Pupils find this course")).to_be_visible()
        stands(page)
    with tech.window() as page:
        page.goto("/learn?q=soups+of+the+north")
        expect(page.get_by_role("link", name="Soups of the north").first).to_be_visible()
    with tech.window(teacher) as page:
        # What other tests look at has not one course more.
        page.goto(course)
        page.get_by_text("Archive it").click()
        page.get_by_role("button", name="Archive the course").click()
        expect(page.get_by_text("This course is archived")).to_be_visible()


def test_two_who_write_in_one_lesson_never_lose_what_either_has_typed(tech: School, teacher: str, course: str) -> None:
    lesson = f"{course}/l/stock"
    with tech.window(teacher) as mine, tech.window(teacher) as theirs:
        for page, words in ((mine, "Mine"), (theirs, "Theirs")):
            page.goto(lesson)
            page.get_by_role("button", name="Text in Markdown").click()
            page.get_by_role("textbox", name="Text in Markdown").last.fill(words)
        for page in (theirs, mine):
            page.get_by_role("button", name="Save", exact=True).click()
        expect(theirs.locator(".state")).to_contain_text("Saved")
        expect(mine.locator(".clash")).to_contain_text("has saved this since you opened it")
        expect(mine.get_by_role("textbox", name="Text in Markdown").last).to_have_value("Mine")
        mine.get_by_role("button", name="Save mine over it").click()
        expect(mine.locator(".state")).to_contain_text("Saved")
        mine.reload()
        expect(mine.get_by_role("textbox", name="Text in Markdown").last).to_have_value("Mine")


def test_what_was_to_be_published_is_when_it_is_saved_over_what_somebody_else_wrote(
    tech: School, teacher: str, course: str
) -> None:
    with tech.window(teacher) as mine, tech.window(teacher) as theirs:
        for page in (mine, theirs):
            page.goto(f"{course}/l/roux")
            page.get_by_role("button", name="Text in Markdown").click()
            page.get_by_role("textbox", name="Text in Markdown").last.fill("Stir.")
        theirs.get_by_role("button", name="Save", exact=True).click()
        expect(theirs.locator(".state")).to_contain_text("Saved")
        mine.get_by_role("button", name="Save and publish").click()
        mine.get_by_role("button", name="Save mine over it").click()
        expect(mine.locator(".bar .status")).to_have_text("Published")
        mine.get_by_role("button", name="Make it a draft").click()
        expect(mine.locator(".bar .status")).to_have_text("Draft")


def test_blocks_that_are_moved_while_they_are_saved_keep_what_they_are(tech: School, teacher: str, course: str) -> None:
    saves: list[Route] = []
    with tech.window(teacher) as page:
        page.goto(f"{course}/l/roux")
        for words in ("First", "Second"):
            page.get_by_role("button", name="Text in Markdown").click()
            page.get_by_role("textbox", name="Text in Markdown").last.fill(words)
        page.route("**/api/method/lms_app.api.teach_lesson.save", lambda route: saves.append(route))
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator("#writing")).to_have_attribute("aria-busy", "true")
        page.get_by_role("button", name="Move this block up").last.click()
        # Whoever presses twice is not told of themselves.
        page.keyboard.press("Control+s")
        saves[0].continue_()
        expect(page.locator("#writing")).not_to_have_attribute("aria-busy", "true")
        assert len(saves) == 1
        expect(page.locator(".clash")).to_be_hidden()
        expect(page.locator(".state")).to_have_text("Not saved")
        page.unroute("**/api/method/lms_app.api.teach_lesson.save")

        def anchors() -> dict[str, str]:
            found = page.locator(".piece").all()[-2:]
            return {
                piece.get_by_role("textbox", name="Text in Markdown").input_value(): piece.locator(
                    '[name$=".anchor"]'
                ).input_value()
                for piece in found
            }

        before = anchors()
        assert [*before] == ["Second", "First"]
        page.reload()
        after = anchors()
        assert [*after] == ["First", "Second"], "it was saved as it was sent"
        assert before == after


def test_lessons_are_put_in_order_by_keyboard_and_by_dragging(tech: School, teacher: str, course: str) -> None:
    def titles(page: Page) -> list[str]:
        return page.locator(".lesson-line .line > a").all_inner_texts()

    with tech.window(teacher) as page:
        page.goto(course)
        tab_to(page, "Move “Stock” down")
        page.keyboard.press("Enter")
        expect(page.locator("#moves")).to_have_text(re.compile("Stock is now at place 2"))
        page.reload()
        assert titles(page) == ["Roux", "Stock"]
        page.locator(".lesson-line .grip").last.drag_to(
            page.locator(".lesson-line").first, target_position={"x": 9, "y": 4}
        )
        expect(page.locator("#moves")).to_have_text(re.compile("Stock is now at place 1"))
        page.reload()
        assert titles(page) == ["Stock", "Roux"]


def test_a_text_is_formatted_where_it_stands_and_kept_as_the_school_shows_it(
    tech: School, teacher: str, course: str
) -> None:
    with tech.window(teacher) as page:
        page.goto(f"{course}/l/roux")
        page.get_by_role("button", name="Formatted text").click()
        text = page.get_by_role("textbox", name="Text", exact=True)
        text.click()
        page.keyboard.type("Stir ")
        page.get_by_role("button", name="Bold").click()
        page.keyboard.type("slowly")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator(".state")).to_contain_text("Saved")
        stands(page)
        page.goto(f"{course}/l/roux/preview")
        expect(page.locator(".prose :is(b, strong)")).to_have_text("slowly")


def test_what_the_school_lets_through_stays_in_a_text_that_is_changed(tech: School, teacher: str, course: str) -> None:
    with tech.window(teacher) as page:
        page.goto(f"{course}/l/stock")
        page.get_by_role("button", name="Formatted text").click()
        text = page.get_by_role("textbox", name="Text", exact=True)
        text.click()
        page.evaluate(
            """() => {
                const data = new DataTransfer();
                data.setData("text/html", `<p lang="de">Salz</p><p><mark>Stir</mark> <kbd onclick="x()">S</kbd>
                    <a href="java\nscript:x()">no</a> <a href="notes">yes</a></p>
                    <table><tr><td colspan="2" style="color: red">Two</td></tr></table>`);
                document.activeElement.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true,
                    cancelable: true}));
            }"""
        )
        page.keyboard.type("!")
        kept = page.locator("textarea[data-rich]").last.input_value()
        for whole in ('lang="de"', "<mark>", "<kbd>", 'href="notes"', 'colspan="2"'):
            assert whole in kept, whole
        for evil in ("onclick", "script", "style"):
            assert evil not in kept, evil


def test_a_lesson_is_written_without_javascript(tech: School, teacher: str, course: str) -> None:
    with tech.window(teacher, java_script_enabled=False) as page:
        page.goto(f"{course}/l/roux")
        before = page.locator(".piece").count()
        for number, words in enumerate(("Text in Markdown", "Program code"), before + 1):
            page.get_by_role("button", name=words).click()
            expect(page.locator(".piece")).to_have_count(number)
        page.get_by_role("textbox", name="Code", exact=True).fill("while hungry: stir()")
        page.get_by_role("button", name="Move this block up").last.click()
        expect(page.locator(".piece > fieldset > legend").nth(before)).to_contain_text("Program code")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("textbox", name="Code", exact=True)).to_have_value("while hungry: stir()")
        expect(page.locator(".state")).to_have_text("Saved")


def test_every_kind_of_block_can_be_written_on_a_phone(tech: School, teacher: str, course: str) -> None:
    with tech.window(teacher, viewport=PHONE) as page:
        page.goto(f"{course}/l/roux")
        before = page.locator(".piece").count()
        for button in page.locator(".adding button").all():
            button.click()
        expect(page.locator(".piece")).to_have_count(before + 10)
        stands(page)
