"""`schoolctl restore`."""

from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, DryRun, Slug, Yes, context_of
from schoolctl.errors import RefusedError
from schoolctl.workflows.restore_school import RestoreSchool
from schoolctl.workflows.step import run_steps


def restore(
    typer_context: typer.Context,
    slug: Slug,
    set_id: Annotated[
        str | None, typer.Option("--set", help="Which set; the newest when left out.", metavar="ID")
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Put a school back to the state of a backup set; what was there is kept until the next good backup.

    Example: schoolctl restore tech-school --set 20260131T020000Z --yes
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    if not (yes or dry_run):
        if not context.interactive:
            raise RefusedError(f"Did not restore `{slug}`", because="nobody can be asked here", hint="add --yes")
        if typer.prompt(f"This replaces what `{slug}` holds now. Type its slug to go on", err=True) != slug:
            raise RefusedError(f"Did not restore `{slug}`", because="the slug was not confirmed")
    with context.locked(f"restore {slug}", f"restore `{slug}`", dry_run=dry_run) as server:
        restoring = RestoreSchool(server, context.school_facts(school), context.site_files(school), set_id)
        run_steps(restoring.steps(), context.ui.progress, dry_run=dry_run)
    context.ui.facts({"slug": slug, "url": restoring.school["url"], "set": restoring.set_id})
