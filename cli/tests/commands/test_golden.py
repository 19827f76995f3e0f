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


def test_one_that_is_out_of_service_is_named_with_the_reason_and_what_mends_it(
    project: Path, server: ServerModel
) -> None:
    schoolctl(project, RecordingTransport(server), "golden")
    server.damaged |= {path for path in server.files if path.endswith("/plain/part-1.sql.gz")}
    assert schoolctl(project, RecordingTransport(server), "new-school", "third", "--domain", "third.example").code == 0
    rows = json.loads(schoolctl(project, RecordingTransport(server), "golden", "--status", "--json").stdout)
    because = {row["profile"]: row["out_of_service"] for row in rows}
    assert "part-1.sql.gz is not what it was" in because.pop("plain")
    assert list(because.values()) == [None, None]
    told = schoolctl(project, RecordingTransport(server), "golden", "--status")
    assert "`plain` is out of service: " in told.stderr
    assert "`schoolctl golden` makes it anew" in told.stderr
    for command in ("status", "doctor"):
        run = schoolctl(project, RecordingTransport(server), command)
        assert run.code == 1
        assert "the golden site `plain` is out of service since 2026-" in run.stdout
        assert "mend it: schoolctl golden\n" in run.stdout
    server.damaged.clear()
    assert schoolctl(project, RecordingTransport(server), "golden").code == 0
    for command in ("status", "doctor"):
        assert schoolctl(project, RecordingTransport(server), command).code == 0
    assert schoolctl(project, RecordingTransport(server), "golden", "--status").stderr == ""
