"""`schoolctl add-domain`."""

from dataclasses import replace
from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, DryRun, Slug, context_of
from schoolctl.workflows.add_domain import AddDomain, check_new_domain
from schoolctl.workflows.step import run_steps


def add_domain(
    typer_context: typer.Context,
    slug: Slug,
    domain: Annotated[str, typer.Argument(help="The host name to add.", metavar="DOMAIN")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let a school answer to one more domain; nothing is restarted, no request is dropped.

    Example: schoolctl add-domain tech-school www.tech-school.org
    """
    context = context_of(typer_context, as_json=as_json)
    project = context.project
    school = project.schools().named(slug)
    check_new_domain(project.schools(), slug, domain)
    if domain not in school.hosts:
        school = replace(school, aliases=(*school.aliases, domain))
    with context.locked(f"add-domain {slug} {domain}", f"add `{domain}` to `{slug}`", dry_run=dry_run) as server:
        adding = AddDomain(server, project.schools_file, slug, domain, context.site_files(school))
        changed = run_steps(adding.steps(), context.ui.progress, dry_run=dry_run)
    context.ui.facts(
        {"slug": slug, "url": context.school_facts(school)["url"], "hosts": list(school.hosts), "changed": changed}
    )
