"""Declare a school: check its row against all others, and write it if it is new."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schoolctl.errors import CommandUsageError, DeclarationError
from schoolctl.schools import store
from schoolctl.schools.model import School, Schools

_OPTIONS = {"domain": "--domain", "title": "--title", "admin_email": "--admin-email", "aliases": "--alias"}


def declare_school(
    schools_file: Path,
    slug: str,
    domain: str | None,
    title: str | None,
    aliases: Sequence[str],
    admin_email: str | None,
    *,
    dry_run: bool = False,
) -> School:
    """Return the declared school; a new one is written first. What is declared already must agree with the options.

    Raises DeclarationError for a bad value, a name that another school has, or options that contradict the row.
    """
    schools = store.load(schools_file)
    given = {"domain": domain, "title": title, "admin_email": admin_email, "aliases": tuple(aliases) or None}
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
    School.from_row(slug, {"title": "-", "domain": "a.example"})
    if domain is None:
        raise CommandUsageError(
            f"Could not open `{slug}`", because="it has no row in schools.yml yet", hint="name its domain with --domain"
        )
    row: dict[str, Any] = {"title": title or slug.replace("-", " ").title(), "domain": domain, "aliases": list(aliases)}
    if admin_email:
        row["admin_email"] = admin_email
    rows = {
        known.slug: {"title": known.title, "domain": known.domain, "aliases": list(known.aliases)}
        for known in schools.values()
    }
    school = Schools({**rows, slug: row})[slug]
    if not dry_run:
        store.add_school(schools_file, school)
    return school
