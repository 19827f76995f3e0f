import json
from datetime import UTC, datetime
from pathlib import Path

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import Break, CutAtStep, RecordingTransport
from tests.support.server_model import ROOT, ServerModel


def interrupt(project: Path, server: ServerModel, step: str, *arguments: str) -> None:
    assert schoolctl(project, CutAtStep(server, step), *arguments).code == 4


def test_nothing_left_is_nothing_to_do(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "resume", "--json")
    assert (done.code, json.loads(done.stdout)) == (0, [])
    assert [call.operation for call in transport.calls] == ["state"]


def test_an_interrupted_new_school_is_opened_and_its_password_told(project: Path, server: ServerModel) -> None:
    interrupt(project, server, "Install erpnext", "new-school", "tech-school")
    assert server.visit("tech-school.com") is None
    done = schoolctl(project, RecordingTransport(server), "resume")
    assert done.code == 0, done.stderr
    assert "schoolctl new-school tech-school\n" in done.stderr
    assert "password" in done.stdout
    assert server.visit("tech-school.com") == 200
    assert server.orphans() == []


def test_an_interrupted_restore_goes_on_with_the_set_that_was_chosen(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "backup", OTHER)
    [name] = server.backups.names(OTHER)
    chosen = server.backups.set_back(OTHER, name, "2026-01-31T02:00:00Z")
    interrupt(project, server, "Lay it out beside", "restore", OTHER, "--yes")
    server.backups.clock = lambda: datetime(2999, 1, 1, tzinfo=UTC)
    server.backups.targets["local"].sets[OTHER, "29990101T000000Z"] = server.backups.files_of(OTHER, chosen)
    planned = schoolctl(project, RecordingTransport(server), "resume", "--dry-run", "--json")
    assert json.loads(planned.stdout)[0]["command"] == f"schoolctl restore {OTHER} --set {chosen}"
    done = schoolctl(project, RecordingTransport(server), "resume", "--json")
    [row] = json.loads(done.stdout)
    assert (row["slug"], row["result"], row["data"][0]["set"]) == (OTHER, "done", chosen)
    assert server.orphans() == []


def test_one_that_fails_does_not_stop_the_next_and_is_exit_code_6(project: Path, server: ServerModel) -> None:
    interrupt(project, server, "Install erpnext", "new-school", "tech-school")
    server.put(f"{ROOT}/journal/{OTHER}.json", json.dumps({"doing": "something-new", "since": "t"}))
    done = schoolctl(project, RecordingTransport(server), "resume", "--json")
    assert done.code == 6
    assert "this schoolctl does not know what `something-new` is" in done.stderr
    assert {row["slug"]: row["result"] for row in json.loads(done.stdout)} == {OTHER: "failed", "tech-school": "done"}
    assert server.visit("tech-school.com") == 200


def test_work_that_still_goes_on_is_waited_for_and_named(project: Path, server: ServerModel) -> None:
    holder = RecordingTransport(server)
    holder.call("lock", who="ann@desk", what="backup x", since="2026-01-31T02:00:00Z")
    holder.tell("note", step="Dump the database", outcome="started", seconds=0.0)
    done = schoolctl(project, RecordingTransport(server), "resume", "--wait", "0")
    assert done.code == 5
    assert "backup x, by ann@desk: Dump the database" in done.stderr
    assert "ann@desk has been at work since 2026-01-31T02:00:00Z, doing: backup x" in done.stderr
    holder.close()
    assert schoolctl(project, RecordingTransport(server), "resume", "--wait", "0").code == 0


def test_a_dry_run_only_tells_what_would_be_run_again(project: Path, server: ServerModel) -> None:
    interrupt(project, server, "Install erpnext", "new-school", "tech-school")
    files, audit = dict(server.files), list(server.audit)
    done = schoolctl(project, RecordingTransport(server), "resume", "--dry-run", "--json")
    [row] = json.loads(done.stdout)
    assert row["command"] == "schoolctl new-school tech-school"
    assert (server.files, server.audit) == (files, audit)


def test_with_a_slug_a_suspended_school_opens_again(project: Path, server: ServerModel) -> None:
    assert schoolctl(project, RecordingTransport(server), "suspend", OTHER).code == 0
    assert server.visit("cuisine-school.com") == 503
    done = schoolctl(project, RecordingTransport(server), "resume", OTHER)
    assert done.code == 0, done.stderr
    assert server.visit("cuisine-school.com") == 200


def test_every_cut_of_a_new_school_is_mended_by_resume(project: Path, server: ServerModel) -> None:
    for at in (10, 15, 20, 25, 30):
        schoolctl(project, RecordingTransport(server, at=at, how=Break.VANISHES_AFTER), "new-school", "tech-school")
    assert schoolctl(project, RecordingTransport(server), "resume").code == 0
    assert schoolctl(project, RecordingTransport(server), "new-school", "tech-school").code == 0
    assert server.orphans() == []
