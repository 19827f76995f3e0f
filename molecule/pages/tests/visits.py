"""A school as its people meet it: by pages, in windows of one browser."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from journey import Journey
from playwright.sync_api import Browser, Page, expect

# The demo courses, by the names of their files, and the addresses of their pages.
CIRCUITS, BREAD = "circuits", "bread"
COURSES = {CIRCUITS: "/learn/c/circuits-you-can-trust", BREAD: "/learn/c/bread-from-four-ingredients"}
ADMINISTRATOR = "Administrator"
# How many times a person presses Tab before they give up.
PATIENCE = 80
DEADLOCKS = 5

# Asks a school as its own pages do, and returns status and what was said.
_ASK = """async ([method, path, body, token]) => {
    const answer = await fetch(path, {
        method,
        redirect: "manual",
        headers: { "Content-Type": "application/json", ...(token ? { "X-Frappe-CSRF-Token": token } : {}) },
        body: body === null ? undefined : JSON.stringify(body),
    });
    return [answer.status, await answer.text()];
}"""


# Written into a quiz of which the second question takes words.
FLOUR = {
    "kind": "Single Choice",
    "body": "What is counted as 100 percent?",
    "options": [{"text": "Salt"}, {"text": "Flour", "weight": 100}],
}
# A rubric of one criterion.
CRUMB = {
    "criteria": [{"title": "Crumb", "description": "What the cut shows."}],
    "levels": [
        {"criterion": "Crumb", "title": "Dense", "points": 1},
        {"criterion": "Crumb", "title": "Open", "points": 4, "description": "Holes of many sizes."},
    ],
}
SALT = {"kind": "Short Text", "body": "What slows yeast down?", "options": [{"key": "salt"}]}


@dataclass(frozen=True)
class Quiz:
    """A quiz of two questions, FLOUR and SALT, that is all there is to do in a course of its own."""

    name: str
    course: str
    slug: str

    @property
    def address(self) -> str:
        """Where pupils begin it."""
        return f"/learn/quiz/{self.name}"


@dataclass(frozen=True)
class Assignment:
    """An assignment, judged by CRUMB, that is all there is to do in a course of its own."""

    name: str
    course: str
    slug: str

    @property
    def address(self) -> str:
        """Where pupils hand it in."""
        return f"/learn/assignment/{self.name}"


@dataclass
class School:
    """One school of a lab, with the people that a test made there."""

    lab: Journey
    slug: str
    host: str
    browser: Browser
    screenshots: Path | None = None
    _sessions: dict[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The address of the school, without a path."""
        return f"http://{self.host}:{self.lab.port}"

    def install_demo(self, course: str) -> None:
        """Have a demo course; one that is there stays."""
        words = ("execute", "lms_app.demo.install", "--args", json.dumps([course]))
        self.lab.schoolctl("bench", self.slug, "--", *words)

    @contextmanager
    def window(self, user: str = "", **options: Any) -> Iterator[Page]:
        """Open a window, as a guest or as somebody; what breaks in a script of a page fails the test.

        options: those of Playwright's `new_context`, such as viewport.
        """
        context = self.browser.new_context(base_url=self.root, storage_state=self._sessions.get(user), **options)
        context.set_default_timeout(30_000)
        page = context.new_page()
        broken: list[str] = []
        page.on("pageerror", lambda fault: broken.append(str(fault)))
        try:
            yield page
            assert broken == []
        finally:
            context.close()

    def person(self, name: str, language: str = "en", *roles: str) -> str:
        """Make a user who reads a language and has these roles alone, log them in, and return their address."""
        user, password = f"{name}-{secrets.token_hex(3)}@example.com", secrets.token_urlsafe(16)
        fields: dict[str, Any] = {
            "email": user,
            "first_name": name.capitalize(),
            "send_welcome_email": 0,
            "new_password": password,
        }
        fields |= {"language": language, "roles": [{"role": role} for role in roles]}
        self.manage("POST", "/api/resource/User", fields)
        self._log_in(user, "/api/method/login", {"usr": user, "pwd": password})
        return user

    def manage(self, method: str, path: str, body: object = None) -> Any:
        """Ask for something as the administrator, and return what the school says."""
        if ADMINISTRATOR not in self._sessions:
            link = urlsplit(self.lab.json("login", self.slug)["url"])
            self._log_in(ADMINISTRATOR, f"{link.path}?{link.query}")
        with self.window(ADMINISTRATOR) as page:
            return ask(page, method, path, body, token=token_of(page), tries=DEADLOCKS)

    def course(self, course: str) -> str:
        """Return the name of a demo course's document."""
        return self.named("Academy Course", slug=COURSES[course].rpartition("/")[2])

    def quiz(self, **rules: object) -> Quiz:
        """Make a quiz in a published course that gives certificates; rules: fields of the quiz."""
        lead = {"user": ADMINISTRATOR, "role": "Lead"}
        told: dict[str, object] = {"summary": "Flour, water, salt and time.", "issues_certificates": 1}
        course = self._make("Academy Course", title=f"Flour {secrets.token_hex(3)}", instructors=[lead], **told)
        named = {"course": course["name"]}
        module = self._make("Academy Module", title="Beginnings", **named)
        bank = self._make("Academy Question Bank", title="Flour", **named)
        questions = [self._make("Academy Question", bank=bank["name"], **one)["name"] for one in (FLOUR, SALT)]
        slots = [{"kind": "Fixed", "question": name} for name in questions]
        given = {"shuffle_options": 0, "per_page": 1, **rules}
        quiz = self._make("Academy Quiz", title="Do you know flour?", slots=slots, **named, **given)
        lesson = {"kind": "Quiz", "quiz": quiz["name"], "completion_rule": "Quiz Passed", "status": "Published"}
        self._make("Academy Lesson", title="Quiz", module=module["name"], **lesson)
        self.change("Academy Course", course["name"], status="Published")
        return Quiz(quiz["name"], course["name"], course["slug"])

    def assignment(self, **rules: object) -> Assignment:
        """Make an assignment with a rubric in a published course; rules: fields of the assignment."""
        lead = {"user": ADMINISTRATOR, "role": "Lead"}
        told = {"summary": "Flour, water, salt and time.", "instructors": [lead]}
        course = self._make("Academy Course", title=f"Loaves {secrets.token_hex(3)}", **told)
        named = {"course": course["name"]}
        module = self._make("Academy Module", title="Beginnings", **named)
        rubric = self._make("Academy Rubric", title="A loaf", **CRUMB, **named)
        given = {"accepts_files": 1, "file_types": "txt, pdf", "rubric": rubric["name"], **rules}
        words = "Bake **one** loaf, and say what you would change."
        made = self._make("Academy Assignment", title="Bake a loaf", instructions=words, **named, **given)
        lesson = {"kind": "Assignment", "assignment": made["name"], "completion_rule": "Submitted"}
        self._make("Academy Lesson", title="A loaf", module=module["name"], status="Published", **lesson)
        self.change("Academy Course", course["name"], status="Published")
        return Assignment(made["name"], course["name"], course["slug"])

    def change(self, doctype: str, name: str, **values: object) -> datetime:
        """Change fields of a document as the administrator; return when, by the school's clock."""
        changed = self.manage("PUT", f"/api/resource/{doctype}/{name}", values)["data"]
        return datetime.fromisoformat(changed["modified"])

    def named(self, doctype: str, **values: object) -> str:
        """Return the name of the only document with these fields."""
        [found] = self.manage("GET", f"/api/resource/{doctype}?filters={json.dumps(values)}")["data"]
        return str(found["name"])

    def _make(self, doctype: str, **values: object) -> dict[str, Any]:
        return dict(self.manage("POST", f"/api/resource/{doctype}", values)["data"])

    def _log_in(self, user: str, path: str, body: object = None) -> None:
        with self.window() as page:
            page.goto("/learn")
            ask(page, "GET" if body is None else "POST", path, body)
            self._sessions[user] = page.context.storage_state()

    def keep_picture(self, page: Page, name: str) -> None:
        """Keep a picture of the whole page, if pictures are wanted."""
        if self.screenshots:
            page.screenshot(path=self.screenshots / f"{name}.png", full_page=True, animations="disabled")


def ask(page: Page, method: str, path: str, body: object = None, *, token: str = "", tries: int = 1) -> Any:
    """Ask the school of a window for something and return what it says; nothing of what is no JSON.

    tries: how often, where the database says that somebody else was in the way: jobs of Frappe's write users too.
    """
    status, said = page.evaluate(_ASK, [method, path, body, token])
    if "QueryDeadlockError" in said and tries > 1:
        return ask(page, method, path, body, token=token, tries=tries - 1)
    # A redirect that is not followed shows no status.
    assert status in {0, 200}, f"{method} {path} gave {status}: {said[:1000]}"
    return json.loads(said) if said.startswith("{") else None


def token_of(page: Page) -> str:
    """Go to the settings, whose forms bear the token against forged requests, and return it."""
    page.goto("/learn/me/settings")
    token = page.locator("input[name=csrf_token]").first.get_attribute("value")
    assert token
    return token


def grave(page: Page) -> list[str]:
    """Return what axe finds that keeps people out: the rule, and the first element that breaks it."""
    return [
        f"{found['id']}: {found['nodes'][0]['html'][:200]}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in {"serious", "critical"}
    ]


def tab_to(page: Page, words: str) -> None:
    """Press Tab until what bears these words has the focus, as somebody without a mouse does; the focus is seen."""
    for _ in range(PATIENCE):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and re.search(words, focused.get_attribute("aria-label") or focused.inner_text() or ""):
            shown = focused.evaluate("e => getComputedStyle(e).outlineStyle + getComputedStyle(e).boxShadow")
            assert shown != "nonenone", f"nobody sees that `{words}` has the focus"
            return
    raise AssertionError(f"no Tab leads to `{words}`")


def join(page: Page, course: str) -> None:
    """Join a demo course."""
    page.goto(COURSES[course])
    # By what they do, not by their words: those are in the reader's language.
    page.locator(".join button").click()
    expect(page.locator(".join progress")).to_be_visible()
