"""The school: one row of schools.yml, checked and frozen, and what follows from it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schoolctl.errors import DeclarationError
from schoolctl.schools import checks

FILE_NAME = "schools.yml"


@dataclass(frozen=True, slots=True)
class School:
    """One declared school; every value is checked before it gets here.

    slug: site folder name for ever. domain: canonical host name. aliases: names that answer 308 to it.
    """

    slug: str
    title: str
    domain: str
    aliases: tuple[str, ...] = ()
    admin_email: str = ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name that the school answers to, the canonical one first."""
        return (self.domain, *self.aliases)

    @classmethod
    def from_row(cls, slug: Any, row: Any) -> "School":
        """Check one row; raises DeclarationError with the path of the first fault."""
        where = f"{FILE_NAME}: schools.{slug}"
        _checked(where, checks.slug, slug)
        if not isinstance(row, Mapping):
            raise checks.wrong(where, "must be a mapping with at least title and domain")
        checks.known_keys(where, row, ("title", "domain", "aliases", "admin_email"))
        for needed in ("title", "domain"):
            if needed not in row:
                raise checks.wrong(f"{where}.{needed}", "is missing")
        aliases = row.get("aliases") or []
        if not isinstance(aliases, list | tuple):
            raise checks.wrong(f"{where}.aliases", "must be a list of host names")
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
