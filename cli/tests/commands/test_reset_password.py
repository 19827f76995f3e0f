import json
from pathlib import Path

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_the_new_password_is_printed_and_kept_nowhere_else(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "-v", "--json", "reset-password", OTHER, "--user", "ann@tech-school.com")
    told = json.loads(done.stdout)
    assert (told["slug"], told["user"]) == (OTHER, "ann@tech-school.com")
    assert told["password"] in server.secrets
    assert transport.leaks() == []
    assert told["password"] not in done.stderr
    assert server.audit[-1]["what"] == f"reset-password {OTHER} --user ann@tech-school.com"


def test_it_waits_for_nobody_who_may_be_changing_the_school(project: Path, server: ServerModel) -> None:
    RecordingTransport(server).call("lock", who="ann@desk", what=f"restore {OTHER}", since="t")
    done = schoolctl(project, RecordingTransport(server), "reset-password", OTHER)
    assert (done.code, done.stdout) == (5, "")
    assert "doing: restore" in done.stderr
