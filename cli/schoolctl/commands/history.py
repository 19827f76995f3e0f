"""`schoolctl history`."""

from typing import Annotated

import typer

from schoolctl import suggestions
from schoolctl.commands.options import AsJson, context_of
from schoolctl.errors import CommandUsageError, DeclarationError


def history(
    typer_context: typer.Context,
    slug: Annotated[
        str | None,
        typer.Argument(
            help="Only what was done to this school, be it gone.", metavar="[SLUG]", autocompletion=suggestions.slugs
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many lines, newest last.", metavar="N")] = 30,
    operation: Annotated[
        str | None, typer.Option(help="The steps of one of them; the newest 500 are kept.", metavar="ID")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show who did what on the server, when, and how it ended.

    Example: schoolctl history tech-school --limit 5
    """
    context = context_of(typer_context, as_json=as_json)
    if operation is None:
        columns = ("when", "who", "what", "result", "operation")
        lines = context.server.history(slug, limit)
        context.ui.table([{"operation": None, **line} for line in lines], columns)
        return
    if slug is not None:
        raise CommandUsageError("Could not choose", because="a slug and --operation exclude each other")
    steps = context.server.operation(operation)
    if steps is None:
        raise DeclarationError(
            f"There is no operation `{operation}`",
            because=f"{context.server.name} keeps no journal of that name",
            hint="`schoolctl history` lists their names; the newest 500 are kept",
        )
    empty = dict.fromkeys(("step", "outcome", "seconds"))
    context.ui.table([{**empty, **_ends(line)} for line in steps], ("when", "step", "outcome", "seconds"))


def _ends(line: dict[str, object]) -> dict[str, object]:
    """Return a journal's line with its first and last ones put as steps too."""
    if "what" in line:
        return {**line, "step": f"{line['who']}: {line['what']}", "outcome": "begun"}
    return {**line, "step": "", "outcome": line["result"]} if "result" in line else line
