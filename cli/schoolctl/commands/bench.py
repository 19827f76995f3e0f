"""`schoolctl bench`."""

import sys
from typing import Annotated

import typer

from schoolctl.bench import site
from schoolctl.commands.options import Slug, context_of


def bench(
    typer_context: typer.Context,
    slug: Slug,
    arguments: Annotated[list[str], typer.Argument(help="What follows `bench --site SITE`.", metavar="-- ARGS...")],
) -> None:
    """Run a bench command for a school, with this terminal's own input and output; its exit code is kept.

    Example: schoolctl bench tech-school -- list-apps
    """
    context = context_of(typer_context)
    context.project.schools().named(slug)
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    code = context.server.attach(site.passthrough(slug, arguments, tty=tty), tty=tty)
    raise typer.Exit(code)
