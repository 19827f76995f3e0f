"""How teachers make assignments, grade what is handed in and give it back: in a browser, behind the edge."""

from playwright.sync_api import expect
from test_assignments import begin
from visits import INSTRUCTOR, Assignment, School


def led(school: School, made: Assignment) -> str:
    """Return a teacher who leads the course of an assignment."""
    teacher = school.person("gwen", "en", INSTRUCTOR)
    school.change("Academy Course", made.course, instructors=[{"user": teacher, "role": "Lead"}])
    return teacher


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
