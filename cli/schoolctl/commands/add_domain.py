"""`schoolctl add-domain`."""

from typing import Annotated

import typer

from schoolctl.commands.change import change_chosen
from schoolctl.commands.options import AsJson, DryRun, ForceDns, Slug, context_of, warn_of_dns
from schoolctl.schools import changes
from schoolctl.schools.domains import normalised


def add_domain(
    typer_context: typer.Context,
    slug: Slug,
    domain: Annotated[str, typer.Argument(help="The host name to add.", metavar="DOMAIN")],
    force_dns: ForceDns = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let a school answer to one more domain; nothing is restarted, no request is dropped.

    Example: schoolctl add-domain tech-school www.tech-school.org
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    name = normalised(domain)
    changes.checked(context.project.schools(), changes.add_domain(name)(school))
    warn_of_dns(context, [name], force=force_dns, ask=not dry_run)
    change_chosen(context, [school], f"add-domain {name}", changes.add_domain(name), dry_run=dry_run)
