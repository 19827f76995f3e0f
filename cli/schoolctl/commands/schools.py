"""`schoolctl schools`."""

from collections.abc import Mapping
from typing import Any

import typer

from schoolctl.commands.options import AsJson, Where, chosen, context_of
from schoolctl.ui import ago, size
from schoolctl.workflows.list_schools import in_words, list_schools


def schools(typer_context: typer.Context, where: Where = None, as_json: AsJson = False) -> None:
    """List every school: what is declared beside what is on the server, how large it is, and who uses it.

    Behind the age of the newest backup stands ✓ where the last trial could restore it, and ✗ where it could not.

    Example: schoolctl schools --where state=suspended
    """
    context = context_of(typer_context, as_json=as_json)
    declared = context.project.schools()
    wanted = {school.slug for school in chosen(context, None, every=False, where=where)} if where else None
    server = context.reach()
    context.ui.expect_table()
    survey, usage = server.survey_with_usage()
    rows = list_schools(declared, survey, usage, context.site_files)
    rows = [row for row in rows if wanted is None or row["slug"] in wanted]
    if context.ui.as_json:
        context.ui.data(rows)
        return
    short = [
        {
            **row,
            "state": in_words(row),
            "url": row["url"] and row["url"].partition("://")[2],
            "size": size(row["bytes"]),
            "login": ago(row["last_login"]),
            "backup": _backup(row),
        }
        for row in rows
    ]
    context.ui.table(short, ("slug", "state", "url", "users", "size", "login", "backup"))


def _backup(row: Mapping[str, Any]) -> str | None:
    age = ago(row["last_backup_at"])
    mark = {True: " ✓", False: " ✗", None: ""}[row["last_drill_ok"]]
    return age and age + mark
