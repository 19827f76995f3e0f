"""Who comes into a course and how, what teachers see of it, and how they grade: in a browser, behind the edge."""

import re
import secrets
from dataclasses import dataclass

import pytest
from mails import choose_password, mail_to, mails_to
from playwright.sync_api import expect
from visits import INSTRUCTOR, School


@dataclass
class Course:
    """A course with a teacher of its own, and a quiz with essays that two pupils handed in."""

    name: str
    slug: str
    quiz: str
    lead: str
    pupils: list[str]

    @property
    def teach(self) -> str:
        """The address of its pages for teachers."""
        return f"/teach/c/{self.slug}"


@pytest.fixture(scope="module")
def course(tech: School) -> Course:
    """Make the course; it stays on the lab."""
    lead = tech.person("lee", "en", INSTRUCTOR)

    def make(doctype: str, **values: object) -> str:
        return str(tech.manage("POST", f"/api/resource/{doctype}", values)["data"]["name"])

    title = f"Baking by letter {secrets.token_hex(3)}"
    named = [{"user": lead, "role": "Lead"}]
    name = make("Academy Course", title=title, summary="Bread, in writing.", instructors=named)
    part = make("Academy Module", course=name, title="Beginnings")
    page = {"module": part, "status": "Published", "minutes": 5}
    make("Academy Lesson", title="Flour", blocks=[{"kind": "Markdown", "body": "Flour is counted as 100."}], **page)
    bank = make("Academy Question Bank", course=name, title="Dough")
    essay = {"bank": bank, "kind": "Essay", "points": 4}
    questions = [make("Academy Question", body=body, **essay) for body in ("Why does bread rise?", "Why knead?")]
    slots = [{"kind": "Fixed", "question": question} for question in questions]
    quiz = make("Academy Quiz", course=name, title="In your own words", slots=slots, attempts=1)
    make("Academy Lesson", title="In writing", kind="Quiz", quiz=quiz, completion_rule="Quiz Passed", **page)
    tech.manage("PUT", f"/api/resource/Academy Course/{name}", {"status": "Published"})
    slug = str(tech.manage("GET", f"/api/resource/Academy Course/{name}")["data"]["slug"])
    pupils = [tech.person("ola"), tech.person("pat")]
    for pupil in pupils:
        tech.call_as(pupil, "enrolment.join", course=slug)
        attempt = tech.call_as(pupil, "quiz.start", quiz=quiz)["attempt"]
        for position, words in ((1, "Yeast makes gas.\nGluten keeps it."), (2, "To make gluten.")):
            tech.call_as(pupil, "quiz.save_answer", attempt=attempt, position=position, seq=1, response=words)
        tech.call_as(pupil, "quiz.submit", attempt=attempt)
    return Course(name, slug, quiz, lead, pupils)


@pytest.mark.usefixtures("mails")
def test_asking_again_for_an_address_with_an_account_looks_the_same(tech: School) -> None:
    known = tech.person("kay")
    said = []
    for address in (known, f"new-{secrets.token_hex(4)}@example.com"):
        with tech.window() as page:
            page.goto("/learn/join")
            page.get_by_label("Your name").fill("Kay")
            page.get_by_label("Your e-mail address").fill(address)
            page.get_by_role("button", name="Send me the link").click()
            expect(page.get_by_role("status")).to_be_visible()
            said.append((page.url, page.locator("main").inner_text()))
    assert said[0] == said[1]
    assert "has one already" in mail_to(tech, known)


@pytest.mark.usefixtures("mails")
def test_who_is_invited_makes_an_account_on_the_way_and_lands_in_the_course(tech: School, course: Course) -> None:
    address = f"guest-{secrets.token_hex(4)}@example.com"
    with tech.window(course.lead) as page:
        page.goto(f"{course.teach}/people")
        page.get_by_label("By e-mail address").fill(address)
        page.get_by_role("button", name="Bring in").click()
        expect(page.get_by_role("status")).to_contain_text("an invitation is on its way")
        expect(page.locator("bdi", has_text=address).first).to_be_visible()
    found = re.search(r"/i/[\w-]+", mail_to(tech, address))
    assert found
    with tech.window() as page:
        page.goto(found[0])
        expect(page.get_by_label("Your e-mail address")).to_have_value(address)
        page.get_by_label("Your name").fill("Gil Guest")
        page.get_by_role("button", name="Send me the link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mails")
    words = mail_to(tech, address, "update-password")
    with tech.window() as page:
        choose_password(page, words)
        page.wait_for_url(f"**{found[0]}")
        page.get_by_role("button", name="Accept the invitation").click()
        expect(page.get_by_role("link", name="Begin")).to_be_visible()


def test_a_teacher_sees_who_waits_and_gives_them_the_seat_of_one_who_is_taken_out(tech: School, course: Course) -> None:
    path = f"/api/resource/Academy Course/{course.name}"
    taken = tech.manage("GET", path)["data"]["taken_seats"]
    tech.manage("PUT", path, {"seats": taken, "has_waitlist": 1})
    waiting = tech.person("wim")
    try:
        with tech.window(waiting) as page:
            page.goto(f"/learn/c/{course.slug}")
            page.get_by_role("button", name="Join the waitlist").click()
            expect(page.get_by_role("link", name="Begin")).to_have_count(0)
        with tech.window(course.lead, java_script_enabled=False) as page:
            page.goto(f"{course.teach}/people")
            expect(page.locator(".roll > li").first).to_contain_text("Wim")
            tech.keep_picture(page, "people-waitlist")
            page.get_by_role("link", name="Pat").click()
            page.get_by_text("Take out of the course").click()
            page.get_by_role("button", name="Take out", exact=True).click()
            expect(page.get_by_role("status")).to_have_text("They are out of the course.")
        with tech.window(waiting) as page:
            page.goto(f"/learn/c/{course.slug}")
            expect(page.get_by_role("link", name="Begin")).to_be_visible()
    finally:
        tech.manage("PUT", path, {"seats": 0})


@pytest.mark.usefixtures("mails")
def test_who_asks_to_join_is_answered_and_then_learns_in_the_order_of_the_course(tech: School, course: Course) -> None:
    lead = [{"user": course.lead, "role": "Lead"}]
    word = secrets.token_hex(3)
    rules = {"enrolment_mode": "Approval", "sequential": 1, "instructors": lead}
    first = tech.make("Academy Course", title=f"Dough {word}", summary="Flour and water.", **rules)
    part = tech.make("Academy Module", course=first["name"], title="Beginnings")["name"]
    later = {"release_rule": "After Module", "release_after": part}
    other = tech.make("Academy Module", course=first["name"], title="Ends", **later)["name"]
    text = {"status": "Published", "blocks": [{"kind": "Markdown", "body": "Flour, water, salt and time."}]}
    for module, title in ((part, "Mix"), (part, "Knead"), (other, "Bake")):
        tech.make("Academy Lesson", module=module, title=title, **text)
    built_on = {"prerequisites": [{"requires": first["name"]}], "instructors": lead}
    second = tech.make("Academy Course", title=f"Loaves {word}", summary="What dough is for.", **built_on)
    last = tech.make("Academy Module", course=second["name"], title="Beginnings")["name"]
    tech.make("Academy Lesson", module=last, title="Shape", **text)
    for made in (first, second):
        tech.change("Academy Course", made["name"], status="Published")
    silent, told = tech.person("sia"), tech.person("tom")
    address = f"/learn/c/{first['slug']}"

    with tech.window(silent, java_script_enabled=False) as page:
        page.goto(f"/learn/c/{second['slug']}")
        expect(page.get_by_text("Complete the courses that this one builds on first.")).to_be_visible()
        page.goto("/learn/me/settings")
        page.get_by_label("When my place in a course changes").uncheck()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_have_text("Your choice is kept.")
        expect(page.get_by_label("When my place in a course changes")).not_to_be_checked()
        page.goto(address)
        page.get_by_label("A word to the school").fill("I have flour at home.")
        page.get_by_role("button", name="Ask to join").click()
        expect(page.get_by_text("The school has still to approve your request.")).to_be_visible()
    tech.call_as(told, "enrolment.join", course=first["slug"])

    with tech.window(course.lead, java_script_enabled=False) as page:
        page.goto(f"/teach/c/{first['slug']}/people")
        expect(page.get_by_text("I have flour at home.")).to_be_visible()
        for name in ("Sia", "Tom"):
            page.get_by_role("button", name=f"Accept {name}").click()
            expect(page.get_by_role("button", name=f"Accept {name}")).to_have_count(0)
    assert first["title"] in mail_to(tech, told)
    assert mails_to(tech, silent) == [], "who wants no mails about it was sent one"

    with tech.window(silent, java_script_enabled=False) as page:
        page.goto(address)
        expect(page.get_by_text("Complete “Mix” first")).to_be_visible()
        expect(page.get_by_text("Complete “Beginnings” first")).to_be_visible()
        assert page.goto(f"{address}/l/bake").status == 403
        page.goto(address)
        page.get_by_role("link", name="Begin").click()
        for title in ("Mix", "Knead", "Bake"):
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
            page.get_by_role("button", name="Mark as completed").click()
            expect(page.locator(".done-bar .completed")).to_be_visible()
            page.locator(".steps .next").click()
        page.goto(f"/learn/c/{second['slug']}")
        page.get_by_role("button", name="Join this course").click()
        expect(page.get_by_role("link", name="Begin")).to_be_visible()


def test_a_teacher_gives_a_pupil_one_more_attempt(tech: School, course: Course) -> None:
    pupil = course.pupils[0]
    student = tech.named("Academy Student", user=pupil)
    enrolled = tech.named("Academy Enrollment", course=course.name, student=student)
    with tech.window(pupil, java_script_enabled=False) as page:
        page.goto(f"/learn/quiz/{course.quiz}")
        expect(page.get_by_text("You have used all your attempts.")).to_be_visible()
    with tech.window(course.lead, java_script_enabled=False) as page:
        page.goto(f"{course.teach}/people/p/{enrolled}")
        page.get_by_text("Change In your own words").click()
        page.get_by_label("More attempts").fill("1")
        page.get_by_label("Why, for teachers").fill("The oven was on fire.")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("1 attempts more")).to_be_visible()
    with tech.window(pupil, java_script_enabled=False) as page:
        page.goto(f"/learn/quiz/{course.quiz}")
        expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_teacher_brings_a_list_of_people_after_a_look_at_it(tech: School, course: Course) -> None:
    known = tech.person("rio")
    with tech.window(course.lead, java_script_enabled=False) as page:
        page.goto(f"{course.teach}/people/import")
        page.get_by_label("Addresses").fill(f"{known}\nnobody at all")
        page.get_by_role("button", name="Look at it first").click()
        expect(page.get_by_role("alert")).to_contain_text("Line 2: This is no e-mail address.")
        page.get_by_label("Or a file").set_input_files(
            {"name": "class.csv", "mimeType": "text/csv", "buffer": f"name,email\nRio,{known}\n".encode()}
        )
        page.get_by_role("button", name="Look at it first").click()
        expect(page.get_by_text("comes in")).to_be_visible()
        page.get_by_role("button", name="Do it").click()
        expect(page.get_by_text("1 came in")).to_be_visible()
        page.goto(f"{course.teach}/people?q=rio")
        # Below them stand the invitations that still serve.
        expect(page.locator(".roll").first.locator("> li")).to_have_count(1)
    with tech.window(course.lead) as page:
        page.goto(f"{course.teach}/people")
        with page.expect_download() as downloading:
            page.get_by_role("button", name="Export").click()
        assert known in downloading.value.path().read_text()


def test_a_teacher_writes_a_question_and_imports_others(tech: School, course: Course) -> None:
    with tech.window(course.lead, java_script_enabled=False) as page:
        page.goto(f"{course.teach}/questions")
        page.get_by_role("link", name="Dough").click()
        page.get_by_label("A new question").select_option("Matching")
        page.get_by_role("button", name="Write it").click()
        page.get_by_label("The question, as Markdown").fill("What belongs together?")
        for number, (left, right) in enumerate((("Flour", "100 %"), ("Water", "65 %")), 1):
            page.get_by_label(f"On the left {number}").fill(left)
            page.get_by_label(f"Belongs to it {number}").fill(right)
        page.get_by_role("button", name="Save").last.click()
        expect(page.get_by_role("status")).to_have_text("The question is saved.")
        page.get_by_role("link", name="Import questions").click()
        page.get_by_label("Questions", exact=True).fill("::Salt::How much salt? {=2 % ~20 %}")
        page.get_by_role("button", name="Look at it first").click()
        expect(page.get_by_text("Single Choice")).to_be_visible()
        page.get_by_role("button", name="Write them into the bank").click()
        expect(page.get_by_role("status")).to_have_text("1 question imported")
        expect(page.get_by_role("link", name="Salt")).to_be_visible()


def test_a_teacher_grades_essays_one_after_the_other_by_keyboard_alone(tech: School, course: Course) -> None:
    with tech.window(course.lead) as page:
        page.goto(f"/teach/grading?course={course.slug}")
        waiting = page.locator(".roll > li").count()
        assert waiting >= 2
        page.get_by_role("link", name="Begin with the oldest").press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("In your own words")
        expect(page.get_by_text("Gluten keeps it.")).to_be_visible()
        points = page.get_by_label("Points, of 4")
        points.fill("9")
        points.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        for number in range(waiting):
            points.fill("3.5")
            if number % 2:
                points.press("Tab")
                page.keyboard.type("Well said.")
                page.keyboard.press("Control+Enter")
            else:
                points.press("Enter")
            expect(page.get_by_role("status")).to_contain_text("Kept.")
            if number < waiting - 1:
                expect(points).to_be_focused()
        expect(page.get_by_role("heading", name="Nothing waits for a grade")).to_be_visible()
    with tech.window(course.pupils[0]) as page:
        page.goto(f"/learn/quiz/{course.quiz}")
        expect(page.get_by_text("Passed")).to_be_visible()
