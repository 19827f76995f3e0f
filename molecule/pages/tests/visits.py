"""A school as its people meet it: by pages, in windows of one browser."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from journey import Journey
from playwright.sync_api import (
    APIRequest,
    APIRequestContext,
    Browser,
    FilePayload,
    Page,
    StorageState,
    ViewportSize,
    expect,
)

# The demo courses, by the names of their files, and the addresses of their pages.
CIRCUITS, BREAD = "circuits", "bread"
COURSES = {CIRCUITS: "/learn/c/circuits-you-can-trust", BREAD: "/learn/c/bread-from-four-ingredients"}
ADMINISTRATOR, INSTRUCTOR = "Administrator", "Academy Instructor"
SETTINGS = "/api/resource/Academy Settings/Academy Settings"
# How many times a person presses Tab before they give up.
PATIENCE = 80
DEADLOCKS = 5

DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 780}
# What bears the token against forged requests, on a page that everybody who is logged in has.
_TOKEN = ("/learn/me/settings", re.compile(r'name="csrf_token" value="(\w+)"'))


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
class Caller:
    """Somebody who is logged in at a school, and asks it for things without a window, which takes a tenth of the time.

    talk: keeps their cookies.
    """

    talk: APIRequestContext
    _token: str = ""

    def ask(self, method: str, path: str, body: object = None, *, tries: int = DEADLOCKS, **sent: Any) -> Any:
        """Ask for something as pages do and return what the school says; nothing of what is no JSON.

        body: sent as JSON. sent: options of Playwright's `fetch` such as multipart. tries: how often, where the
        database says that somebody else was in the way: jobs of Frappe's write users too.
        """
        if body is not None:
            sent["data"] = body
        headers = {} if method == "GET" else {"X-Frappe-CSRF-Token": self.token}
        answer = self.talk.fetch(path, method=method, headers=headers, **sent)
        said = answer.text()
        if "QueryDeadlockError" in said and tries > 1:
            return self.ask(method, path, tries=tries - 1, **sent)
        assert answer.status == 200, f"{method} {path} gave {answer.status}: {said[:1000]}"
        return json.loads(said) if said.startswith("{") else None

    @property
    def token(self) -> str:
        """What the school wants to see beside the cookies."""
        if not self._token:
            path, pattern = _TOKEN
            found = pattern.search(self.talk.get(path).text())
            assert found, f"{path} bears no token"
            self._token = found[1]
        return self._token


@dataclass
class School:
    """One school of a lab, with the people that a test made there."""

    lab: Journey
    slug: str
    host: str
    browser: Browser
    requests: APIRequest
    screenshots: Path | None = None
    _callers: dict[str, Caller] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The address of the school, without a path."""
        return f"http://{self.host}:{self.lab.port}"

    def install_demo(self, course: str) -> None:
        """Have a demo course; one that is there stays."""
        there = self.lab.visit(self.host, COURSES[course])
        if there is None or there.status != 200:
            words = ("execute", "lms_app.demo.install", "--args", json.dumps([course]))
            self.lab.schoolctl("bench", self.slug, "--", *words)

    @contextmanager
    def window(self, user: str = "", **options: Any) -> Iterator[Page]:
        """Open a window, as a guest or as somebody; what breaks in a script of a page fails the test.

        options: those of Playwright's `new_context`, such as viewport.
        """
        state = self._session_of(user) if user else None
        context = self.browser.new_context(base_url=self.root, storage_state=state, **options)
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
        """Make a user who reads a language and has these roles alone, log them in, and return their address.

        name: the first name, or the whole one.
        """
        first, _, last = name.partition(" ")
        user, password = f"{first.lower()}-{secrets.token_hex(3)}@example.com", secrets.token_urlsafe(16)
        fields: dict[str, Any] = {
            "email": user,
            "first_name": first[:1].upper() + first[1:],
            "last_name": last,
            "send_welcome_email": 0,
            "new_password": password,
        }
        fields |= {"language": language, "roles": [{"role": role} for role in roles]}
        self.manage("POST", "/api/resource/User", fields)
        talk = self._talk()
        answer = talk.post("/api/method/login", data={"usr": user, "pwd": password})
        assert answer.status == 200, answer.text()
        self._callers[user] = Caller(talk)
        return user

    def manage(self, method: str, path: str, body: object = None) -> Any:
        """Ask for something as the administrator, and return what the school says."""
        return self.ask_as(ADMINISTRATOR, method, path, body)

    def ask_as(self, user: str, method: str, path: str, body: object = None) -> Any:
        """Ask for something as somebody who was made here, and return what the school says."""
        return self._caller(user).ask(method, path, body)

    def call_as(self, user: str, endpoint: str, /, **given: object) -> Any:
        """Call an endpoint of the app, such as `quiz.start`, as somebody, and return its answer."""
        return self.ask_as(user, "POST", f"/api/method/lms_app.api.{endpoint}", given).get("message")

    def upload_as(self, user: str, path: str, file: FilePayload, /, **given: str) -> Any:
        """Send a file as somebody, with the fields that the endpoint at this path wants, and return its answer."""
        fields: Mapping[str, Any] = {**given, "file": file}
        return self._caller(user).ask("POST", path, multipart=fields)["message"]

    def read_as(self, user: str, path: str) -> str:
        """Return a page as somebody gets it."""
        return self._caller(user).talk.get(path).text()

    def course(self, course: str) -> str:
        """Return the name of a demo course's document."""
        return self.named("Academy Course", slug=COURSES[course].rpartition("/")[2])

    def quiz(self, **rules: object) -> Quiz:
        """Make a quiz in a published course that gives certificates; rules: fields of the quiz."""
        lead = {"user": ADMINISTRATOR, "role": "Lead"}
        told: dict[str, object] = {"summary": "Flour, water, salt and time.", "issues_certificates": 1}
        course = self.make("Academy Course", title=f"Flour {secrets.token_hex(3)}", instructors=[lead], **told)
        named = {"course": course["name"]}
        module = self.make("Academy Module", title="Beginnings", **named)
        bank = self.make("Academy Question Bank", title="Flour", **named)
        questions = [self.make("Academy Question", bank=bank["name"], **one)["name"] for one in (FLOUR, SALT)]
        slots = [{"kind": "Fixed", "question": name} for name in questions]
        given = {"shuffle_options": 0, "per_page": 1, **rules}
        quiz = self.make("Academy Quiz", title="Do you know flour?", slots=slots, **named, **given)
        lesson = {"kind": "Quiz", "quiz": quiz["name"], "completion_rule": "Quiz Passed", "status": "Published"}
        self.make("Academy Lesson", title="Quiz", module=module["name"], **lesson)
        self.change("Academy Course", course["name"], status="Published")
        return Quiz(quiz["name"], course["name"], course["slug"])

    def assignment(self, **rules: object) -> Assignment:
        """Make an assignment with a rubric in a published course; rules: fields of the assignment."""
        lead = {"user": ADMINISTRATOR, "role": "Lead"}
        told = {"summary": "Flour, water, salt and time.", "instructors": [lead]}
        course = self.make("Academy Course", title=f"Loaves {secrets.token_hex(3)}", **told)
        named = {"course": course["name"]}
        module = self.make("Academy Module", title="Beginnings", **named)
        rubric = self.make("Academy Rubric", title="A loaf", **CRUMB, **named)
        given = {"accepts_files": 1, "file_types": "txt, pdf", "rubric": rubric["name"], **rules}
        words = "Bake **one** loaf, and say what you would change."
        made = self.make("Academy Assignment", title="Bake a loaf", instructions=words, **named, **given)
        lesson = {"kind": "Assignment", "assignment": made["name"], "completion_rule": "Submitted"}
        self.make("Academy Lesson", title="A loaf", module=module["name"], status="Published", **lesson)
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

    def make(self, doctype: str, **values: object) -> dict[str, Any]:
        """Make a document as the administrator, and return it."""
        return dict(self.manage("POST", f"/api/resource/{doctype}", values)["data"])

    def _caller(self, user: str) -> Caller:
        """Return somebody who was made here, or the administrator, whom schoolctl lets in."""
        if user == ADMINISTRATOR and user not in self._callers:
            link = urlsplit(self.lab.json("login", self.slug)["url"])
            talk = self._talk()
            # It leads to the desk, which nobody needs here.
            talk.get(f"{link.path}?{link.query}", max_redirects=0)
            self._callers[user] = Caller(talk)
        return self._callers[user]

    def _talk(self) -> APIRequestContext:
        """Return what asks the school for things; its name is known to browsers alone."""
        host = {"Host": f"{self.host}:{self.lab.port}"}
        return self.requests.new_context(
            base_url=f"http://127.0.0.1:{self.lab.port}", extra_http_headers=host, timeout=60_000
        )

    def _session_of(self, user: str) -> StorageState:
        """Return the cookies of somebody for a window."""
        kept = self._caller(user).talk.storage_state()
        return {"cookies": [{**cookie, "domain": self.host} for cookie in kept["cookies"]], "origins": []}

    def keep_picture(self, page: Page, name: str) -> None:
        """Keep a picture of the whole page, if pictures are wanted."""
        if self.screenshots:
            page.screenshot(path=self.screenshots / f"{name}.png", full_page=True, animations="disabled")


def grave(page: Page, *rules: str) -> list[str]:
    """Return what axe finds that keeps people out: the rule, and the first element that breaks it.

    rules: those alone; otherwise all, and the size of targets, which axe leaves out unless it is asked for.
    """
    options: dict[str, Any] = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    return [
        f"{found['id']}: {found['nodes'][0]['html'][:200]}"
        for found in Axe().run(page, options=options).response["violations"]
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
