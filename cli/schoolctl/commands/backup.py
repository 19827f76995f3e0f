"""`schoolctl backup`."""

from typing import Annotated, Any

import typer

from schoolctl.commands.change import progress_of, show_changed
from schoolctl.commands.options import All, AsJson, DryRun, Jobs, Slugs, Where, chosen, context_of
from schoolctl.remote.backups import Backups
from schoolctl.remote.server import Server
from schoolctl.workflows.back_up_school import BackUpSchool, backup_facts, chosen_targets
from schoolctl.workflows.bulk import do_each
from schoolctl.workflows.keep_inventory import KeepInventory
from schoolctl.workflows.step import run_steps

Targets = Annotated[list[str] | None, typer.Option("--to", help="In this target only; repeatable.", metavar="TARGET")]


def backup(
    typer_context: typer.Context,
    slugs: Slugs = None,
    every: All = False,
    where: Where = None,
    to: Targets = None,
    jobs: Jobs = 1,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Back up schools: of each a set with its database, files and configuration, stored in every target.

    The server does the same each night by itself. --all and --where leave out closed schools, whose last set was made
    when they were closed. What failed in one target is in the others all the same.

    Example: schoolctl backup tech-school --to offsite
    """
    context = context_of(typer_context, as_json=as_json)
    schools = {school.slug: school for school in chosen(context, slugs, every=every, where=where)}
    names = [slug for slug, school in schools.items() if slugs or school.state != "closed"]
    if not names:
        show_changed(context, [], "back up")
        return
    about = f"`{names[0]}`" if len(names) == 1 else f"{len(names)} schools"
    what = " ".join(["backup", *names, *(word for name in to or () for word in ("--to", name))])
    progress, tell = progress_of(context, len(names), dry_run=dry_run)
    with context.locked(what, f"back up {about}", dry_run=dry_run) as server:
        facts = backup_facts(server)
        targets = chosen_targets(facts, to)
        keeping = KeepInventory(Backups(server), context.project.inventory)
        run_steps(keeping.steps(), context.ui.progress, dry_run=dry_run)
        for name in keeping.left_out:
            context.ui.say(f"warning: {name} is not encrypted, so no copy of it is kept with the backups.")

        def back_up(slug: str, server: Server) -> dict[str, Any]:
            everywhere = set(targets) >= set(facts.targets)
            backing_up = BackUpSchool(server, context.school_facts(schools[slug]), targets, everywhere)
            backing_up.run(progress, dry_run=dry_run)
            return {"slug": slug, **backing_up.summary}

        servers = [server, *context.more_servers(min(jobs, len(names)) - 1)]
        show_changed(context, do_each(names, servers, back_up, tell), "back up")
