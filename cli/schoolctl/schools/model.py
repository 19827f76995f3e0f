"""The school: one row of schools.yml, checked and frozen, and what follows from it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from schoolctl.errors import DeclarationError
from schoolctl.schools import checks, settings
from schoolctl.schools.backups import Keep

FILE_NAME = "schools.yml"


OPEN_STATES = ("active", "suspended")
STATES = (*OPEN_STATES, "closed")
# In a row: the school brings its certificate, and nobody is asked for one.
OWN_CERTIFICATE = "own"
_KEYS = (
    "title", "domain", "aliases", "admin_email", "locale", "state", "keep_until", "reopen_as", "quota", "config",
    "staging", "certificate", "backup",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Locale:
    """Where a school is: Frappe's English country name, ISO 639 language, IANA time zone, ISO 4217 currency."""

    country: str
    language: str
    timezone: str
    currency: str


@dataclass(frozen=True, slots=True)
class Quota:
    """What a school may use at most; None sets no limit of its own.

    cpu_seconds: what its requests together may take in a day, as Frappe counts it. file_mb: one uploaded file.
    connections: of its database user.
    """

    cpu_seconds: int | None = None
    file_mb: int | None = None
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class Staging:
    """What makes a school a copy to try things on: whose copy it is, and the day (ISO, UTC) from which it is shut."""

    of: str
    expires: str


@dataclass(frozen=True, slots=True)
class School:
    """One declared school; every value is checked before it gets here.

    slug: site folder name for ever. domain: canonical host name. aliases: names that answer 308 to it.
    keep_until: the day (ISO, UTC) up to which a closed school can be reopened. reopen_as: the state that it then has;
    empty for active. config: settings of the site, by key. certificate: `own` for one that the school brings; empty for
    what the platform gets. keep: how many of its backups stay, where that differs from the platform.
    """

    slug: str
    title: str
    domain: str
    aliases: tuple[str, ...] = ()
    admin_email: str = ""
    locale: Locale | None = None
    state: str = "active"
    keep_until: str = ""
    reopen_as: str = ""
    quota: Quota = Quota()
    config: Mapping[str, settings.Value] = field(default_factory=dict)
    staging: Staging | None = None
    certificate: str = ""
    keep: Keep = field(default_factory=Keep)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name that the school answers to, the canonical one first."""
        return (self.domain, *self.aliases)

    @property
    def row(self) -> dict[str, Any]:
        """The school as its row says it: plain values, without what is empty or goes without saying."""
        row: dict[str, Any] = {"title": self.title, "domain": self.domain}
        if self.aliases:
            row["aliases"] = list(self.aliases)
        if self.admin_email:
            row["admin_email"] = self.admin_email
        if self.locale:
            row["locale"] = _fields(self.locale)
        if self.state != "active":
            row["state"] = self.state
        if self.keep_until:
            row["keep_until"] = self.keep_until
        if self.reopen_as:
            row["reopen_as"] = self.reopen_as
        if quota := {name: limit for name, limit in _fields(self.quota).items() if limit is not None}:
            row["quota"] = quota
        if self.config:
            row["config"] = dict(self.config)
        if self.staging:
            row["staging"] = _fields(self.staging)
        if self.certificate:
            row["certificate"] = self.certificate
        if kept := self.keep.row:
            row["backup"] = {"keep": kept}
        return row

    @classmethod
    def from_row(cls, slug: Any, row: Any) -> "School":
        """Check one row; raises DeclarationError with the path of the first fault."""
        where = f"{FILE_NAME}: schools.{slug}"
        _checked(where, checks.slug, slug)
        if not isinstance(row, Mapping):
            raise checks.wrong(where, "must be a mapping with at least title and domain")
        checks.known_keys(where, row, _KEYS)
        for needed in ("title", "domain"):
            if needed not in row:
                raise checks.wrong(f"{where}.{needed}", "is missing")
        aliases = row.get("aliases") or []
        if not isinstance(aliases, list | tuple):
            raise checks.wrong(f"{where}.aliases", "must be a list of host names")
        state = row.get("state", "active")
        if state not in STATES:
            raise checks.wrong(f"{where}.state", f"{state!r} is none of {', '.join(STATES)}")
        keep_until = row.get("keep_until") or ""
        if keep_until and state != "closed":
            raise checks.wrong(f"{where}.keep_until", "belongs to a closed school only")
        reopen_as = row.get("reopen_as") or ""
        if reopen_as and state != "closed":
            raise checks.wrong(f"{where}.reopen_as", "belongs to a closed school only")
        if reopen_as and reopen_as not in OPEN_STATES:
            raise checks.wrong(f"{where}.reopen_as", f"{reopen_as!r} is none of {', '.join(OPEN_STATES)}")
        certificate = row.get("certificate") or ""
        if certificate not in ("", OWN_CERTIFICATE):
            raise checks.wrong(f"{where}.certificate", f"{certificate!r} is not `{OWN_CERTIFICATE}`, the only choice")
        config = row.get("config") or {}
        if not isinstance(config, Mapping):
            raise checks.wrong(f"{where}.config", "must be a mapping of settings")
        return cls(
            slug=str(slug),
            title=_checked(f"{where}.title", checks.title, row["title"]),
            domain=_checked(f"{where}.domain", checks.domain, row["domain"]),
            aliases=tuple(
                _checked(f"{where}.aliases[{number}]", checks.domain, alias) for number, alias in enumerate(aliases)
            ),
            admin_email=_checked(f"{where}.admin_email", checks.email, row["admin_email"])
            if row.get("admin_email")
            else "",
            locale=_locale(f"{where}.locale", row["locale"]) if row.get("locale") else None,
            state=state,
            keep_until=_checked(f"{where}.keep_until", checks.day, keep_until) if keep_until else "",
            reopen_as=reopen_as,
            quota=_quota(f"{where}.quota", row["quota"]) if row.get("quota") else Quota(),
            config={str(key): settings.checked(f"{where}.config", key, value) for key, value in config.items()},
            staging=_staging(f"{where}.staging", row["staging"]) if row.get("staging") else None,
            certificate=certificate,
            keep=_backup(f"{where}.backup", row["backup"]) if row.get("backup") else Keep(),
        )


class Schools(Mapping[str, School]):
    """All declared schools by slug, in the order of the file; host names are unique among them."""

    def __init__(self, rows: Mapping[Any, Any]) -> None:
        self._schools = {str(slug): School.from_row(slug, row) for slug, row in rows.items()}
        owners: dict[str, str] = {}
        for school in self._schools.values():
            for host in school.hosts:
                if host in owners:
                    other = "its own" if owners[host] == school.slug else f"school `{owners[host]}`'s"
                    raise checks.wrong(
                        f"{FILE_NAME}: schools.{school.slug}",
                        f"`{host}` is already {other} domain or alias; a name leads to one school only",
                    )
                owners[host] = school.slug

    def __getitem__(self, slug: str) -> School:
        return self._schools[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(self._schools)

    def __len__(self) -> int:
        return len(self._schools)

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Every school as its row says it."""
        return {school.slug: school.row for school in self._schools.values()}

    def named(self, slug: str) -> School:
        """Return one school; raises DeclarationError that lists the known slugs."""
        if slug in self._schools:
            return self._schools[slug]
        known = ", ".join(self._schools) or "none"
        raise DeclarationError(
            f"There is no school `{slug}`",
            because=f"{FILE_NAME} declares: {known}",
            hint=f"open it with `schoolctl new-school {slug} --domain ...`, or check the spelling",
        )


def _checked(where: str, check: Callable[[Any], str], value: Any) -> str:
    try:
        return check(value)
    except checks.InvalidValueError as fault:
        raise checks.wrong(where, f"{fault}" if value is None else f"{value!r} {fault}") from None


def _fields(value: Any) -> dict[str, Any]:
    return {entry.name: getattr(value, entry.name) for entry in fields(value)}


def _part(where: str, value: Any, kind: type[Any], *, every: bool = True) -> Mapping[str, Any]:
    """Return a nested mapping after a look at its keys; `every` one of the kind's is needed."""
    names = [entry.name for entry in fields(kind)]
    if not isinstance(value, Mapping):
        raise checks.wrong(where, f"must be a mapping of {', '.join(names)}")
    checks.known_keys(where, value, names)
    for name in names:
        if every and name not in value:
            raise checks.wrong(f"{where}.{name}", "is missing")
    return value


def _locale(where: str, value: Any) -> Locale:
    part = _part(where, value, Locale)
    return Locale(
        country=_checked(f"{where}.country", checks.title, part["country"]),
        language=_checked(f"{where}.language", checks.language, part["language"]),
        timezone=_checked(f"{where}.timezone", checks.timezone, part["timezone"]),
        currency=_checked(f"{where}.currency", checks.currency, part["currency"]),
    )


def _quota(where: str, value: Any) -> Quota:
    part = _part(where, value, Quota, every=False)
    # Frappe's own limit on a database connection pool and on a day; a file may not be larger than what a browser sends.
    highest = {"cpu_seconds": 86400 * 64, "file_mb": 10240, "connections": 10000}
    for name, limit in part.items():
        if limit is None:
            continue
        # Ansible hands over numbers of a class of its own.
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= highest[name]:
            raise checks.wrong(f"{where}.{name}", f"{limit!r} is not a whole number from 1 to {highest[name]}")
    return Quota(**part)


def _staging(where: str, value: Any) -> Staging:
    part = _part(where, value, Staging)
    return Staging(
        of=_checked(f"{where}.of", checks.slug, part["of"]),
        expires=_checked(f"{where}.expires", checks.day, part["expires"]),
    )


def _backup(where: str, value: Any) -> Keep:
    if not isinstance(value, Mapping):
        raise checks.wrong(where, "must be a mapping of keep")
    checks.known_keys(where, value, ("keep",))
    return Keep.from_mapping(f"{where}.keep", value.get("keep", {}))
