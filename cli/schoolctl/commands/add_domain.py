"""`schoolctl add-domain`."""

from typing import Annotated

import typer

from schoolctl.commands.change import change_chosen
from schoolctl.commands.options import AsJson, DryRun, Slug, context_of
from schoolctl.schools import changes


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
    school = context.project.schools().named(slug)
    change_chosen(context, [school], f"add-domain {domain}", changes.add_domain(domain), dry_run=dry_run)
