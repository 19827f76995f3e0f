"""Compare what is declared with what is on the server, in every respect that rows and manifest know of."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from schoolctl.remote.server import DRILL, MAKING, SiteFact, Survey
from schoolctl.schools.model import School, Schools
from schoolctl.schools.platform import CONTAINERS
from schoolctl.workflows import restore_school
from schoolctl.workflows.ailments import APPLY, ailment_of
from schoolctl.workflows.site_files import SiteFiles

Read = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between promise and fact.

    slug: the school's, None for what no row claims or all schools share. subject: what differs; for something that no
    row claims its kind and name, as `database:sch0123456789ab`. remedy: the command that closes the difference.
    applies: whether `apply` does. diff: lines of a unified diff from fact to promise.
    """

    slug: str | None
    subject: str
    declared: Any
    found: Any
    remedy: str
    applies: bool = False
    diff: tuple[str, ...] = ()

    @property
    def is_orphan(self) -> bool:
        """Whether it is something on the server that no row claims."""
        return self.slug is None and ":" in self.subject

    @property
    def row(self) -> dict[str, Any]:
        """The difference as plain values."""
        names = ("slug", "subject", "declared", "found", "remedy", "applies", "diff")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Promise:
    """What is declared: the rows, each with its derived facts and files, and the image that shall serve them.

    edge: the edge's own files. image: empty while the apps are not locked to commits. today: the day (ISO, UTC).
    """

    schools: Schools
    files: Mapping[str, SiteFiles]
    edge: SiteFiles
    image: str
    today: str

    def facts(self, slug: str) -> Mapping[str, Any]:
        """Return a school as templates see it."""
        return self.files[slug].school


def find_drift(promise: Promise, survey: Survey, read: Read) -> list[Drift]:
    """Return every difference: the schools' in the order of their rows, then the platform's, then what no row claims.

    read: gives the text of a file on the server; asked only for files that differ.
    """
    found: list[Drift] = []
    for school in promise.schools.values():
        found += _of_school(promise, survey, school, read)
    found += _of_files(promise.edge, None, survey, read)
    return [*found, *_of_platform(promise, survey), *_unclaimed(promise, survey)]


def _of_school(promise: Promise, survey: Survey, school: School, read: Read) -> Iterator[Drift]:
    slug = school.slug
    if claim := survey.claims.get(slug):
        since = f"`{claim.get('doing')}` was interrupted, or is under way, since {claim.get('since')}"
        yield Drift(slug, "operation", "ended", since, "schoolctl resume")
        return
    site = survey.sites.get(slug)
    if school.state == "closed":
        if site is not None:
            yield Drift(slug, "state", "closed", "open", f"schoolctl close-school {slug}")
            return
        if slug in survey.closed and school.keep_until < promise.today:
            yield Drift(slug, "state", f"gone since {school.keep_until}", "kept", f"schoolctl purge {slug}")
    elif site is None:
        if slug in survey.closed:
            yield Drift(slug, "state", school.state, "closed", f"schoolctl reopen {slug}")
        elif school.staging:
            # What it holds is its school's: it is never made empty.
            yield Drift(slug, "site", "a copy", "missing", f"schoolctl clone {school.staging.of} {slug} --staging")
        elif survey.backups.of(slug).known:
            # An empty school in its place would look as if all were well.
            yield Drift(slug, "site", "open", "missing, with backups", f"schoolctl restore {slug}")
        else:
            yield Drift(slug, "site", "open", "missing", f"schoolctl new-school {slug}", applies=True)
        return
    else:
        yield from _of_site(promise.facts(slug), school, site, survey)
    yield from _of_files(promise.files[slug], slug, survey, read)


def _of_site(facts: Mapping[str, Any], school: School, site: SiteFact, survey: Survey) -> Iterator[Drift]:
    slug, apply = school.slug, f"schoolctl apply {school.slug}"
    for key, declared in facts["config"].items():
        if site.config.get(key) != declared:
            yield Drift(slug, f"settings.{key}", declared, site.config.get(key), apply, applies=True)
    if survey.databases is None or survey.users is None:
        return  # the database is silent, which the platform's part says
    if site.database not in survey.databases:
        yield Drift(slug, "database", site.database, "missing", f"schoolctl restore {slug}")
        return
    if site.database not in survey.users:
        yield Drift(slug, "database user", site.database, "missing", f"schoolctl restore {slug}")
        return
    if site.title != school.title:
        yield Drift(slug, "title", school.title, site.title, apply, applies=True)
    if site.connections != facts["connections"]:
        yield Drift(slug, "connections", facts["connections"], site.connections, apply, applies=True)


def _of_files(files: SiteFiles, slug: str | None, survey: Survey, read: Read) -> Iterator[Drift]:
    for file in files.school["files"]:
        path, declared = file["path"], files.text(file)
        digest = survey.files.get(path)
        if digest == sha256(declared.encode()).hexdigest():
            continue
        found = read(path) if digest else None
        yield Drift(
            slug,
            f"file {path}",
            "as rendered",
            "missing" if found is None else "edited",
            f"schoolctl apply {slug or '--all'}",
            applies=True,
            diff=_diff(found, declared),
        )


def _diff(found: str | None, declared: str) -> tuple[str, ...]:
    if found is None:
        return ()
    lines = difflib.unified_diff(
        found.splitlines(), declared.splitlines(), "on the server", "declared", lineterm="", n=1
    )
    return tuple(lines)


def _of_platform(promise: Promise, survey: Survey) -> Iterator[Drift]:
    for name in CONTAINERS:
        if ailment := ailment_of(name, survey.containers.get(name)):
            yield Drift(None, f"container {name}", "running", ailment.fact, ailment.mend, applies=ailment.mend == APPLY)
    if survey.image is not None and promise.image not in {"", survey.image}:
        yield Drift(None, "image", promise.image, survey.image, "schoolctl provision")
    if survey.edge_is_current is False:
        yield Drift(None, "edge", "runs on its files", "runs on older ones", "schoolctl apply --all", applies=True)


def _unclaimed(promise: Promise, survey: Survey) -> Iterator[Drift]:
    """Yield what is on the server but belongs to no row; backup sets may outlive their school."""
    known = promise.schools
    for name, claim in survey.claims.items():
        if name not in known and not name.endswith(DRILL):
            since = f"`{claim.get('doing')}` was interrupted, or is under way, since {claim.get('since')}"
            yield Drift(None, f"operation {name}", "ended", since, "schoolctl resume")
    claimed = {str(claim.get("database")) for claim in survey.claims.values()}
    named = {site.database for site in (*survey.sites.values(), *survey.closed.values())} | claimed
    named |= {*survey.kept, *survey.pool}
    orphans = [f"site:{name}" for name in survey.sites if name not in known and not _is_made(name, survey)]
    orphans += [f"closed:{name}" for name in survey.closed if name not in known]
    if not _hides_databases(survey):
        orphans += [f"database:{name}" for name in survey.databases or () if name not in named]
        orphans += [f"user:{name}" for name in survey.users or () if name not in {*named, *(survey.databases or ())}]
    expected = {file["path"] for files in (promise.edge, *promise.files.values()) for file in files.school["files"]}
    orphans += [f"file:{path}" for path in survey.files if path not in expected]
    for orphan in sorted(orphans):
        yield Drift(None, orphan, None, "no row claims it", f"schoolctl apply --remove {orphan}")


def _is_made(name: str, survey: Survey) -> bool:
    # A drill's claim has the name of its site.
    return (name.endswith(MAKING) and name.removesuffix(MAKING) in survey.claims) or (
        name.endswith(DRILL) and name in survey.claims
    )


def _hides_databases(survey: Survey) -> bool:
    """Say whether something may need a database without a word of which: a damaged site, or half a restore."""
    silent = any(site.database is None for site in (*survey.sites.values(), *survey.closed.values()))
    return silent or any(claim.get("doing") == restore_school.DOING for claim in survey.claims.values())
