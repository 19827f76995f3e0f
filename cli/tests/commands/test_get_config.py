import json
from pathlib import Path

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, ServerModel


def test_promise_stands_beside_fact(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "set-config", OTHER, "http_timeout", "90")
    path = f"{ROOT}/sites/{OTHER}/site_config.json"
    server.files[path] = json.dumps({**server.site_config(OTHER), "http_timeout": 20})
    done = schoolctl(project, RecordingTransport(server), "get-config", OTHER, "http_timeout", "--json")
    [row] = json.loads(done.stdout)
    assert (row["declared"], row["found"]) == (90, 20)


def test_every_setting_is_listed_with_what_it_does_and_no_secret(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "get-config", OTHER, "--json")
    rows = {row["key"]: row for row in json.loads(done.stdout)}
    assert {"http_timeout", "host_name", "max_file_size"} <= set(rows)
    assert "db_password" not in rows
    assert all(row["meaning"] for row in rows.values())
    assert not any(secret in done.stdout for secret in server.secrets)


def test_a_school_that_is_not_open_has_promises_alone(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "get-config", "tech-school", "host_name", "--json")
    [row] = json.loads(done.stdout)
    assert (row["declared"], row["found"]) == ("https://tech-school.com", None)


def test_an_unknown_key_names_the_nearest_one(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "get-config", OTHER, "http_timeot")
    assert (done.code, transport.calls) == (3, [])
    assert "did you mean `http_timeout`?" in done.stderr
