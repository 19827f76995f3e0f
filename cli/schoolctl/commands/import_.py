"""`schoolctl import`."""

from pathlib import Path
from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, DryRun, ForceDns, NewerImage, context_of, warn_of_dns
from schoolctl.schools.domains import normalised
from schoolctl.workflows.import_school import ImportSchool, imported_school
from schoolctl.workflows.portable import read_archive
from schoolctl.workflows.step import run_steps


def import_(
    typer_context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="An export, or a backup of a stock bench: its folder, a tar, or its database.")
    ],
    slug: Annotated[
        str | None, typer.Option("--as", help="Its slug here; an export says its own.", metavar="SLUG")
    ] = None,
    domain: Annotated[str | None, typer.Option(help="Its host name here; an export says its own.")] = None,
    title: Annotated[str | None, typer.Option(help="Its title; an export says its own.")] = None,
    lose_secrets: Annotated[
        bool, typer.Option("--lose-secrets", help="Go on although stored passwords cannot be read any more.")
    ] = False,
    newer_image: NewerImage = False,
    force_dns: ForceDns = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Open a school from a file on this machine: what `export` wrote, or what `bench backup` made elsewhere.

    Accounts and their passwords are those that come with it. A failed run takes back all that it made.

    Example: schoolctl import tech-school.tar --as new-school --domain new-school.com
    """
    context = context_of(typer_context, as_json=as_json)
    archive = read_archive(file.absolute())
    schools = context.project.schools()
    school = imported_school(schools, archive, slug, None if domain is None else normalised(domain), title)
    warn_of_dns(context, school.hosts, force=force_dns, ask=not dry_run)
    said = [str(archive.source), "--domain", school.domain, "--title", school.title]
    said += ["--lose-secrets"] if lose_secrets else []
    said += ["--newer-image"] if newer_image else []
    with context.locked(f"import {file.name} --as {school.slug}", f"import `{school.slug}`", dry_run=dry_run) as server:
        files = context.site_files(school)
        importing = ImportSchool(
            server,
            context.project.schools_file,
            archive,
            school,
            files.school,
            files,
            context.project.app_names,
            context.ui.progress,
            said,
            lose_secrets=lose_secrets,
            newer_image=newer_image,
        )
        changed = run_steps(importing.steps(), context.ui.progress, dry_run=dry_run)
    result = {"slug": school.slug, "url": files.school["url"], "of": archive.site, "changed": changed}
    if importing.lost:
        result["lost_secrets"] = importing.lost
    context.ui.facts(result)
    if importing.made_site:
        context.certify([school])
