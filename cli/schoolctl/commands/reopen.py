"""`schoolctl reopen`."""

import typer

from schoolctl.commands.options import AsJson, DryRun, Slug, context_of
from schoolctl.schools import changes
from schoolctl.workflows.purge_school import is_expired
from schoolctl.workflows.reopen_school import ReopenSchool
from schoolctl.workflows.step import run_steps


def reopen(
    typer_context: typer.Context,
    slug: Slug,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring a closed school back as it was; after its last day too, as long as nobody has purged it.

    Example: schoolctl reopen tech-school
    """
    context = context_of(typer_context, as_json=as_json)
    context.project.schools().named(slug)
    with context.locked(f"reopen {slug}", f"reopen `{slug}`", dry_run=dry_run) as server:
        before = context.project.schools().named(slug)
        if is_expired(before, server.stamp().date().isoformat()):
            context.ui.say(f"It was to be kept until {before.keep_until}, and nobody has purged it since.")
        after = changes.reopen(before)
        facts, files = context.school_facts(after), context.site_files(after)
        reopening = ReopenSchool(server, context.project.schools_file, before, after, facts, files, server.survey())
        changed = run_steps(reopening.steps(), context.ui.progress, dry_run=dry_run)
    context.ui.facts({"slug": slug, "url": facts["url"], "state": after.state, "changed": changed})
