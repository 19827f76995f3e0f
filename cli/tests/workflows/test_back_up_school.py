import json
from pathlib import Path

import pytest

from schoolctl.bench import database
from schoolctl.remote.backups import Backups
from tests.support.project import OTHER, open_on, plain_server, schoolctl, untouched
from tests.support.recording_transport import Break, RecordingTransport
from tests.support.server_model import ROOT, Database, ServerModel
from tests.workflows.faults import each_break, open_schools

SLUG = "tech-school"
BACKUP = ("--json", "backup", SLUG)


@pytest.fixture
def opened(project: Path, server: ServerModel) -> ServerModel:
    open_on(server, project, SLUG)
    return server


def test_a_set_holds_database_files_and_configuration_and_is_in_every_target(
    project: Path, opened: ServerModel
) -> None:
    with untouched(opened):
        run = schoolctl(project, RecordingTransport(opened), *BACKUP)
    assert run.code == 0, run.stderr
    told = json.loads(run.stdout)
    assert (told["tables"], told["files"], told["targets"]) == (5, 2, ["local", "offsite"])
    for target in opened.backups.targets:
        assert opened.backups.names(SLUG, target) == [told["set"]]
    files = opened.backups.files_of(SLUG, told["set"])
    assert files["files/public/badge.svg"] == f"badge of {SLUG}"
    assert json.loads(files["manifest.json"])["school"]["domain"] == "tech-school.com"


def test_no_argument_no_journal_and_no_manifest_holds_a_secret(project: Path, opened: ServerModel) -> None:
    transport = RecordingTransport(opened)
    run = schoolctl(project, transport, *BACKUP)
    manifest = opened.backups.files_of(SLUG, json.loads(run.stdout)["set"])["manifest.json"]
    assert transport.leaks() == []
    for secret in opened.secrets:
        assert secret not in manifest
        assert secret not in str(transport.calls)


@pytest.mark.parametrize("how", Break)
def test_broken_at_any_call_no_set_is_half_and_a_rerun_succeeds(tmp_path: Path, how: Break) -> None:
    for broken in each_break(tmp_path, open_schools(OTHER, SLUG), BACKUP, how):
        server = broken.server
        if broken.run.code == 0:
            continue
        backups = Backups(plain_server(RecordingTransport(server)))
        for name in server.backups.names(SLUG):
            backups.fetch(SLUG, backups.fetched(SLUG), set_id=name, target="local")
            server.remove(backups.fetched(SLUG))
        school, other = server.owned_by(SLUG), server.owned_by(OTHER)
        again = schoolctl(broken.project, RecordingTransport(server), *BACKUP)
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert server.orphans() == [], broken.at
        assert server.owned_by(OTHER) == other, broken.at
        assert server.owned_by(SLUG)["database"] == school["database"], broken.at


def test_a_target_that_fails_is_named_and_the_others_have_the_set(project: Path, opened: ServerModel) -> None:
    opened.backups.targets["local"].fault = "no space is left on that device"
    run = schoolctl(project, RecordingTransport(opened), *BACKUP)
    assert run.code == 1
    assert "in local\n  because: local: no space is left on that device" in run.stderr
    assert "offsite has the set" in run.stderr
    assert "schoolctl backup-targets check local" in run.stderr
    assert len(opened.backups.names(SLUG, "offsite")) == 1
    assert opened.names_in(f"{ROOT}/backups/spool") == [SLUG]


def test_a_set_that_is_taken_once_more_is_told_of_each_target_as_it_went_there(
    project: Path, opened: ServerModel
) -> None:
    opened.backups.changed_for = {"offsite"}
    run = schoolctl(project, RecordingTransport(opened), *BACKUP)
    assert run.code == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["targets"] == ["local", "offsite"]
    assert {opened.backups.names(SLUG, name)[-1] for name in told["targets"]} == {told["set"]}


@pytest.mark.parametrize("command", [BACKUP, ("close-school", SLUG, "--yes", "--confirm", SLUG)])
def test_a_target_that_could_not_take_the_set_once_more_is_the_one_that_is_named(
    project: Path, opened: ServerModel, command: tuple[str, ...]
) -> None:
    opened.backups.changed_for = {"offsite"}
    opened.backups.targets["local"].fault_of_second = "the disk is full"
    run = schoolctl(project, RecordingTransport(opened), *command)
    assert run.code == 1
    assert "in local\n  because: local: the disk is full" in run.stderr
    assert "offsite has the set" in run.stderr
    assert opened.visit("tech-school.com") == 200


def test_what_a_restore_kept_outlives_a_backup_that_failed_somewhere(project: Path, opened: ServerModel) -> None:
    schoolctl(project, RecordingTransport(opened), *BACKUP)
    schoolctl(project, RecordingTransport(opened), "restore", SLUG, "--yes")
    opened.backups.targets["offsite"].fault = "the connection was refused"
    assert schoolctl(project, RecordingTransport(opened), *BACKUP).code == 1
    assert len(opened.names_in(f"{ROOT}/archive/{SLUG}")) == 1
    opened.backups.targets["offsite"].fault = None
    assert schoolctl(project, RecordingTransport(opened), *BACKUP).code == 0
    assert opened.names_in(f"{ROOT}/archive/{SLUG}") == []
    assert len(opened.databases) == 2


def test_what_a_restore_kept_outlives_a_backup_to_one_target_of_several(project: Path, opened: ServerModel) -> None:
    schoolctl(project, RecordingTransport(opened), *BACKUP)
    schoolctl(project, RecordingTransport(opened), "restore", SLUG, "--yes")
    assert schoolctl(project, RecordingTransport(opened), *BACKUP, "--to", "local").code == 0
    assert len(opened.names_in(f"{ROOT}/archive/{SLUG}")) == 1


def test_a_full_disk_is_seen_before_anything_is_written(project: Path, opened: ServerModel) -> None:
    opened.free = 100 * 1024 * 1024
    run = schoolctl(project, RecordingTransport(opened), *BACKUP)
    assert run.code == 1
    assert "only 100 MB are free" in run.stderr
    assert opened.names_in(f"{ROOT}/backups/spool") == []


def test_what_a_restore_kept_can_never_name_another_schools_database(project: Path, opened: ServerModel) -> None:
    # A site's configuration belongs to the bench: a hostile app could write a neighbour's database into it.
    kept = f"{ROOT}/archive/{SLUG}/20200101T000000Z"
    opened.make_folder(f"{ROOT}/archive/{SLUG}")
    opened.make_folder(kept)
    opened.put(f"{kept}/site_config.json", opened.files[f"{ROOT}/sites/{OTHER}/site_config.json"])
    with untouched(opened):
        assert schoolctl(project, RecordingTransport(opened), *BACKUP).code == 0
    assert opened.visit("cuisine-school.com") == 200


def replaced_by_a_restore(server: ServerModel, slug: str, name: str, database: str) -> str:
    """Have a state of a school in the archive, whose configuration names a database; return its folder."""
    folder = f"{ROOT}/archive/{slug}/{name}"
    for path in (folder.rpartition("/")[0], folder):
        server.make_folder(path)
    server.put(f"{folder}/site_config.json", json.dumps({"db_name": database}))
    return folder


@pytest.mark.parametrize("whose", ["kept", "claimed", "pooled"])
def test_what_a_restore_kept_can_name_no_database_that_anything_else_has(
    project: Path, opened: ServerModel, whose: str
) -> None:
    schoolctl(project, RecordingTransport(opened), *BACKUP)
    name = "sch0000000000ff"
    opened.databases[name] = Database("x")
    if whose == "kept":
        replaced_by_a_restore(opened, OTHER, "20200101T000000Z-before-1", name)
    elif whose == "claimed":
        opened.put(f"{ROOT}/journal/{OTHER}.json", json.dumps({"doing": "restore", "database": name}))
    else:
        opened.put(f"{ROOT}/pool/{name}.ready", json.dumps({"golden": "x", "password": "x"}))
    own = replaced_by_a_restore(opened, SLUG, "20200101T000000Z-before-2", name)
    assert schoolctl(project, RecordingTransport(opened), *BACKUP).code == 0
    assert name in opened.databases
    assert own not in opened.folders


def test_of_two_states_that_name_one_database_the_last_takes_it_along(project: Path, opened: ServerModel) -> None:
    name = "sch0000000000ff"
    opened.databases[name] = Database("x")
    for number in (1, 2):
        replaced_by_a_restore(opened, SLUG, f"20200101T000000Z-before-{number}", name)
    assert schoolctl(project, RecordingTransport(opened), *BACKUP).code == 0
    assert name not in opened.databases
    assert opened.names_in(f"{ROOT}/archive/{SLUG}") == []


def test_a_school_that_is_not_open_says_how_to_open_it(project: Path, server: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(server), *BACKUP)
    assert run.code == 1
    assert f"schoolctl new-school {SLUG}" in run.stderr


def test_a_dump_is_asked_for_in_the_order_of_keys_and_without_its_date() -> None:
    asked = {"--order-by-primary", "--skip-dump-date", "--single-transaction"}
    assert asked <= set(database.BACKUP["dump"])
    assert asked <= set(database.dump_of("sch0123456789ab", ["tabUser"]))
