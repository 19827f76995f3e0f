"""Arguments and options that several commands share."""

from typing import Annotated

import typer

from schoolctl.context import Context

Slug = Annotated[str, typer.Argument(help="The school's slug.", metavar="SLUG")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def context_of(typer_context: typer.Context, *, as_json: bool = False) -> Context:
    """Return the run's context; `--json` counts before and after the command's name."""
    context: Context = typer_context.obj
    context.ui.as_json = context.ui.as_json or as_json
    return context
