"""`schoolctl schools`."""

import typer

from schoolctl.commands.options import AsJson, Where, chosen, context_of
from schoolctl.ui import ago, size
from schoolctl.workflows.list_schools import in_words, list_schools


def schools(typer_context: typer.Context, where: Where = None, as_json: AsJson = False) -> None:
    """List every school: what is declared beside what is on the server, how large it is, and who uses it.

    Example: schoolctl schools --where state=suspended
    """
    context = context_of(typer_context, as_json=as_json)
    declared = context.project.schools()
    wanted = {school.slug for school in chosen(context, None, every=False, where=where)} if where else None
    survey = context.server.survey()
    rows = list_schools(declared, survey, context.server.usage(survey), context.site_files)
    rows = [row for row in rows if wanted is None or row["slug"] in wanted]
    if context.ui.as_json:
        context.ui.data(rows)
        return
    short = [
        {
            **row,
            "state": in_words(row),
            "url": row["url"] and row["url"].removeprefix("http://"),
            "size": size(row["bytes"]),
            "login": ago(row["last_login"]),
            "backup": ago(row["last_backup_at"]),
        }
        for row in rows
    ]
    context.ui.table(short, ("slug", "state", "url", "users", "size", "login", "backup"))
