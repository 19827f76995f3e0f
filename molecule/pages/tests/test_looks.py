"""How the pages look: accessible to everybody, whole on a phone, mirrored where people read so, each school its own."""

from dataclasses import dataclass
from typing import Any

import pytest
from visits import CIRCUITS, COURSES, School, grave, join

COURSE = COURSES[CIRCUITS]
LESSON = f"{COURSE}/l/voltage-current-resistance"
# By name: the address, and whether a pupil looks.
ROUTES = {
    "catalogue": ("/learn", False),
    "search": ("/learn?q=nothing+of+the+kind", False),
    "course": (COURSE, False),
    "free lesson": (LESSON, False),
    "invitation": ("/i/no-such-invitation", False),
    "missing course": ("/learn/c/no-such-course", False),
    "joined course": (COURSE, True),
    "lesson": (LESSON, True),
    "me": ("/learn/me", True),
    "settings": ("/learn/me/settings", True),
}
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 780}


@dataclass(frozen=True)
class Look:
    """How somebody looks at a page."""

    viewport: dict[str, int]
    scheme: str = "light"
    language: str = "en"

    @property
    def options(self) -> dict[str, Any]:
        return {"viewport": self.viewport, "color_scheme": self.scheme}

    def at(self, address: str) -> str:
        return f"{address}{'&' if '?' in address else '?'}_lang={self.language}"


LOOKS = {
    "desktop": Look(DESKTOP),
    "desktop dark": Look(DESKTOP, "dark"),
    "phone": Look(PHONE),
    "phone dark right to left": Look(PHONE, "dark", "ar"),
}


@pytest.fixture(scope="module")
def pupils(tech: School) -> dict[str, str]:
    """Return a pupil who has joined, by the language that they read."""
    found = {language: tech.person("ida", language) for language in ("en", "ar")}
    for name in found.values():
        with tech.window(name) as page:
            join(page, CIRCUITS)
    return found


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("route", ROUTES)
def test_a_page_is_accessible_and_as_wide_as_its_window(
    tech: School, pupils: dict[str, str], route: str, look: str
) -> None:
    address, as_pupil = ROUTES[route]
    seen = LOOKS[look]
    with tech.window(pupils[seen.language] if as_pupil else "", **seen.options) as page:
        # A guest says the language in the address, a pupil in their settings.
        page.goto(address if as_pupil else seen.at(address))
        tech.keep_picture(page, f"{route}-{look}".replace(" ", "-"))
        assert grave(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
        direction = page.evaluate("document.documentElement.dir")
        assert direction == ("rtl" if seen.language == "ar" else "ltr")


def test_a_lesson_can_be_read_at_four_times_its_size(tech: School, pupils: dict[str, str]) -> None:
    # A window of 1280 pixels that shows everything four times as large is one of 320.
    with tech.window(pupils["en"], viewport={"width": 320, "height": 256}) as page:
        page.goto(LESSON)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_who_wants_no_motion_gets_none(tech: School) -> None:
    with tech.window(reduced_motion="reduce") as page:
        page.goto("/learn")
        moving = page.evaluate(
            """[...document.querySelectorAll("*")].filter((element) => {
                const style = getComputedStyle(element);
                const seconds = `${style.transitionDuration},${style.animationDuration}`.split(",").map(parseFloat);
                return Math.max(...seconds) > 0.01;
            }).length"""
        )
        assert moving == 0


def test_two_schools_look_like_two_schools(tech: School, cuisine: School) -> None:
    colours = []
    for school in (tech, cuisine):
        with school.window(viewport=DESKTOP) as page:
            page.goto("/learn")
            school.keep_picture(page, f"{school.slug}")
            colours.append(page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--accent')"))
    assert colours[0] != colours[1]
