"""The pool of loaded databases, and schools that begin from one: killed, cut, without a database, and run again."""

import json
import secrets
import time

import pytest
from in_process import InProcess
from journey import ROOT, Journey
from test_faults import NOTHING, FailingTransport, announcing, kill_at, orphans, run_again, until_answers
from test_golden_faults import expect_open, open_at_once
from test_golden_faults import opening as opening_anywhere

from schoolctl.app import main
from schoolctl.context import Context

pytestmark = pytest.mark.usefixtures("golden_sites")

RUN = secrets.token_hex(2)
# Up to the step after which it is a school from a golden site like any other; loading is left out.
OPENING = ("Claim the name", "Make its database and user", "Make its folder", "Make it the school's own")
# Of those that the declared schools have, each has a golden site, and so a place in the pool.
PLACE = ("--country=Ireland", "--language=en", "--timezone=Europe/Dublin", "--currency=EUR")
LOCALES = 2


def opening(slug: str) -> tuple[str, ...]:
    return (*opening_anywhere(slug), *PLACE)


def whole(lab: Journey) -> int:
    """Return how many databases wait in the pool, after each was looked at: not one may be half loaded."""
    manifests = lab.on_server("sh", "-c", "ls /srv/schools/golden/*/*/manifest.json").split()
    found = [json.loads(lab.on_server("cat", path)) for path in manifests]
    expected = {manifest["profile"]: manifest["tables"] for manifest in found}
    names = lab.on_server("find", "/srv/schools/pool", "-name", "sch*.ready", "-printf", "%f\n").split()
    for name in names:
        profile = json.loads(lab.on_server("cat", f"/srv/schools/pool/{name}"))["profile"]
        assert len(lab.sql(name.removesuffix(".ready"), "SHOW TABLES;")) == expected[profile]
    return len(names)


@pytest.mark.parametrize("step", OPENING)
def test_a_school_from_the_pool_killed_at_any_step_is_completed(lab: Journey, step: str) -> None:
    lab.schoolctl("pool", "--size", "1")
    slug = f"pooled-{OPENING.index(step)}-{RUN}"
    kill_at(lab, step, *opening(slug))
    run_again(lab, *opening(slug))
    expect_open(lab, slug)
    whole(lab)


def test_a_school_from_the_pool_that_fails_anywhere_leaves_nothing_or_is_completed(
    lab: InProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    slug, nth, found = f"pooled-failing-{RUN}", 0, NOTHING
    # Once it is in its place, it is a school from a golden site like any other.
    while not lab.on_server("sh", "-c", f"test -e /srv/schools/sites/{slug} && echo whole || true"):
        nth += 1
        assert nth < 100
        # What a failed one had taken is dropped with it.
        lab.schoolctl("pool", "--size", "1")
        transport = FailingTransport(lab, nth)
        assert main(["--env", lab.name, *opening(slug)], Context(start=ROOT, transport=transport)) == 1
        assert "… Load the golden site" not in capsys.readouterr().err, "its database came out of the pool"
        before, found = found, orphans(lab)
        # What was left by any but the last, after which it is in its place.
        assert before == NOTHING, f"operation {nth - 1}"
    assert found["databases"] == set()
    assert nth > len(OPENING)
    lab.schoolctl(*opening(slug))
    expect_open(lab, slug)
    whole(lab)


def test_two_operators_who_take_from_the_pool_at_once_get_a_database_each(lab: Journey) -> None:
    lab.schoolctl("pool", "--size", "2")
    waiting = set(lab.on_server("find", "/srv/schools/pool", "-name", "sch*.ready", "-printf", "%f\n").split())
    slugs = [f"pooled-{who}-{RUN}" for who in ("ann", "bob")]
    open_at_once(lab, slugs, opening)
    databases = {row["slug"]: row["database"] for row in lab.json("schools")}
    taken = {f"{databases[slug]}.ready" for slug in slugs}
    assert len(taken) == 2
    assert taken <= waiting
    whole(lab)


def test_a_filling_whose_client_is_killed_leaves_no_half_loaded_database_to_take(lab: Journey) -> None:
    lab.schoolctl("pool", "--size", "0")
    kill_at(lab, "Load database 1 of 4", "pool", "--size", "2")
    run_again(lab, "pool", "--size", "2")
    assert whole(lab) == 2 * LOCALES
    assert orphans(lab) == NOTHING


def test_a_database_killed_while_the_pool_fills_leaves_no_half_loaded_database_to_take(lab: Journey) -> None:
    lab.schoolctl("pool", "--size", "0")
    with announcing(lab, "Load database 1 of 4", "pool", "--size", "2") as process:
        lab.on_server("docker", "kill", "schools-db")
        said = process.stderr.read() if process.stderr else ""
    assert process.returncode in {0, 1}, said
    lab.on_server("docker", "start", "schools-db")
    until_answers(lab)
    whole(lab)
    lab.schoolctl("pool", "--size", "2")
    assert whole(lab) == 2 * LOCALES
    assert orphans(lab) == NOTHING


def test_a_school_opens_while_the_pool_is_being_filled(lab: Journey) -> None:
    lab.schoolctl("pool", "--size", "1")
    slug = f"pooled-meanwhile-{RUN}"
    with announcing(lab, "Load database 1 of 4", "pool", "--size", "3") as process:
        opened = lab.schoolctl(*opening(slug)).stderr
        said = process.stderr.read() if process.stderr else ""
    assert "· Load the golden site" in opened, "its database came out of the pool"
    assert process.returncode == 0, said
    page = lab.visit(f"{slug}.example")
    assert page is not None
    assert page.status == 200
    whole(lab)


def test_a_server_that_is_cut_off_in_mid_filling_is_filled_by_the_next_command(lab: Journey) -> None:
    lab.schoolctl("pool", "--size", "0")
    with announcing(lab, "Load database 1 of 4", "pool", "--size", "2"):
        lab.on_server("pkill", "-f", "sshd: deploy")
    time.sleep(1)
    lab.schoolctl("pool", "--size", "2")
    assert whole(lab) == 2 * LOCALES
    assert orphans(lab) == NOTHING
