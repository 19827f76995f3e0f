"""Arguments and options that several commands share."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from schoolctl import suggestions
from schoolctl.context import Context
from schoolctl.errors import CommandUsageError, RefusedError
from schoolctl.remote import dns
from schoolctl.schools.model import School

Slug = Annotated[str, typer.Argument(help="The school's slug.", metavar="SLUG", autocompletion=suggestions.slugs)]
Slugs = Annotated[
    list[str] | None,
    typer.Argument(help="The schools' slugs.", metavar="[SLUG]...", autocompletion=suggestions.slugs),
]
All = Annotated[bool, typer.Option("--all", help="Every school of schools.yml.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        help="Only these: by state, staging, country or language, as state=suspended; repeatable.", metavar="KEY=VALUE"
    ),
]
Jobs = Annotated[int, typer.Option(min=1, max=16, help="How many schools at once.", metavar="N")]
SetId = Annotated[
    str | None,
    typer.Option("--set", help="Which set, as ID or ID@SNAPSHOT; the newest when left out.", metavar="ID"),
]
NewerImage = Annotated[
    bool,
    typer.Option(
        "--newer-image", help="Also of a newer image than runs here: what that changed, the older code does not know."
    ),
]
FromTarget = Annotated[
    str | None, typer.Option("--from", help="Out of this target; any when left out.", metavar="TARGET")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")]
ForceDns = Annotated[bool, typer.Option("--force-dns", help="Do not look up where the names lead.")]
User = Annotated[
    str | None, typer.Option(help="Who, as the school knows them; its administrator when left out.", metavar="USER")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Confirm = Annotated[
    list[str] | None,
    typer.Option(help="The slug once more; with --yes it answers for scripts.", metavar="SLUG"),
]


def context_of(typer_context: typer.Context, *, as_json: bool = False) -> Context:
    """Return the run's context; `--json` counts before and after the command's name."""
    context: Context = typer_context.obj
    context.ui.as_json = context.ui.as_json or as_json
    return context


def require_consent(
    context: Context, slugs: Sequence[str], consequence: str, *, yes: bool, confirm: Sequence[str] | None
) -> None:
    """Have each slug typed by the person at the terminal, or said with --yes and --confirm by a script.

    consequence: what happens, as a sentence. Raises RefusedError if the consent is not given.
    """
    if yes and set(slugs) <= set(confirm or ()):
        return
    if yes or confirm or not context.interactive:
        said = " ".join(f"--confirm {slug}" for slug in slugs)
        raise RefusedError(
            "Nothing was done",
            because=f"this needs a consent that names {', '.join(slugs)}: {consequence}",
            hint=f"add --yes {said}, or type it on a terminal",
        )
    for slug in slugs:
        if typer.prompt(f"{consequence} Type `{slug}` to go on", err=True) != slug:
            raise RefusedError("Nothing was done", because=f"`{slug}` was not typed")


def warn_of_dns(context: Context, domains: Sequence[str], *, force: bool, ask: bool) -> None:
    """Say on stderr which names do not lead to the server; a person is asked whether to go on, a script goes on.

    The server is being reached meanwhile. Where nobody is asked, only the next word waits for the warnings.
    force: do not even look. ask: False for a dry run. Raises RefusedError if the person says no.
    """
    if force:
        return
    project = context.project
    findings = dns.begin_check(
        domains,
        server=project.host.address,
        public_addresses=project.platform.edge.public_addresses,
        resolver=context.resolver,
    )
    context.ui.say_first(lambda: [f"warning: {finding.sentence}" for finding in findings() if finding.sentence])
    server = context.server
    if not (ask and context.interactive):
        return
    context.ui.catch_up()
    elsewhere = [finding.domain for finding in findings() if finding.verdict is dns.Verdict.ELSEWHERE]
    if elsewhere and not typer.confirm("Go on all the same?", err=True):
        raise RefusedError(
            "Nothing was changed",
            because=f"{', '.join(elsewhere)} should lead to {server.name} first",
            hint="change the DNS and run the same command again, or say --force-dns",
        )


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
