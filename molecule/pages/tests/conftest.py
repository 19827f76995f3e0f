"""Browsers at the two schools of a lab that runs real Frappe: Chromium without a window, driven by Playwright."""

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2] / "shared"))

from browser import program
from journey import Journey
from lively import Lively, make
from visits import BREAD, CIRCUITS, SETTINGS, School

# A page of a bench with two workers may wait for its turn.
expect.set_options(timeout=20_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lab", default="lab-dev", help="the lab whose schools are visited, by its inventory's name")
    parser.addoption("--screenshots", type=Path, help="a folder for pictures of what the tests look at")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest, playwright: Playwright) -> Iterator[Browser]:
    lab = Journey(request.config.getoption("--lab"))
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
def tech(request: pytest.FixtureRequest, playwright: Playwright, browser: Browser) -> School:
    return opened(request, playwright, browser, "tech-school", CIRCUITS)


@pytest.fixture(scope="session")
def cuisine(request: pytest.FixtureRequest, playwright: Playwright, browser: Browser) -> School:
    return opened(request, playwright, browser, "cuisine-school", BREAD)


def opened(request: pytest.FixtureRequest, playwright: Playwright, browser: Browser, slug: str, course: str) -> School:
    lab, pictures = Journey(request.config.getoption("--lab")), request.config.getoption("--screenshots")
    school = School(lab, slug, lab.project.schools()[slug].domain, browser, playwright.request, pictures)
    school.install_demo(course)
    return school


@pytest.fixture(scope="session")
def lively(tech: School) -> Iterator[Lively]:
    """Give a school something to look at; what other tests look at has not one course more when it is over."""
    made = make(tech)
    yield made
    for course in made.courses:
        tech.change("Academy Course", course, status="Archived")


@pytest.fixture(scope="module")
def mails(tech: School) -> Iterator[None]:
    """Let the school write mails, and anybody sign up; nobody takes the mails, so they wait where they can be read."""
    word = f"school-{secrets.token_hex(3)}"
    account = {"email_account_name": word, "email_id": f"{word}@example.com", "smtp_server": "mail.invalid"}
    account |= {"enable_outgoing": 1, "default_outgoing": 1, "no_smtp_authentication": 1, "smtp_port": 2525}
    name = tech.manage("POST", "/api/resource/Email Account", account)["data"]["name"]
    kept = tech.manage("GET", SETTINGS)["data"].get("sign_up") or "Invited"
    tech.manage("PUT", SETTINGS, {"sign_up": "Anybody"})
    yield
    tech.manage("PUT", SETTINGS, {"sign_up": kept})
    tech.manage("PUT", f"/api/resource/Email Account/{name}", {"enable_outgoing": 0, "default_outgoing": 0})
