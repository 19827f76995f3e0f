"""`schoolctl reset-password`."""

import typer

from schoolctl.commands.options import AsJson, Slug, User, context_of
from schoolctl.workflows.access import new_password


def reset_password(typer_context: typer.Context, slug: Slug, user: User = None, as_json: AsJson = False) -> None:
    """Give somebody in a school a new password and print it, this once.

    Example: schoolctl reset-password tech-school --user head@tech-school.com
    """
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    what = f"reset-password {slug} --user {user}" if user else f"reset-password {slug}"
    with context.locked(what, f"give a new password in `{slug}`") as server:
        told = new_password(server, context.school_facts(school), user)
    context.ui.facts({"slug": slug, **told})
