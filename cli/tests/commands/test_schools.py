import json
from pathlib import Path

from tests.support.project import open_on, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, ServerModel

KEYS = {
    "slug", "title", "domain", "aliases", "url", "state", "site", "database", "image",
    "backups", "last_backup", "interrupted",
}  # fmt: skip


def listed(project: Path, server: ServerModel) -> dict[str, dict[str, object]]:
    done = schoolctl(project, RecordingTransport(server), "schools", "--json")
    assert done.code == 0
    return {row["slug"]: row for row in json.loads(done.stdout)}


def test_what_is_declared_stands_beside_what_is_there(project: Path, server: ServerModel) -> None:
    rows = listed(project, server)
    assert set(rows) == {"tech-school", "cuisine-school"}
    assert all(set(row) == KEYS for row in rows.values())
    assert (rows["tech-school"]["state"], rows["tech-school"]["database"]) == ("declared", None)
    assert rows["cuisine-school"]["state"] == "open"
    assert rows["cuisine-school"]["database"] == server.site_config("cuisine-school")["db_name"]
    assert rows["cuisine-school"]["image"] == "schools/bench:test"


def test_an_interrupted_command_and_an_undeclared_site_are_told(project: Path, server: ServerModel) -> None:
    open_on(server, project, "tech-school")
    server.put(f"{ROOT}/journal/cuisine-school.json", '{"doing": "restore"}')
    file = project / "inventories/test/group_vars/all/schools.yml"
    file.write_text("schools:\n  cuisine-school: {title: Cuisine, domain: cuisine-school.com}\n")
    rows = listed(project, server)
    assert (rows["cuisine-school"]["state"], rows["cuisine-school"]["interrupted"]) == ("interrupted", "restore")
    assert rows["tech-school"]["state"] == "undeclared"
    assert set(rows["tech-school"]) == KEYS


def test_a_table_in_a_pipe_has_one_line_a_school(project: Path, server: ServerModel) -> None:
    lines = schoolctl(project, RecordingTransport(server), "schools").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["slug", "tech-school", "cuisine-school"]
    assert "http://cuisine-school.com" in lines[2]


def test_one_question_to_the_server_is_enough(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    schoolctl(project, transport, "schools")
    assert [call.operation for call in transport.calls] == ["hello", "survey"]
