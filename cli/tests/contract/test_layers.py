"""The shape of the command line's source: layers, and one file, one command, one test."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from schoolctl.app import app

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "cli" / "schoolctl"
SHARED = {"__init__", "ask", "change", "drift", "options"}
COMMANDS = sorted(path for path in (PACKAGE / "commands").glob("*.py") if path.stem not in SHARED)


def every_command() -> dict[str, click.Command]:
    root = typer.main.get_command(app)
    context = click.Context(root)
    found: dict[str, click.Command] = {}
    for name in root.list_commands(context):  # type: ignore[attr-defined]
        command = root.get_command(context, name)  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found |= {f"{name} {word}": part for word, part in inner.items()} if inner else {name: command}
    return found


def test_the_layers_lead_one_way_down() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("name", every_command())
def test_a_commands_docstring_promises_and_ends_with_an_example_of_itself(name: str) -> None:
    text = every_command()[name].callback.__doc__ or ""
    lines = [line.strip() for line in text.strip().splitlines()]
    assert lines[0].endswith(".")
    assert lines[-1].startswith("Example: schoolctl ")
    assert f" {name}" in lines[-1]


def _command_of(path: Path) -> str:
    # A word that is Python's own has `_` behind it.
    return path.stem.removesuffix("_").replace("_", "-")


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_a_file_is_a_command_and_has_a_test_of_its_name(path: Path) -> None:
    assert _command_of(path) in {name.split()[0] for name in every_command()}
    assert (ROOT / "cli" / "tests" / "commands" / f"test_{path.name}").exists()


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_the_example_of_a_command_is_understood(path: Path) -> None:
    import shlex

    root = typer.main.get_command(app)
    for name, command in every_command().items():
        if name.split()[0] != _command_of(path):
            continue
        example = (command.callback.__doc__ or "").strip().splitlines()[-1].strip()
        words = shlex.split(example.removeprefix("Example: schoolctl "))
        found: click.Command = root
        context = root.make_context("schoolctl", words)
        while isinstance(found, click.Group):
            _, found, words = found.resolve_command(context, [*context._protected_args, *context.args])
            context = found.make_context(name, words, parent=context)
        assert context.command.name == name.split()[-1]
