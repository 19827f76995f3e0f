"""`schoolctl lab up`, `down` and `status`."""

from enum import StrEnum
from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, context_of
from schoolctl.workflows import lab as labs

lab = typer.Typer(help="A throw-away server on this machine, reached like any other.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", help="The lab's name, and its inventory's.")]


class BenchKind(StrEnum):
    """Which bench a lab runs."""

    auto = "auto"
    real = "real"
    stand_in = "stand-in"


@lab.command("up")
def up(
    typer_context: typer.Context,
    name: Name = labs.DEFAULT,
    bench: Annotated[
        BenchKind, typer.Option(help="real needs Frappe's git repositories; auto finds out.")
    ] = BenchKind.auto,
    develop: Annotated[
        bool, typer.Option("--develop", help="The bench runs this checkout's lms_app, as it is saved there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a bare server in a container, with an inventory of its own; nothing changes if it is up.

    Example: schoolctl lab up --name lab-second
    """
    context = context_of(typer_context, as_json=as_json)
    changed = labs.up(context.root, name, bench.value, context.ui.progress, develop=develop)
    context.ui.done(f"The lab `{name}` is up. Next: schoolctl --env {name} provision")
    context.ui.facts({**labs.status(context.root, name), "changed": changed})


@lab.command("down")
def down(typer_context: typer.Context, name: Name = labs.DEFAULT, as_json: AsJson = False) -> None:
    """Remove a lab with everything on it, and its inventory.

    Example: schoolctl lab down
    """
    context = context_of(typer_context, as_json=as_json)
    labs.down(context.root, name, context.ui.progress)
    context.ui.facts(labs.status(context.root, name))


@lab.command("status")
def status(typer_context: typer.Context, name: Name = labs.DEFAULT, as_json: AsJson = False) -> None:
    """Say whether a lab runs, and on which ports.

    Example: schoolctl lab status --json
    """
    context = context_of(typer_context, as_json=as_json)
    context.ui.facts(labs.status(context.root, name))
