import sys
from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_without_a_terminal_it_is_refused_with_the_way_for_scripts(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "console", OTHER)
    assert (done.code, done.stdout) == (5, "")
    assert f"`schoolctl bench {OTHER} -- execute frappe.ping`" in done.stderr
    assert (transport.calls, transport.attached) == ([], [])


def test_on_a_terminal_the_schools_own_console_opens_and_is_written_down(
    project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            return len(text)

        def flush(self) -> None:
            pass

    from schoolctl import app
    from schoolctl.context import Context

    transport = RecordingTransport(server)
    transport.attach_code = 3
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    code = app.main(["console", OTHER], context=Context(start=project, transport=transport))
    assert code == 3
    assert transport.attached == [
        (("docker", "exec", "-it", "schools-tools", "bench", "--site", OTHER, "console"), True)
    ]
    assert (server.audit[-1]["what"], server.audit[-1]["result"]) == (f"console {OTHER}", "exit code 3")
