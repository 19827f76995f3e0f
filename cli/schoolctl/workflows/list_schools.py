"""Compare what is declared with what is on the server."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from schoolctl.remote.server import DRILL, MAKING, Survey, Usage
from schoolctl.schools.model import STATES, School, Schools
from schoolctl.workflows.site_files import SiteFiles

FilesOf = Callable[[School], SiteFiles]


def list_schools(
    schools: Schools, survey: Survey, usage: Mapping[str, Usage], files_of: FilesOf
) -> list[dict[str, Any]]:
    """Return a row for each declared school, then one for each site that no row declares."""
    rows = [describe(school, survey, usage, files_of) for school in schools.values()]
    for name, site in survey.sites.items():
        if name not in schools and not name.endswith((MAKING, DRILL)):
            found = "suspended" if site.config.get("pause_scheduler") else "active"
            declared: dict[str, Any] = {
                "title": None,
                "domain": None,
                "aliases": [],
                "url": site.host_name,
                "staging": None,
            }
            state = {"declared": None, "found": found}
            rows.append({"slug": name, **declared, "state": state, "keep_until": None, **_facts(name, survey, usage)})
    return rows


def describe(school: School, survey: Survey, usage: Mapping[str, Usage], files_of: FilesOf) -> dict[str, Any]:
    """Return one school, promise beside fact: plain values, sizes in bytes, times in ISO form."""
    files = files_of(school)
    return {
        "slug": school.slug,
        "title": school.title,
        "domain": school.domain,
        "aliases": list(school.aliases),
        "url": files.school["url"],
        "staging": school.row.get("staging"),
        "state": {"declared": school.state, "found": _found_state(school, files, survey, files_of)},
        "keep_until": school.keep_until or None,
        **_facts(school.slug, survey, usage),
    }


def describe_whole(school: School, survey: Survey, usage: Mapping[str, Usage], files_of: FilesOf) -> dict[str, Any]:
    """Return all that there is to say about one school."""
    return {
        **describe(school, survey, usage, files_of),
        "admin_email": school.admin_email or None,
        "locale": school.row.get("locale"),
        "quota": school.row.get("quota", {}),
        "config": dict(school.config),
        **_backups(school.slug, survey),
        "claim": dict(survey.claims[school.slug]) if school.slug in survey.claims else None,
    }


def in_words(row: Mapping[str, Any]) -> str:
    """Return what a person wants to know of a school's state first."""
    declared, found = row["state"]["declared"], row["state"]["found"]
    if row["interrupted"] is not None:
        return "interrupted"
    if declared is None:
        return "undeclared"
    if found is None:
        return "closed" if declared == "closed" else "declared"
    if found != declared:
        return f"{declared}, found {found}"
    if declared == "closed" and row["keep_until"]:
        return f"closed until {row['keep_until']}"
    if declared == "active" and row["staging"]:
        return f"staging until {row['staging']['expires']}"
    return str(declared)


def _found_state(school: School, files: SiteFiles, survey: Survey, files_of: FilesOf) -> str | None:
    """Return the state in which visitors find a school; None where there is no site."""
    site = survey.sites.get(school.slug)
    if site is None:
        return "closed" if school.slug in survey.closed else None
    if _are_there(files, survey):
        return school.state
    for state in STATES:
        if _are_there(files_of(replace(school, state=state)), survey):
            return state
    # Its files differ in more than that, which `plan` shows.
    return "suspended" if site.config.get("pause_scheduler") and school.staging is None else "active"


def _are_there(files: SiteFiles, survey: Survey) -> bool:
    return all(survey.files.get(path) == digest for path, digest in files.digests().items())


def _facts(slug: str, survey: Survey, usage: Mapping[str, Usage]) -> dict[str, Any]:
    site = survey.sites.get(slug)
    kept = site or survey.closed.get(slug)
    claim, backed_up = survey.claims.get(slug), survey.backups.of(slug)
    last, drill = backed_up.last, backed_up.drill
    used = usage.get(slug, Usage())
    return {
        "site": site.name if site else None,
        "database": kept.database if kept else None,
        "image": survey.image if site else None,
        "users": used.users,
        "bytes": used.bytes,
        "database_bytes": used.database_bytes,
        "files_bytes": used.files_bytes,
        "last_login": used.last_login,
        "last_active": used.last_active,
        "last_tick": used.last_tick,
        "backups": len(backed_up.known),
        "last_backup": last.set_id if last else None,
        "last_backup_at": last.taken if last else None,
        "last_drill_at": drill.at if drill else None,
        "last_drill_ok": drill.ok if drill else None,
        "interrupted": claim.get("doing") if claim is not None else None,
    }


def _backups(slug: str, survey: Survey) -> dict[str, Any]:
    backed_up = survey.backups.of(slug)
    return {
        "sets": [known.set_id for known in backed_up.known],
        "targets": {name: row.fault or row.set_id for name, row in backed_up.newest.items()},
        "drill": asdict(backed_up.drill) if backed_up.drill else None,
    }
