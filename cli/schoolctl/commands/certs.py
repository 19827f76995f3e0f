"""`schoolctl certs`."""

from typing import Annotated

import typer

from schoolctl.commands.options import AsJson, Slugs, Where, chosen, context_of
from schoolctl.errors import CommandUsageError, SchoolctlError


def certs(
    typer_context: typer.Context,
    slugs: Slugs = None,
    where: Where = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Get what is due now, also after refusals that the server waits out.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="With --renew: replace also what is fresh, for a key that may be in other hands."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how the schools' certificates stand: who vouches for them, until when, and what stands in the way.

    The server looks every hour what is due, and renews from the day of `renews` on. budget: how many certificates this
    week still has for the registered domain. Exit code 1 when a certificate is about to expire.

    Example: schoolctl certs --renew tech-school
    """
    if force and not (renew and (slugs or where)):
        raise CommandUsageError(
            "Could not replace certificates",
            because="--force spends the authority's budget, so it goes with --renew and names schools",
            hint="schoolctl certs --renew --force SLUG",
        )
    context = context_of(typer_context, as_json=as_json)
    schools = chosen(context, slugs, every=not (slugs or where), where=where)
    names = [school.slug for school in schools]
    context.reach()
    if renew:
        if not slugs:
            # Rows whose school is not open are none of the edge's.
            known = {row["slug"] for row in context.server.certificates()}
            names = [name for name in names if name in known]
        what = " ".join(["certs --renew", *(["--force"] if force else []), *names])
        with context.recorded(what, "renew certificates"):
            standing, fault = context.certified(names, force=force)
        if fault:
            raise SchoolctlError(
                "Could not renew certificates",
                because=fault,
                hint="those before stay in force; run the same command again once that is out of the way"
                if force
                else "the server tries again by itself; `schoolctl doctor` says what else is wrong",
            )
    else:
        standing = [row for row in context.server.certificates() if row["slug"] in names]
    if not context.ui.as_json:
        days = ("expires", "renews")
        standing = [{**row, **{key: row[key] and row[key][:10] for key in days}} for row in standing]
    context.ui.table(standing, ("slug", "state", "issuer", "expires", "renews", "budget", "fault"))
    if any(row["alarm"] for row in standing):
        raise typer.Exit(1)
