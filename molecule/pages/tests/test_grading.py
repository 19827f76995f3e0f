"""How teachers make assignments, grade what is handed in and give it back: in a browser, behind the edge."""

import pytest
from playwright.sync_api import Page, expect
from test_assignments import begin
from test_looks import LOOKS
from visits import Assignment, School, grave

INSTRUCTOR = "Academy Instructor"


def led(school: School, made: Assignment, language: str = "en") -> str:
    """Return a teacher who leads the course of an assignment."""
    teacher = school.person("gwen", language, INSTRUCTOR)
    school.change("Academy Course", made.course, instructors=[{"user": teacher, "role": "Lead"}])
    return teacher


def stands(page: Page) -> None:
    """Expect a page that everybody can use, as wide as its window."""
    assert grave(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"


def test_a_teacher_grades_by_a_rubric_and_gives_back_and_the_pupil_hands_in_again(tech: School) -> None:
    made = tech.assignment()
    teacher, pupil = led(tech, made), tech.person("ivo")
    with tech.window(pupil) as page:
        begin(page, made)
        page.get_by_label("Your text").fill("A pale loaf")
        page.get_by_role("button", name="Hand in").click()
        expect(page.get_by_text("Waiting for a grade")).to_be_visible()
    with tech.window(teacher, java_script_enabled=False) as page:
        page.goto("/teach")
        page.get_by_role("link", name="1 to grade").click()
        page.get_by_role("link", name="Begin with the oldest").click()
        expect(page.get_by_text("A pale loaf")).to_be_visible()
        page.get_by_role("radio", name="Dense").check()
        page.get_by_label("A word on it Crumb").fill("Hardly a hole.")
        page.get_by_label("A word to the pupil").fill("Bake it longer.")
        page.get_by_text("Give back for another try").click()
        page.get_by_role("button", name="Give it back").click()
        expect(page.get_by_role("status")).to_have_text("Given back.")
    with tech.window(pupil) as page:
        page.goto(made.address)
        for words in ("Bake it longer.", "Hardly a hole."):
            expect(page.get_by_text(words)).to_be_visible()
        page.get_by_label("Your text").fill("A darker loaf")
        page.get_by_role("button", name="Hand in").click()
        expect(page.get_by_role("heading", name="Version 2")).to_be_visible()
    with tech.window(teacher) as page:
        page.goto(f"/teach/grading?course={made.slug}")
        page.get_by_role("link", name="Begin with the oldest").press("Enter")
        expect(page.get_by_text("A darker loaf")).to_be_visible()
        drawn = page.get_by_role("radio", name="Open").bounding_box()
        assert drawn
        assert drawn["width"] < 44, "it is drawn as wide as a field for text"
        page.get_by_role("radio", name="Open").check()
        page.get_by_label("A word to the pupil").fill("Well baked.")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("heading", name="Nothing waits for a grade")).to_be_visible()
    with tech.window(pupil) as page:
        page.goto(made.address)
        expect(page.get_by_text("Well baked.")).to_be_visible()
        expect(page.locator(".reached")).to_contain_text("100")


def test_a_teacher_makes_an_assignment_with_a_rubric_without_javascript(tech: School) -> None:
    made = tech.assignment()
    with tech.window(led(tech, made), java_script_enabled=False) as page:
        page.goto(f"/teach/c/{made.slug}/assignments")
        page.get_by_role("link", name="Make a rubric").click()
        page.get_by_role("textbox", name="Title", exact=True).fill("A roll")
        page.get_by_label("What is looked at 1").fill("Crust")
        page.get_by_role("button", name="More rows").click()
        expect(page.get_by_label("What is looked at 1")).to_have_value("Crust")
        for number, (level, points) in enumerate((("Pale", "0"), ("Brown", "2")), 1):
            page.get_by_label(f"Level 1.{number}").fill(level)
            page.get_by_label(f"Points 1.{number}").fill(points)
        page.get_by_role("button", name="Save").last.click()
        expect(page.get_by_role("status")).to_have_text("The rubric is saved.")
        page.get_by_role("link", name="Make an assignment").click()
        page.get_by_label("Title").fill("Bake a roll")
        page.get_by_label("What is to be done, as Markdown").fill("Bake **one**.")
        page.get_by_label("By a rubric").select_option("A roll")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_have_text("The assignment is saved.")
        expect(page.get_by_role("link", name="Bake a roll")).to_be_visible()


@pytest.mark.parametrize("look", LOOKS)
def test_the_pages_are_accessible_and_as_wide_as_their_window(tech: School, look: str) -> None:
    seen = LOOKS[look]
    made = tech.assignment()
    with tech.window(tech.person("jan")) as page:
        begin(page, made)
        page.get_by_label("Your text").fill("A loaf " * 40)
        page.get_by_role("button", name="Hand in").click()
        expect(page.get_by_text("Waiting for a grade")).to_be_visible()
    submission = tech.named("Academy Submission", assignment=made.name)
    rubric = tech.named("Academy Rubric", course=made.course)
    teach = f"/teach/c/{made.slug}"
    routes = {
        "work": f"/teach/grading/submission/{submission}",
        "assignments": f"{teach}/assignments",
        "assignment": f"{teach}/assignments/{made.name}",
        "assignment-new": f"{teach}/assignments/new",
        "rubric": f"{teach}/rubrics/{rubric}",
        "rubric-new": f"{teach}/rubrics/new",
    }
    with tech.window(led(tech, made, seen.language), **seen.options) as page:
        for name, path in routes.items():
            page.goto(path)
            page.locator("main details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
            tech.keep_picture(page, f"grading-{name}-{look}".replace(" ", "-"))
            stands(page)
