"""`schoolctl logs`."""

import json
from contextlib import suppress
from enum import StrEnum
from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, Slug, context_of
from schoolctl.workflows.read_logs import EDGE, FILES, ReadLogs


class Source(StrEnum):
    """Where a school's lines are read."""

    edge = EDGE
    site = "site"
    web = "web"
    worker = "worker"
    all = "all"


def logs(
    typer_context: typer.Context,
    slug: Slug,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(min=1, max=1000, help="How many of each log's last lines.", metavar="N")] = 20,
    source: Annotated[
        Source, typer.Option(help="edge: its visitors' requests; site: all that its site wrote, or one part of it.")
    ] = Source.all,
    as_json: AsJson = False,
) -> None:
    """Show what was written down about a school, and nothing about another; with --json one object a line.

    Example: schoolctl logs tech-school --source edge --follow
    """
    context = context_of(typer_context, as_json=as_json)
    context.project.schools().named(slug)
    files = FILES["site"] if source is Source.all else FILES.get(source, ())
    reading = ReadLogs(context.server, slug, files, edge=source in {Source.edge, Source.all})
    with suppress(*[KeyboardInterrupt] if follow else []):
        for line in reading.follow(lines) if follow else reading.lines(lines):
            fields = {"source": line.source, "line": line.text, **line.facts}
            context.ui.print(json.dumps(fields) if context.ui.as_json else f"{line.source}  {line.text}")
