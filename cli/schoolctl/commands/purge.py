"""`schoolctl purge`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from schoolctl.commands.change import show_changed
from schoolctl.commands.options import AsJson, Confirm, DryRun, Slugs, Yes, context_of, require_consent
from schoolctl.context import Context
from schoolctl.errors import CommandUsageError, RefusedError, SchoolctlError, UnreachableError
from schoolctl.remote.server import Server
from schoolctl.workflows.bulk import Report
from schoolctl.workflows.change_school import of_school
from schoolctl.workflows.purge_school import PurgeSchool, is_expired
from schoolctl.workflows.step import run_steps


def purge(
    typer_context: typer.Context,
    slugs: Slugs = None,
    expired: Annotated[
        bool, typer.Option("--expired", help="Every closed school that is kept longer than was promised.")
    ] = False,
    keep_backups: Annotated[bool, typer.Option("--keep-backups", help="Leave the backup sets where they are.")] = False,
    yes: Yes = False,
    confirm: Confirm = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Remove closed schools for ever: folder, database, files, keys, backup sets, and the row.

    From a target that is append-only its sets go when whoever keeps that target lets them go.

    Example: schoolctl purge --expired --yes
    """
    context = context_of(typer_context, as_json=as_json)
    if bool(slugs) == expired:
        raise CommandUsageError("Could not choose what to purge", because="name slugs, or say --expired, but not both")
    chosen = _chosen(context, slugs)
    if chosen and not dry_run:
        _require_consent(context, chosen, expired=expired, yes=yes, confirm=confirm)
    options = ["--keep-backups"] if keep_backups else []
    what = " ".join(["purge", *chosen, *options])
    if not chosen:
        show_changed(context, [], "purge")
        return
    with context.locked(what, f"purge {', '.join(chosen)}", dry_run=dry_run) as server:
        reports = []
        for slug in chosen:
            # Looked at again under the lock: another may have reopened it meanwhile, or given it more days.
            if expired and (left := _left_alone(context, server, slug)):
                reports.append(left)
                continue
            try:
                school = context.project.schools().named(slug)
                facts, files = context.school_facts(school), context.site_files(school)
                purging = PurgeSchool(server, context.project.schools_file, facts, files, keep_backups)
                changed = run_steps(purging.steps(), of_school(slug, context.ui.progress), dry_run=dry_run)
            except UnreachableError:
                raise
            except SchoolctlError as fault:
                reports.append(Report(slug, fault=fault))
            else:
                stays = {"left_in": purging.left} if purging.left else {}
                reports.append(Report(slug, {"slug": slug, "state": "gone", "changed": changed, **stays}))
        show_changed(context, reports, "purge")


def _chosen(context: Context, slugs: list[str] | None) -> list[str]:
    schools = context.project.schools()
    if slugs:
        return [schools.named(slug).slug for slug in dict.fromkeys(slugs)]
    today = datetime.now(UTC).date().isoformat()
    return [school.slug for school in schools.values() if is_expired(school, today)]


def _left_alone(context: Context, server: Server, slug: str) -> Report | None:
    """Return the report of a school that is not expired any more, None of one that still is."""
    school = context.project.schools().get(slug)
    if school is not None and is_expired(school, server.stamp().date().isoformat()):
        return None
    context.ui.say(f"`{slug}` is {'not expired any more, and is left as it is' if school else 'gone already'}.")
    return Report(slug, {"slug": slug, "state": school.state if school else "gone", "changed": False})


def _require_consent(
    context: Context, slugs: list[str], *, expired: bool, yes: bool, confirm: list[str] | None
) -> None:
    consequence = f"This removes {', '.join(slugs)} for ever."
    if not expired:
        require_consent(context, slugs, consequence, yes=yes, confirm=confirm)
    elif not yes:
        if not context.interactive:
            raise RefusedError("Nothing was done", because="nobody can be asked here", hint="add --yes")
        typer.confirm(f"{consequence} Go on?", abort=True, err=True)
