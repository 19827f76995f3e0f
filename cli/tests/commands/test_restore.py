import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, ServerModel


@pytest.fixture
def backed_up(project: Path, server: ServerModel) -> ServerModel:
    assert schoolctl(project, RecordingTransport(server), "backup", OTHER).code == 0
    return server


def test_where_nobody_can_be_asked_it_needs_yes(project: Path, backed_up: ServerModel) -> None:
    transport = RecordingTransport(backed_up)
    done = schoolctl(project, transport, "restore", OTHER)
    assert done.code == 5
    assert "add --yes" in done.stderr
    assert transport.calls == []


def test_it_prints_the_set_that_it_took(project: Path, backed_up: ServerModel) -> None:
    [name] = backed_up.names_in(f"{ROOT}/backups/{OTHER}")
    done = schoolctl(project, RecordingTransport(backed_up), "restore", OTHER, "--yes", "--json")
    assert json.loads(done.stdout) == {"slug": OTHER, "url": "http://cuisine-school.com", "set": name}


def test_the_newest_set_is_taken_unless_one_is_named(project: Path, backed_up: ServerModel) -> None:
    [name] = backed_up.names_in(f"{ROOT}/backups/{OTHER}")
    backed_up.rename(f"{ROOT}/backups/{OTHER}/{name}", f"{ROOT}/backups/{OTHER}/20200101T000000Z")
    assert schoolctl(project, RecordingTransport(backed_up), "backup", OTHER).code == 0
    newest = backed_up.names_in(f"{ROOT}/backups/{OTHER}")[-1]
    taken = [
        json.loads(schoolctl(project, RecordingTransport(backed_up), "restore", OTHER, "--yes", "--json", *more).stdout)
        for more in ([], ["--set", "20200101T000000Z"])
    ]
    assert [told["set"] for told in taken] == [newest, "20200101T000000Z"]
