"""`schoolctl status`."""

from collections.abc import Sequence
from dataclasses import asdict

import typer

from schoolctl.commands.options import AsJson, context_of
from schoolctl.ui import Ui
from schoolctl.workflows.find_trouble import find_trouble, running
from schoolctl.workflows.trouble import Trouble


def status(typer_context: typer.Context, as_json: AsJson = False) -> None:
    """Say what runs on the server and what is wrong there, the worst first, each with the command that mends it.

    Exit code 0 if nothing has to be mended, else 1. A command that is at work is no fault.

    Example: schoolctl status
    """
    context = context_of(typer_context, as_json=as_json)
    server, ui = context.server, context.ui
    state = server.state()
    now, troubles = running(state), find_trouble(server, state)
    if ui.as_json:
        facts = {"server": server.name, "running": now, "free_bytes": state.free_bytes}
        ui.data({**facts, "troubles": [asdict(trouble) for trouble in troubles]})
    else:
        if now:
            ui.print(
                f"{now['who']} is at work since {now['since']}: {now['what']}, {now['step'] or 'at its beginning'}"
            )
        show_troubles(ui, troubles, server.name)
    if troubles:
        raise typer.Exit(1)


def show_troubles(ui: Ui, troubles: Sequence[Trouble], server: str) -> None:
    """Print what is wrong on a server, each with the command that mends it."""
    for trouble in troubles:
        ui.print(trouble.what, colour="red", bold=True)
        ui.print(f"  because: {trouble.because}\n  mend it: {trouble.mend}")
    if not troubles:
        ui.print(f"Nothing is wrong on {server}.")
