"""`schoolctl suspend`."""

import typer

from schoolctl.commands.change import change_chosen
from schoolctl.commands.options import All, AsJson, DryRun, Slugs, Where, chosen, context_of
from schoolctl.schools import changes


def suspend(
    typer_context: typer.Context,
    slugs: Slugs = None,
    every: All = False,
    where: Where = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Shut schools for a while: visitors read a friendly page, scheduled jobs rest, nothing is lost.

    Example: schoolctl suspend tech-school
    """
    context = context_of(typer_context, as_json=as_json)
    schools = chosen(context, slugs, every=every, where=where)
    change_chosen(context, schools, "suspend", changes.suspend, dry_run=dry_run)
