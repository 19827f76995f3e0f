import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, open_on, schoolctl, untouched
from tests.support.recording_transport import Break, RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.workflows.faults import each_break, each_world

SLUG = "tech-school"
RESTORE = ("--json", "restore", SLUG, "--yes")
BADGE = f"{ROOT}/sites/{SLUG}/public/files/badge.svg"
LATER = "tab written after the backup"


def prepare(server: ServerModel, project: Path) -> None:
    """Open two schools, back one up, then let its people go on working."""
    open_on(server, project, OTHER)
    open_on(server, project, SLUG)
    assert schoolctl(project, RecordingTransport(server), "backup", SLUG).code == 0
    server.databases[server.site_config(SLUG)["db_name"]].tables.append(LATER)
    server.files[BADGE] = "another badge"


@pytest.fixture
def worked(project: Path) -> ServerModel:
    server = ServerModel()
    prepare(server, project)
    return server


def is_back(server: ServerModel) -> bool:
    database = server.databases[server.site_config(SLUG)["db_name"]]
    return (
        server.visit("tech-school.com") == 200
        and LATER not in database.tables
        and server.files[BADGE] == f"badge of {SLUG}"
    )


def is_as_before(server: ServerModel) -> bool:
    database = server.databases[server.site_config(SLUG)["db_name"]]
    return (
        server.visit("tech-school.com") == 200 and LATER in database.tables and server.files[BADGE] == "another badge"
    )


def test_database_and_files_are_back_and_what_was_there_is_kept(project: Path, worked: ServerModel) -> None:
    before = worked.site_config(SLUG)
    with untouched(worked):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 0, run.stderr
    assert is_back(worked)
    assert worked.orphans() == []
    [kept] = worked.names_in(f"{ROOT}/archive/{SLUG}")
    archived = json.loads(worked.files[f"{ROOT}/archive/{SLUG}/{kept}/site_config.json"])
    assert archived == before
    assert LATER in worked.databases[archived["db_name"]].tables


def test_the_encryption_key_comes_back_with_the_set_and_the_database_password_does_not(
    project: Path, worked: ServerModel
) -> None:
    before = worked.site_config(SLUG)
    transport = RecordingTransport(worked)
    schoolctl(project, transport, *RESTORE)
    after = worked.site_config(SLUG)
    assert after["encryption_key"] == before["encryption_key"]
    assert after["db_password"] != before["db_password"]
    assert transport.leaks() == []
    assert before["encryption_key"] not in str(transport.calls)


@pytest.mark.parametrize("part", ["database.sql.gz", "files.tar", "site_config.json"])
def test_a_damaged_set_is_refused_before_anything_is_made(project: Path, worked: ServerModel, part: str) -> None:
    [name] = worked.names_in(f"{ROOT}/backups/{SLUG}")
    worked.damaged.add(f"{ROOT}/backups/{SLUG}/{name}/{part}")
    transport = RecordingTransport(worked)
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, transport, *RESTORE)
    assert run.code == 1
    assert part in run.stderr
    assert not {"write", "merge_json", "make_folder", "rename", "exchange"} & {
        call.operation for call in transport.calls
    }


def test_a_folder_beside_that_no_interrupted_restore_owns_is_left_alone(project: Path, worked: ServerModel) -> None:
    strange = f"{ROOT}/archive/{SLUG}.restored"
    worked.make_folder(strange)
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 5
    assert strange in run.stderr
    assert strange in worked.folders


def test_a_set_whose_tables_do_not_all_arrive_replaces_nothing(project: Path, worked: ServerModel) -> None:
    [name] = worked.names_in(f"{ROOT}/backups/{SLUG}")
    path = f"{ROOT}/backups/{SLUG}/{name}/manifest.json"
    manifest = json.loads(worked.files[path])
    manifest["database"]["tables"] = 692
    worked.files[path] = json.dumps(manifest)
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 1
    assert "has 692 tables, but 5 arrived" in run.stderr
    assert worked.orphans() == []


def test_an_unknown_set_lists_the_known_ones(project: Path, worked: ServerModel) -> None:
    [name] = worked.names_in(f"{ROOT}/backups/{SLUG}")
    run = schoolctl(project, RecordingTransport(worked), *RESTORE, "--set", f"../{OTHER}/x")
    assert run.code == 3
    assert name in run.stderr
    assert is_as_before(worked)


def test_a_school_without_a_backup_says_how_to_make_one(project: Path, worked: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(worked), "restore", OTHER, "--yes")
    assert run.code == 3
    assert f"schoolctl backup {OTHER}" in run.stderr


@pytest.mark.parametrize("how", Break)
def test_broken_at_any_call_the_school_is_old_or_restored_and_a_rerun_completes(tmp_path: Path, how: Break) -> None:
    for broken in each_break(tmp_path, prepare, RESTORE, how):
        server = broken.server
        if broken.run.code == 0:
            continue
        assert is_as_before(server) or is_back(server), broken.at
        assert server.visit("cuisine-school.com") == 200, broken.at
        if how is Break.FAILS and is_as_before(server):
            assert server.orphans() == [], broken.at
        other = server.owned_by(OTHER)
        again = schoolctl(broken.project, RecordingTransport(server), *RESTORE)
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert is_back(server), broken.at
        assert server.orphans() == [], broken.at
        assert server.owned_by(OTHER) == other, broken.at
        assert any(LATER in database.tables for database in server.databases.values()), broken.at
        assert broken.transport.leaks() == [], broken.at


def test_a_server_that_breaks_for_good_at_any_call_loses_nothing_and_the_next_run_completes(tmp_path: Path) -> None:
    for number, (project, server) in enumerate(each_world(tmp_path, prepare)):
        transport = RecordingTransport(server, broken_from=number)
        run = schoolctl(project, transport, *RESTORE)
        if run.code == 0:
            break
        at = f"{number} {transport.calls[number].words}"
        assert is_as_before(server) or is_back(server), at
        again = schoolctl(project, RecordingTransport(server), *RESTORE)
        assert again.code == 0, f"{at}\n{again.stderr}"
        assert is_back(server), at
        assert server.orphans() == [], at
    assert number > 10


def test_a_settled_restore_never_drops_a_database_that_the_living_configuration_cannot_vouch_for(
    project: Path, worked: ServerModel
) -> None:
    # Swapped, then killed; then Frappe was killed too while it rewrote the configuration in place.
    transport = RecordingTransport(worked, word="clear-cache")
    schoolctl(project, transport, *RESTORE)
    living = worked.site_config(SLUG)["db_name"]
    config = f"{ROOT}/sites/{SLUG}/site_config.json"
    worked.files[config] = ""
    worked.make_folder(f"{ROOT}/archive/{SLUG}.restored")
    [kept] = worked.names_in(f"{ROOT}/archive/{SLUG}")
    worked.exchange(f"{ROOT}/archive/{SLUG}/{kept}", f"{ROOT}/archive/{SLUG}.restored")
    worked.remove(f"{ROOT}/archive/{SLUG}/{kept}")
    old = json.loads(worked.files[f"{ROOT}/archive/{SLUG}.restored/site_config.json"])["db_name"]
    schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert {living, old} <= set(worked.databases)
