import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.project import OTHER, open_on, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_it_prints_what_the_set_holds(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "backup", OTHER, "--json")
    told = json.loads(done.stdout)
    assert server.backups.names(OTHER) == [told["set"]]
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


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_one_school_that_fails_never_stops_the_others(project: Path, server: ServerModel, jobs: str) -> None:
    open_on(server, project, "tech-school")
    for number in range(3):
        arguments = (f"music-{number}", "--domain", f"music{number}.example")
        assert schoolctl(project, RecordingTransport(server), "new-school", *arguments).code == 0
    server.databases.pop(server.site_config("music-1")["db_name"])
    done = schoolctl(project, RecordingTransport(server), "backup", "--all", "--jobs", jobs, "--json")
    assert done.code == 6, done.stderr
    rows = {row["slug"]: row for row in json.loads(done.stdout)}
    assert list(rows) == ["tech-school", OTHER, "music-0", "music-1", "music-2"]
    assert [slug for slug, row in rows.items() if row["result"] != "done"] == ["music-1"]
    assert "Unknown database" in rows["music-1"]["because"]
    assert "Could not back up 1 of 5 schools" in done.stderr
    for slug, row in rows.items():
        kept = server.backups.names(slug)
        assert kept == ([] if slug == "music-1" else [row["set"]])
    assert server.locked_by is None
    assert server.audit[-1]["result"].startswith("failed: Could not back up 1 of 5 schools")


def test_all_schools_are_all_that_are_not_closed(project: Path, server: ServerModel) -> None:
    file = project / "inventories/test/group_vars/all/schools.yml"
    file.write_text(file.read_text().replace("    title: Tech School\n", "    title: Tech School\n    state: closed\n"))
    done = schoolctl(project, RecordingTransport(server), "backup", "--all", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["slug"] == OTHER


def test_two_backups_in_one_second_are_two_sets(project: Path, server: ServerModel) -> None:
    moment = datetime(2026, 1, 31, 2, 0, 0, tzinfo=UTC)
    server.backups.clock = lambda: moment
    for _ in range(3):
        assert schoolctl(project, RecordingTransport(server), "backup", OTHER).code == 0
    first = "20260131T020000Z"
    assert server.backups.names(OTHER) == [first, f"{first}-2", f"{first}-3"]
    shown = json.loads(schoolctl(project, RecordingTransport(server), "show", OTHER, "--json").stdout)
    assert (shown["last_backup"], shown["last_backup_at"]) == (f"{first}-3", "2026-01-31T02:00:00Z")
    restored = schoolctl(project, RecordingTransport(server), "restore", OTHER, "--set", f"{first}-2", "--yes")
    assert restored.code == 0, restored.stderr
