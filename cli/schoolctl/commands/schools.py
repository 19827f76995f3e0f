"""`schoolctl schools`."""

import typer

from schoolctl.commands.options import AsJson, context_of
from schoolctl.workflows.list_schools import list_schools


def schools(typer_context: typer.Context, as_json: AsJson = False) -> None:
    """List every school: what is declared beside what is on the server.

    Example: schoolctl schools --json
    """
    context = context_of(typer_context, as_json=as_json)
    declared = context.project.schools()
    urls = {slug: context.url(school) for slug, school in declared.items()}
    rows = list_schools(declared, context.server.survey(), urls)
    context.ui.table(rows, ("slug", "state", "url", "database", "last_backup"))
