import io
import json

import pytest

from schoolctl.errors import UnreachableError
from schoolctl.transport.base import Command
from schoolctl.transport.session import AgentSession, ServerFaultError


class Answers:
    """Hand out prepared lines; a KeyboardInterrupt among them is raised."""

    def __init__(self, *lines: object) -> None:
        self.lines = list(lines)

    def readline(self) -> bytes:
        line = self.lines.pop(0) if self.lines else b""
        if isinstance(line, BaseException):
            raise line
        return line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"


def session(*lines: object) -> AgentSession:
    return AgentSession(io.BytesIO(), Answers(*lines), "vps1")


def test_each_request_is_one_line_with_a_number_of_its_own() -> None:
    sent = io.BytesIO()
    calls = AgentSession(sent, Answers({"id": 1, "result": None}, {"id": 2, "result": 7}), "vps1")
    calls.call("read", path="a\nb")
    assert calls.call("hello") == 7
    first, second = map(json.loads, sent.getvalue().splitlines())
    assert (first["id"], second["id"]) == (1, 2)
    assert first["path"] == "a\nb"


def test_what_is_told_bears_no_number_and_waits_for_no_answer() -> None:
    sent = io.BytesIO()
    calls = AgentSession(sent, Answers({"id": 1, "result": 7}), "vps1")
    calls.tell("note", step="Claim the name")
    assert calls.call("hello") == 7
    assert json.loads(sent.getvalue().splitlines()[0]) == {"id": None, "do": "note", "step": "Claim the name"}


def test_an_answer_that_ctrl_c_gave_up_is_never_taken_for_the_next_one() -> None:
    calls = session(KeyboardInterrupt(), {"id": 1, "result": "old"}, {"id": 2, "result": "new"})
    with pytest.raises(KeyboardInterrupt):
        calls.call("dump")
    assert calls.call("release") == "new"


def test_the_rest_of_an_answer_that_ctrl_c_cut_in_two_is_passed_over() -> None:
    calls = session(KeyboardInterrupt(), b'"half of it"}\n', {"id": 2, "result": "new"})
    with pytest.raises(KeyboardInterrupt):
        calls.call("dump")
    assert calls.call("release") == "new"


def test_what_a_login_shell_prints_first_is_passed_over() -> None:
    assert session(b"Welcome to Debian\n", b"7\n", {"id": 1, "result": True}).call("hello") is True


def test_a_fault_comes_back_with_its_kind() -> None:
    with pytest.raises(ServerFaultError) as raised:
        session({"id": 1, "fault": {"kind": "locked", "message": "ann has it"}}).call("lock")
    assert (raised.value.kind, raised.value.because) == ("locked", "ann has it")


@pytest.mark.parametrize("line", [b"", OSError("Socket is closed")])
def test_a_line_that_ends_is_a_lost_connection_and_says_what_to_do(line: object) -> None:
    with pytest.raises(UnreachableError) as raised:
        session(line).call("hello")
    assert raised.value.because
    assert "run the same command again" in raised.value.hint


def test_a_line_that_takes_nothing_is_a_lost_connection() -> None:
    class Closed(io.BytesIO):
        def write(self, _data: object, /) -> int:
            raise OSError("Socket is closed")

    with pytest.raises(UnreachableError):
        AgentSession(Closed(), Answers(), "vps1").call("hello")


def test_a_command_is_shown_without_its_secrets() -> None:
    command = Command(("bench", "set-admin-password", "hunter2"), secrets=("hunter2",))
    assert "hunter2" not in command.shown()
    assert command.mask("Access denied: hunter2") == "Access denied: ********"
