import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import typer

from schoolctl.app import app
from schoolctl.commands import completion
from tests.support.project import schoolctl

Words = Callable[[str], list[str]]


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


@pytest.fixture
def words(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Words:
    """Ask as the script does: what may stand where the line ends?"""

    def ask(line: str) -> list[str]:
        monkeypatch.chdir(project)
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(shlex.split(line)) - (not line.endswith(" "))))
        assert completion.complete(typer.main.get_command(app), "bash_complete") == 0
        told = capsys.readouterr()
        assert told.err == ""
        return [answer.removeprefix("plain,") for answer in told.out.splitlines() if answer]

    return ask


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shells_script_asks_this_program(project: Path, shell: str) -> None:
    done = schoolctl(project, None, "completion", shell)
    assert done.code == 0
    assert f"{completion.VARIABLE}={shell}_complete" in done.stdout


def test_a_shell_that_nothing_is_known_of_is_a_usage_error(project: Path) -> None:
    assert schoolctl(project, None, "completion", "tcsh").code == 2


def test_commands_and_options_are_completed(words: Words) -> None:
    assert words("schoolctl new-s") == ["new-school"]
    assert words("schoolctl lab ") == ["up", "down", "status"]
    assert words("schoolctl show --js") == ["--json"]
    assert words("schoolctl completion f") == ["fish"]


def test_slugs_are_completed_from_the_only_inventory(words: Words) -> None:
    assert words("schoolctl show ") == ["tech-school", "cuisine-school"]
    assert words("schoolctl show te") == ["tech-school"]


def test_slugs_are_completed_from_the_inventory_that_the_line_or_the_environment_names(
    project: Path, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(project / "inventories/test", project / "inventories/second")
    second = project / "inventories/second/group_vars/all/schools.yml"
    second.write_text("schools: {music: {title: Music, domain: music.example}}\n")
    assert words("schoolctl show ") == []
    assert words("schoolctl --env second show ") == ["music"]
    monkeypatch.setenv("SCHOOLCTL_ENV", "second")
    assert words("schoolctl show ") == ["music"]
    assert words("schoolctl --env test show t") == ["tech-school"]


def test_inventories_are_completed_without_drafts(project: Path, words: Words) -> None:
    shutil.copytree(project / "inventories/test", project / "inventories/example")
    shutil.copytree(project / "inventories/test", project / "inventories/.second.draft")
    assert words("schoolctl --env ") == ["example", "test"]


def test_the_domains_of_the_named_school_are_completed(words: Words) -> None:
    assert words("schoolctl remove-domain tech-school ") == ["tech-school.com", "www.tech-school.com"]
    assert words("schoolctl set-primary cuisine-school www") == ["www.cuisine-school.com"]
    assert words("schoolctl set-primary nope ") == []


@pytest.mark.parametrize(
    "text", ["schools: {", "schools: {a: {}}\n", "schools: {[a]: 1}\n", "\0", "schools: 7\n", "other: {}\n", None]
)
def test_a_broken_declaration_completes_nothing_and_says_nothing(project: Path, words: Words, text: str | None) -> None:
    rows(project).unlink() if text is None else rows(project).write_text(text)
    assert words("schoolctl show ") == []
    assert words("schoolctl sho") == ["show"]


def test_nothing_is_said_outside_of_a_project(words: Words, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCHOOLCTL_PROJECT", str(tmp_path / "gone"))
    assert words("schoolctl show ") == []
    assert words("schoolctl --env ") == []


def test_no_connection_is_opened(words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert words("schoolctl backup te") == ["tech-school"]


def test_a_shells_question_is_answered_by_the_program_itself_without_loading_what_is_heavy(project: Path) -> None:
    script = (
        "import sys; from schoolctl.__main__ import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project, capture_output=True, text=True, check=True,
        env={**os.environ, completion.VARIABLE: "zsh_complete", "COMP_WORDS": "schoolctl show ", "COMP_CWORD": "2"},
    )  # fmt: skip
    assert done.stdout.split() == ["plain", "tech-school", "_", "plain", "cuisine-school", "_"]
    heavy = {"paramiko", "jinja2", "ruamel.yaml", "ansible", "docker", "rich", "typer.rich_utils"}
    assert not heavy & set(done.stderr.split())


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_itself_completes_a_slug(project: Path) -> None:
    program = Path(sys.executable).with_name("schoolctl")
    script = (
        f'eval "$({program} completion bash)"; COMP_WORDS=({program} show te); COMP_CWORD=2;'
        f' _schoolctl_completion {program}; echo "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-c", script], cwd=project, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("tech-school\n", "")


def arguments(command: click.Command, name: str = "schoolctl") -> Iterator[tuple[str, click.Argument]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            part = command.get_command(context, word)
            assert part is not None
            yield from arguments(part, f"{name} {word}")
    yield from ((name, parameter) for parameter in command.params if isinstance(parameter, click.Argument))


def test_every_argument_that_names_a_school_completes_its_slug(words: Words) -> None:
    named = [name for name, argument in arguments(typer.main.get_command(app)) if "SLUG" in (argument.metavar or "")]
    assert "schoolctl show" in named
    assert {name: words(f"{name} te") for name in named} == {name: ["tech-school"] for name in named}
