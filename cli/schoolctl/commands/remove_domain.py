"""`schoolctl remove-domain`."""

from typing import Annotated

import typer

from schoolctl import suggestions
from schoolctl.commands.change import change_chosen
from schoolctl.commands.options import AsJson, DryRun, Slug, context_of
from schoolctl.schools import changes
from schoolctl.schools.domains import normalised


def remove_domain(
    typer_context: typer.Context,
    slug: Slug,
    domain: Annotated[
        str, typer.Argument(help="The host name to take away.", metavar="DOMAIN", autocompletion=suggestions.domains)
    ],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let a school no longer answer to one of its aliases; who still asks for it gets no answer.

    Example: schoolctl remove-domain tech-school www.tech-school.org
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    domain = normalised(domain)
    change_chosen(context, [school], f"remove-domain {domain}", changes.remove_domain(domain), dry_run=dry_run)
