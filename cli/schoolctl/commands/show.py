"""`schoolctl show`."""

import typer

from schoolctl.commands.options import AsJson, Slug, context_of
from schoolctl.workflows.list_schools import describe


def show(typer_context: typer.Context, slug: Slug, as_json: AsJson = False) -> None:
    """Show one school with its backup sets.

    Example: schoolctl show tech-school
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    survey = context.server.survey()
    row = describe(school, survey, context.url(school))
    context.ui.facts({**row, "sets": list(survey.backups.get(slug, ()))})
