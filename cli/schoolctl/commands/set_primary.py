"""`schoolctl set-primary`."""

from typing import Annotated

import typer

from schoolctl import suggestions
from schoolctl.commands.change import change_chosen
from schoolctl.commands.options import AsJson, DryRun, ForceDns, Slug, context_of, warn_of_dns
from schoolctl.schools import changes
from schoolctl.schools.domains import normalised


def set_primary(
    typer_context: typer.Context,
    slug: Slug,
    domain: Annotated[
        str,
        typer.Argument(
            help="The host name that becomes canonical.", metavar="DOMAIN", autocompletion=suggestions.domains
        ),
    ],
    force_dns: ForceDns = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a domain the canonical one: mails, documents and the sitemap name it, every other name leads to it.

    The name that was canonical becomes an alias, so that no link breaks.

    Example: schoolctl set-primary tech-school tech-school.org
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    domain = normalised(domain)
    warn_of_dns(context, [domain], force=force_dns, ask=not dry_run)
    change_chosen(context, [school], f"set-primary {domain}", changes.set_primary(domain), dry_run=dry_run)
