import json
from pathlib import Path

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_a_school_is_shown_with_its_sets_and_no_secret(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "backup", OTHER)
    done = schoolctl(project, RecordingTransport(server), "show", OTHER, "--json")
    told = json.loads(done.stdout)
    assert (told["state"], told["backups"], told["sets"]) == ("open", 1, [told["last_backup"]])
    assert not any(secret in done.stdout for secret in server.secrets)


def test_without_json_there_is_a_line_for_each_key(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "show", OTHER)
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if len(line.split()) > 1)
    assert (lines["slug"], lines["state"]) == (OTHER, "open")
    assert lines["aliases"] == "www.cuisine-school.com"
