"""`schoolctl rename`."""

import shlex
from typing import Annotated

import typer

from schoolctl.commands.change import change_chosen
from schoolctl.commands.options import AsJson, DryRun, Slug, context_of
from schoolctl.schools import changes


def rename(
    typer_context: typer.Context,
    slug: Slug,
    title: Annotated[str, typer.Argument(help="The name that people read.", metavar="TITLE")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give a school another title, wherever people read it; its slug is for ever.

    Example: schoolctl rename tech-school "Tech School of Lyon"
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    change_chosen(context, [school], f"rename {shlex.quote(title)}", changes.rename(title), dry_run=dry_run)
