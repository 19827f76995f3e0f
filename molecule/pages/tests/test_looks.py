"""How every page looks: accessible to everybody, whole on a phone, mirrored where people read so, of its school."""

import re
import runpy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from lively import ASKING, DONE, NEW, TEACHER, WAITING, Lively
from playwright.sync_api import FilePayload, Page, ViewportSize, expect
from visits import ADMINISTRATOR, BREAD, CIRCUITS, COURSES, DESKTOP, PHONE, SETTINGS, School, grave

ROOT = Path(__file__).parents[3]
APP, PICTURES = ROOT / "lms_app" / "lms_app", ROOT / "docs" / "screenshots"
GUEST = ""
COURSE, TEACH = "/learn/c/{slug}", "/teach/c/{slug}"
CLOSED, UNKNOWN = 403, 404
# It has no address of its own: it stands where there is nothing else.
MISSING = {"learn/missing"}
# Rules of axe that a page can break in one look and keep in another; all others are asked once.
OF_LOOKS = ("color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size")
# A window of 1280 pixels that shows everything four times as large is one of 320.
NARROWEST = 320
Scheme = Literal["light", "dark"]
LOOKS: dict[str, tuple[ViewportSize, Scheme, str]] = {
    "phone": (PHONE, "light", "ltr"),
    "dark": (DESKTOP, "dark", "ltr"),
    "mirrored": (DESKTOP, "light", "rtl"),
}


@dataclass(frozen=True)
class Visit:
    """Somebody who looks at a page, and what they do before: press what these selectors find.

    also: the looks, beside that of a desktop in the light, of which a picture is worth keeping.
    """

    who: str
    address: str
    status: int = 200
    press: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


# By name, which is that of its picture as well. What the braces stand for is made by `lively`.
VISITS = {
    "courses": Visit(GUEST, "/learn"),
    "courses-none": Visit(GUEST, "/learn?q=nothing+of+the+kind"),
    "course": Visit(GUEST, COURSES[CIRCUITS], also=("dark",)),
    "lesson-free": Visit(GUEST, f"{COURSE}/l/{{first}}"),
    "lesson-for-members": Visit(GUEST, f"{COURSE}/l/{{second}}", CLOSED),
    "sign-up": Visit(GUEST, "/learn/join"),
    "invitation": Visit(GUEST, "/i/{invitation}"),
    "invitation-unknown": Visit(GUEST, "/i/no-such-invitation", UNKNOWN),
    "course-unknown": Visit(GUEST, "/learn/c/no-such-course", UNKNOWN),
    "address-unknown": Visit(GUEST, "/learn/no-such-page", UNKNOWN),
    "verify": Visit(GUEST, "/verify"),
    "verify-valid": Visit(GUEST, "/verify/{certificate}"),
    "verify-unknown": Visit(GUEST, "/verify/0000-0000-0000-0000", UNKNOWN),
    "course-asking": Visit(ASKING, COURSE),
    "me-none": Visit(ASKING, "/learn/me"),
    "certificates-none": Visit(ASKING, "/learn/me/certificates"),
    "teaching-refused": Visit(ASKING, "/teach", CLOSED),
    "course-joined": Visit(NEW, COURSE),
    "lesson": Visit(DONE, f"{COURSE}/l/{{first}}", also=("phone",)),
    "lesson-blocks": Visit(DONE, f"{COURSE}/l/{{second}}", also=("phone", "mirrored")),
    "lesson-locked": Visit(NEW, f"{COURSE}/l/{{locked}}", CLOSED),
    "quiz": Visit(NEW, "/learn/quiz/{quiz}", also=("phone",)),
    "quiz-again": Visit(DONE, "/learn/quiz/{quiz}"),
    "quiz-closed": Visit(ASKING, "/learn/quiz/{quiz}", CLOSED),
    "attempt": Visit(DONE, "/learn/attempt/{under_way}", also=("phone", "dark")),
    "attempt-matching": Visit(DONE, "/learn/attempt/{under_way}", press=("[data-to='6']",)),
    "attempt-ordering": Visit(DONE, "/learn/attempt/{under_way}", press=("[data-to='7']",), also=("phone",)),
    "attempt-sure": Visit(DONE, "/learn/attempt/{under_way}", press=("[data-to='9']", "[value=submit]")),
    "attempt-graded": Visit(DONE, "/learn/attempt/{graded}", also=("phone",)),
    "attempt-waiting": Visit(WAITING, "/learn/attempt/{essay}"),
    "assignment": Visit(NEW, "/learn/assignment/{assignment}", also=("phone",)),
    "assignment-graded": Visit(DONE, "/learn/assignment/{assignment}"),
    "me": Visit(DONE, "/learn/me", also=("phone",)),
    "certificates": Visit(DONE, "/learn/me/certificates"),
    "certificate": Visit(DONE, "/learn/me/certificates/{certificate}", also=("phone", "dark")),
    "settings": Visit(DONE, "/learn/me/settings"),
    "teach": Visit(TEACHER, "/teach"),
    "teach-none": Visit(TEACHER, "/teach?q=nothing+of+the+kind"),
    "teach-unknown": Visit(TEACHER, "/teach/no-such-page", UNKNOWN),
    "teach-course": Visit(TEACHER, TEACH, also=("phone", "mirrored")),
    "teach-settings": Visit(TEACHER, f"{TEACH}/settings"),
    "teach-lesson": Visit(TEACHER, f"{TEACH}/l/{{first}}", also=("phone",)),
    "teach-lesson-blocks": Visit(TEACHER, f"{TEACH}/l/{{second}}"),
    "teach-preview": Visit(TEACHER, f"{TEACH}/l/{{locked}}/preview"),
    "teach-people": Visit(TEACHER, f"{TEACH}/people", also=("phone",)),
    "teach-people-none": Visit(TEACHER, f"{TEACH}/people?q=nobody"),
    "teach-people-import": Visit(TEACHER, f"{TEACH}/people/import"),
    "teach-pupil": Visit(TEACHER, f"{TEACH}/people/p/{{enrollment}}"),
    "teach-questions": Visit(TEACHER, f"{TEACH}/questions"),
    "teach-bank": Visit(TEACHER, f"{TEACH}/questions/{{bank}}"),
    "teach-questions-import": Visit(TEACHER, f"{TEACH}/questions/{{bank}}/import"),
    "teach-question": Visit(TEACHER, f"{TEACH}/questions/{{bank}}/q/{{question}}"),
    "teach-question-new": Visit(TEACHER, f"{TEACH}/questions/{{bank}}/q/new?kind=Cloze"),
    "teach-quiz": Visit(TEACHER, f"{TEACH}/quizzes/{{quiz}}"),
    "teach-quiz-new": Visit(TEACHER, f"{TEACH}/quizzes/new"),
    "teach-assignments": Visit(TEACHER, f"{TEACH}/assignments"),
    "teach-assignment": Visit(TEACHER, f"{TEACH}/assignments/{{assignment}}"),
    "teach-assignment-new": Visit(TEACHER, f"{TEACH}/assignments/new"),
    "teach-rubric": Visit(TEACHER, f"{TEACH}/rubrics/{{rubric}}"),
    "teach-rubric-new": Visit(TEACHER, f"{TEACH}/rubrics/new"),
    "teach-grading": Visit(TEACHER, "/teach/grading"),
    "teach-grading-course": Visit(TEACHER, "/teach/grading?course={slug}"),
    "teach-essay": Visit(TEACHER, "/teach/grading/{essay}/{essay_at}"),
    "teach-submission": Visit(TEACHER, "/teach/grading/submission/{submission}", also=("phone", "dark")),
}

# Addresses in the other school, and the names of their pictures.
OF_ANOTHER = {
    "/learn": "courses-of-another-school",
    COURSES[BREAD]: "course-of-another-school",
    f"{COURSES[BREAD]}/l/why-weigh-everything": "lesson-of-another-school",
}

# How many things of a page would move for somebody who wants no motion.
_MOVING = """[...document.querySelectorAll("*")].filter((element) => {
    const style = getComputedStyle(element);
    const seconds = `${style.transitionDuration},${style.animationDuration}`.split(",").map(parseFloat);
    return Math.max(...seconds) > 0.01;
}).length"""
# What has the focus, and is wholly behind something that stays where it is while the page is scrolled.
_HIDDEN_FOCUS = """() => {
    const bars = [...document.querySelectorAll("body *")].filter((one) => getComputedStyle(one).position === "sticky");
    const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']");
    return [...(bars.length ? all : [])]
        .filter((one) => one.checkVisibility() && !one.disabled && !bars.some((bar) => bar.contains(one)))
        .filter((one) => {
            one.focus();
            const own = one.getBoundingClientRect();
            return bars.some((bar) => {
                const its = bar.getBoundingClientRect();
                return own.top >= its.top && own.bottom <= its.bottom && own.left >= its.left && own.right <= its.right;
            });
        })
        .map((one) => one.outerHTML.slice(0, 200));
}"""
_WIDE = "document.documentElement.scrollWidth > innerWidth"


def routes() -> list[str]:
    """Return the addresses of all pages of the app, with names in angle brackets where anything may stand."""
    rules = runpy.run_path(str(APP / "hooks.py"))["website_route_rules"]
    pages = {path.relative_to(APP / "www").with_suffix("").as_posix() for path in (APP / "www").rglob("*.html")}
    pages = {page.removesuffix("/index") for page in pages} - MISSING
    # What is behind a rule and no page is a file to download.
    ruled = [rule["from_route"] for rule in rules if rule["to_route"] in pages]
    behind = {rule["to_route"] for rule in rules}
    # The page of certificates is found by a rule and by itself.
    return [*ruled, *(f"/{page}" for page in sorted(pages) if page not in behind or page == "verify")]


@pytest.mark.parametrize("route", routes())
def test_somebody_looks_at_every_page(route: str) -> None:
    pattern = re.compile(re.sub(r"<\w+>", "[^/]+", route))
    paths = {visit.address.partition("?")[0] for visit in VISITS.values() if visit.status == 200}
    assert any(pattern.fullmatch(path) for path in paths), f"no visit leads to {route}"


def test_the_docs_show_these_pages_and_no_picture_of_another() -> None:
    shown = set(re.findall(r"\]\(([\w-]+)\.png\)", (PICTURES / "README.md").read_text(encoding="utf-8")))
    looks = {f"{name}-{look}" for name, visit in VISITS.items() for look in visit.also}
    assert shown <= {*VISITS, *looks, *OF_ANOTHER.values()}
    assert shown == {path.stem for path in PICTURES.glob("*.png")}


@pytest.fixture(scope="module")
def window_of(tech: School, lively: Lively) -> Iterator[Callable[[str], Page]]:
    """Return what gives a window of somebody, by name: each has one for all pages."""
    pages: dict[str, Page] = {}
    with ExitStack() as windows:

        def found(name: str) -> Page:
            if name not in pages:
                pages[name] = windows.enter_context(tech.window(lively.people.get(name, GUEST)))
            return pages[name]

        yield found


@pytest.mark.usefixtures("mails")
@pytest.mark.parametrize("name", VISITS)
def test_a_page_is_accessible_and_as_wide_as_its_window_in_every_look(
    tech: School, lively: Lively, window_of: Callable[[str], Page], name: str
) -> None:
    visit = VISITS[name]
    page, address = window_of(visit.who), visit.address.format(**lively.names)
    put_on(page)
    answer = page.goto(address)
    assert answer
    assert answer.status == visit.status, address
    for selector in visit.press:
        page.locator(selector).click()
    expect(page.locator("header.top .brand")).to_be_visible()
    keep_pictures(tech, page, name, visit.also)

    # What is folded away is looked at as well; of menus that lie above the page, the first.
    page.locator("main details:not(.more)").evaluate_all("all => all.forEach((one) => { one.open = true; })")
    page.locator("main .more").evaluate_all("all => all.slice(0, 1).forEach((one) => { one.open = true; })")
    assert grave(page) == []
    assert not page.evaluate(_WIDE), "it scrolls sideways"

    put_on(page, PHONE, "dark", "rtl")
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(_MOVING) == 0
    assert grave(page, *OF_LOOKS) == []
    assert page.evaluate(_HIDDEN_FOCUS) == []
    for width in (PHONE["width"], NARROWEST):
        page.set_viewport_size({**PHONE, "width": width})
        assert not page.evaluate(_WIDE), f"it scrolls sideways where {width} pixels are to be had"


def put_on(page: Page, viewport: ViewportSize = DESKTOP, scheme: Scheme = "light", direction: str = "ltr") -> None:
    """Let a page that is open look as it does to somebody else: nothing of it is loaded anew."""
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme, reduced_motion="no-preference")
    page.evaluate("(direction) => { document.documentElement.dir = direction; }", direction)


def keep_pictures(school: School, page: Page, name: str, also: tuple[str, ...]) -> None:
    """Keep pictures of a page, if pictures are wanted: on a desktop in the light, and in some other looks."""
    if not school.screenshots:
        return
    school.keep_picture(page, name)
    for look in also:
        put_on(page, *LOOKS[look])
        school.keep_picture(page, f"{name}-{look}")
    put_on(page)


@pytest.mark.parametrize("who", [GUEST, NEW, TEACHER])
def test_a_page_runs_in_the_direction_of_its_language(
    tech: School, lively: Lively, window_of: Callable[[str], Page], who: str
) -> None:
    address = {GUEST: "/learn", NEW: f"/learn/c/{lively.names['slug']}", TEACHER: "/teach"}[who]
    page = window_of(who)
    for language, direction in (("ar", "rtl"), ("en", "ltr")):
        # A guest says the language in the address, everybody else in their settings.
        if who != GUEST:
            tech.change("User", lively.people[who], language=language)
        page.goto(address if who else f"{address}?_lang={language}")
        assert page.evaluate("document.documentElement.dir") == direction


def test_a_logo_stands_in_the_place_of_the_first_letter(cuisine: School) -> None:
    with cuisine.window() as page:
        page.goto("/learn")
        drawn = page.locator(".brand .monogram").screenshot()
        file = FilePayload(name="logo.png", mimeType="image/png", buffer=drawn)
        logo = cuisine.upload_as(ADMINISTRATOR, "/api/method/upload_file", file, is_private="0")["file_url"]
        cuisine.manage("PUT", SETTINGS, {"logo": logo})
        try:
            # With something in its query the edge keeps no page for guests.
            page.goto("/learn?page=1")
            expect(page.locator(".brand .monogram")).to_have_count(0)
            assert page.locator(".brand img").evaluate(
                "async (logo) => { await logo.decode(); return logo.naturalWidth; }"
            )
        finally:
            cuisine.manage("PUT", SETTINGS, {"logo": ""})


def test_two_schools_look_like_two_schools(tech: School, cuisine: School) -> None:
    colours = []
    for school in (tech, cuisine):
        with school.window(viewport=DESKTOP) as page:
            page.goto("/learn")
            colours.append(page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--accent')"))
    with cuisine.window(viewport=DESKTOP) as page:
        for address, name in OF_ANOTHER.items():
            page.goto(address)
            cuisine.keep_picture(page, name)
    assert colours[0] != colours[1]
