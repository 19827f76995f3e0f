"""`schoolctl completion`."""

from enum import StrEnum
from typing import Annotated

import click
import typer
from click.shell_completion import BashComplete, FishComplete, ZshComplete, shell_complete

from schoolctl.context import Context
from schoolctl.suggestions import VARIABLE

PROGRAM = "schoolctl"

_SCRIPTS = {script.name: script for script in (BashComplete, ZshComplete, FishComplete)}


class Shell(StrEnum):
    """A shell that can complete words."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(
    typer_context: typer.Context, shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.", metavar="SHELL")]
) -> None:
    """Print what makes a shell complete commands, options, schools and domains while you type.

    Example: schoolctl completion bash
    """
    click.echo(_SCRIPTS[shell](typer_context.find_root().command, {}, PROGRAM, VARIABLE).source())


def complete(program: click.Command, instruction: str) -> int:
    """Answer the script's question with words, or with none; return the exit code."""
    return shell_complete(program, {"obj": Context()}, PROGRAM, VARIABLE, instruction)
