import json
from collections.abc import Sequence
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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["migrate"], "migrate"),
        (["set-admin-password", "hunter2"], "set-admin-password"),
        (["--password=hunter2", "x"], "..."),
        (["hunter2!", "x"], "..."),
    ],
)
def test_the_audit_log_gets_the_first_word_and_the_exit_code_and_no_secret(
    project: Path, server: ServerModel, words: list[str], told: str
) -> None:
    transport = RecordingTransport(server)
    transport.attach_code = 42
    schoolctl(project, transport, "bench", OTHER, "--", *words)
    assert (server.audit[-1]["what"], server.audit[-1]["result"]) == (f"bench {OTHER} {told}", "exit code 42")
    assert "hunter2" not in json.dumps(server.audit) + str(transport.calls)


def test_it_runs_beside_a_command_that_holds_the_lock_and_leaves_that_alone(project: Path, server: ServerModel) -> None:
    RecordingTransport(server).call("lock", who="ann@desk", what="backup x", since="t")
    assert schoolctl(project, RecordingTransport(server), "bench", OTHER, "--", "list-apps").code == 0
    assert server.locked_by is not None


def test_one_that_was_cut_is_written_down_too(project: Path, server: ServerModel) -> None:
    class Cut(RecordingTransport):
        def attach(self, argv: Sequence[str], *, tty: bool) -> int:
            raise KeyboardInterrupt

    assert schoolctl(project, Cut(server), "bench", OTHER, "--", "migrate").code == 130
    assert server.audit[-1]["result"] == "interrupted"
