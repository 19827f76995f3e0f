"""`schoolctl login`."""

from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, Slug, User, context_of
from schoolctl.workflows.access import login_link


def login(
    typer_context: typer.Context,
    slug: Slug,
    user: User = None,
    minutes: Annotated[int | None, typer.Option(min=1, max=1440, help="How long the link opens the door.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a link that lets somebody into a school once, without a password.

    Example: schoolctl login tech-school --minutes 15
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    what = f"login {slug} --user {user}" if user else f"login {slug}"
    with context.recorded(what, f"let anybody into `{slug}`") as server:
        link = login_link(server, context.school_facts(school), user, minutes)
    context.ui.facts({"slug": slug, **link})
