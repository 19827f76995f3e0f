"""`schoolctl resume`."""

from typing import Annotated, cast

import click
import typer

from schoolctl.commands.change import change_chosen
from schoolctl.commands.options import All, AsJson, DryRun, Slugs, Where, chosen, context_of
from schoolctl.context import Context
from schoolctl.schools import changes
from schoolctl.workflows.bulk import raise_failures
from schoolctl.workflows.claims import Again
from schoolctl.workflows.pick_up import pick_up, planned, wait_until_quiet


def resume(
    typer_context: typer.Context,
    slugs: Slugs = None,
    every: All = False,
    where: Where = None,
    wait: Annotated[
        int, typer.Option(min=0, help="Without a school: how long to wait for work that still goes on.", metavar="S")
    ] = 600,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Open suspended schools again; without a school, take up what interrupted commands left on the server.

    Example: schoolctl resume tech-school
    """
    context = context_of(typer_context, as_json=as_json)
    if slugs or every or where:
        schools = chosen(context, slugs, every=every, where=where)
        change_chosen(context, schools, "resume", changes.resume, dry_run=dry_run)
        return
    if dry_run:
        context.ui.table(planned(context.server.state().claims), ("slug", "command", "since"))
        return
    claims = wait_until_quiet(context.server, context.ui.progress, wait)
    reports = pick_up(claims, lambda command: _run_again(typer_context, command))
    if context.ui.as_json:
        context.ui.data([report.row for report in reports])
    raise_failures(reports, "pick up")


def _run_again(typer_context: typer.Context, command: Again) -> dict[str, object]:
    """Run a command of this very program, over the same connection; return what it printed as data."""
    context: Context = typer_context.obj
    context.ui.say(str(command))
    program = typer_context.find_root()
    name, *words = command.words
    with context.ui.gathered() as data:
        found = cast(click.Command, cast(click.Group, program.command).get_command(program, name))
        with found.make_context(name, [*words, *command.consent], parent=program) as nested:
            found.invoke(nested)
    return {"command": str(command), "data": data}
