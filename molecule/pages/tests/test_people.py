"""Who comes into a course and how, what teachers see of it, and how they grade: in a browser, behind the edge."""

import email
import json
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from visits import CIRCUITS, COURSES, School, ask, token_of

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 780}
LOOKS = {
    "desktop": ({"viewport": DESKTOP}, "en"),
    "phone dark right to left": ({"viewport": PHONE, "color_scheme": "dark"}, "ar"),
}
# How many seconds a job, and the mail that it writes, may take.
PATIENCE = 60


@dataclass
class Course:
    """A course with a teacher of its own, and a quiz with essays that two pupils handed in."""

    name: str
    slug: str
    bank: str
    question: str
    quiz: str
    lead: dict[str, str]
    pupils: list[str]
    token: str

    @property
    def teach(self) -> str:
        """The address of its pages for teachers."""
        return f"/teach/c/{self.slug}"


@pytest.fixture(scope="module")
def course(tech: School) -> Course:
    """Make the course; it stays on the lab."""
    lead = {language: tech.person("lee", language) for language in ("en", "ar")}
    for user in lead.values():
        tech.manage("PUT", f"/api/resource/User/{user}", {"roles": [{"role": "Academy Instructor"}]})

    def make(doctype: str, **values: object) -> str:
        return str(tech.manage("POST", f"/api/resource/{doctype}", values)["data"]["name"])

    title = f"Baking by letter {secrets.token_hex(3)}"
    named = [{"user": user, "role": "Lead"} for user in lead.values()]
    name = make("Academy Course", title=title, summary="Bread, in writing.", instructors=named)
    part = make("Academy Module", course=name, title="Beginnings")
    page = {"module": part, "status": "Published", "minutes": 5}
    make("Academy Lesson", title="Flour", blocks=[{"kind": "Markdown", "body": "Flour is counted as 100."}], **page)
    bank = make("Academy Question Bank", course=name, title="Dough")
    essay = {"bank": bank, "kind": "Essay", "points": 4}
    questions = [make("Academy Question", body=body, **essay) for body in ("Why does bread rise?", "Why knead?")]
    slots = [{"kind": "Fixed", "question": question} for question in questions]
    quiz = make("Academy Quiz", course=name, title="In your own words", slots=slots)
    make("Academy Lesson", title="In writing", kind="Quiz", quiz=quiz, completion_rule="Quiz Passed", **page)
    tech.manage("PUT", f"/api/resource/Academy Course/{name}", {"status": "Published"})
    slug = str(tech.manage("GET", f"/api/resource/Academy Course/{name}")["data"]["slug"])
    pupils = [tech.person("ola"), tech.person("pat")]
    for pupil in pupils:
        with tech.window(pupil) as page_of:
            write_essays(page_of, slug, quiz)
    link = tech.manage("POST", "/api/method/lms_app.api.enrolment.invite", {"course": name, "max_uses": 50})
    return Course(name, slug, bank, questions[0], quiz, lead, pupils, link["message"]["path"])


@pytest.fixture(scope="module")
def mails(tech: School) -> Iterator[None]:
    """Let the school write mails; nobody takes them, so they wait where they can be read."""
    word = f"school-{secrets.token_hex(3)}"
    account = {"email_account_name": word, "email_id": f"{word}@example.com", "smtp_server": "mail.invalid"}
    account |= {"enable_outgoing": 1, "default_outgoing": 1, "no_smtp_authentication": 1, "smtp_port": 2525}
    name = tech.manage("POST", "/api/resource/Email Account", account)["data"]["name"]
    kept = tech.manage("GET", "/api/resource/Academy Settings/Academy Settings")["data"].get("sign_up") or "Invited"
    tech.manage("PUT", "/api/resource/Academy Settings/Academy Settings", {"sign_up": "Anybody"})
    yield
    tech.manage("PUT", "/api/resource/Academy Settings/Academy Settings", {"sign_up": kept})
    tech.manage("PUT", f"/api/resource/Email Account/{name}", {"enable_outgoing": 0, "default_outgoing": 0})


def write_essays(page: Page, slug: str, quiz: str) -> None:
    """Join a course and hand in its essays, as the pages of pupils do."""
    token = token_of(page)
    api = "/api/method/lms_app.api"
    ask(page, "POST", f"{api}.enrolment.join", {"course": slug}, token=token)
    attempt = ask(page, "POST", f"{api}.quiz.start", {"quiz": quiz}, token=token)["message"]["attempt"]
    for position, words in ((1, "Yeast makes gas.\nGluten keeps it."), (2, "To make gluten.")):
        given = {"attempt": attempt, "position": position, "seq": 1, "response": words}
        ask(page, "POST", f"{api}.quiz.save_answer", given, token=token)
    ask(page, "POST", f"{api}.quiz.submit", {"attempt": attempt}, token=token)


def mail_to(school: School, address: str) -> str:
    """Return the words of the newest mail to an address, as soon as there is one."""
    fields, filters = json.dumps(["name"]), json.dumps([["Email Queue Recipient", "recipient", "=", address]])
    path = (
        f"/api/resource/Email Queue?fields={fields}&filters={filters}&order_by=`tabEmail Queue`.creation desc&limit=1"
    )
    deadline = time.monotonic() + PATIENCE
    while not (found := school.manage("GET", path)["data"]):
        assert time.monotonic() < deadline, f"no mail to {address}"
        time.sleep(2)
    raw = school.manage("GET", f"/api/resource/Email Queue/{found[0]['name']}")["data"]["message"]
    parts = email.message_from_string(raw).walk()
    return "\n".join(
        (part.get_payload(decode=True) or b"").decode() for part in parts if part.get_content_type() == "text/html"
    )


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


@pytest.mark.usefixtures("mails")
def test_a_newcomer_signs_up_without_javascript_and_comes_to_a_first_lesson(tech: School) -> None:
    address = f"new-{secrets.token_hex(4)}@example.com"
    with tech.window(java_script_enabled=False) as page:
        page.goto(COURSES[CIRCUITS])
        page.get_by_role("link", name="Sign up").last.click()
        page.get_by_label("Your name").fill("Nia New")
        page.get_by_label("Your e-mail address").fill(address)
        page.get_by_role("button", name="Send me the link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mails")
        tech.keep_picture(page, "sign-up-sent")
    words = mail_to(tech, address)
    assert "Nia" not in words, "whoever asks could write to strangers"
    with tech.window() as page:
        choose_password(page, words)
        page.wait_for_url(f"**{COURSES[CIRCUITS]}")
        page.get_by_role("button", name="Join this course").click()
        page.get_by_role("link", name="Begin").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Voltage, current, resistance")


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
    with tech.window(course.lead["en"]) as page:
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
    deadline = time.monotonic() + PATIENCE
    while "update-password" not in (words := mail_to(tech, address)):
        assert time.monotonic() < deadline, words
        time.sleep(2)
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
        with tech.window(course.lead["en"], java_script_enabled=False) as page:
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


def test_a_teacher_brings_a_list_of_people_after_a_look_at_it(tech: School, course: Course) -> None:
    known = tech.person("rio")
    with tech.window(course.lead["en"], java_script_enabled=False) as page:
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
    with tech.window(course.lead["en"]) as page:
        page.goto(f"{course.teach}/people")
        with page.expect_download() as downloading:
            page.get_by_role("button", name="Export").click()
        assert known in downloading.value.path().read_text()


def test_a_teacher_writes_a_question_and_imports_others(tech: School, course: Course) -> None:
    with tech.window(course.lead["en"], java_script_enabled=False) as page:
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


@pytest.mark.parametrize("look", LOOKS)
def test_the_pages_are_accessible_and_as_wide_as_their_window(tech: School, course: Course, look: str) -> None:
    options, language = LOOKS[look]
    teach, enrolled = course.teach, pupil_of(tech, course)
    waiting = tech.manage(
        "POST", "/api/method/lms_app.api.people.look", {"course": course.name, "text": "a@example.com"}
    )
    assert waiting["message"]["faults"] == []
    bank = f"{teach}/questions/{course.bank}"
    routes = {
        "people": f"{teach}/people",
        "people-none": f"{teach}/people?q=nobody",
        "people-import": f"{teach}/people/import",
        "pupil": f"{teach}/people/p/{enrolled}",
        "questions": f"{teach}/questions",
        "bank": bank,
        "question": f"{bank}/q/{course.question}",
        "question-new": f"{bank}/q/new?kind=Cloze",
        "questions-import": f"{bank}/import",
        "grading": "/teach/grading",
        "grading-course": f"/teach/grading?course={course.slug}",
    }
    with tech.window(course.lead[language], **options) as page:
        for name, path in routes.items():
            look_at(tech, page, path, f"{name}-{look}", language)
        page.goto("/teach/grading")
        first = page.locator(".roll a").first
        if first.count():
            look_at(tech, page, str(first.get_attribute("href")), f"grade-{look}", language)
    with tech.window(**options) as page:
        for name, path in {"join": "/learn/join", "invitation": course.token}.items():
            look_at(tech, page, f"{path}?_lang={language}", f"{name}-{look}", language)


def test_a_teacher_grades_essays_one_after_the_other_by_keyboard_alone(tech: School, course: Course) -> None:
    with tech.window(course.lead["en"]) as page:
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


def pupil_of(school: School, course: Course) -> str:
    """Return the name of an enrolment in a course."""
    filters = json.dumps({"course": course.name, "state": "Active"})
    found = school.manage("GET", f"/api/resource/Academy Enrollment?filters={filters}&limit=1")["data"]
    return str(found[0]["name"])


def look_at(school: School, page: Page, path: str, name: str, language: str) -> None:
    """Look at a page as somebody who needs it to be whole and to be read aloud."""
    answer = page.goto(path)
    assert answer
    assert answer.status == 200, (path, answer.status)
    school.keep_picture(page, name.replace(" ", "-"))
    found = Axe().run(page).response["violations"]
    assert [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in {"serious", "critical"}
    ] == [], path
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
    assert page.evaluate("document.documentElement.dir") == ("rtl" if language == "ar" else "ltr")
