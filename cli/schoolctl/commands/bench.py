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

    It takes no lock. The audit log gets the command's first word and the exit code, since more may hold secrets.

    Example: schoolctl bench tech-school -- list-apps
    """
    context = context_of(typer_context)
    context.project.schools().named(slug)
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    what = f"bench {slug} {site.told(arguments)}"
    raise typer.Exit(context.attach(site.passthrough(slug, arguments, tty=tty), what, tty=tty))
