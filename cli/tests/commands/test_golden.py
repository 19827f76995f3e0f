import json
from pathlib import Path

from tests.support.project import schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_it_prints_what_became_of_each(project: Path, server: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(server), "golden")
    assert run.code == 0
    assert "plain: Install erpnext" in run.stderr
    assert [line.split()[1] for line in run.stdout.splitlines()] == ["result", "done", "done", "done"]


def test_status_tells_which_there_are_and_changes_nothing(project: Path, server: ServerModel) -> None:
    assert json.loads(schoolctl(project, RecordingTransport(server), "golden", "--status", "--json").stdout) == []
    schoolctl(project, RecordingTransport(server), "golden")
    audit = list(server.audit)
    rows = json.loads(schoolctl(project, RecordingTransport(server), "golden", "--status", "--json").stdout)
    assert len(rows) == 3
    assert all(row["bytes"] > 0 and row["tables"] > 3 for row in rows)
    assert server.audit == audit


def test_without_a_bench_it_says_so(project: Path, server: ServerModel) -> None:
    del server.containers["schools-tools"]
    run = schoolctl(project, RecordingTransport(server), "golden")
    assert run.code == 1
    assert "no bench runs" in run.stderr


def test_one_that_cannot_be_made_is_named_with_the_reason(project: Path, server: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(server, word="France"), "golden", "--json")
    assert run.code == 6
    rows = {row["profile"]: row for row in json.loads(run.stdout)}
    failed = [row for profile, row in rows.items() if profile.startswith("france-fr-")]
    assert [row["result"] for row in failed] == ["failed"]
    assert "France does not work today" in failed[0]["because"]
