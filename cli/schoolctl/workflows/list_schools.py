"""Compare what is declared with what is on the server."""

from collections.abc import Mapping
from typing import Any

from schoolctl.remote.server import MAKING, Survey
from schoolctl.schools.model import School, Schools


def list_schools(schools: Schools, survey: Survey, urls: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a row for each declared school, then one for each site that no row declares."""
    rows = [describe(school, survey, urls[school.slug]) for school in schools.values()]
    for name, site in survey.sites.items():
        if name not in schools and not name.endswith(MAKING):
            rows.append(
                {
                    "slug": name,
                    "title": None,
                    "domain": None,
                    "aliases": [],
                    "url": site.host_name,
                    "state": "undeclared",
                    "site": name,
                    "database": site.database,
                    "image": survey.image,
                    "backups": len(survey.backups.get(name, ())),
                    "last_backup": _last(survey, name),
                    "interrupted": None,
                }
            )
    return rows


def describe(school: School, survey: Survey, url: str) -> dict[str, Any]:
    """Return one school, promise beside fact.

    state: open, declared (no site yet), or interrupted (a command has to be run again).
    """
    site = survey.sites.get(school.slug)
    claim = survey.claims.get(school.slug)
    state = "interrupted" if claim is not None else "open" if site else "declared"
    return {
        "slug": school.slug,
        "title": school.title,
        "domain": school.domain,
        "aliases": list(school.aliases),
        "url": url,
        "state": state,
        "site": site.name if site else None,
        "database": site.database if site else None,
        "image": survey.image if site else None,
        "backups": len(survey.backups.get(school.slug, ())),
        "last_backup": _last(survey, school.slug),
        "interrupted": claim.get("doing") if claim is not None else None,
    }


def _last(survey: Survey, slug: str) -> str | None:
    sets = survey.backups.get(slug)
    return sets[-1] if sets else None
