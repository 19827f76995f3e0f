import os
import shlex
from pathlib import Path
from typing import Any

import pytest

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
