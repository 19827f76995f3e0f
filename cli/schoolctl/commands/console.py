"""`schoolctl console`."""

import sys

import typer

from schoolctl.bench import site
from schoolctl.commands.options import Slug, context_of
from schoolctl.errors import RefusedError


def console(typer_context: typer.Context, slug: Slug) -> None:
    """Open a Python console inside a school, where `frappe` is at hand. It can change anything there.

    Example: schoolctl console tech-school
    """
    context = context_of(typer_context)
    context.project.schools().named(slug)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RefusedError(
            f"Could not open a console in `{slug}`",
            because="it needs a terminal",
            hint=f"in a script, call a function: `schoolctl bench {slug} -- execute frappe.ping`",
        )
    raise typer.Exit(context.attach(site.passthrough(slug, ["console"], tty=True), f"console {slug}", tty=True))
