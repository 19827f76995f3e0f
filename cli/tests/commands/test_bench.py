from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel

SITE = ("docker", "exec", "-i", "schools-tools", "bench", "--site", OTHER)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 42, 137])
def test_the_exit_code_is_that_of_the_command(project: Path, server: ServerModel, code: int) -> None:
    transport = RecordingTransport(server)
    transport.attach_code = code
    done = schoolctl(project, transport, "bench", OTHER, "--", "list-apps")
    assert (done.code, done.stdout, done.stderr) == (code, "", "")
    assert transport.attached == [((*SITE, "list-apps"), False)]


def test_every_word_after_the_dashes_is_passed_on_as_it_is(project: Path, server: ServerModel) -> None:
    words = ["execute", "frappe.ping", "--args", "['$(id)', 'a b']", "--help", "--json", "-v", ";", "--site", "x"]
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, "bench", OTHER, "--", *words).code == 0
    assert transport.attached == [((*SITE, *words), False)]


def test_a_command_without_words_is_a_usage_error(project: Path, server: ServerModel) -> None:
    assert schoolctl(project, RecordingTransport(server), "bench", OTHER).code == 2
