"""Browsers at the two schools of a lab that runs real Frappe: Chromium without a window, driven by Playwright."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2] / "shared"))

from browser import program
from journey import Journey
from visits import BREAD, CIRCUITS, School

# A page of a bench with two workers may wait for its turn.
expect.set_options(timeout=20_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lab", default="lab-dev", help="the lab whose schools are visited, by its inventory's name")
    parser.addoption("--screenshots", type=Path, help="a folder for pictures of what the tests look at")


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    lab = Journey(request.config.getoption("--lab"))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program(),
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
                *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
                "--host-resolver-rules="
                + ", ".join(f"MAP {school.domain} 127.0.0.1" for school in lab.project.schools().values()),
            ],
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def tech(request: pytest.FixtureRequest, browser: Browser) -> School:
    return opened(request, browser, "tech-school", CIRCUITS)


@pytest.fixture(scope="session")
def cuisine(request: pytest.FixtureRequest, browser: Browser) -> School:
    return opened(request, browser, "cuisine-school", BREAD)


def opened(request: pytest.FixtureRequest, browser: Browser, slug: str, course: str) -> School:
    lab = Journey(request.config.getoption("--lab"))
    school = School(lab, slug, lab.project.schools()[slug].domain, browser, request.config.getoption("--screenshots"))
    school.install_demo(course)
    return school
