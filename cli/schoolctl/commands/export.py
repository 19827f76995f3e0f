"""`schoolctl export`."""

from pathlib import Path
from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, DryRun, Slug, context_of
from schoolctl.errors import CommandUsageError
from schoolctl.workflows.back_up_school import backup_facts, chosen_targets
from schoolctl.workflows.export_school import ExportSchool


def export(
    typer_context: typer.Context,
    slug: Slug,
    file: Annotated[
        Path, typer.Argument(help="Where to write it; what is there is replaced at the end.", metavar="FILE")
    ],
    set_id: Annotated[
        str | None, typer.Option("--set", help="A stored set; the school as it is now when left out.", metavar="ID")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--from", help="With --set: out of this target.", metavar="TARGET")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Write all of one school into one file on this machine: `import` opens it elsewhere, and so does a stock bench.

    The file is readable to you alone, and not encrypted: it holds all data, and the key of what is stored encrypted.

    Example: schoolctl export tech-school tech-school.tar
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    if target and not set_id:
        raise CommandUsageError("Could not choose a target", because="--from belongs to --set")
    with context.locked(f"export {slug}", f"export `{slug}`", dry_run=dry_run) as server:
        chosen_targets(backup_facts(server), [target] if target else None)
        exporting = ExportSchool(server, context.school_facts(school), file, set_id, target)
        exporting.run(context.ui.progress, dry_run=dry_run)
    context.ui.facts({"slug": slug, "file": str(file), **exporting.summary})
