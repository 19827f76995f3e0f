"""`schoolctl plan`."""

import typer

from schoolctl.commands.drift import show_drift
from schoolctl.commands.options import AsJson, Slugs, Where, chosen, context_of

DRIFT = 10


def plan(typer_context: typer.Context, slugs: Slugs = None, where: Where = None, as_json: AsJson = False) -> None:
    """Show where the server differs from what is declared; changes nothing. Exit code 0: nowhere, 10: somewhere.

    Example: schoolctl plan --json
    """
    context = context_of(typer_context, as_json=as_json)
    some = chosen(context, slugs, every=False, where=where) if slugs or where else None
    drifts = context.drift(context.reach().survey(), some)
    show_drift(context, drifts)
    if drifts:
        raise typer.Exit(DRIFT)
