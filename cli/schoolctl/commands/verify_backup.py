"""`schoolctl verify-backup`."""

import secrets
from dataclasses import asdict
from typing import Annotated, Any

import typer

from schoolctl.commands.change import progress_of
from schoolctl.commands.options import All, AsJson, FromTarget, Jobs, SetId, Slugs, Where, chosen, context_of
from schoolctl.context import Context
from schoolctl.errors import CommandUsageError, SchoolctlError
from schoolctl.remote.backups import Backups
from schoolctl.remote.server import Server
from schoolctl.schools.model import School
from schoolctl.workflows.back_up_school import backup_facts, chosen_targets
from schoolctl.workflows.bulk import Report, do_each, raise_failures


class UnprovenError(SchoolctlError):
    """Report a set that could not be restored; `report` says what was found on the way."""

    def __init__(self, slug: str, report: dict[str, Any]) -> None:
        super().__init__(
            f"The backup of `{slug}` is not proven",
            because=str(report["fault"]),
            hint=f"make another with `schoolctl backup {slug}`, then run this again",
        )
        self.report = report


def verify_backup(
    typer_context: typer.Context,
    slugs: Slugs = None,
    every: All = False,
    where: Where = None,
    at_random: Annotated[
        int | None, typer.Option("--random", min=1, help="So many schools, whichever.", metavar="N")
    ] = None,
    set_id: SetId = None,
    target: FromTarget = None,
    jobs: Jobs = 1,
    as_json: AsJson = False,
) -> None:
    """Prove backups by restoring them to throw-away sites: compare all, open a stored secret, log in, fetch a file.

    The schools go on meanwhile. The server does the same each week by itself, one school after the other. Exit code 0
    if every set is proven.

    Example: schoolctl verify-backup --random 3
    """
    context = context_of(typer_context, as_json=as_json)
    schools = _chosen(context, slugs, every=every, where=where, at_random=at_random)
    names = [school.slug for school in schools]
    if set_id and len(names) != 1:
        raise CommandUsageError("Could not choose a set", because="--set names one of one school")
    _, tell = progress_of(context, 2)
    about = f"the backup of `{names[0]}`" if len(names) == 1 else f"backups of {len(names)} schools"

    def verify(slug: str, server: Server) -> dict[str, Any]:
        drill = asdict(Backups(server).drill(slug, set_id, target))
        report = {"slug": slug, "set": drill.pop("set_id"), **drill}
        if not drill["ok"]:
            raise UnprovenError(slug, report)
        return report

    with context.recorded(" ".join(["verify-backup", *names]), f"prove {about}") as server:
        chosen_targets(backup_facts(server), [target] if target else None)
        servers = [server, *context.more_servers(min(jobs, len(names)) - 1)]
        reports = do_each(names, servers, verify, tell)
        _show(context, reports)
        raise_failures(reports, "prove the backups of")


def _chosen(
    context: Context, slugs: list[str] | None, *, every: bool, where: list[str] | None, at_random: int | None
) -> list[School]:
    if at_random is not None and slugs:
        raise CommandUsageError("Could not choose schools", because="slugs and --random exclude each other")
    schools = chosen(context, slugs, every=every or (at_random is not None and not where), where=where)
    open_ones = [school for school in schools if slugs or school.state != "closed"]
    if at_random is not None:
        open_ones = secrets.SystemRandom().sample(open_ones, min(at_random, len(open_ones)))
    if not open_ones:
        raise CommandUsageError("Could not choose schools", because="none is open")
    return open_ones


def _show(context: Context, reports: list[Report]) -> None:
    rows = []
    for report in reports:
        found = report.fault.report if isinstance(report.fault, UnprovenError) else report.result or {}
        because = report.fault.reason if report.fault else None
        rows.append({"slug": report.slug, **found, "ok": report.fault is None, "because": because})
    if context.ui.as_json:
        context.ui.data(rows)
        return
    short = [
        {
            **row,
            "proven": "yes" if row["ok"] else "no",
            "restored in": _seconds(row.get("restore_seconds")),
            "data of": _age(row.get("age_seconds")),
            "set": row.get("set"),
            "checks": ", ".join(name for name, check in row.get("checks", {}).items() if check["ok"]),
        }
        for row in rows
    ]
    context.ui.table(short, ("slug", "proven", "set", "restored in", "data of", "checks", "because"))


def _seconds(taken: float | None) -> str | None:
    return None if taken is None else f"{taken:.1f} s"


def _age(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds / 3600:.1f} h ago"
