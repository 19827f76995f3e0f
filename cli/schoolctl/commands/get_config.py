"""`schoolctl get-config`."""

from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, Slug, context_of
from schoolctl.schools import settings
from schoolctl.workflows.list_settings import list_settings


def get_config(
    typer_context: typer.Context,
    slug: Slug,
    key: Annotated[str | None, typer.Argument(help="Only this setting.", metavar="[KEY]")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the settings of a school's site: what its row says beside what is on the server, and what each does.

    Example: schoolctl get-config tech-school
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    if key is not None:
        settings.require_known(key)
    rows = list_settings(context.school_facts(school), context.reach().survey().sites.get(slug))
    context.ui.table([row for row in rows if key in {None, row["key"]}], ("key", "declared", "found", "meaning"))
