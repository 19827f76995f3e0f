"""`schoolctl backup`."""

import typer

from schoolctl.commands.options import AsJson, DryRun, Slug, context_of
from schoolctl.workflows.back_up_school import BackUpSchool
from schoolctl.workflows.step import run_steps


def backup(typer_context: typer.Context, slug: Slug, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Back up a school: database, files and configuration in one verified set on the server.

    Example: schoolctl backup tech-school
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    with context.locked(f"backup {slug}", f"back up `{slug}`", dry_run=dry_run) as server:
        backing_up = BackUpSchool(server, context.school_facts(school))
        run_steps(backing_up.steps(), context.ui.progress, dry_run=dry_run)
    if not dry_run:
        manifest = backing_up.manifest
        context.ui.facts(
            {
                "slug": slug,
                "set": backing_up.set_id,
                "tables": manifest["database"]["tables"],
                "files": manifest["files"]["files"],
                "bytes": manifest["database"]["bytes"] + manifest["files"]["bytes"],
            }
        )
