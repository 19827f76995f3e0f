import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl, untouched
from tests.support.recording_transport import CutAtStep, RecordingTransport
from tests.support.server_model import ServerModel


@pytest.fixture
def closed(project: Path, server: ServerModel) -> ServerModel:
    run = schoolctl(project, RecordingTransport(server), "close-school", OTHER, "--yes", "--confirm", OTHER)
    assert run.code == 0, run.stderr
    return server


def test_it_tells_where_the_school_answers_again(project: Path, closed: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(closed), "reopen", OTHER, "--json")
    assert json.loads(done.stdout) == {
        "slug": OTHER,
        "url": "https://cuisine-school.com",
        "state": "active",
        "changed": True,
    }
    assert closed.visit("cuisine-school.com") == 200


def test_it_needs_no_consent_and_an_open_school_stays_as_it_is(project: Path, server: ServerModel) -> None:
    with untouched(server):
        done = schoolctl(project, RecordingTransport(server), "reopen", OTHER, "--json")
    assert (done.code, json.loads(done.stdout)["changed"]) == (0, False)


def test_a_dry_run_changes_nothing(project: Path, closed: ServerModel) -> None:
    files = dict(closed.files)
    done = schoolctl(project, RecordingTransport(closed), "reopen", OTHER, "--dry-run")
    assert "+ Put it back in its place" in done.stderr
    assert closed.files == files


def test_a_cut_reopening_is_picked_up(project: Path, closed: ServerModel) -> None:
    assert schoolctl(project, CutAtStep(closed, "Open its doors"), "reopen", OTHER).code == 4
    refused = schoolctl(project, RecordingTransport(closed), "close-school", OTHER, "--yes", "--confirm", OTHER)
    assert refused.code == 5
    assert f"schoolctl reopen {OTHER}" in refused.stderr
    assert schoolctl(project, RecordingTransport(closed), "resume").code == 0
    assert closed.visit("cuisine-school.com") == 200
    assert closed.orphans() == []
