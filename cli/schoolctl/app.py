"""The command line: what it is made of, and how a run begins and ends."""

import sys
from typing import Annotated

import click
import typer

from schoolctl import __version__
from schoolctl.commands.add_domain import add_domain
from schoolctl.commands.backup import backup
from schoolctl.commands.bench import bench
from schoolctl.commands.lab import lab
from schoolctl.commands.lock import lock
from schoolctl.commands.new_school import new_school
from schoolctl.commands.provision import provision
from schoolctl.commands.restore import restore
from schoolctl.commands.schools import schools
from schoolctl.commands.show import show
from schoolctl.context import Context
from schoolctl.errors import SchoolctlError
from schoolctl.ui import Ui

INTERRUPTED = 130

app = typer.Typer(
    name="schoolctl",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (new_school, schools, show, add_domain, backup, restore, bench, provision, lock):
    app.command(command.__name__.replace("_", "-"))(command)
app.add_typer(lab, name="lab")


def _tell_version(asked: bool) -> None:
    if asked:
        click.echo(f"schoolctl {__version__}")
        raise typer.Exit


@app.callback()
def begin(
    typer_context: typer.Context,
    env: Annotated[
        str | None, typer.Option(help="Which inventory; SCHOOLCTL_ENV, or the only one there is.", metavar="NAME")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show more of what went wrong.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Open schools on a server that runs Frappe, give them domains, back them up and restore them."""
    context: Context = typer_context.obj
    context.env = env
    context.ui = Ui(as_json=as_json, verbose=verbose)


def main(arguments: list[str] | None = None, context: Context | None = None) -> int:
    """Run one command line and return its exit code; only here are errors printed."""
    context = context or Context()
    try:
        code = app(args=arguments, obj=context, standalone_mode=False)
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
    """Run the command line of this process."""
    sys.exit(main())
