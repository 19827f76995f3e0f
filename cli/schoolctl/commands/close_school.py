"""`schoolctl close-school`."""

from datetime import timedelta
from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, Confirm, DryRun, Slug, Yes, context_of, require_consent
from schoolctl.schools import changes
from schoolctl.workflows.back_up_school import backup_facts
from schoolctl.workflows.close_school import CloseSchool
from schoolctl.workflows.purge_school import PurgeSchool
from schoolctl.workflows.step import run_steps


def close_school(
    typer_context: typer.Context,
    slug: Slug,
    keep_days: Annotated[
        int, typer.Option(min=0, max=3650, help="For how long it can be reopened; 0 purges it at once.", metavar="N")
    ] = 30,
    keep_backups: Annotated[
        bool, typer.Option("--keep-backups", help="With --keep-days 0: leave its backup sets where they are.")
    ] = False,
    yes: Yes = False,
    confirm: Confirm = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Close a school: visitors read that it has closed, a last backup is made, and it is kept for some days.

    `reopen` takes it back, `purge` ends it. A copy to try things on gets no last backup: its school has its own.

    Example: schoolctl close-school tech-school --keep-days 60 --yes --confirm tech-school
    """
    context = context_of(typer_context, as_json=as_json)
    context.project.schools().named(slug)
    options = [f"--keep-days={keep_days}", *(["--keep-backups"] if keep_backups else [])]
    if not dry_run:
        lasting = "for ever, with all that was kept of it" if keep_days == 0 else f"and keeps it for {keep_days} days"
        require_consent(context, [slug], f"This closes `{slug}` {lasting}.", yes=yes, confirm=confirm)
    with context.locked(f"close-school {slug} {' '.join(options)}", f"close `{slug}`", dry_run=dry_run) as server:
        before = context.project.schools().named(slug)
        last_day = (server.stamp() + timedelta(days=keep_days)).date().isoformat()
        wants_backup = before.staging is None and (keep_days > 0 or keep_backups)
        after, rows = changes.close(last_day)(before), context.project.schools_file
        closing = CloseSchool(
            server,
            rows,
            before,
            after,
            context.school_facts(after),
            context.site_files(after),
            server.survey(),
            options,
            backup_facts(server).targets if wants_backup else (),
        )
        steps = closing.steps()
        if keep_days == 0:
            purging = PurgeSchool(server, rows, context.school_facts(before), context.site_files(before), keep_backups)
            steps = purging.removals() if purging.is_under_way() else [*steps, *purging.removals()]
        changed = run_steps(steps, context.ui.progress, dry_run=dry_run)
    if keep_days == 0:
        context.ui.facts({"slug": slug, "state": "gone", "changed": changed})
        return
    kept = {"set": closing.set_id, "keep_until": last_day, "changed": changed}
    context.ui.facts({"slug": slug, "state": "closed", **kept})
