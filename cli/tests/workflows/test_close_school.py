import json
from pathlib import Path

import pytest

from schoolctl.schools import store
from schoolctl.workflows import close_school
from tests.support.project import OTHER, open_on, schoolctl, untouched
from tests.support.recording_transport import Break, Call, RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.workflows.faults import each_break, each_world, open_schools

SLUG = "tech-school"
CLOSE = ("--json", "close-school", SLUG, "--yes", "--confirm", SLUG)
END = (*CLOSE, "--keep-days", "0")
prepare = open_schools(OTHER, SLUG)


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


def is_open(server: ServerModel, project: Path) -> bool:
    return server.visit("tech-school.com") == 200 and store.load(rows(project))[SLUG].state == "active"


def is_closed(server: ServerModel, project: Path) -> bool:
    told = {server.visit(host) for host in ("tech-school.com", "www.tech-school.com")}
    row = store.load(rows(project))[SLUG]
    return told == {410} and server.closed() == {SLUG} and row.state == "closed" and bool(row.keep_until)


def is_gone(server: ServerModel, project: Path) -> bool:
    """Say whether nothing on the server, and no row, tells of the school any more."""
    paths = [path for path in (*server.files, *server.folders, *server.edge_live) if SLUG in path]
    return not paths and SLUG not in store.load(rows(project)) and server.visit("tech-school.com") is None


def test_visitors_read_that_it_has_closed_and_it_is_kept_with_its_database_and_a_last_backup(
    project: Path, server: ServerModel
) -> None:
    open_on(server, project, SLUG)
    config = server.site_config(SLUG)
    with untouched(server):
        run = schoolctl(project, RecordingTransport(server), *CLOSE)
    assert run.code == 0, run.stderr
    assert is_closed(server, project)
    assert server.orphans() == []
    kept = json.loads(server.files[f"{ROOT}/archive/{SLUG}.closed/site_config.json"])
    assert kept["db_name"] == config["db_name"]
    assert kept["db_name"] in server.databases
    assert kept["encryption_key"] == config["encryption_key"]
    assert server.files[f"{ROOT}/archive/{SLUG}.closed/public/files/badge.svg"] == f"badge of {SLUG}"
    assert server.backups.names(SLUG) == [json.loads(run.stdout)["set"]]
    assert not any(key.startswith(kept["db_name"]) for key in server.cache)
    assert not any(job.startswith(f"{SLUG}::") for job in server.jobs)


def test_nobody_can_change_it_any_more_when_its_last_backup_is_made(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    seen = []

    def look(call: Call) -> None:
        if '"call": "write"' in call.arguments.get("line", ""):
            seen.append((server.visit("tech-school.com"), server.site_config(SLUG).get("pause_scheduler")))

    schoolctl(project, RecordingTransport(server, before_each=look), *CLOSE)
    assert seen == [(410, 1)]


def test_a_second_run_changes_nothing(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    schoolctl(project, RecordingTransport(server), *CLOSE)
    before = dict(server.files)
    run = schoolctl(project, RecordingTransport(server), *CLOSE)
    assert run.code == 0, run.stderr
    assert json.loads(run.stdout)["changed"] is False
    assert server.files == before


def test_a_backup_that_cannot_be_read_back_leaves_the_school_open(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    with untouched(server):
        run = schoolctl(project, RecordingTransport(server, word='"call": "fetch"'), *CLOSE)
    assert run.code == 1
    assert is_open(server, project)
    assert server.orphans() == []


def test_a_target_that_cannot_keep_the_last_backup_leaves_the_school_open(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    server.backups.targets["offsite"].fault = "no space is left there"
    run = schoolctl(project, RecordingTransport(server), *CLOSE)
    assert run.code == 1
    assert "no space is left there" in run.stderr
    assert is_open(server, project)
    assert server.orphans() == []


def test_it_waits_for_the_jobs_of_the_school_alone(
    project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_on(server, project, SLUG)
    server.jobs |= {f"{SLUG}::mail": "started", f"{SLUG}::report": "queued", f"{OTHER}::mail": "started"}
    left = [f"{SLUG}::mail", f"{SLUG}::report"]

    def work(_: float) -> None:
        assert SLUG in server.sites(), "its folder went away under a job"
        server.jobs[left.pop()] = "finished"

    monkeypatch.setattr(close_school.time, "sleep", work)
    run = schoolctl(project, RecordingTransport(server), *CLOSE)
    assert run.code == 0, run.stderr
    assert left == []
    assert server.jobs[f"{OTHER}::mail"] == "started"


def test_a_job_that_does_not_end_leaves_the_school_open(
    project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_on(server, project, SLUG)
    server.jobs[f"{SLUG}::endless"] = "started"
    monkeypatch.setattr(close_school, "PATIENCE", 0.0)
    with untouched(server), untouched(server, SLUG):
        run = schoolctl(project, RecordingTransport(server), *CLOSE)
    assert run.code == 1
    assert "1 of its jobs" in run.stderr
    assert is_open(server, project)
    assert server.orphans() == []


def test_a_school_that_is_not_open_is_not_closed(project: Path, server: ServerModel) -> None:
    text = rows(project).read_text()
    run = schoolctl(project, RecordingTransport(server), *CLOSE)
    assert run.code == 5
    assert rows(project).read_text() == text


def test_a_closed_school_is_neither_made_anew_nor_restored_over(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    schoolctl(project, RecordingTransport(server), *CLOSE)
    for command in (("new-school", SLUG), ("restore", SLUG, "--yes")):
        run = schoolctl(project, RecordingTransport(server), *command)
        assert run.code == 5, command
        assert f"schoolctl reopen {SLUG}" in run.stderr
    assert is_closed(server, project)
    assert server.orphans() == []


def test_closing_for_no_days_leaves_nothing_anywhere(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    database = server.site_config(SLUG)["db_name"]
    text = rows(project).read_text()
    with untouched(server):
        run = schoolctl(project, RecordingTransport(server), *END)
    assert run.code == 0, run.stderr
    assert is_gone(server, project)
    assert database not in server.databases
    assert server.orphans() == []
    assert not {job for job in server.jobs if job.startswith(SLUG)}
    assert next(line for line in text.splitlines() if "#" in line and SLUG not in line) in rows(project).read_text()


def test_closing_for_no_days_makes_a_last_backup_if_backups_are_kept(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    schoolctl(project, RecordingTransport(server), *END, "--keep-backups")
    assert len(server.backups.names(SLUG)) == 1
    assert SLUG not in store.load(rows(project))
    assert server.orphans() == []


def test_what_was_asked_for_last_is_what_a_later_run_goes_on_with(
    project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_on(server, project, SLUG)
    server.jobs[f"{SLUG}::endless"] = "started"
    monkeypatch.setattr(close_school, "PATIENCE", 0.0)

    def cut(call: Call) -> None:
        # Nothing is taken back any more, so the claim tells of an end for ever.
        if "schools-queue" in call.words:
            transport.close()

    transport = RecordingTransport(server, before_each=cut)
    assert schoolctl(project, transport, *END).code != 0
    assert "--keep-days=0" in server.files[f"{ROOT}/journal/{SLUG}.json"]
    assert schoolctl(project, RecordingTransport(server), *CLOSE, "--keep-days", "60").code == 1
    del server.jobs[f"{SLUG}::endless"]
    run = schoolctl(project, RecordingTransport(server), "resume")
    assert run.code == 0, run.stderr
    assert SLUG in store.load(rows(project)), "it was purged, though it shall be kept"
    assert is_closed(server, project)


@pytest.mark.parametrize("how", Break)
def test_broken_at_any_call_it_is_open_or_closed_and_the_same_command_completes_it(tmp_path: Path, how: Break) -> None:
    for broken in each_break(tmp_path, prepare, CLOSE, how):
        server, project = broken.server, broken.project
        if broken.run.code == 0:
            continue
        assert server.locked_by is None, broken.at
        assert server.visit("cuisine-school.com") == 200, broken.at
        if how is Break.FAILS and SLUG in server.sites():
            assert is_open(server, project), broken.at
            assert server.orphans() == [], broken.at
        other = server.owned_by(OTHER)
        again = schoolctl(project, RecordingTransport(server), *CLOSE)
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert is_closed(server, project), broken.at
        assert server.orphans() == [], broken.at
        assert server.backups.names(SLUG), broken.at
        assert server.owned_by(OTHER) == other, broken.at
        assert broken.transport.leaks() == [], broken.at


@pytest.mark.parametrize("how", Break)
def test_an_end_broken_at_any_call_is_completed_by_the_same_command(tmp_path: Path, how: Break) -> None:
    for broken in each_break(tmp_path, prepare, END, how):
        server, project = broken.server, broken.project
        if broken.run.code == 0:
            continue
        other = server.owned_by(OTHER)
        over = SLUG not in store.load(rows(project))
        again = schoolctl(project, RecordingTransport(server), *END)
        assert again.code == (3 if over else 0), f"{broken.at}\n{again.stderr}"
        assert is_gone(server, project), broken.at
        assert server.orphans() == [], broken.at
        assert server.owned_by(OTHER) == other, broken.at


def test_a_server_that_breaks_for_good_at_any_call_loses_nothing(tmp_path: Path) -> None:
    for number, (project, server) in enumerate(each_world(tmp_path, prepare)):
        transport = RecordingTransport(server, broken_from=number)
        run = schoolctl(project, transport, *CLOSE)
        if run.code == 0:
            break
        at = f"{number} {transport.calls[number].words}"
        again = schoolctl(project, RecordingTransport(server), *CLOSE)
        assert again.code == 0, f"{at}\n{again.stderr}"
        assert is_closed(server, project), at
        assert server.orphans() == [], at
    assert number > 10
