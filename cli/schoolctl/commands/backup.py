"""`schoolctl backup`."""

from typing import Any

import typer

from schoolctl.commands.change import show_changed
from schoolctl.commands.options import All, AsJson, DryRun, Jobs, Slugs, Where, chosen, context_of
from schoolctl.remote.server import Server
from schoolctl.workflows.back_up_school import BackUpSchool
from schoolctl.workflows.bulk import Report, do_each
from schoolctl.workflows.step import Outcome, run_steps


def backup(
    typer_context: typer.Context,
    slugs: Slugs = None,
    every: All = False,
    where: Where = None,
    jobs: Jobs = 1,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Back up schools: of each its database, files and configuration in one verified set on the server.

    --all and --where leave out closed schools, whose last backup was made when they were closed.

    Example: schoolctl backup tech-school
    """
    context = context_of(typer_context, as_json=as_json)
    schools = {school.slug: school for school in chosen(context, slugs, every=every, where=where)}
    names = [slug for slug, school in schools.items() if slugs or school.state != "closed"]
    if not names:
        show_changed(context, [], "back up")
        return
    about = f"`{names[0]}`" if len(names) == 1 else f"{len(names)} schools"

    def back_up(slug: str, server: Server) -> dict[str, Any]:
        backing_up = BackUpSchool(server, context.school_facts(schools[slug]))
        run_steps(backing_up.steps(), context.ui.progress if len(names) == 1 or dry_run else _silent, dry_run=dry_run)
        return {"slug": slug} if dry_run else {"slug": slug, **backing_up.summary}

    def tell(report: Report) -> None:
        if len(names) > 1:  # one line a school: the steps of several at once would mix
            context.ui.progress(report.slug, Outcome.FAILED if report.fault else Outcome.DONE, report.seconds)

    with context.locked(" ".join(["backup", *names]), f"back up {about}", dry_run=dry_run) as server:
        servers = [server, *context.more_servers(min(jobs, len(names)) - 1)]
        show_changed(context, do_each(names, servers, back_up, tell), "back up")


def _silent(title: str, outcome: Outcome, seconds: float) -> None:
    pass
