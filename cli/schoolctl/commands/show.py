"""`schoolctl show`."""

import typer

from schoolctl.commands.options import AsJson, Slug, context_of
from schoolctl.workflows.list_schools import describe_whole, in_words


def show(typer_context: typer.Context, slug: Slug, as_json: AsJson = False) -> None:
    """Show all of one school: what is declared, what is on the server, how it is used, and its backup sets.

    Example: schoolctl show tech-school
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    survey, usage = context.reach().survey_with_usage()
    row = describe_whole(school, survey, usage, context.site_files)
    context.ui.facts(row if context.ui.as_json else {**row, "state": in_words(row)})
