"""`schoolctl golden`."""

from typing import Annotated, Any

import typer

from schoolctl.commands.options import AsJson, DryRun, context_of
from schoolctl.context import Context
from schoolctl.ui import size
from schoolctl.workflows.bulk import Report, raise_failures
from schoolctl.workflows.golden_site import GoldenSite, GoldenSites
from schoolctl.workflows.make_golden import make_golden_sites, most_common


def golden(
    typer_context: typer.Context,
    again: Annotated[bool, typer.Option("--again", help="Make them anew, even where there is one.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say which there are.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make the sites that new schools are copied from: one without a locale, and one for each of the most common.

    A school then opens in seconds. They belong to the image that runs; `provision` makes those of a new one by itself.

    Example: schoolctl golden --status
    """
    context = context_of(typer_context, as_json=as_json)
    if status:
        goldens = GoldenSites.of(context.server, context.project.app_names).all()
        context.ui.table([_row(golden) for golden in goldens], ("profile", "serves_until", "size", "tables"))
        for golden in goldens:
            if golden.out_of_service is not None:
                context.ui.say(
                    f"`{golden.profile}` is out of service: {golden.out_of_service}. `schoolctl golden` makes it anew."
                )
        return
    what = "golden --again" if again else "golden"
    with context.locked(what, "make golden sites", dry_run=dry_run):
        reports = make_all(context, again=again, dry_run=dry_run)
        rows = [{**report.row, "profile": report.slug} for report in reports]
        context.ui.table(rows, ("profile", "result", "because", "seconds"))
        if not dry_run:
            context.refill_pool()
        raise_failures(reports, "make the golden sites of")


def make_all(context: Context, *, again: bool = False, dry_run: bool = False) -> list[Report]:
    """Make each golden site that the rows of schools.yml have a use for, under the lock; return what became of them."""
    sites = GoldenSites.of(context.server, context.project.app_names)
    return make_golden_sites(sites, most_common(context.locales()), context.ui.progress, again=again, dry_run=dry_run)


def _row(golden: GoldenSite) -> dict[str, Any]:
    return {
        "profile": golden.profile,
        "serves_until": golden.serves_until,
        "bytes": golden.bytes,
        "size": size(golden.bytes),
        "tables": golden.tables,
        "out_of_service": golden.out_of_service,
    }
