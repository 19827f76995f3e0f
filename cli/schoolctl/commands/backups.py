"""`schoolctl backups`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from schoolctl import suggestions
from schoolctl.commands.options import AsJson, context_of
from schoolctl.remote.backups import Backups
from schoolctl.remote.standing import BackupSet, Standing
from schoolctl.ui import ago, size


def backups(
    typer_context: typer.Context,
    slug: Annotated[
        str | None,
        typer.Argument(help="Of one school; of all when left out.", metavar="[SLUG]", autocompletion=suggestions.slugs),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask the repositories, not what is written down on the server.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the backup sets: when each was taken, what it holds, in which targets it is, and what the last drill found.

    Sets of schools that are no longer declared are listed too.

    Example: schoolctl backups tech-school
    """
    context = context_of(typer_context, as_json=as_json)
    kept = Backups(context.server)
    standing = kept.standing()
    known = kept.sets(slug) if fresh else [one for school in standing.schools.values() for one in school.known]
    for one in (one for one in known if one.disputed):
        context.ui.say(
            f"warning: what {', '.join(one.disputed)} has as {one.set_id} of {one.slug} may be another set than was"
            f" stored: `schoolctl restore {one.slug} --set {one.set_id}` names what there is"
        )
    rows = _rows([one for one in known if slug in {None, one.slug}], standing)
    if context.ui.as_json:
        context.ui.data(rows)
        return
    short = [
        {
            **row,
            "age": ago(row["taken"]),
            "size": size(row["bytes"]),
            "targets": ", ".join(row["targets"]),
            "drill": row["drill"] and ("proven" if row["drill"]["ok"] else "failed"),
        }
        for row in rows
    ]
    context.ui.table(short, ("slug", "set", "age", "size", "tables", "files", "targets", "image", "drill"))


def _rows(known: Sequence[BackupSet], standing: Standing) -> list[dict[str, Any]]:
    rows = []
    for one in known:
        drill = standing.of(one.slug).drill
        proven = asdict(drill) if drill and drill.set_id == one.set_id else None
        facts = {"taken": one.taken, "bytes": one.bytes, "tables": one.tables, "files": one.files, "image": one.image}
        row = {"slug": one.slug, "set": one.set_id, **facts, "targets": list(one.targets)}
        rows.append({**row, "disputed": list(one.disputed), "drill": proven})
    return rows
