import json
from pathlib import Path

import pytest
import typer

from schoolctl.context import Context
from schoolctl.schools import store
from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import Call, CutAtStep, RecordingTransport
from tests.support.server_model import ServerModel

CONSENT = ("--yes", "--confirm", OTHER)


@pytest.fixture
def closed(project: Path, server: ServerModel) -> ServerModel:
    run = schoolctl(project, RecordingTransport(server), "close-school", OTHER, *CONSENT)
    assert run.code == 0, run.stderr
    return server


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


def let_expire(project: Path) -> None:
    last_day = store.load(rows(project))[OTHER].keep_until
    rows(project).write_text(rows(project).read_text().replace(last_day, "2020-01-31"))


@pytest.mark.parametrize("said", [(), ("--yes",), ("--confirm", OTHER)])
def test_a_script_consents_with_yes_and_each_slug(project: Path, closed: ServerModel, said: tuple[str, ...]) -> None:
    transport = RecordingTransport(closed)
    assert schoolctl(project, transport, "purge", OTHER, *said).code == 5
    assert transport.calls == []


@pytest.mark.parametrize("arguments", [(), (OTHER, "--expired")])
def test_slugs_or_expired_must_be_said_but_not_both(
    project: Path, closed: ServerModel, arguments: tuple[str, ...]
) -> None:
    assert schoolctl(project, RecordingTransport(closed), "purge", *arguments, *CONSENT).code == 2


def test_what_is_expired_needs_a_yes_alone(project: Path, closed: ServerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    let_expire(project)
    refused = schoolctl(project, RecordingTransport(closed), "purge", "--expired")
    assert (refused.code, closed.closed()) == (5, {OTHER})
    asked = []
    monkeypatch.setattr(Context, "interactive", True)
    monkeypatch.setattr(typer, "confirm", lambda text, **_: asked.append(text) or True)
    assert schoolctl(project, RecordingTransport(closed), "purge", "--expired").code == 0
    assert OTHER in asked[0]
    assert closed.closed() == set()


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [
        ('"2020-01-31"', '"2999-01-31"', "closed"),
        ("state: closed\n    keep_until: ", "state: suspended # until ", "suspended"),
    ],
)
def test_one_that_is_not_expired_any_more_once_the_lock_is_held_is_left_alone_and_told(
    project: Path, closed: ServerModel, old: str, new: str, state: str
) -> None:
    let_expire(project)

    def let_another_be_first(call: Call) -> None:
        if call.operation == "lock":
            text = rows(project).read_text()
            assert old in text
            rows(project).write_text(text.replace(old, new))

    files = dict(closed.files)
    transport = RecordingTransport(closed, before_each=let_another_be_first)
    done = schoolctl(project, transport, "purge", "--expired", "--yes", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout) == {"slug": OTHER, "state": state, "changed": False}
    assert f"`{OTHER}` is not expired any more, and is left as it is" in done.stderr
    assert closed.files == files
    assert closed.closed() == {OTHER}


def test_one_that_another_has_purged_meanwhile_is_gone_and_does_not_stop_the_next(
    project: Path, closed: ServerModel
) -> None:
    let_expire(project)
    gone = store.load(rows(project))[OTHER]
    row = store.School.from_row("gone-school", {**gone.row, "domain": "gone.example", "aliases": []})
    store.put(rows(project), row)

    def let_another_be_first(call: Call) -> None:
        if call.operation == "lock":
            store.drop(rows(project), "gone-school")

    transport = RecordingTransport(closed, before_each=let_another_be_first)
    done = schoolctl(project, transport, "purge", "--expired", "--yes", "--json")
    assert done.code == 0, done.stderr
    told = {row["slug"]: (row["state"], row["result"]) for row in json.loads(done.stdout)}
    assert told == {OTHER: ("gone", "done"), "gone-school": ("gone", "unchanged")}


def test_it_tells_that_the_school_is_gone(project: Path, closed: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(closed), "--json", "purge", OTHER, *CONSENT)
    assert json.loads(done.stdout) == {"slug": OTHER, "state": "gone", "changed": True, "left_in": ["offsite"]}


def test_a_dry_run_changes_nothing(project: Path, closed: ServerModel) -> None:
    files = dict(closed.files)
    done = schoolctl(project, RecordingTransport(closed), "purge", OTHER, "--dry-run")
    assert "Drop its databases and users" in done.stderr
    assert closed.files == files


def test_a_cut_purge_is_picked_up_with_the_backups_that_were_to_stay(project: Path, closed: ServerModel) -> None:
    sets = closed.backups.names(OTHER)
    cut = CutAtStep(closed, f"{OTHER}: Take it off the edge")
    assert schoolctl(project, cut, "purge", OTHER, *CONSENT, "--keep-backups").code == 4
    assert schoolctl(project, RecordingTransport(closed), "reopen", OTHER).code == 5
    done = schoolctl(project, RecordingTransport(closed), "resume")
    assert done.code == 0, done.stderr
    assert OTHER not in store.load(rows(project))
    assert closed.backups.names(OTHER) == sets
    assert closed.orphans() == []
