"""`schoolctl backup-targets list`, `check`, `init` and `kit`."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from schoolctl.bench.backups import PUBLIC_KEY
from schoolctl.commands.options import AsJson, DryRun, Yes, context_of
from schoolctl.context import Context
from schoolctl.errors import DeclarationError, PartlyDoneError, RefusedError, SchoolctlError
from schoolctl.remote.backups import Backups
from schoolctl.schools import vault
from schoolctl.transport.base import Command
from schoolctl.workflows.break_glass import Kit
from schoolctl.workflows.keep_inventory import KeepInventory
from schoolctl.workflows.open_targets import OpenTargets
from schoolctl.workflows.playbook import run_playbook
from schoolctl.workflows.step import Step, run_steps

backup_targets = typer.Typer(help="Where backups are kept, and what opens them.", no_args_is_help=True)

Names = Annotated[
    list[str] | None, typer.Argument(help="Of platform.yml; all when none is named.", metavar="[TARGET]...")
]


@backup_targets.command("list")
def show(typer_context: typer.Context, as_json: AsJson = False) -> None:
    """Show every target: where it is, whether the server reaches it and may remove anything there.

    For an SFTP server, the public key by which it shall let this one in is shown too.

    Example: schoolctl backup-targets list
    """
    context = context_of(typer_context, as_json=as_json)
    over_ssh = {name for name, target in context.project.platform.backups.targets.items() if target.ssh}
    key = context.server.run(Command(("cat", PUBLIC_KEY))).stdout.strip() if over_ssh else None
    rows = [
        {**asdict(target), "ssh_key": key if target.name in over_ssh else None}
        for target in Backups(context.server).targets()
    ]
    context.ui.table(rows, ("name", "repository", "append_only", "initialised", "fault"))
    if key and not context.ui.as_json:
        context.ui.say(f"To {', '.join(sorted(over_ssh))} the server shows itself by: {key}")


@backup_targets.command("check")
def check(
    typer_context: typer.Context,
    names: Names = None,
    percent: Annotated[
        int, typer.Option(min=0, max=100, help="How much of what is stored is read and compared.", metavar="N")
    ] = 5,
    as_json: AsJson = False,
) -> None:
    """Have repositories prove themselves: their structure, and so many percent of what they hold.

    The server does the same each week by itself. Exit code 1 when one is damaged or cannot be asked.

    Example: schoolctl backup-targets check offsite --percent 100
    """
    context = context_of(typer_context, as_json=as_json)
    chosen = _chosen(context, names)
    rows: list[dict[str, Any]] = []
    with context.recorded(" ".join(["backup-targets check", *chosen]), "check the backups' repositories") as server:
        backups = Backups(server)
        for name in chosen:

            def prove(name: str = name) -> None:
                rows.append({"name": name, **asdict(backups.check(name, percent))})

            run_steps([Step(f"Check `{name}`", do=prove)], context.ui.progress)
    context.ui.table(rows, ("name", "ok", "said"))
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


@backup_targets.command("init")
def init(typer_context: typer.Context, names: Names = None, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Make what backups lack: the key in the inventory's vault, and a repository at each target.

    What is there stays as it is. A key that is new is handed over to the server by its playbook, and you are asked
    whether to show the break-glass kit with it, to be printed.

    Example: schoolctl backup-targets init offsite
    """
    context = context_of(typer_context, as_json=as_json)
    chosen, project = _chosen(context, names), context.project
    what = " ".join(["backup-targets init", *chosen])
    with context.locked(what, "make the backups' targets", dry_run=dry_run) as server:

        def hand_over() -> None:
            run_playbook(project.root, "playbooks/backups.yml", context.ui.progress, inventory=project.inventory)

        opening = OpenTargets(project, Backups(server), chosen, hand_over)
        changed = opening.run(context.ui.progress, dry_run=dry_run)
        if not opening.faults:
            run_steps(KeepInventory(Backups(server), project.inventory).steps(), context.ui.progress, dry_run=dry_run)
    context.ui.facts({"changed": changed, "made": opening.made, "faults": opening.faults})
    if opening.made_key:
        _offer_kit(context)
    if opening.faults:
        kind = PartlyDoneError if len(opening.faults) < len(chosen) else SchoolctlError
        raise kind(
            "Could not make the repositories of all targets" if len(chosen) > 1 else f"Could not make `{chosen[0]}`",
            because="; ".join(f"{name}: {why}" for name, why in opening.faults.items()),
            hint="mend that, then run the same command again: what is done stays done",
        )


@backup_targets.command("kit")
def kit(typer_context: typer.Context, yes: Yes = False, as_json: AsJson = False) -> None:
    """Print the break-glass kit: what opens every backup when laptop and server are gone. Asks first.

    It comes from the inventory alone, no server is asked. Print it on paper, and keep no copy on a disk.

    Example: schoolctl backup-targets kit
    """
    context = context_of(typer_context, as_json=as_json)
    if not yes:
        Kit.of(context.project)  # that there is none is said before anything is asked
        if not context.interactive:
            raise RefusedError(
                "The kit was not printed",
                because="it holds the key to every school's data, and nobody can be asked here",
                hint="say --yes where it goes straight onto paper",
            )
        typer.confirm("This shows the key to every school's data. Print it?", abort=True, err=True)
    _show_kit(context)


def _offer_kit(context: Context) -> None:
    """Show the kit of a key that was made just now, if somebody is there and wants it; else say what prints it."""
    words = "The key of the backups is new: show the break-glass kit now, which has to go onto paper?"
    if context.interactive and not context.ui.as_json and typer.confirm(words, default=True, err=True):
        _show_kit(context)
    else:
        context.ui.say(
            "The key of the backups is new. Print what opens them when server and laptop are gone, and put it into a"
            " safe: `schoolctl backup-targets kit | lp`"
        )


def _show_kit(context: Context) -> None:
    today = datetime.now(UTC).date().isoformat()
    page = Kit.of(context.project)
    if context.ui.as_json:
        context.ui.data(asdict(page))
    else:
        context.ui.print(page.page(today))
    vault.note_kit_shown(context.project.inventory, today)


def _chosen(context: Context, names: list[str] | None) -> list[str]:
    known = list(context.project.platform.backups.targets)
    for name in names or ():
        if name not in known:
            raise DeclarationError(f"There is no target `{name}`", because=f"platform.yml knows {', '.join(known)}")
    return list(dict.fromkeys(names or known))
