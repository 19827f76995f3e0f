"""The command line: what it is made of, and how a run begins and ends."""

import os
import sys
from functools import cache
from importlib import import_module
from keyword import iskeyword
from typing import Annotated

import click
import typer
from typer.core import TyperGroup

from schoolctl import __version__, suggestions
from schoolctl.context import Context
from schoolctl.errors import SchoolctlError
from schoolctl.ui import Ui

INTERRUPTED = 130

# In the order of a school's life; each is the function of its name in the module of its name, with `_` behind a word
# that is Python's own.
COMMANDS = (
    *(
        "init",
        "new-school",
        "schools",
        "show",
        "add-domain",
        "remove-domain",
        "set-primary",
        "rename",
        "certs",
        "set-certificate",
    ),
    *("suspend", "resume", "quota", "set-config", "get-config", "plan", "apply"),
    *("backup", "backups", "restore", "verify-backup", "backup-targets", "export", "import"),
    *("clone", "close-school", "reopen", "purge", "login", "reset-password", "logs", "bench", "console"),
    *("status", "doctor", "history", "provision", "golden", "pool", "lock", "lab", "completion"),
)


class Commands(TyperGroup):
    """The commands, each imported when it is asked for: the others would cost its start a third of a second."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return every name."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, or None."""
        return _command(cmd_name) if cmd_name in COMMANDS else None


@cache
def _command(cmd_name: str) -> click.Command:
    name = cmd_name.replace("-", "_") + ("_" if iskeyword(cmd_name) else "")
    found = getattr(import_module(f"schoolctl.commands.{name}"), name)
    if isinstance(found, typer.Typer):
        group = typer.main.get_command(found)
        group.name = cmd_name
        return group
    alone = typer.Typer(add_completion=False, context_settings=CONTEXT_SETTINGS)
    alone.command(cmd_name)(found)
    return typer.main.get_command(alone)


CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    name="schoolctl",
    cls=Commands,
    add_completion=False,  # the command `completion` prints leaner scripts, and edits no file of the user
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT_SETTINGS,
)


def _tell_version(asked: bool) -> None:
    if asked:
        click.echo(f"schoolctl {__version__}")
        raise typer.Exit


@app.callback()
def begin(
    typer_context: typer.Context,
    env: Annotated[
        str | None,
        typer.Option(
            help="Which inventory; SCHOOLCTL_ENV, or the only one there is.",
            metavar="NAME",
            autocompletion=suggestions.inventories,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show more of what went wrong.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Open schools on a server that runs Frappe, change, back up, copy and close them, and keep all as declared."""
    context: Context = typer_context.obj
    context.env = env
    context.ui = Ui(as_json=as_json, verbose=verbose)


@cache
def program() -> click.Command:
    """Return the whole command line, built at the first need."""
    return typer.main.get_command(app)


def main(arguments: list[str] | None = None, context: Context | None = None) -> int:
    """Run one command line and return its exit code; only here are errors printed."""
    context = context or Context()
    try:
        code = program()(args=arguments, obj=context, standalone_mode=False)
    except SchoolctlError as fault:
        context.ui.error(fault)
        return fault.exit_code
    except click.ClickException as fault:
        fault.show()
        return fault.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    finally:
        context.close()
    if code == INTERRUPTED:
        click.echo("interrupted", err=True)
    return code if isinstance(code, int) else 0


def run() -> None:
    """Run the command line of this process, or complete it where a shell's script asks for that."""
    if instruction := os.environ.get(suggestions.VARIABLE):
        from schoolctl.commands.completion import complete

        sys.exit(complete(program(), instruction))
    sys.exit(main())
