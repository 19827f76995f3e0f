"""`schoolctl quota`."""

from typing import Annotated

import typer

from schoolctl.commands.change import change_chosen
from schoolctl.commands.options import All, AsJson, DryRun, Slugs, Where, chosen, context_of
from schoolctl.errors import CommandUsageError
from schoolctl.schools import changes


def quota(
    typer_context: typer.Context,
    slugs: Slugs = None,
    cpu_seconds: Annotated[
        int | None, typer.Option(min=0, help="Seconds that all its requests together may take in a day; 0 lifts it.")
    ] = None,
    file_mb: Annotated[
        int | None, typer.Option(min=0, help="Largest file that can be uploaded, in MB; 0 lifts it.")
    ] = None,
    connections: Annotated[int | None, typer.Option(min=0, help="Database connections at once; 0 lifts it.")] = None,
    every: All = False,
    where: Where = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Limit what schools may use, so that none takes the server from the others.

    Example: schoolctl quota tech-school --cpu-seconds 3600 --file-mb 100 --connections 20
    """
    context = context_of(typer_context, as_json=as_json)
    given = {"cpu_seconds": cpu_seconds, "file_mb": file_mb, "connections": connections}
    limits = {name: limit or None for name, limit in given.items() if limit is not None}
    if not limits:
        raise CommandUsageError(
            "Could not set a quota", because="no limit is given", hint="see `schoolctl quota --help`"
        )
    schools = chosen(context, slugs, every=every, where=where)
    words = [f"--{name.replace('_', '-')} {limit or 0}" for name, limit in limits.items()]
    change_chosen(context, schools, " ".join(["quota", *words]), changes.limit(limits), dry_run=dry_run)
