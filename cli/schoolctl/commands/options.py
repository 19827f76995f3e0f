"""Arguments and options that several commands share."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from schoolctl import suggestions
from schoolctl.context import Context
from schoolctl.errors import CommandUsageError
from schoolctl.schools.model import School

Slug = Annotated[str, typer.Argument(help="The school's slug.", metavar="SLUG", autocompletion=suggestions.slugs)]
Slugs = Annotated[
    list[str] | None,
    typer.Argument(help="The schools' slugs.", metavar="[SLUG]...", autocompletion=suggestions.slugs),
]
All = Annotated[bool, typer.Option("--all", help="Every school of schools.yml.")]
Where = Annotated[
    list[str] | None,
    typer.Option(help="Only schools of which this holds, such as state=suspended; repeatable.", metavar="KEY=VALUE"),
]
Jobs = Annotated[int, typer.Option(min=1, max=16, help="How many schools at once.", metavar="N")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def context_of(typer_context: typer.Context, *, as_json: bool = False) -> Context:
    """Return the run's context; `--json` counts before and after the command's name."""
    context: Context = typer_context.obj
    context.ui.as_json = context.ui.as_json or as_json
    return context


def chosen(context: Context, slugs: Sequence[str] | None, *, every: bool, where: Sequence[str] | None) -> list[School]:
    """Return the schools that a command is about, in the order of schools.yml.

    Raises CommandUsageError if none or too much is named, DeclarationError for an unknown slug.
    """
    schools = context.project.schools()
    if slugs and (every or where):
        raise CommandUsageError("Could not choose schools", because="slugs and --all or --where exclude each other")
    if not (slugs or every or where):
        raise CommandUsageError("Could not choose schools", because="none is named", hint="name slugs, or say --all")
    if slugs:
        return list({slug: schools.named(slug) for slug in slugs}.values())
    wanted = [_condition(text) for text in where or []]
    return [school for school in schools.values() if all(holds(school) for holds in wanted)]


def _condition(text: str) -> Callable[[School], bool]:
    key, separator, value = text.partition("=")
    answers: dict[str, Callable[[School], str]] = {
        "state": lambda school: school.state,
        "staging": lambda school: "yes" if school.staging else "no",
        "country": lambda school: school.locale.country if school.locale else "",
        "language": lambda school: school.locale.language if school.locale else "",
    }
    if not separator or key not in answers:
        raise CommandUsageError(
            f"Could not choose schools by `{text}`", because=f"--where takes KEY=VALUE with {', '.join(answers)}"
        )
    return lambda school: answers[key](school) == value
