import json
from contextlib import suppress
from pathlib import Path

import pytest

from schoolctl.workflows.read_logs import ReadLogs
from tests.support.project import OTHER, plain_server, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, ServerModel


def visit(server: ServerModel, school: str, path: str) -> None:
    server.requests.append({"time": "2026-01-31T02:00:00+00:00", "school": school, "status": "200", "path": path})


def write(server: ServerModel, name: str, *lines: str) -> None:
    folder = f"{ROOT}/sites/{OTHER}/logs"
    server.folders.add(folder)
    server.put(f"{folder}/{name}", "".join(f"{line}\n" for line in lines))


@pytest.fixture
def written(server: ServerModel) -> ServerModel:
    visit(server, OTHER, "/learn")
    visit(server, "tech-school", "/secret")
    write(server, "frappe.log", "first", "second")
    write(server, "scheduler.log", "tick")
    write(server, "frappe.log.1", "rotated")
    return server


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("all", ["edge", "frappe.log", "scheduler.log"]),
        ("edge", ["edge"]),
        ("site", ["frappe.log", "scheduler.log"]),
        ("web", ["frappe.log"]),
        ("worker", ["scheduler.log"]),
    ],
)
def test_each_source_has_its_last_lines_and_none_of_another_school(
    project: Path, written: ServerModel, source: str, expected: list[str]
) -> None:
    done = schoolctl(project, RecordingTransport(written), "logs", OTHER, "--source", source, "--lines", "1")
    assert (done.code, done.stderr) == (0, "")
    assert [line.partition("  ")[0] for line in done.stdout.splitlines()] == expected
    assert "secret" not in done.stdout
    assert "first" not in done.stdout


def test_json_is_one_object_a_line(project: Path, written: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(written), "--json", "logs", OTHER)
    first, *rest = map(json.loads, done.stdout.splitlines())
    assert (first["source"], first["path"], first["status"]) == ("edge", "/learn", "200")
    assert rest[0] == {"source": "frappe.log", "line": "first"}


def test_what_a_visitor_wrote_commands_no_terminal(project: Path, server: ServerModel) -> None:
    visit(server, OTHER, "/\x1b[2J\x07\u202e")
    write(server, "frappe.log", "\x1b]0;owned\x07 tab\there")
    done = schoolctl(project, RecordingTransport(server), "logs", OTHER)
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout)
    assert "tab\there" in done.stdout


def test_following_tells_each_new_line_once(server: ServerModel) -> None:
    visit(server, OTHER, "/one")
    write(server, "frappe.log", "first")
    pauses = 0

    def meanwhile(_seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 2:
            visit(server, "tech-school", "/secret")
            visit(server, OTHER, "/two")
            write(server, "frappe.log", "first", "second")
            write(server, "pdf.log", "new")
        if pauses == 4:
            raise KeyboardInterrupt

    heard: list[tuple[str, str]] = []
    reading = ReadLogs(plain_server(RecordingTransport(server)), OTHER, ["*.log"], edge=True)
    with suppress(KeyboardInterrupt):
        heard.extend((line.source, line.facts.get("path") or line.text) for line in reading.follow(9, meanwhile))
    assert pauses == 4
    assert heard == [
        ("edge", "/one"),
        ("frappe.log", "first"),
        ("edge", "/two"),
        ("frappe.log", "second"),
        ("pdf.log", "new"),
    ]


def test_ctrl_c_is_how_following_ends(project: Path, written: ServerModel) -> None:
    class Impatient(RecordingTransport):
        looks = 0

        def call(self, operation: str, **arguments: object) -> object:
            self.looks += operation == "edge_log"
            if self.looks == 2:
                raise KeyboardInterrupt
            return super().call(operation, **arguments)

    done = schoolctl(project, Impatient(written), "logs", OTHER, "--follow")
    assert (done.code, done.stderr) == (0, "")
    assert "/learn" in done.stdout


def test_asking_takes_no_lock(project: Path, written: ServerModel) -> None:
    transport = RecordingTransport(written)
    schoolctl(project, transport, "logs", OTHER)
    assert [call.operation for call in transport.calls] == ["edge_log", "site_logs"]
