import json
from pathlib import Path

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, ServerModel


def test_a_school_is_shown_with_its_sets_and_no_secret(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "backup", OTHER)
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "show", OTHER, "--json")
    told = json.loads(done.stdout)
    assert told["state"] == {"declared": "active", "found": "active"}
    assert (told["backups"], told["sets"]) == (1, [told["last_backup"]])
    assert (told["users"], told["claim"]) == (3, None)
    assert not any(secret in done.stdout for secret in server.secrets)
    assert [call.operation for call in transport.calls] == ["survey"]


def test_everything_that_its_row_says_is_shown(project: Path, server: ServerModel) -> None:
    file = project / "inventories/test/group_vars/all/schools.yml"
    row = {
        "title": "Cuisine",
        "domain": "cuisine-school.com",
        "aliases": ["a.example"],
        "admin_email": "a@b.example",
        "locale": {"country": "France", "language": "fr", "timezone": "Europe/Paris", "currency": "EUR"},
        "quota": {"file_mb": 5},
        "config": {"monitor": True},
        "staging": {"of": "tech-school", "expires": "2027-01-31"},
    }
    file.write_text(json.dumps({"schools": {OTHER: row}}))
    told = json.loads(schoolctl(project, RecordingTransport(server), "show", OTHER, "--json").stdout)
    assert {name: told[name] for name in row} == row


def test_what_an_interrupted_command_left_is_shown(project: Path, server: ServerModel) -> None:
    server.put(f"{ROOT}/journal/{OTHER}.json", '{"doing": "restore", "since": "2026-01-31T02:00:00Z"}')
    told = json.loads(schoolctl(project, RecordingTransport(server), "show", OTHER, "--json").stdout)
    assert told["interrupted"] == told["claim"]["doing"] == "restore"


def test_without_json_there_is_a_line_for_each_key(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "quota", OTHER, "--file-mb", "5", "--connections", "9")
    done = schoolctl(project, RecordingTransport(server), "show", OTHER)
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if len(line.split()) > 1)
    assert (lines["slug"], lines["state"]) == (OTHER, "active")
    assert lines["aliases"] == "www.cuisine-school.com"
    assert lines["quota"] == "file_mb 5, connections 9"
