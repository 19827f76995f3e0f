"""What a shell may suggest for the word being typed: read from files alone, and silent where they are wrong."""

from collections.abc import Callable, Iterable

import click

from schoolctl.context import Context
from schoolctl.schools import project

# By this variable a shell's script asks for words, where others run a command.
VARIABLE = "_SCHOOLCTL_COMPLETE"


def inventories(typer_context: click.Context) -> list[str]:
    """Suggest the inventories that the project has."""
    return _of_files(typer_context, lambda context: project.inventories(context.root))


def slugs(typer_context: click.Context) -> list[str]:
    """Suggest the slugs of the schools that the chosen inventory declares."""
    return _of_files(typer_context, lambda context: context.project.schools())


def domains(typer_context: click.Context) -> list[str]:
    """Suggest the host names of the school that the line names already."""
    slug = typer_context.params["slug"]
    return _of_files(typer_context, lambda context: context.project.schools().named(slug).hosts)


def _of_files(typer_context: click.Context, read: Callable[[Context], Iterable[str]]) -> list[str]:
    context: Context = typer_context.obj
    # A line that is still being typed runs no command, so nobody has handed this on yet.
    context.env = typer_context.find_root().params["env"]
    try:
        return list(read(context))
    except Exception:
        # A traceback would tear the line apart that is being typed. The command itself says what is wrong.
        return []
