"""What doctor says of the schools that the journey opened: well, then broken on purpose, then mended as it said."""

import json
import shlex
import time
from typing import Any

import pytest
from journey import Journey

TECH, CUISINE = "tech-school", "cuisine-school"
ASSETS = "/srv/schools/assets"


def doctor(lab: Journey, *slugs: str) -> dict[str, Any]:
    """Return what doctor says without what a lab lacks, which is told of it alone."""
    done = lab.run("--json", "doctor", *slugs)
    said: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == bool(said["troubles"]), done.stderr
    lacks = [trouble for trouble in said["troubles"] if "no Email Account" in trouble["because"]]
    assert [trouble["schools"] for trouble in lacks] == ([[*slugs] or [TECH, CUISINE]] if lab.is_real else [])
    said["troubles"] = [trouble for trouble in said["troubles"] if trouble not in lacks]
    return said


def results(said: dict[str, Any]) -> dict[str, str]:
    return {row["check"]: row["result"] for row in said["checks"]}


def the_trouble(lab: Journey, *slugs: str) -> dict[str, Any]:
    [trouble] = doctor(lab, *slugs)["troubles"]
    return dict(trouble)


def run_what_it_says(lab: Journey, trouble: dict[str, Any]) -> None:
    schoolctl, *words = shlex.split(trouble["mend"])
    assert schoolctl == "schoolctl"
    # At a terminal it would ask.
    lab.schoolctl(*words, *(["--yes"] if words[0] == "apply" else []))


def test_a_sound_server_lacks_only_what_a_lab_lacks(lab: Journey) -> None:
    said = doctor(lab)
    assert said["troubles"] == []
    here = results(said)
    assert here.pop("names") == "passed over", "no DNS leads to a lab"
    assert here.pop("certificates") == "passed over", "no authority knows a lab"
    ill = {"mail": "ill"} if lab.is_real else dict.fromkeys(("heads", "mail", "pictures"), "passed over")
    assert here == {**dict.fromkeys(here, "well"), **ill}


def test_one_school_can_be_examined_alone(lab: Journey) -> None:
    assert doctor(lab, CUISINE)["troubles"] == []


def test_a_container_that_stopped_is_told_once_and_started_as_said(lab: Journey) -> None:
    lab.on_server("docker", "stop", "--time=1", "schools-realtime")
    said = doctor(lab)
    [trouble] = said["troubles"]
    assert trouble["because"] == "the container schools-realtime is exited"
    assert results(said)["sockets"] == "passed over"
    run_what_it_says(lab, trouble)
    # A program that has just been started takes a moment to listen.
    deadline = time.monotonic() + 60
    while (said := doctor(lab))["troubles"] and time.monotonic() < deadline:
        time.sleep(1)
    assert said["troubles"] == []


def test_a_scheduler_that_was_switched_off_is_told_and_switched_on_as_said(lab: Journey) -> None:
    lab.schoolctl("bench", TECH, "--", "disable-scheduler")
    trouble = the_trouble(lab)
    assert trouble["schools"] == [TECH]
    run_what_it_says(lab, trouble)
    assert doctor(lab)["troubles"] == []


def test_a_style_that_is_gone_from_the_edge_is_told_by_its_path(lab: Journey) -> None:
    style = lab.on_server("sh", "-c", f"grep -o '/assets/[^\"]*css' {ASSETS}/current/assets.json | head -n 1").strip()
    # Packed as well, and with the image before it.
    path = f"{ASSETS}/*/{style.removeprefix('/assets/')}*"
    files = lab.on_server("find", ASSETS, "-type", "f", "-path", path).split()
    assert files
    for file in files:
        lab.on_server("mv", file, f"{file}.away")
    try:
        trouble = the_trouble(lab)
    finally:
        for file in files:
            lab.on_server("mv", f"{file}.away", file)
    assert trouble["because"].startswith(f"{style} gives 404")
    assert trouble["mend"].endswith("`schoolctl provision`")
    assert doctor(lab)["troubles"] == []


def test_a_head_that_would_be_missing_in_pdfs_is_told_and_kept_as_said(lab: Journey) -> None:
    if not lab.is_real:
        pytest.skip("the stand-in bench prints nothing")
    setting = {"doctype": "Print Settings", "name": "Print Settings", "fieldname": "repeat_header_footer", "value": 1}
    lab.schoolctl("bench", TECH, "--", "execute", "frappe.client.set_value", "--kwargs", repr(setting))
    trouble = the_trouble(lab)
    assert trouble["schools"] == [TECH]
    run_what_it_says(lab, trouble)
    assert doctor(lab)["troubles"] == []
