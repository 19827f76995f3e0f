import io
import json
import os
import shlex
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from schoolctl.errors import UnreachableError
from schoolctl.schools.hosts import Host
from schoolctl.transport.session import TAKE
from schoolctl.transport.ssh import SshTransport

HOST = Host("vps1", "203.0.113.10", None, None, None, None)
PLACE = "/proc/4711/fd/5"


class Ended:
    """A channel whose program has ended with 7."""

    def __init__(self) -> None:
        self.line = ""
        self.eof_received = True
        self._ready, write = os.pipe()
        os.close(write)

    def exec_command(self, line: str) -> None:
        self.line = line

    def fileno(self) -> int:
        return self._ready

    def exit_status_ready(self) -> bool:
        return True

    def recv_ready(self) -> bool:
        return False

    recv_stderr_ready = recv_ready

    def recv_exit_status(self) -> int:
        os.close(self._ready)
        return 7

    def sendall(self, data: bytes) -> None:
        pass

    def shutdown_write(self) -> None:
        pass


class OneChannel(SshTransport):
    """SSH as far as one program needs it."""

    def __init__(self) -> None:
        super().__init__(HOST, b"")
        self.channel = Ended()
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def call(self, operation: str, **arguments: Any) -> Any:
        self.asked.append((operation, arguments))
        return PLACE

    def _open_channel(self) -> Any:
        return self.channel


def test_what_a_user_runs_travels_to_the_agent_and_not_on_the_line_that_sudo_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = tmp_path / "typed"
    typed.touch()
    transport, words = OneChannel(), ["docker", "exec", "-i", "schools-tools", "bench", "set-password", "hunter2"]
    with typed.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert transport.attach(words, tty=False) == 7
    assert transport.asked == [("hold", {"argv": words})]
    assert shlex.split(transport.channel.line) == ["sudo", "-n", "--", "python3", "-I", "-c", TAKE, PLACE]


class Program:
    """A channel to an agent that answers with prepared lines, once it was sent what a test waits for."""

    def __init__(self, *answers: object, stderr: bytes = b"", line_is_up: bool = True) -> None:
        self.sent = io.BytesIO()
        self.answers = list(answers)
        self.asked_before_the_first_answer: list[str] = []
        self._stderr, self._line_is_up = stderr, line_is_up

    def exec_command(self, line: str) -> None:
        pass

    def makefile(self, mode: str) -> Any:
        return self.sent if mode == "wb" else self

    def makefile_stderr(self, _mode: str) -> Any:
        return io.BytesIO(self._stderr)

    def get_transport(self) -> "Program":
        return self

    def is_active(self) -> bool:
        return self._line_is_up

    def readline(self) -> bytes:
        lines = self.sent.getvalue().splitlines()
        self.asked_before_the_first_answer = self.asked_before_the_first_answer or [
            json.loads(line)["do"] for line in lines if line.startswith(b"{")
        ]
        return json.dumps(self.answers.pop(0)).encode() + b"\n" if self.answers else b""

    def close(self) -> None:
        pass


class Prepared(SshTransport):
    """SSH with channels of a test's own."""

    def __init__(self, *channels: Program | UnreachableError) -> None:
        super().__init__(HOST, b"")
        self._channels = list(channels)

    def _open_channel(self) -> Any:
        channel = self._channels.pop(0)
        if isinstance(channel, UnreachableError):
            raise channel
        return channel


GREETING = {"id": 1, "result": {"python": [3, 11]}}


def test_the_first_request_does_not_wait_for_the_agents_greeting() -> None:
    channel = Program(GREETING, {"id": 2, "result": "a survey"})
    assert Prepared(channel).call("survey") == "a survey"
    assert channel.asked_before_the_first_answer == ["hello", "survey"]


def test_an_agent_that_never_began_is_told_by_the_last_words_of_sudo() -> None:
    refused = Program(stderr=b"We trust you.\nsudo: a password is required\n")
    with pytest.raises(UnreachableError, match="Could not start work on vps1") as raised:
        Prepared(refused).call("survey")
    assert raised.value.because == "sudo: a password is required"
    assert "schoolctl provision" in raised.value.hint


@pytest.mark.parametrize("channel", [Program(line_is_up=False), Program(GREETING)], ids=["no answer yet", "greeted"])
def test_a_line_that_is_cut_is_not_blamed_on_sudo(channel: Program) -> None:
    with pytest.raises(UnreachableError, match="Lost the connection to vps1") as raised:
        Prepared(channel).call("survey")
    assert "run the same command again" in raised.value.hint


def test_what_went_wrong_in_the_background_is_heard_at_the_first_need_and_the_next_one_tries_again() -> None:
    transport = Prepared(UnreachableError("Could not reach vps1"), Program(GREETING, {"id": 2, "result": 7}))
    transport.begin()
    with pytest.raises(UnreachableError, match="Could not reach vps1"):
        transport.call("survey")
    assert transport.call("survey") == 7


def test_what_was_begun_in_the_background_is_not_begun_twice() -> None:
    transport = Prepared(Program(GREETING, {"id": 2, "result": 7}))
    transport.begin()
    assert transport.call("survey") == 7


def test_who_needs_no_server_in_the_end_does_not_wait_for_it_and_leaves_no_connection() -> None:
    may_connect, hung_up = threading.Event(), threading.Event()

    class Client:
        def get_transport(self) -> None:
            return None

        def close(self) -> None:
            hung_up.set()

    class Slow(SshTransport):
        def _connect(self) -> Any:
            may_connect.wait(10)
            return Client()

    transport = Slow(HOST, b"")
    transport.begin()
    transport.close()
    assert not hung_up.is_set()
    may_connect.set()
    assert hung_up.wait(10)


def test_a_command_of_an_ssh_configuration_is_run_though_nothing_is_loaded_for_it_before(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text('Match host vps1 exec "true"\n  Port 2222\n')
    script = (
        "import sys; from schoolctl.transport import ssh; before = 'invoke' in sys.modules\n"
        "print(before, ssh._ssh_config('vps1'))"
    )
    home = {**os.environ, "HOME": str(tmp_path)}
    told = subprocess.check_output([sys.executable, "-c", script], env=home, text=True)
    assert told.startswith("False {'port': '2222'")


def test_nothing_holds_the_agents_streams_past_the_end_of_the_connection() -> None:
    class Keeping(Prepared):
        """Keep an exception, and with it the frames below, as paramiko does of a key that was of another kind."""

        def _open_channel(self) -> Any:
            try:
                raise ValueError
            except ValueError as fault:
                self.kept = fault
            return super()._open_channel()

    transport = Keeping(Program(GREETING, {"id": 2, "result": 7}))
    transport.begin()
    transport.call("survey")
    session = weakref.ref(transport._agent())
    transport.close()
    assert session() is None
