"""Declare a school: check its row against all others, and write it if it is new."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from schoolctl.errors import CommandUsageError, DeclarationError
from schoolctl.schools import checks, domains, store
from schoolctl.schools.model import Locale, School, Schools
from schoolctl.workflows.questions import Question, head_and_place

_OPTIONS = {
    "domain": "--domain",
    "title": "--title",
    "admin_email": "--admin-email",
    "aliases": "--alias",
    "locale": "--country, --language, --timezone and --currency",
}


def questions(schools: Schools, slug: str) -> tuple[Question, ...]:
    """Return what is asked about a school that no row declares yet, in order; DeclarationError for a bad slug."""
    _check_slug(slug)
    return (
        Question("domain", "Its domain", partial(_free_domain, schools), needed=True),
        Question("title", "Its title", checks.title, default=_title_of(slug)),
        *head_and_place(),
    )


def locale_of(
    country: str | None, language: str | None, timezone: str | None, currency: str | None
) -> dict[str, str] | None:
    """Return a locale from its four parts, None for none of them; raises CommandUsageError if some are missing."""
    parts = {"country": country, "language": language, "timezone": timezone, "currency": currency}
    given = {name: value for name, value in parts.items() if value is not None}
    if given and len(given) < len(parts):
        missing = ", ".join(f"--{name}" for name in parts if name not in given)
        raise CommandUsageError(
            "Could not take the school's locale", because=f"{missing} is missing", hint="name all four, or none"
        )
    return given or None


def declare_school(
    schools_file: Path,
    slug: str,
    domain: str | None,
    title: str | None,
    aliases: Sequence[str],
    admin_email: str | None,
    locale: Mapping[str, str] | None = None,
    *,
    dry_run: bool = False,
) -> School:
    """Return the declared school; a new one is written first. What is declared already must agree with the options.

    Raises DeclarationError for a bad value, a name that another school has, or options that contradict the row.
    """
    schools = store.load(schools_file)
    given: dict[str, Any] = {
        "domain": domain,
        "title": title,
        "admin_email": admin_email,
        "aliases": tuple(aliases) or None,
    }
    if locale:
        given["locale"] = Locale(**locale)
    if slug in schools:
        school = schools[slug]
        for name, value in given.items():
            declared = getattr(school, name)
            if value is not None and value != declared:
                raise DeclarationError(
                    f"`{slug}` is declared otherwise",
                    because=f"schools.yml: schools.{slug}.{name} is {declared!r}, the option says {value!r}",
                    hint=f"leave {_OPTIONS[name]} out, or change the row first",
                )
        return school
    _check_slug(slug)
    if domain is None:
        raise CommandUsageError(
            f"Could not open `{slug}`", because="it has no row in schools.yml yet", hint="name its domain with --domain"
        )
    school = School.from_row(
        slug,
        {
            "title": title or _title_of(slug),
            "domain": domain,
            "aliases": list(aliases),
            "admin_email": admin_email,
            "locale": locale,
        },
    )
    # Against all the others: a name leads to one school only.
    Schools({**schools.rows, slug: school.row})
    if not dry_run:
        store.put(schools_file, school)
    return school


def _check_slug(slug: str) -> None:
    School.from_row(slug, {"title": "-", "domain": "a.example"})


def _title_of(slug: str) -> str:
    return slug.replace("-", " ").title()


def _free_domain(schools: Schools, text: str) -> str:
    """Return a typed domain that no school has yet; raises InvalidValueError."""
    domain = domains.typed(text)
    for school in schools.values():
        if domain in school.hosts:
            raise checks.InvalidValueError(f"is already `{school.slug}`'s; a name leads to one school only")
    return domain
