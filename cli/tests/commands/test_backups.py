import json
from pathlib import Path

from tests.support.backup_model import hours_ago
from tests.support.project import OTHER, open_on, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel

SLUG = "tech-school"


def test_every_set_is_listed_with_its_targets_and_the_repositories_are_not_asked(
    project: Path, server: ServerModel
) -> None:
    open_on(server, project, SLUG)
    schoolctl(project, RecordingTransport(server), "backup", SLUG, OTHER)
    schoolctl(project, RecordingTransport(server), "verify-backup", OTHER)
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "backups", "--json")
    assert done.code == 0, done.stderr
    rows = {row["slug"]: row for row in json.loads(done.stdout)}
    assert set(rows) == {SLUG, OTHER}
    assert rows[SLUG]["targets"] == ["local", "offsite"]
    assert (rows[SLUG]["tables"], rows[SLUG]["files"], rows[SLUG]["drill"]) == (5, 2, None)
    assert rows[OTHER]["drill"]["ok"]
    assert [call.operation for call in transport.calls] == ["read"]


def test_fresh_asks_the_repositories(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "backup", OTHER)
    [name] = server.backups.names(OTHER)
    del server.backups.targets["local"].sets[OTHER, name]
    written = json.loads(schoolctl(project, RecordingTransport(server), "backups", OTHER, "--json").stdout)
    asked = json.loads(schoolctl(project, RecordingTransport(server), "backups", OTHER, "--fresh", "--json").stdout)
    assert (written[0]["targets"], asked[0]["targets"]) == (["local", "offsite"], ["offsite"])


def test_a_set_that_may_be_another_than_was_stored_is_told(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "backup", OTHER)
    [name] = server.backups.names(OTHER)
    server.backups.disputed = {name}
    done = schoolctl(project, RecordingTransport(server), "backups", "--fresh")
    assert f"warning: what local, offsite has as {name} of {OTHER} may be another set than was stored" in done.stderr
    assert f"`schoolctl restore {OTHER} --set {name}` names what there is" in done.stderr
    told = schoolctl(project, RecordingTransport(server), "backups", "--fresh", "--json")
    assert [row["disputed"] for row in json.loads(told.stdout)] == [["local", "offsite"]]


def test_a_school_that_is_no_longer_declared_still_has_its_sets(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "backup", OTHER)
    file = project / "inventories/test/group_vars/all/schools.yml"
    file.write_text("schools: {}\n")
    done = schoolctl(project, RecordingTransport(server), "backups", OTHER)
    assert OTHER in done.stdout
    assert "local, offsite" in done.stdout


def test_a_person_reads_ages_and_sizes(project: Path, server: ServerModel) -> None:
    server.backups.clock = lambda: hours_ago(5)
    schoolctl(project, RecordingTransport(server), "backup", OTHER)
    head, line = schoolctl(project, RecordingTransport(server), "backups").stdout.splitlines()
    assert head.split()[:3] == ["slug", "set", "age"]
    assert "5 h ago" in line


def test_a_server_without_backups_has_an_empty_list(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "backups", "--json")
    assert (done.code, json.loads(done.stdout)) == (0, [])
