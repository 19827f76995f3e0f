import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from schoolctl.context import Context
from schoolctl.schools import store
from tests.support.project import OTHER, schoolctl, untouched
from tests.support.recording_transport import CutAtStep, RecordingTransport
from tests.support.server_model import ROOT, ServerModel

CONSENT = ("--yes", "--confirm", OTHER)


@pytest.mark.parametrize("said", [(), ("--yes",), ("--confirm", OTHER), ("--yes", "--confirm", "tech-school")])
def test_a_script_consents_with_yes_and_the_slug_or_nothing_happens(
    project: Path, server: ServerModel, said: tuple[str, ...]
) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "close-school", OTHER, *said)
    assert done.code == 5
    assert f"add --yes --confirm {OTHER}" in done.stderr
    assert transport.calls == []


@pytest.mark.parametrize(("typed", "code"), [(OTHER, 0), ("tech-school", 5), ("yes", 5)])
def test_a_person_types_the_slug(
    project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    asked = []
    monkeypatch.setattr(Context, "interactive", True)
    monkeypatch.setattr(typer, "prompt", lambda text, **_: asked.append(text) or typed)
    assert schoolctl(project, RecordingTransport(server), "close-school", OTHER).code == code
    assert "keeps it for 30 days" in asked[0]
    assert (OTHER in server.sites()) == (code != 0)


def test_it_tells_until_when_it_can_be_reopened(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "--json", "close-school", OTHER, "--keep-days", "7", *CONSENT)
    told = json.loads(done.stdout)
    last_day = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    assert (told["slug"], told["state"], told["keep_until"]) == (OTHER, "closed", last_day)
    assert store.load(project / "inventories/test/group_vars/all/schools.yml")[OTHER].keep_until == last_day


def test_a_dry_run_asks_nothing_and_changes_nothing(project: Path, server: ServerModel) -> None:
    with untouched(server):
        done = schoolctl(project, RecordingTransport(server), "close-school", OTHER, "--dry-run", "--keep-days", "0")
    assert done.code == 0, done.stderr
    for step in ("Shut its doors", "Put it away", "Drop its databases and users", "Take its row out of schools.yml"):
        assert f"+ {step}" in done.stderr


def test_a_cut_closing_is_picked_up_for_as_many_days_as_were_asked_for(project: Path, server: ServerModel) -> None:
    command = ("close-school", OTHER, "--keep-days", "7", *CONSENT)
    assert schoolctl(project, CutAtStep(server, "Put it away"), *command).code == 4
    planned = schoolctl(project, RecordingTransport(server), "resume", "--dry-run", "--json")
    assert json.loads(planned.stdout)[0]["command"] == f"schoolctl close-school {OTHER} --keep-days=7"
    assert schoolctl(project, RecordingTransport(server), "resume").code == 0
    last_day = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    assert store.load(project / "inventories/test/group_vars/all/schools.yml")[OTHER].keep_until == last_day
    assert f"{ROOT}/archive/{OTHER}.closed" in server.folders
    assert server.orphans() == []


def test_after_it_plan_shows_no_difference(project: Path, server: ServerModel) -> None:
    assert schoolctl(project, RecordingTransport(server), "close-school", OTHER, *CONSENT).code == 0
    done = schoolctl(project, RecordingTransport(server), "--json", "plan")
    assert [drift for drift in json.loads(done.stdout) if drift["slug"] in {OTHER, None}] == []


def test_what_visitors_of_a_closed_school_read_is_healed_by_apply(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "close-school", OTHER, *CONSENT)
    conf = f"{ROOT}/edge/conf/schools/{OTHER}.conf"
    declared = server.files[conf]
    server.files[conf] += "# edited by hand"
    done = schoolctl(project, RecordingTransport(server), "apply", OTHER, "--yes")
    assert done.code == 0, done.stderr
    assert server.files[conf] == declared
    refused = schoolctl(project, RecordingTransport(server), "rename", OTHER, "Another")
    assert refused.code == 5
    assert f"schoolctl reopen {OTHER}" in refused.stderr
