import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_a_link_is_printed_that_leads_to_the_school(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "login", OTHER, "--minutes", "15", "--json")
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["url"].startswith("https://cuisine-school.com/login?key=")
    assert (told["slug"], told["user"], told["expires_in"]) == (OTHER, "Administrator", 900)
    assert done.stderr == ""
    assert transport.leaks() == []


def test_who_let_whom_in_is_written_down_even_beside_a_command_at_work(project: Path, server: ServerModel) -> None:
    RecordingTransport(server).call("lock", who="ann@desk", what="backup x", since="t")
    assert schoolctl(project, RecordingTransport(server), "login", OTHER, "--user", "ann@tech-school.com").code == 0
    assert (server.audit[-1]["what"], server.audit[-1]["result"]) == (
        f"login {OTHER} --user ann@tech-school.com",
        "done",
    )


@pytest.mark.parametrize("command", ["login", "reset-password"])
def test_a_school_that_is_not_open_is_refused(project: Path, server: ServerModel, command: str) -> None:
    done = schoolctl(project, RecordingTransport(server), command, "tech-school")
    assert (done.code, done.stdout) == (5, "")
    assert "its site is not open on vps1" in done.stderr
    assert "run `schoolctl new-school tech-school` first" in done.stderr


def test_no_link_is_made_for_a_school_that_lets_nobody_in(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "suspend", OTHER)
    done = schoolctl(project, RecordingTransport(server), "login", OTHER)
    assert (done.code, done.stdout) == (5, "")
    assert f"run `schoolctl resume {OTHER}` first" in done.stderr


@pytest.mark.parametrize("command", ["login", "reset-password"])
def test_somebody_whom_the_school_does_not_know_is_an_error_and_not_let_in(
    project: Path, server: ServerModel, command: str
) -> None:
    done = schoolctl(project, RecordingTransport(server), command, OTHER, "--user", "nobody@nowhere.example")
    assert (done.code, done.stdout) == (1, "")
    assert "User nobody@nowhere.example not found" in done.stderr
    assert server.audit[-1]["result"].startswith("failed")


@pytest.mark.parametrize("answer", ["", "null\n", "no JSON hunter2\n", '{"user": "hunter2"}\n'])
@pytest.mark.parametrize("command", ["login", "reset-password"])
def test_an_answer_that_nobody_understands_is_not_shown(
    project: Path, server: ServerModel, command: str, answer: str
) -> None:
    class Odd(RecordingTransport):
        def call(self, operation: str, **arguments: object) -> object:
            told = super().call(operation, **arguments)
            return {"code": 0, "stdout": answer, "stderr": ""} if operation == "run" else told

    done = schoolctl(project, Odd(server), "-v", command, OTHER)
    assert done.code == 1
    assert "answered otherwise than with user" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr + json.dumps(server.audit)
