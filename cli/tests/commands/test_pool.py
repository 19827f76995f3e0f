import json
from pathlib import Path

from tests.support.project import schoolctl, set_pool_size
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_it_says_how_many_it_loaded_and_dropped(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "golden")
    run = schoolctl(project, RecordingTransport(server), "pool", "--size", "2", "--json")
    assert json.loads(run.stdout) == {"changed": True, "loaded": 4, "dropped": 0}
    assert "Load database 4 of 4" in run.stderr
    again = schoolctl(project, RecordingTransport(server), "pool", "--size", "2", "--json")
    assert json.loads(again.stdout) == {"changed": False, "loaded": 0, "dropped": 0}
    fewer = schoolctl(project, RecordingTransport(server), "pool", "--size", "1", "--json")
    assert json.loads(fewer.stdout) == {"changed": True, "loaded": 0, "dropped": 2}


def test_a_dry_run_loads_and_drops_nothing(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "golden")
    run = schoolctl(project, RecordingTransport(server), "pool", "--size", "1", "--dry-run")
    assert run.code == 0
    assert "Load database 2 of 2  (would do)" in run.stderr
    assert server.pool() == []


def test_status_tells_what_is_ready_beside_what_is_declared(project: Path, server: ServerModel) -> None:
    set_pool_size(project, 3)
    schoolctl(project, RecordingTransport(server), "golden")
    server.refilled = {"when": "2026-01-31T02:00:00Z", "fault": "less than 2 GB are free"}
    said = json.loads(schoolctl(project, RecordingTransport(server), "pool", "--status", "--json").stdout)
    assert [(row["ready"], row["wanted"]) for row in said["profiles"]] == [(3, 3), (3, 3)]
    assert (said["filling"], said["fault"]) == (False, "less than 2 GB are free")
    run = schoolctl(project, RecordingTransport(server), "pool", "--status")
    assert "failed: less than 2 GB are free" in run.stderr


def test_without_golden_sites_there_is_nothing_to_load_and_that_is_said(project: Path, server: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(server), "pool", "--size", "2")
    assert run.code == 0
    assert "schoolctl golden" in run.stderr
    assert server.pool() == []


def test_while_no_bench_runs_nothing_is_dropped(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "golden")
    schoolctl(project, RecordingTransport(server), "pool", "--size", "1")
    del server.containers["schools-tools"]
    assert schoolctl(project, RecordingTransport(server), "pool").code == 0
    assert len(server.pool()) == 2


def test_a_size_that_no_disk_would_hold_is_refused(project: Path, server: ServerModel) -> None:
    assert schoolctl(project, RecordingTransport(server), "pool", "--size", "1000").code == 2
