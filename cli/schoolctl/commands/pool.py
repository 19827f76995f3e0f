"""`schoolctl pool`."""

from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, DryRun, context_of
from schoolctl.schools.platform import POOL_SIZES
from schoolctl.workflows.fill_pool import FillPool, begin_refill


def pool(
    typer_context: typer.Context,
    size: Annotated[
        int | None,
        typer.Option(
            min=POOL_SIZES.start,
            max=POOL_SIZES[-1],
            help="So many of each, for now; platform.yml has the lasting number.",
        ),
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Only say what is in it.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Keep loaded databases ready, so that a new school only has to claim one and opens in a few seconds.

    There are as many as `pool_size` in platform.yml says, for each of the most common locales. After a new school took
    one, the server loads another by itself, behind other commands. More than are wanted are dropped.

    Example: schoolctl pool --size 40
    """
    context = context_of(typer_context, as_json=as_json)
    goldens = context.pooled()
    if status:
        found = context.server.pool()
        rows = [
            {
                "profile": golden.profile,
                "ready": found.ready.get(golden.digest, 0),
                "wanted": context.project.platform.pool_size,
            }
            for golden in goldens
        ]
        if context.ui.as_json:
            context.ui.data(
                {
                    "profiles": rows,
                    "unready": found.unready,
                    "filling": found.filling,
                    "refilled": found.refilled,
                    "fault": found.fault,
                }
            )
            return
        context.ui.table(rows, ("profile", "ready", "wanted"))
        if found.filling:
            context.ui.say("It is being filled now.")
        if found.fault:
            context.ui.say(f"warning: the refill that ended at {found.refilled} failed: {found.fault}")
        return
    if not goldens:
        context.ui.say("No golden site fits, so there is nothing to load; `schoolctl golden` makes them.")
        context.ui.facts({"changed": False, "loaded": 0, "dropped": 0})
        return
    filling = FillPool(context.server, goldens, context.project.platform.pool_size if size is None else size)
    with context.recorded("pool", "fill the pool"):
        changed = filling.run(context.ui.progress, dry_run=dry_run)
    if not dry_run:
        # What schools that opened meanwhile wanted loaded was left to us.
        begin_refill(context.server, [], 0)
    context.ui.facts({"changed": changed, "loaded": filling.loaded, "dropped": filling.dropped})
