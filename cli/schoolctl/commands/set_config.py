"""`schoolctl set-config`."""

import shlex
from typing import Annotated

import typer

from schoolctl.commands.change import change_chosen
from schoolctl.commands.options import AsJson, DryRun, Slug, context_of
from schoolctl.errors import CommandUsageError
from schoolctl.schools import changes, settings


def set_config(
    typer_context: typer.Context,
    slug: Slug,
    key: Annotated[str, typer.Argument(help="Which setting; `get-config` lists them.", metavar="KEY")],
    value: Annotated[str | None, typer.Argument(help="Its value.", metavar="[VALUE]")] = None,
    unset: Annotated[bool, typer.Option("--unset", help="Leave it to its default again.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Change one setting of a school's site, in its row and on the server.

    Example: schoolctl set-config tech-school deny_multiple_sessions true
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    if (value is None) != unset:
        raise CommandUsageError(f"Could not set `{key}`", because="it takes either a value or --unset")
    change = changes.unset_config(key) if value is None else changes.set_config({key: settings.parsed(key, value)})
    words = f"{key} --unset" if value is None else f"{key} {shlex.quote(value)}"
    change_chosen(context, [school], f"set-config {words}", change, dry_run=dry_run)
