"""Each verb is killed at each of its steps and run again; containers and the server go down meanwhile."""

import json
import re
import secrets
import subprocess
import time
from typing import Any

import pytest
from journey import Journey
from test_faults import NOTHING, announcing, kill_at, neighbour, orphans, run_again, until_answers

RUN = secrets.token_hex(2)
SCHOOL = f"changed-{RUN}"
HOST = f"{SCHOOL}.example"
ALIAS = f"also-{SCHOOL}.example"
COPY = f"copy-{RUN}"

Words = tuple[str, ...]
CONFIRMED = ("--yes", "--confirm", SCHOOL)
# A verb, and the one that makes it possible again.
PAIRS: dict[str, tuple[Words, Words]] = {
    "add-domain": (("add-domain", SCHOOL, ALIAS), ("remove-domain", SCHOOL, ALIAS)),
    "set-primary": (("set-primary", SCHOOL, f"new.{HOST}"), ("set-primary", SCHOOL, HOST)),
    "remove-domain": (("remove-domain", SCHOOL, f"new.{HOST}"), ("add-domain", SCHOOL, f"new.{HOST}")),
    "rename": (("rename", SCHOOL, "Another Title"), ("rename", SCHOOL, "Its Title")),
    "suspend": (("suspend", SCHOOL), ("resume", SCHOOL)),
    "resume": (("resume", SCHOOL), ("suspend", SCHOOL)),
    "quota": (
        ("quota", SCHOOL, "--connections", "9", "--cpu-seconds", "600", "--file-mb", "20"),
        ("quota", SCHOOL, "--connections", "0", "--cpu-seconds", "0", "--file-mb", "0"),
    ),
    "set-config": (("set-config", SCHOOL, "http_timeout", "77"), ("set-config", SCHOOL, "http_timeout", "--unset")),
    "clone": (
        ("clone", SCHOOL, COPY, "--staging", "--domain", f"{COPY}.example"),
        ("close-school", COPY, "--keep-days", "0", "--yes", "--confirm", COPY),
    ),
    "close-school": (("close-school", SCHOOL, *CONFIRMED), ("reopen", SCHOOL)),
    "reopen": (("reopen", SCHOOL), ("close-school", SCHOOL, *CONFIRMED)),
}
# Steps that only ask, and are skipped where the edge has followed already: whether they begin is a matter of speed.
LAST_LOOKS = {"See that it answers", "See that visitors are told"}
# What has to be done before the first round.
FIRST: dict[str, Words] = {
    "remove-domain": ("add-domain", SCHOOL, f"new.{HOST}"),
    "resume": ("suspend", SCHOOL),
    "reopen": ("close-school", SCHOOL, *CONFIRMED),
}


@pytest.fixture(scope="module", autouse=True)
def _school_is_open(lab: Journey) -> None:
    # Every declared school is open, so that any drift is what a verb left.
    for slug in lab.project.schools():
        lab.schoolctl("new-school", slug)
    lab.schoolctl("new-school", SCHOOL, "--domain", HOST, "--title", "Its Title")


def steps_of(lab: Journey, command: Words) -> list[str]:
    """Return the steps that a command would do now, but for the last looks, which mostly have nothing to wait for."""
    said = lab.schoolctl(*command, "--dry-run").stderr
    steps = re.findall(r"^  \+ (.*?)  \(would do\)$", said, re.MULTILINE)
    return [step for step in steps if step not in LAST_LOOKS]


@pytest.mark.parametrize("verb", PAIRS)
def test_a_verb_killed_at_any_step_is_completed_by_the_same_command(lab: Journey, verb: str) -> None:
    command, back = PAIRS[verb]
    if verb in FIRST:
        lab.schoolctl(*FIRST[verb])
    before = neighbour(lab)
    steps = steps_of(lab, command)
    assert len(steps) >= 2
    for step in steps:
        kill_at(lab, step, *command)
        run_again(lab, *command)
        assert lab.json("plan") == [], f"{verb}, killed at `{step}`"
        assert orphans(lab) == NOTHING, f"{verb}, killed at `{step}`"
        lab.schoolctl(*back)
    assert neighbour(lab) == before
    page = lab.visit("tech-school.com")
    assert page is not None
    assert page.status == 200
    if verb in {"resume", "reopen"}:
        lab.schoolctl(*command)


def test_an_apply_killed_at_any_step_is_completed_by_the_same_command(lab: Journey) -> None:
    def break_by_hand() -> None:
        lab.on_server("sh", "-c", f"echo '# edited' >> /srv/schools/edge/conf/schools/{SCHOOL}.conf")
        lab.on_server("docker", "stop", "schools-realtime")

    break_by_hand()
    steps = steps_of(lab, ("apply", "--all"))
    assert steps
    for step in ("Start schools-realtime", "Let the edge follow"):
        break_by_hand()
        kill_at(lab, step, "apply", "--all", "--yes")
        run_again(lab, "apply", "--all", "--yes")
        assert lab.json("plan") == []


def test_what_was_cut_off_is_picked_up_by_resume_alone(lab: Journey) -> None:
    slug = f"picked-{RUN}"
    kill_at(lab, "Install erpnext", "new-school", slug, "--domain", f"{slug}.example")
    # What the server does on behalf of a client that is gone it ends first, and is at work until then.
    deadline = time.monotonic() + 120
    while (status := standing(lab))["running"] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert f"`{slug}` is between two states" in [trouble["what"] for trouble in status["troubles"]]
    lab.schoolctl("resume")
    page = lab.visit(f"{slug}.example")
    assert page is not None
    assert page.status == 200
    assert orphans(lab) == NOTHING
    # Other tests leave troubles of their own, such as a school that has no drill.
    assert not [trouble for trouble in standing(lab)["troubles"] if slug in str(trouble)]


def standing(lab: Journey) -> Any:
    """Return what `status` says, whether or not anything is wrong."""
    return json.loads(lab.run("status", "--json").stdout)


@pytest.mark.parametrize("container", ["schools-db", "schools-tools", "schools-edge"])
def test_a_container_killed_in_mid_command_leaves_nothing_half_made(lab: Journey, container: str) -> None:
    slug = f"without-{container.removeprefix('schools-')}-{RUN}"
    command = ("new-school", slug, "--domain", f"{slug}.example")
    with announcing(lab, "Install erpnext", *command) as process:
        lab.on_server("docker", "kill", container)
        said = process.stderr.read() if process.stderr else ""
    assert process.returncode in {0, 1}, said
    lab.on_server("docker", "start", container)
    until_answers(lab)
    run_again(lab, *command)
    page = lab.visit(f"{slug}.example")
    assert page is not None
    assert page.status == 200
    assert orphans(lab) == NOTHING


def test_a_server_restarted_in_mid_command_comes_back_with_every_school(lab: Journey) -> None:
    command = ("rename", SCHOOL, "After the Restart")
    with announcing(lab, "Give it its title", *command):
        subprocess.run(["docker", "restart", lab.container], check=True, capture_output=True)
    until_answers(lab)
    run_again(lab, *command)
    assert lab.json("plan") == []
    assert orphans(lab) == NOTHING


def test_fifty_schools_are_opened_planned_and_suspended_together(lab: Journey) -> None:
    file = lab.project.schools_file
    before = file.read_text()
    rows = "".join(f"  many-{n:02}:\n    title: Many {n}\n    domain: many-{n:02}.example\n" for n in range(50))
    file.write_text(before.rstrip("\n") + "\n" + rows)
    lab.schoolctl("apply", "--all", "--yes", "--jobs", "4", timeout=900)
    assert lab.json("plan") == []
    assert {row["slug"] for row in lab.json("schools")} >= {f"many-{n:02}" for n in range(50)}
    trees = lab.on_server("sh", "-c", "readlink /srv/schools/edge/live")
    said = lab.schoolctl("suspend", "--all").stderr
    assert said.count("✓ Let the edge follow") == 1
    assert lab.on_server("sh", "-c", "readlink /srv/schools/edge/live") != trees
    for host in ("many-00.example", "many-49.example", HOST):
        page = lab.visit(host)
        assert page is not None
        assert page.status == 503
    lab.schoolctl("resume", "--all")
    assert orphans(lab) == NOTHING
