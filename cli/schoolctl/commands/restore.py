"""`schoolctl restore`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from schoolctl.commands.change import progress_of, show_changed
from schoolctl.commands.options import (
    All,
    AsJson,
    DryRun,
    FromTarget,
    Jobs,
    NewerImage,
    SetId,
    Slugs,
    Where,
    Yes,
    chosen,
    context_of,
)
from schoolctl.context import Context
from schoolctl.errors import CommandUsageError, DeclarationError, RefusedError, SchoolctlError, UnreachableError
from schoolctl.remote.backups import Backups
from schoolctl.remote.server import Server
from schoolctl.schools.domains import normalised
from schoolctl.schools.model import School
from schoolctl.workflows.back_up_school import BackUpSchool, backup_facts, chosen_targets
from schoolctl.workflows.bulk import Report, do_each, raise_failures
from schoolctl.workflows.restore_school import ONLY, RestoreSchool, Wanted, moment, restored_copy
from schoolctl.workflows.step import Progress, run_steps


def restore(
    typer_context: typer.Context,
    slugs: Slugs = None,
    every: All = False,
    where: Where = None,
    at: Annotated[str | None, typer.Option(help="As of this moment, UTC if it names no zone.", metavar="TIME")] = None,
    or_before: Annotated[
        bool, typer.Option("--or-before", help="With --at: or as near before it as the databases' log goes.")
    ] = False,
    set_id: SetId = None,
    target: FromTarget = None,
    new: Annotated[
        str | None, typer.Option("--as", help="As another school, with a row of its own.", metavar="NEW")
    ] = None,
    domain: Annotated[str | None, typer.Option(help="With --as: its host name.")] = None,
    title: Annotated[str | None, typer.Option(help="With --as: its title.")] = None,
    only: Annotated[
        str | None, typer.Option(help="Only the database (db) or only the files; the other stays.", metavar="db|files")
    ] = None,
    newer_image: NewerImage = False,
    jobs: Jobs = 1,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Put schools back to the state of a backup set; what was there is kept until the next good backup.

    A set is loaded beside, compared byte for byte with what was stored, and then changes places with the school at
    once. With --at the database is brought forward to that second, where the server keeps its log; from the newest set
    before it, or the one that --set names. On an empty server, `provision` and then `restore --all` bring everything
    back.

    Example: schoolctl restore tech-school --at 2026-01-31T14:05:00 --yes
    """
    context = context_of(typer_context, as_json=as_json)
    if only is not None and only not in ONLY:
        raise CommandUsageError(f"Could not restore only `{only}`", because=f"--only takes {' or '.join(ONLY)}")
    if or_before and not at:
        raise CommandUsageError("Could not choose a set", because="--or-before belongs to --at TIME")
    wanted = Wanted(set_id, moment(at) if at else None, target, only, or_before=or_before, newer_image=newer_image)
    if new is not None:
        _restore_as(context, slugs or [], new, domain, title, wanted, dry_run=dry_run)
        return
    if domain or title:
        raise CommandUsageError("Could not take a domain or a title", because="they belong to --as NEW")
    schools = {school.slug: school for school in _known(context, slugs, every=every, where=where)}
    names = [slug for slug, school in schools.items() if slugs or school.state != "closed"]
    if set_id and len(names) != 1:
        raise CommandUsageError("Could not choose a set", because="--set names one of one school")
    if not names:
        show_changed(context, [], "restore")
        return
    if not (yes or dry_run):
        _require_consent(context, names)
    progress, tell = progress_of(context, len(names), dry_run=dry_run)
    made: list[School] = []

    def restore_one(slug: str, server: Server) -> dict[str, Any]:
        facts, files = context.school_facts(schools[slug]), context.site_files(schools[slug], server)
        restoring = RestoreSchool(server, facts, files, wanted)
        run_steps(restoring.steps(), progress, dry_run=dry_run)
        if restoring.made_site or restoring.lacks_trust:
            made.append(schools[slug])
        return _result(context, restoring, progress, dry_run=dry_run)

    about = f"`{names[0]}`" if len(names) == 1 else f"{len(names)} schools"
    words = ["restore", *names, *(["--set", set_id] if set_id else []), *wanted.options]
    try:
        with context.locked(" ".join(words), f"restore {about}", dry_run=dry_run) as server:
            chosen_targets(backup_facts(server), [target] if target else None)
            _tell_of_silence(context, server, wanted)
            servers = [server, *context.more_servers(min(jobs, len(names)) - 1)]
            if every and not where:
                _tell_of_undeclared(context, server, target)
            _show(context, do_each(names, servers, restore_one, tell))
    finally:
        # Without the lock: an authority may be slow, and others have work to do.
        context.certify(made)


def _restore_as(
    context: Context,
    slugs: list[str],
    new: str,
    domain: str | None,
    title: str | None,
    wanted: Wanted,
    *,
    dry_run: bool,
) -> None:
    """Open a set of a school as another one."""
    if len(slugs) != 1:
        raise CommandUsageError(f"Could not restore as `{new}`", because="it takes the slug of one school")
    [slug] = slugs
    schools = context.project.schools()

    def stored() -> Mapping[str, Any]:
        backup_facts(context.server)
        return Backups(context.server).row(slug, set_id=wanted.set_id, before=wanted.at, target=wanted.target)

    copy = restored_copy(schools, slug, new, None if domain is None else normalised(domain), title, stored)
    wanted = replace(wanted, of=slug)
    if wanted.only:
        raise CommandUsageError(f"Could not restore as `{new}`", because="a new school takes both, database and files")
    said = [*(["--set", wanted.set_id] if wanted.set_id else []), "--domain", copy.domain, *wanted.options]
    with context.locked(
        " ".join(["restore", slug, "--as", new, *said]), f"restore `{slug}` as `{new}`", dry_run=dry_run
    ) as server:
        chosen_targets(backup_facts(server), [wanted.target] if wanted.target else None)
        _tell_of_silence(context, server, wanted)
        facts, files = context.school_facts(copy), context.site_files(copy)
        restoring = RestoreSchool(server, facts, files, wanted, context.project.schools_file, copy)
        run_steps(restoring.steps(), context.ui.progress, dry_run=dry_run)
        result = {**_result(context, restoring, context.ui.progress, dry_run=dry_run), "of": slug}
    context.ui.facts(result)
    if restoring.made_site:
        context.certify([copy])


def _tell_of_silence(context: Context, server: Server, wanted: Wanted) -> None:
    """Say which targets do not answer, where the newest set is asked for and they might have a newer one."""
    if wanted.target or wanted.set_id:
        return
    for target in Backups(server).targets():
        if target.fault:
            context.ui.say(f"warning: {target.name} is left out, though it may have newer sets: {target.fault}")


def _tell_of_undeclared(context: Context, server: Server, target: str | None) -> None:
    """Name the schools that have sets but no row: nobody asked for them, though they may be what is missed."""
    schools = context.project.schools()
    for slug in dict.fromkeys(one.slug for one in Backups(server).sets(None, target) if one.slug not in schools):
        context.ui.say(
            f"warning: sets of {slug} are stored, but it has no row: "
            f"`schoolctl restore {slug} --as {slug}` opens it again"
        )


def _known(context: Context, slugs: list[str] | None, *, every: bool, where: list[str] | None) -> list[School]:
    schools = context.project.schools()
    for slug in slugs or ():
        if slug not in schools:
            raise DeclarationError(
                f"There is no school `{slug}`",
                because=f"schools.yml declares: {', '.join(schools) or 'none'}",
                hint=f"if its row is gone, `schoolctl restore {slug} --as {slug}` writes it anew",
            )
    return chosen(context, slugs, every=every, where=where)


def _require_consent(context: Context, names: list[str]) -> None:
    about = f"`{names[0]}`" if len(names) == 1 else f"{len(names)} schools"
    if not context.interactive:
        raise RefusedError(f"Did not restore {about}", because="nobody can be asked here", hint="add --yes")
    if len(names) > 1:
        typer.confirm(f"This replaces what {about} hold now. Go on?", abort=True, err=True)
    elif typer.prompt(f"This replaces what {about} holds now. Type its slug to go on", err=True) != names[0]:
        raise RefusedError(f"Did not restore {about}", because="the slug was not confirmed")


def _result(context: Context, restoring: RestoreSchool, progress: Progress, *, dry_run: bool) -> dict[str, Any]:
    """Return what there is to say of a restore; the log goes on from a set that is made now."""
    slug = restoring.school["slug"]
    result = {"slug": slug, "url": restoring.school["url"], **restoring.summary}
    if restoring.has_log and not dry_run:
        targets = backup_facts(restoring.server).targets
        try:
            BackUpSchool(restoring.server, restoring.school, targets).store_anew(progress)
        except UnreachableError:
            raise
        except SchoolctlError as fault:
            restoring.notes.append(f"warning: it is restored, but not backed up since: {fault.reason}")
    for note in restoring.notes:
        context.ui.say(f"{slug}: {note}")
    return result


def _show(context: Context, reports: list[Report]) -> None:
    if len(reports) == 1:
        show_changed(context, reports, "restore")
        return
    context.ui.table([report.row for report in reports], ("slug", "result", "because", "seconds"))
    raise_failures(reports, "restore")
