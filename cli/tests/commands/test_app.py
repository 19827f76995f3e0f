"""What holds for every command: exit codes, errors in three parts, data apart from words."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import schoolctl
from schoolctl.app import COMMANDS
from schoolctl.errors import UnreachableError
from tests.support.project import CHECKOUT
from tests.support.project import schoolctl as run
from tests.support.recording_transport import Break, RecordingTransport
from tests.support.server_model import ServerModel

ERROR = re.compile(r"error: \S.*[^.]\n(  because: \S.*\n)(\nhint: \S.*\n)?\Z", re.DOTALL)


def last_error(stderr: str) -> str:
    return stderr[stderr.index("error: ") :]


def test_the_version_is_told_alone() -> None:
    done = subprocess.run([sys.executable, "-m", "schoolctl", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"schoolctl {schoolctl.__version__}\n"
    assert done.stderr == ""


def test_the_version_is_told_without_loading_what_is_heavy() -> None:
    script = (
        "import sys; sys.argv[1:] = ['--version']; from schoolctl.__main__ import main\nmain(); print(*sys.modules)"
    )
    loaded = subprocess.check_output([sys.executable, "-c", script], text=True).split()
    assert not {"typer", "rich", "paramiko", "yaml", "jinja2", "ansible", "docker"} & set(loaded)


def test_loading_every_command_loads_nothing_that_only_some_need() -> None:
    loaded = subprocess.check_output(
        [sys.executable, "-c", "import sys, schoolctl.app; print(*sys.modules)"], text=True
    ).split()
    assert not {"paramiko", "docker", "ansible", "jinja2", "ruamel.yaml", "rich.console", "rich.table"} & set(loaded)


def test_the_version_is_an_option_beside_others_too(project: Path) -> None:
    assert run(project, None, "-v", "--version").stdout == f"schoolctl {schoolctl.__version__}\n"


def test_help_names_every_command(project: Path) -> None:
    done = run(project, None, "--help")
    assert done.code == 0
    for name in COMMANDS:
        assert name in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("show",),
        ("show", "tech-school", "--nonsense"),
        ("--env",),
        ("show", "a", "b", "c"),
        ("lab", "x"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_a_usage_error(project: Path, arguments: tuple[str, ...]) -> None:
    done = run(project, RecordingTransport(ServerModel()), *arguments)
    assert done.code == 2
    assert done.stdout == ""
    assert "Error: " in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "nope"),
        ("backup", "nope"),
        ("restore", "nope", "--yes"),
        ("add-domain", "nope", "a.example"),
        ("bench", "nope", "--", "list-apps"),
    ],
)
def test_an_unknown_school_lists_the_known_ones_and_never_reaches_the_server(
    project: Path, server: ServerModel, arguments: tuple[str, ...]
) -> None:
    transport = RecordingTransport(server)
    done = run(project, transport, *arguments)
    assert done.code == 3
    assert "tech-school, cuisine-school" in done.stderr
    assert ERROR.fullmatch(done.stderr)
    assert (transport.calls, transport.attached) == ([], [])


HOSTILE = [
    "../../etc",
    "a;id",
    "$(id)",
    "x' OR 1=1",
    "{{ 7*7 }}",
    "tech-school ",
    "Tech-School",
    "te\u0441h-school",
    "a" * 200,
]


@pytest.mark.parametrize("slug", HOSTILE)
@pytest.mark.parametrize("command", ["show", "backup", "restore", "bench", "add-domain", "new-school"])
def test_a_hostile_slug_never_reaches_the_server(project: Path, server: ServerModel, command: str, slug: str) -> None:
    more = {
        "restore": ["--yes"],
        "bench": ["--", "x"],
        "add-domain": ["a.example"],
        "new-school": ["--domain=a.example"],
    }
    text = (project / "inventories/test/group_vars/all/schools.yml").read_bytes()
    transport = RecordingTransport(server)
    done = run(project, transport, command, slug, *more.get(command, []))
    assert done.code == 3, done.stderr
    assert (transport.calls, transport.attached) == ([], [])
    assert (project / "inventories/test/group_vars/all/schools.yml").read_bytes() == text


@pytest.mark.parametrize("arguments", [("new-school", "tech-school"), ("backup", "cuisine-school"), ("schools",)])
def test_a_server_that_cannot_be_reached_is_exit_code_4(
    project: Path, server: ServerModel, arguments: tuple[str, ...]
) -> None:
    done = run(project, RecordingTransport(server, at=0, how=Break.VANISHES), *arguments)
    assert done.code == UnreachableError.exit_code == 4
    assert done.stdout == ""
    assert ERROR.fullmatch(last_error(done.stderr))


@pytest.mark.parametrize("command", ["new-school", "backup"])
def test_a_held_lock_is_exit_code_5_and_says_who_holds_it(project: Path, server: ServerModel, command: str) -> None:
    holder = RecordingTransport(server)
    holder.call("lock", who="ann@desk", what="restore x", since="2026-01-31T02:00:00Z")
    transport = RecordingTransport(server)
    done = run(project, transport, command, "cuisine-school")
    assert done.code == 5
    assert "ann@desk has held the lock since 2026-01-31T02:00:00Z, doing: restore x" in done.stderr
    assert {call.operation for call in transport.calls} <= {"hello", "lock"}


def test_a_bare_server_is_refused_with_the_command_that_makes_it_ready(project: Path) -> None:
    done = run(project, RecordingTransport(ServerModel(provisioned=False)), "new-school", "tech-school")
    assert done.code == 5
    assert "run `schoolctl provision`" in done.stderr


def test_ctrl_c_is_exit_code_130_said_in_a_word_and_written_down(project: Path, server: ServerModel) -> None:
    done = run(project, RecordingTransport(server, at=12, how=Break.INTERRUPTED_AFTER), "new-school", "tech-school")
    assert done.code == 130
    assert done.stderr.endswith("interrupted\n")
    assert server.audit[-1]["result"] == "interrupted"
    assert server.orphans() == []


def test_a_fault_while_letting_go_does_not_hide_what_went_wrong(project: Path, server: ServerModel) -> None:
    first = RecordingTransport(server, word="install-app")
    run(project, first, "new-school", "tech-school")
    release = [call.operation for call in first.calls].index("release")
    again = RecordingTransport(server, word="install-app", at=release, how=Break.FAILS)
    done = run(project, again, "new-school", "tech-school")
    assert again.calls[-1].operation == "release"
    assert done.code == 1
    assert "install-app does not work today" in done.stderr


def test_verbose_shows_the_masked_command_and_its_last_words(project: Path, server: ServerModel) -> None:
    quiet = run(project, RecordingTransport(server, word="install-app erpnext"), "new-school", "tech-school")
    loud = run(project, RecordingTransport(server, word="install-app erpnext"), "-v", "new-school", "tech-school")
    line = "$ docker exec -i schools-tools bench --site tech-school.new install-app erpnext\nfirst line\n"
    assert line not in quiet.stderr
    assert line in loud.stderr
    assert quiet.code == loud.code == 1
    assert ERROR.fullmatch(last_error(quiet.stderr))


@pytest.mark.parametrize(
    "arguments", [("--json", "schools"), ("schools", "--json"), ("show", "cuisine-school", "--json")]
)
def test_json_is_asked_for_before_or_after_the_command(
    project: Path, server: ServerModel, arguments: tuple[str, ...]
) -> None:
    done = run(project, RecordingTransport(server), *arguments)
    assert json.loads(done.stdout)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("new-school", "tech-school"),
        ("new-school", "music", "--domain", "music.example"),
        ("backup", "cuisine-school"),
        ("restore", "cuisine-school"),
        ("add-domain", "cuisine-school", "a.example"),
    ],
)
def test_a_dry_run_changes_neither_the_declaration_nor_the_server(
    project: Path, server: ServerModel, arguments: tuple[str, ...]
) -> None:
    file = project / "inventories/test/group_vars/all/schools.yml"
    text, files, databases = file.read_bytes(), dict(server.files), dict(server.databases)
    audit, folders = list(server.audit), set(server.folders)
    transport = RecordingTransport(server)
    done = run(project, transport, *arguments, "--dry-run")
    assert done.code == 0, done.stderr
    assert "would do" in done.stderr
    assert (file.read_bytes(), server.files, server.databases) == (text, files, databases)
    assert (server.audit, server.folders) == (audit, folders)
    # The program of backups is started for what it is asked.
    asked = {json.loads(call.arguments["line"])["call"] for call in transport.calls if call.operation == "ask"}
    assert asked <= {"targets"}
    assert {call.operation for call in transport.calls} - {"start", "ask"} <= {
        "hello",
        "backups",
        "containers",
        "read",
        "read_all",
        "read_json",
        "exists",
        "list",
        "probe",
        "run",
        "survey",
    }


def test_a_bug_shows_its_traceback(project: Path) -> None:
    class Buggy(RecordingTransport):
        def call(self, operation: str, **_: object) -> object:
            raise ZeroDivisionError(operation)

    with pytest.raises(ZeroDivisionError):
        run(project, Buggy(ServerModel()), "schools")


def test_the_connection_is_closed_at_the_end_whatever_happens(project: Path, server: ServerModel) -> None:
    for word in (None, "CREATE DATABASE"):
        transport = RecordingTransport(server, word=word)
        run(project, transport, "new-school", "tech-school")
        with pytest.raises(UnreachableError):
            transport.call("hello")


def test_a_real_ctrl_c_ends_a_real_process_with_130(project: Path, tmp_path: Path) -> None:
    # Nobody listens at this address, so the program waits for the connection when the signal comes.
    hosts = project / "inventories/test/hosts.yml"
    hosts.write_text("all: {hosts: {vps1: {ansible_host: 127.0.0.1, ansible_port: 9, ansible_user: x}}}\n")
    fifo = tmp_path / "password"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [sys.executable, "-m", "schoolctl", "new-school", "tech-school", "--password-file", str(fifo)],
        cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with fifo.open("w"):  # opens when the program does: it is in the middle of its work now
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_the_example_inventory_is_never_chosen_by_itself(project: Path) -> None:
    (project / "inventories/test").rename(project / "inventories/example")
    done = run(project, None, "schools")
    assert done.code == 3
    assert "name one with --env" in done.stderr
    assert (CHECKOUT / "inventories/example").is_dir()
