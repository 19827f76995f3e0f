"""`schoolctl clone`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, DryRun, ForceDns, Slug, context_of, warn_of_dns
from schoolctl.errors import CommandUsageError, RefusedError
from schoolctl.schools.domains import normalised
from schoolctl.workflows.clone_school import USER, CloneSchool, staging_copy
from schoolctl.workflows.step import run_steps

DAYS = 14


def clone(
    typer_context: typer.Context,
    slug: Slug,
    new: Annotated[str, typer.Argument(help="The copy's own slug.", metavar="NEW")],
    staging: Annotated[
        bool, typer.Option("--staging", help="A copy to try things on; there is no other kind.")
    ] = False,
    domain: Annotated[str | None, typer.Option(help="Its host name; NEW before the school's when left out.")] = None,
    title: Annotated[str | None, typer.Option(help="Its title; the school's, with `(copy)`, when left out.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="The day, in UTC, from which it is shut.", metavar="YYYY-MM-DD")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=365, help=f"Or in how many days; {DAYS} when left out.", metavar="N")
    ] = None,
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Give the copy that is there a new password for its door.")
    ] = False,
    force_dns: ForceDns = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a copy of a school to try things on: it sends nothing, runs no jobs, and is behind a password.

    The password is shown once. Accounts and their passwords are those of the school.

    Example: schoolctl clone tech-school try-it --staging --days 7
    """
    context = context_of(typer_context, as_json=as_json)
    if not staging:
        raise RefusedError(
            f"Did not copy `{slug}`",
            because="a copy that sends mail, takes payments and runs jobs in the school's name would harm it",
            hint="say --staging for a copy that is mute, hidden and shut after some days",
        )
    today = datetime.now(UTC).date()
    if expires is not None and days is not None:
        raise CommandUsageError(f"Could not copy `{slug}`", because="--expires and --days exclude each other")
    chosen = expires if days is None else (today + timedelta(days=days)).isoformat()
    usual = (today + timedelta(days=DAYS)).isoformat()
    schools = context.project.schools()
    source = schools.named(slug)
    copy = staging_copy(schools, source, new, None if domain is None else normalised(domain), title, chosen, usual)
    # What was begun before that day came is taken up all the same: it has to be cleared away, or completed.
    if expires is not None and expires <= today.isoformat() and new not in schools and not context.server.claim(new):
        raise CommandUsageError(f"Could not copy `{slug}`", because=f"{expires} is over")
    warn_of_dns(context, copy.hosts, force=force_dns, ask=not dry_run)
    facts = context.school_facts(copy)
    last_day = facts["staging"]["expires"]
    said = ["--staging", "--domain", copy.domain, "--title", copy.title, "--expires", last_day]
    with context.locked(f"clone {slug} {new} --staging", f"copy `{slug}`", dry_run=dry_run) as server:
        cloning = CloneSchool(
            server,
            context.project.schools_file,
            context.school_facts(source),
            copy,
            facts,
            context.site_files(copy),
            said,
            renew=new_password,
        )
        changed = run_steps(cloning.steps(), context.ui.progress, dry_run=dry_run)
    if last_day <= today.isoformat() and not dry_run:
        context.ui.say(
            f"It is shut since {last_day}: set a later `expires` in its row, then run `schoolctl apply {new}`."
        )
    result = {"slug": new, "of": slug, "url": facts["url"], "expires": last_day, "changed": changed, "user": USER}
    if cloning.password:
        result["password"] = cloning.password
    if cloning.muted:
        result["muted"] = cloning.muted
    context.ui.facts(result)
