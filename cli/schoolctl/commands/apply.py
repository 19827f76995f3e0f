"""`schoolctl apply`."""

from typing import Annotated

import typer

from schoolctl.commands.change import show_changed
from schoolctl.commands.drift import show_drift
from schoolctl.commands.options import All, AsJson, DryRun, Jobs, Slugs, Where, Yes, chosen, context_of
from schoolctl.errors import RefusedError


def apply(
    typer_context: typer.Context,
    slugs: Slugs = None,
    every: All = False,
    where: Where = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(help="Remove this, which no row claims, as `plan` names it; repeatable.", metavar="KIND:NAME"),
    ] = None,
    jobs: Jobs = 1,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring the server to what is declared: the differences that `plan` shows, with the steps of the single commands.

    Example: schoolctl apply --all --yes
    """
    context = context_of(typer_context, as_json=as_json)
    # Who only names what no row claims chooses no school.
    schools = [] if remove and not (slugs or every or where) else chosen(context, slugs, every=every, where=where)
    names = [school.slug for school in schools]
    everything = every and not where  # the platform too
    if not (names or everything or remove):
        show_changed(context, [], "apply")
        return
    if not (yes or dry_run):
        if not context.ui.as_json:
            show_drift(context, context.drift(context.reach().survey(), None if everything else schools or None))
        if context.ui.as_json or not context.interactive:
            raise RefusedError("Did not apply it", because="nobody can be asked here", hint="add --yes")
        typer.confirm("Apply this?", abort=True, err=True)
    what = " ".join(["apply", *(["--all"] if everything else names), *(f"--remove {name}" for name in remove or [])])
    with context.locked(what, "apply what is declared", dry_run=dry_run) as server:
        survey = server.survey()
        found = context.drift(survey, None)
        drifts = [drift for drift in found if everything or drift.slug in names or drift.is_orphan]
        reports = context.closing(survey, jobs).run(drifts, remove or [], dry_run=dry_run)
    if not dry_run and any(drift.subject == "site" and drift.applies for drift in drifts):
        context.refill_pool()
    if not dry_run and any(report.outcome == "done" for report in reports):
        context.certify_later()
        # Somebody wrote by hand what was applied.
        context.hand_over_inventory()
    for drift in drifts:
        if drift.slug is None and not (drift.applies or drift.is_orphan):
            context.ui.say(f"The {drift.subject} still differs: {drift.found}, not {drift.declared}. {drift.remedy}")
    show_changed(context, reports, "apply")
