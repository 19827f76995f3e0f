"""Say what a school's row becomes when its owner wants something else: pure, checked against all other rows."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from schoolctl.errors import DeclarationError, RefusedError
from schoolctl.schools import settings
from schoolctl.schools.model import OWN_CERTIFICATE, Quota, School, Schools

Change = Callable[[School], School]


def checked(schools: Schools, *changed: School) -> tuple[School, ...]:
    """Return schools as all rows together allow them; raises DeclarationError with the path of the first fault."""
    rows = {**schools.rows, **{school.slug: school.row for school in changed}}
    known = Schools(rows)
    return tuple(known[school.slug] for school in changed)


def declared_so(schools: Schools, slug: str, domain: str | None, title: str | None) -> School | None:
    """Return a school that is declared already, None if it is not. domain, title: what it was called with, if anything.

    Raises DeclarationError if its row says otherwise than those.
    """
    declared = schools.get(slug)
    if declared and (domain not in {None, declared.domain} or title not in {None, declared.title}):
        raise DeclarationError(
            f"`{slug}` is declared otherwise",
            because=f"schools.yml says {declared.domain} and {declared.title!r}",
            hint="choose another slug with --as, or leave --domain and --title out",
        )
    return declared


def add_domain(domain: str) -> Change:
    """Let the school answer to one more name."""

    def change(school: School) -> School:
        return school if domain in school.hosts else replace(school, aliases=(*school.aliases, domain))

    return change


def own_certificate(school: School) -> School:
    """Let the school bring its certificate."""
    return replace(school, certificate=OWN_CERTIFICATE)


def platform_certificate(school: School) -> School:
    """Let the school have the certificate that the platform gets for it."""
    return replace(school, certificate="")


def remove_domain(domain: str) -> Change:
    """Take a name away; the canonical one has to be another's turn first."""

    def change(school: School) -> School:
        if domain == school.domain:
            raise RefusedError(
                f"Could not remove `{domain}` from `{school.slug}`",
                because="it is the school's canonical name",
                hint=f"make another one canonical first: `schoolctl set-primary {school.slug} DOMAIN`",
            )
        return replace(school, aliases=tuple(alias for alias in school.aliases if alias != domain))

    return change


def set_primary(domain: str) -> Change:
    """Make a name canonical; the one before becomes an alias, so that no link breaks."""

    def change(school: School) -> School:
        aliases = [alias for alias in (*school.aliases, school.domain) if alias != domain]
        return replace(school, domain=domain, aliases=tuple(dict.fromkeys(aliases)))

    return change


def rename(title: str) -> Change:
    """Give the school another title; its slug is for ever."""
    return lambda school: replace(school, title=title)


def suspend(school: School) -> School:
    """Shut the school's doors for a while."""
    if school.state == "closed":
        raise _is_closed(school, "suspend")
    return replace(school, state="suspended")


def resume(school: School) -> School:
    """Open the doors of a suspended school again."""
    if school.state == "closed":
        raise _is_closed(school, "resume")
    return replace(school, state="active")


def close(keep_until: str) -> Change:
    """Shut the doors for good; until the end of that day (ISO, UTC) the school is kept, to be opened again.

    The row says as what, if not as active.
    """

    def change(school: School) -> School:
        if school.state == "closed":
            return replace(school, keep_until=keep_until)
        reopen_as = "" if school.state == "active" else school.state
        return replace(school, state="closed", keep_until=keep_until, reopen_as=reopen_as)

    return change


def reopen(school: School) -> School:
    """Let a closed school be again what it was when it was closed."""
    if school.state != "closed":
        return school
    return replace(school, state=school.reopen_as or "active", keep_until="", reopen_as="")


def limit(quota: Mapping[str, int | None]) -> Change:
    """Set the named limits, None to lift one; those that are not named stay."""
    return lambda school: replace(school, quota=Quota(**{**_limits(school.quota), **quota}))


def set_config(values: Mapping[str, settings.Value]) -> Change:
    """Set settings of the site; the others stay."""
    return lambda school: replace(school, config={**school.config, **values})


def unset_config(key: str) -> Change:
    """Leave a setting to its default again."""
    return lambda school: replace(school, config={name: value for name, value in school.config.items() if name != key})


def _limits(quota: Quota) -> dict[str, int | None]:
    return {"cpu_seconds": quota.cpu_seconds, "file_mb": quota.file_mb, "connections": quota.connections}


def _is_closed(school: School, wish: str) -> DeclarationError:
    return DeclarationError(
        f"Could not {wish} `{school.slug}`",
        because="it is closed",
        hint=f"open it again with `schoolctl reopen {school.slug}`",
    )
