"""`schoolctl provision`."""

from contextlib import nullcontext
from typing import Annotated, Any

import typer

from schoolctl.commands.golden import make_all
from schoolctl.commands.options import AsJson, context_of
from schoolctl.context import Context
from schoolctl.errors import DeclarationError, SchoolctlError
from schoolctl.workflows.lock_apps import lock_apps
from schoolctl.workflows.playbook import run_playbook


def provision(
    typer_context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Say what would change, and change nothing.")] = False,
    tags: Annotated[str | None, typer.Option(help="Only these parts: host, bench, schools or backups.")] = None,
    golden: Annotated[
        bool, typer.Option("--golden/--no-golden", help="Make the golden sites of a new image too, and fill the pool.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Make the server ready and keep it so: runs playbooks/site.yml, makes golden sites, ends with what changed.

    Example: schoolctl --env production provision --check
    """
    context = context_of(typer_context, as_json=as_json)
    project = context.project
    if not project.platform.bench_image and not project.apps_lock.exists():
        if check:
            raise DeclarationError(
                "Could not say what would change",
                because=f"{project.apps_lock.name} is not there: which commits the image is built from is open",
                hint="run `schoolctl lock` first; it touches nothing but that file",
            )
        context.ui.say(f"No {project.apps_lock.name} yet: resolving each app's branch to a commit.")
        lock_apps(project.platform.apps, project.apps_lock)
    # A check only asks; it may run beside another command.
    lock = nullcontext() if check else context.locked_if_provisioned("provision", f"provision {project.host.name}")
    with lock:
        report = run_playbook(
            project.root, "playbooks/site.yml", context.ui.progress, inventory=project.inventory, check=check, tags=tags
        )
    if not check:
        context.hand_over_inventory()
    verb = "would change" if check else "changed"
    for task in report.changed:
        context.ui.say(f"  {verb}: {task}")
    has_image = tags is None or "bench" in tags.split(",")
    made: list[dict[str, Any]] = []
    if golden and has_image and not check:
        made = _make_golden_sites(context)
        context.refill_pool()
    context.ui.done(f"{project.host.name}: {len(report.changed)} {verb}")
    if context.ui.as_json:
        context.ui.data({"changed": report.changed, "golden": made, "seconds": round(report.seconds, 1)})


def _make_golden_sites(context: Context) -> list[dict[str, Any]]:
    """Make what new schools of this image begin from; one that cannot be made keeps nobody from working."""
    try:
        if not any(report.outcome != "unchanged" for report in make_all(context, dry_run=True)):
            return []
        with context.locked("golden", "make golden sites"):
            reports = make_all(context)
    except SchoolctlError as fault:
        context.ui.say(f"warning: no golden sites: {fault.because or fault}")
        return []
    for report in reports:
        if report.fault:
            context.ui.say(f"warning: no golden site `{report.slug}`: {report.fault.because or report.fault}")
    return [report.row for report in reports]
