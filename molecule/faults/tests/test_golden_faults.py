"""Golden sites, and schools that begin from one: each step is killed or fails, and is run again."""

import json
import secrets
import subprocess
from collections.abc import Callable, Sequence

import pytest
from in_process import InProcess
from journey import ROOT, Journey
from test_faults import (
    NEIGHBOUR,
    NOTHING,
    REFUSED,
    FailingTransport,
    announcing,
    kill_at,
    orphans,
    run_again,
    until_answers,
)

from schoolctl.app import main
from schoolctl.context import Context

pytestmark = pytest.mark.usefixtures("golden_sites")

RUN = secrets.token_hex(2)
# The steps that only golden sites have; test_faults.py kills those that every new site has.
MAKING = ("Make it nobody's", "Dump it in parts", "Keep the golden site", "Take the site away")
OPENING = ("Load the golden site", "Make it the school's own", "Put it in its place")


# Lets a part begin with a table and go on with what no MariaDB takes, and promises just that.
SPOIL = """
cd /srv/schools/golden/*/plain
printf 'CREATE TABLE `tabHalf` (a int);\nCREATE NONSENSE;\n' | gzip > part-1.sql.gz
python3 - <<'END'
import hashlib, json, pathlib
file = pathlib.Path("manifest.json")
manifest = json.loads(file.read_text())
[part] = [part for part in manifest["parts"] if part["file"] == "part-1.sql.gz"]
part["sha256"] = hashlib.sha256(pathlib.Path("part-1.sql.gz").read_bytes()).hexdigest()
file.write_text(json.dumps(manifest))
END
"""


def opening(slug: str) -> tuple[str, ...]:
    return ("new-school", slug, "--domain", f"{slug}.example")


def expect_open(lab: Journey, slug: str) -> None:
    page = lab.visit(f"{slug}.example")
    assert page is not None
    assert page.status == 200
    assert orphans(lab) == NOTHING


def open_at_once(lab: Journey, slugs: Sequence[str], opening: Callable[[str], tuple[str, ...]]) -> None:
    """Open schools by as many operators at a time; who is told that another is at work tries again."""
    all_of_them = [
        subprocess.Popen(
            lab.command(*opening(slug)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for slug in slugs
    ]
    said = [process.communicate()[1] for process in all_of_them]
    assert {process.returncode for process in all_of_them} <= {0, REFUSED}, said
    for slug in slugs:
        run_again(lab, *opening(slug))
        expect_open(lab, slug)


def troubles_of_golden_sites(lab: Journey) -> list[str]:
    """Return what `status` says to run for each golden site that is out of service."""
    troubles = json.loads(lab.run("--json", "status").stdout)["troubles"]
    return [trouble["mend"] for trouble in troubles if "the golden site" in trouble["because"]]


@pytest.mark.parametrize("step", MAKING)
def test_a_golden_site_killed_at_any_step_is_made_by_the_next_run(lab: Journey, step: str) -> None:
    kill_at(lab, f"plain: {step}", "golden", "--again")
    run_again(lab, "golden", "--again")
    assert orphans(lab) == NOTHING
    assert "plain" in {row["profile"] for row in lab.json("golden", "--status")}
    assert lab.json("plan") == []


@pytest.mark.parametrize("step", OPENING)
def test_a_school_from_a_golden_site_killed_at_any_step_is_completed(lab: Journey, step: str) -> None:
    slug = f"copied-{OPENING.index(step)}-{RUN}"
    kill_at(lab, step, *opening(slug))
    run_again(lab, *opening(slug))
    expect_open(lab, slug)


def test_a_school_from_a_golden_site_that_fails_anywhere_leaves_nothing_or_is_completed(lab: InProcess) -> None:
    slug = f"copied-failing-{RUN}"
    for nth in range(1, 200):
        transport = FailingTransport(lab, nth)
        code = main(["--env", lab.name, *opening(slug)], Context(start=ROOT, transport=transport))
        if transport.left > 0:
            assert code == 0
            break
        assert code == 1
        found = orphans(lab)
        if lab.on_server("sh", "-c", f"test -e /srv/schools/sites/{slug} && echo whole || true").strip():
            assert found["databases"] == set()
        else:
            assert found == NOTHING, f"operation {nth}"
    assert nth > len(OPENING)
    expect_open(lab, slug)


def test_a_database_killed_in_mid_load_leaves_no_half_loaded_school(lab: Journey) -> None:
    slug = f"copied-without-db-{RUN}"
    with announcing(lab, "Load the golden site", *opening(slug)) as process:
        lab.on_server("docker", "kill", "schools-db")
        said = process.stderr.read() if process.stderr else ""
    assert process.returncode in {0, 1}, said
    lab.on_server("docker", "start", "schools-db")
    until_answers(lab)
    run_again(lab, *opening(slug))
    expect_open(lab, slug)


def test_a_damaged_part_keeps_no_school_from_opening_and_is_not_tried_again(lab: Journey) -> None:
    slug = f"copied-damaged-{RUN}"
    [part] = lab.on_server("sh", "-c", "ls /srv/schools/golden/*/plain/part-1.sql.gz").split()
    lab.on_server("truncate", "-s", "-20", part)
    said = lab.schoolctl(*opening(slug)).stderr
    assert "part-1.sql.gz is not what it was" in said
    assert "each app is installed by itself" in said
    expect_open(lab, slug)
    assert troubles_of_golden_sites(lab) == ["schoolctl golden"]
    lab.schoolctl("golden")
    assert troubles_of_golden_sites(lab) == []


def test_a_fall_back_from_a_damaged_golden_site_that_is_killed_is_completed(lab: Journey) -> None:
    slug = f"copied-back-{RUN}"
    [part] = lab.on_server("sh", "-c", "ls /srv/schools/golden/*/plain/part-1.sql.gz").split()
    lab.on_server("truncate", "-s", "-20", part)
    kill_at(lab, "Put the golden site `plain` out of service", *opening(slug))
    run_again(lab, *opening(slug))
    expect_open(lab, slug)
    lab.schoolctl("golden")


def test_a_golden_site_that_mariadb_refuses_in_the_middle_leaves_nothing_of_itself(lab: Journey) -> None:
    slug = f"copied-refused-{RUN}"
    lab.on_server("sh", "-ec", SPOIL)
    said = lab.schoolctl(*opening(slug)).stderr
    assert "ERROR 1064" in said
    expect_open(lab, slug)
    databases = {row["slug"]: row["database"] for row in lab.json("schools")}
    one, other = (sorted(lab.sql(databases[name], "SHOW TABLES;")) for name in (slug, NEIGHBOUR))
    assert one == other
    lab.schoolctl("golden")
    assert troubles_of_golden_sites(lab) == []


def test_two_operators_at_once_get_one_school_each_or_are_told(lab: Journey) -> None:
    slugs = [f"copied-{who}-{RUN}" for who in ("ann", "bob")]
    open_at_once(lab, slugs, opening)
