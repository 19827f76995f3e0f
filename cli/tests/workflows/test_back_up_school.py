import json
from pathlib import Path

import pytest

from schoolctl.bench import database
from schoolctl.context import Context
from schoolctl.errors import SchoolctlError
from schoolctl.workflows.back_up_school import MANIFEST, BackUpSchool, verify_set
from schoolctl.workflows.step import run_steps
from tests.support.project import OTHER, Told, context, open_on, plain_server, schoolctl, untouched
from tests.support.recording_transport import Break, Call, RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.workflows.faults import each_break, open_schools

SLUG = "tech-school"
BACKUP = ("--json", "backup", SLUG)


@pytest.fixture
def opened(project: Path, server: ServerModel) -> ServerModel:
    open_on(server, project, SLUG)
    return server


def sets(server: ServerModel) -> list[str]:
    return server.names_in(f"{ROOT}/backups/{SLUG}")


def back_up(run: Context) -> str:
    work = BackUpSchool(run.server, run.school_facts(run.project.schools().named(SLUG)))
    run_steps(work.steps(), Told())
    return work.set_id


def test_a_set_holds_database_files_configuration_and_a_manifest(project: Path, opened: ServerModel) -> None:
    with untouched(opened):
        run = schoolctl(project, RecordingTransport(opened), *BACKUP)
    assert run.code == 0, run.stderr
    told = json.loads(run.stdout)
    assert sets(opened) == [told["set"]]
    assert (told["tables"], told["files"]) == (5, 2)
    folder = f"{ROOT}/backups/{SLUG}/{told['set']}"
    assert opened.names_in(folder) == ["database.sql.gz", "files.tar", MANIFEST, "site_config.json"]
    manifest = json.loads(opened.files[f"{folder}/{MANIFEST}"])
    assert manifest["school"]["domain"] == "tech-school.com"
    assert manifest["image"] == "schools/bench:test"


def test_the_manifest_and_the_audit_log_hold_no_secret(project: Path, opened: ServerModel) -> None:
    transport = RecordingTransport(opened)
    run = schoolctl(project, transport, *BACKUP)
    folder = f"{ROOT}/backups/{SLUG}/{json.loads(run.stdout)['set']}"
    assert transport.leaks() == []
    for secret in opened.secrets:
        assert secret not in opened.files[f"{folder}/{MANIFEST}"]
        assert secret not in str(transport.calls)


@pytest.mark.parametrize("how", Break)
def test_broken_at_any_call_no_unfinished_set_counts_and_a_rerun_succeeds(tmp_path: Path, how: Break) -> None:
    for broken in each_break(tmp_path, open_schools(OTHER, SLUG), BACKUP, how):
        server = broken.server
        if broken.run.code == 0:
            continue
        for name in sets(server):
            if not name.endswith(".partial"):
                verify_set(plain_server(RecordingTransport(server)), f"{ROOT}/backups/{SLUG}/{name}")
        school, other = server.owned_by(SLUG), server.owned_by(OTHER)
        for name in sets(server):
            server.rename(f"{ROOT}/backups/{SLUG}/{name}", f"{ROOT}/backups/{SLUG}/earlier-{name}")
        again = schoolctl(broken.project, RecordingTransport(server), *BACKUP)
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert server.orphans() == [], broken.at
        assert server.owned_by(OTHER) == other, broken.at
        assert server.owned_by(SLUG)["database"] == school["database"], broken.at


def test_a_full_disk_is_seen_before_anything_is_written(project: Path, opened: ServerModel) -> None:
    opened.free = 100 * 1024 * 1024
    run = schoolctl(project, RecordingTransport(opened), *BACKUP)
    assert run.code == 1
    assert "only 100 MB are free" in run.stderr
    assert sets(opened) == []


def test_a_set_that_reads_back_differently_is_never_kept(project: Path, opened: ServerModel) -> None:
    def rot(call: Call) -> None:
        if call.operation == "copy":  # the first call after the files are packed and hashed
            opened.damaged |= {path for path in opened.files if path.endswith("files.tar")}

    transport = RecordingTransport(opened, before_each=rot)
    run = schoolctl(project, transport, *BACKUP)
    assert run.code == 1
    assert "files.tar is not what the manifest says" in run.stderr
    assert sets(opened) == []


def test_a_good_backup_lets_go_of_what_the_last_restore_kept(project: Path, opened: ServerModel) -> None:
    run = context(project, RecordingTransport(opened))
    back_up(run)
    schoolctl(project, RecordingTransport(opened), "restore", SLUG, "--yes")
    assert len(opened.names_in(f"{ROOT}/archive/{SLUG}")) == 1
    assert len(opened.databases) == 3
    opened.rename(f"{ROOT}/backups/{SLUG}/{sets(opened)[0]}", f"{ROOT}/backups/{SLUG}/20200101T000000Z")
    assert schoolctl(project, RecordingTransport(opened), *BACKUP).code == 0
    assert opened.names_in(f"{ROOT}/archive/{SLUG}") == []
    assert len(opened.databases) == 2


def test_what_a_restore_kept_can_never_name_another_schools_database(project: Path, opened: ServerModel) -> None:
    # A site's configuration belongs to the bench: a hostile app could write a neighbour's database into it.
    kept = f"{ROOT}/archive/{SLUG}/20200101T000000Z"
    opened.make_folder(f"{ROOT}/archive/{SLUG}")
    opened.make_folder(kept)
    opened.put(f"{kept}/site_config.json", opened.files[f"{ROOT}/sites/{OTHER}/site_config.json"])
    with untouched(opened):
        assert schoolctl(project, RecordingTransport(opened), *BACKUP).code == 0
    assert opened.visit("cuisine-school.com") == 200


def test_a_school_that_is_not_open_says_how_to_open_it(project: Path, server: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(server), *BACKUP)
    assert run.code == 1
    assert f"schoolctl new-school {SLUG}" in run.stderr


def test_a_database_name_that_is_not_ours_is_reported_and_never_reaches_a_program(
    project: Path, opened: ServerModel
) -> None:
    path = f"{ROOT}/sites/{SLUG}/site_config.json"
    opened.files[path] = json.dumps({**opened.site_config(SLUG), "db_name": "mysql; DROP DATABASE x"})
    transport = RecordingTransport(opened)
    run = schoolctl(project, transport, *BACKUP)
    assert run.code == 1
    assert "mysql; DROP" in run.stderr
    assert not any("DROP" in word for argv in transport.programs for word in argv)


@pytest.mark.parametrize("part", ["database.sql.gz", "files.tar", "site_config.json", MANIFEST])
def test_a_set_that_lacks_a_part_is_refused_by_name(project: Path, opened: ServerModel, part: str) -> None:
    run = context(project, RecordingTransport(opened))
    folder = f"{ROOT}/backups/{SLUG}/{back_up(run)}"
    del opened.files[f"{folder}/{part}"]
    with pytest.raises(SchoolctlError) as raised:
        verify_set(run.server, folder)
    assert part in raised.value.because


def test_a_dump_is_asked_for_in_the_order_of_keys_and_without_its_date() -> None:
    argv = database.dump("sch0123456789ab")
    assert {"--order-by-primary", "--skip-dump-date", "--single-transaction"} <= set(argv)
