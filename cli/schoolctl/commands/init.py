"""`schoolctl init`."""

from pathlib import Path
from typing import Annotated

import typer

from schoolctl.commands.ask import ask
from schoolctl.commands.options import AsJson, DryRun, context_of
from schoolctl.errors import CommandUsageError
from schoolctl.workflows.make_inventory import check_name, make_inventory, questions
from schoolctl.workflows.questions import missing_options, still_open

DEFAULT = "production"


def init(
    typer_context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help=f"The inventory's name, for --env; {DEFAULT} when left out.", metavar="[NAME]")
    ] = None,
    address: Annotated[str | None, typer.Option(help="The server's name or address.")] = None,
    port: Annotated[str | None, typer.Option(help="Its SSH port; 22 when left out.")] = None,
    bootstrap_user: Annotated[
        str | None, typer.Option(help="Who may log in to the bare server: root, or a user with sudo.")
    ] = None,
    deploy_key: Annotated[
        Path | None, typer.Option(help="File with the public SSH keys of who runs the server.")
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="Release line, and branch, of Frappe and ERPNext, such as version-15.")
    ] = None,
    school: Annotated[str | None, typer.Option(help="Slug of a first school; needs --domain.")] = None,
    domain: Annotated[str | None, typer.Option(help="Its canonical host name.")] = None,
    title: Annotated[str | None, typer.Option(help="Its title; made from the slug when left out.")] = None,
    admin_email: Annotated[str | None, typer.Option(help="Its administrator's e-mail address.")] = None,
    country: Annotated[str | None, typer.Option(help="Its country, such as France; needs the next three.")] = None,
    language: Annotated[str | None, typer.Option(help="Its language's code, such as fr.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Its time zone, such as Europe/Paris.")] = None,
    currency: Annotated[str | None, typer.Option(help="Its currency's code, such as EUR.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a first inventory: asks on a terminal for what options leave open, checks it, never overwrites one.

    Without a terminal --address and --deploy-key are needed.

    Example: schoolctl init production --address 203.0.113.10 --deploy-key ~/.ssh/id_ed25519.pub
    """
    context = context_of(typer_context, as_json=as_json)
    name = name or context.env or DEFAULT
    check_name(context.root, name)
    options = {
        "address": address, "port": port, "bootstrap_user": bootstrap_user, "deploy_key": deploy_key,
        "release": release, "school": school, "domain": domain, "title": title, "admin_email": admin_email,
        "country": country, "language": language, "timezone": timezone, "currency": currency,
    }  # fmt: skip
    asked = questions(context.root)
    answers = {key: str(value) for key, value in options.items() if value}
    missing = missing_options(asked, answers)
    if missing and not context.interactive:
        raise CommandUsageError(
            f"Could not make the inventory `{name}`",
            because=f"nobody can be asked here for {', '.join(missing)}",
            hint="name each of them; `schoolctl init --help` says what they mean",
        )
    if missing:
        ask(still_open(asked, answers), answers)
    made = make_inventory(context.root, name, answers, context.ui.progress, dry_run=dry_run)
    if context.ui.as_json:
        context.ui.data(made)
        return
    login, *commands = made.pop("next")
    context.ui.facts(made)
    if dry_run:
        return
    context.ui.say(f"""
Next, log in once and say yes to the server's key if your provider's console shows the same fingerprint:
  {login}
Then make the server ready, and open a school:""")
    for command in commands:
        context.ui.say(f"  {command}")
    context.ui.say(f"""Print what opens the backups when server and laptop are gone, and put it into a safe:
  schoolctl --env {name} backup-targets kit | lp""")
