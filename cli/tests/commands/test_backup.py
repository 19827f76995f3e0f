import json
from pathlib import Path

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, ServerModel


def test_it_prints_what_the_set_holds(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "backup", OTHER, "--json")
    told = json.loads(done.stdout)
    assert server.names_in(f"{ROOT}/backups/{OTHER}") == [told["set"]]
    assert (told["slug"], told["tables"], told["files"]) == (OTHER, 5, 2)
    assert told["bytes"] > 0


def test_a_dump_that_fails_prints_no_set(project: Path, server: ServerModel) -> None:
    server.databases.clear()
    done = schoolctl(project, RecordingTransport(server), "backup", OTHER, "--json")
    assert (done.code, done.stdout) == (1, "")
    assert "Unknown database" in done.stderr


def test_a_failure_is_told_as_the_wish_that_was_not_met_with_the_command_to_run_again(
    project: Path, server: ServerModel
) -> None:
    server.databases.clear()
    done = schoolctl(project, RecordingTransport(server), "backup", OTHER)
    assert f"error: Could not back up `{OTHER}`\n  because: " in done.stderr
    assert f"schoolctl backup {OTHER}` again" in done.stderr
