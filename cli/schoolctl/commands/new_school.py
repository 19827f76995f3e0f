"""`schoolctl new-school`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from schoolctl.commands.ask import ask
from schoolctl.commands.options import AsJson, DryRun, ForceDns, Slug, context_of, warn_of_dns
from schoolctl.context import Context
from schoolctl.schools.demo import DemoCourse
from schoolctl.schools.domains import normalised
from schoolctl.workflows.declare_school import declare_school, locale_of, questions
from schoolctl.workflows.open_school import OpenSchool, administrator_password
from schoolctl.workflows.questions import missing_options, still_open


def new_school(
    typer_context: typer.Context,
    slug: Slug,
    domain: Annotated[
        str | None, typer.Option(help="Its canonical host name; not needed when schools.yml has the row.")
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="The name that people read; made from the slug when left out.")
    ] = None,
    alias: Annotated[
        list[str] | None, typer.Option(help="One more host name, sent on to the domain; repeatable.")
    ] = None,
    admin_email: Annotated[str | None, typer.Option(help="The administrator's e-mail address.")] = None,
    country: Annotated[str | None, typer.Option(help="Where it is, such as France; with it, no set-up wizard.")] = None,
    language: Annotated[str | None, typer.Option(help="Its language's code, such as fr.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Its time zone, such as Europe/Paris.")] = None,
    currency: Annotated[str | None, typer.Option(help="Its currency's code, such as EUR.")] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="Read the administrator's password from this file; - is stdin.", allow_dash=True)
    ] = None,
    stock: Annotated[bool, typer.Option("--stock", help="Install each app by itself, without a golden site.")] = False,
    with_demo: Annotated[
        list[DemoCourse] | None, typer.Option(help="A demo course to begin with; repeatable. For a new site only.")
    ] = None,
    force_dns: ForceDns = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Open a school: declare it in schools.yml, make its site, let it answer on its domain.

    On a terminal it asks for what a new row needs and no option says.

    A failed run takes back what it made and keeps the row; the same command goes on from there.

    Example: schoolctl new-school tech-school --domain tech-school.com --title "Tech School"
    """
    context = context_of(typer_context, as_json=as_json)
    password, is_new = administrator_password(password_file)
    options = {
        "domain": domain, "title": title, "admin_email": admin_email,
        "country": country, "language": language, "timezone": timezone, "currency": currency,
    }  # fmt: skip
    said = _completed(context, slug, options)
    locale = locale_of(*(said[part] for part in ("country", "language", "timezone", "currency")))
    domain = None if said["domain"] is None else normalised(said["domain"])
    row = (domain, said["title"], [normalised(name) for name in alias or []], said["admin_email"], locale)
    declare = partial(declare_school, context.project.schools_file, slug, *row)
    warn_of_dns(context, declare(dry_run=True).hosts, force=force_dns, ask=not dry_run)
    # Around the row too: it is written before the lock is held, and what is shown only once comes first.
    with context.handing_over():
        school = declare(dry_run=dry_run)
        files = context.site_files(school)
        opening = OpenSchool(context.server, files.school, files, context.project.app_names, password, with_demo or ())
        result: dict[str, object] = {"slug": slug, "url": files.school["url"], "administrator": "Administrator"}
        try:
            with context.locked(f"new-school {slug}", f"open `{slug}`", dry_run=dry_run):
                if with_demo and opening.is_made():
                    context.ui.say(
                        f"Demo courses come with a new site alone, and `{slug}` has its site;"
                        f""" `schoolctl bench {slug} -- execute lms_app.demo.install --args '["{with_demo[0]}"]'`"""
                        " puts one in now."
                    )
                result["changed"] = opening.run(context.ui.progress, context.ui.say, stock=stock, dry_run=dry_run)
        except BaseException:
            if is_new and opening.made_site:
                context.ui.say(f"The site is made. Administrator's password, shown only now: {password}")
            raise
        if opening.made_site and opening.login:
            result["login"] = opening.login
        if is_new and opening.made_site:
            result["password"] = password
        # First: what it says is said only once, and an authority may be slow.
        context.ui.facts(result)
        if opening.made_site:
            context.certify([school])
        if opening.made_site and opening.golden:
            context.refill_pool()


def _completed(context: Context, slug: str, options: dict[str, str | None]) -> dict[str, str | None]:
    """Return the options; if a new row needs more than they say, with what a person at the terminal answers."""
    if context.ui.as_json or not context.interactive or slug in (schools := context.project.schools()):
        return options
    asked = questions(schools, slug)
    answers = {name: value for name, value in options.items() if value}
    if not missing_options(asked, answers):
        return options
    ask(still_open(asked, answers), answers)
    return {name: answers.get(name) or None for name in options}
