"""Check single values of a declaration; each check returns the value or raises with the reason."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from schoolctl.errors import DeclarationError

SLUG = re.compile(r"[a-z][a-z0-9-]{1,29}")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,4})?")
CURRENCY = re.compile(r"[A-Z]{3}")
EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")

# Folder names that the bench or this product uses beside the schools' own.
RESERVED_SLUGS = frozenset(
    {
        *("all", "apps", "archive", "assets", "backups", "edge", "erpnext", "frappe", "localhost", "lms-app", "logs"),
        *("declared", "fetched", "inventory", "locks", "repository", "spool"),
    }
)

# Last labels that never lead a visitor to a server, and why (RFC 6761, 6762, 7686, 8375, 9476; ICANN for `internal`).
# `example` and `test` never do either, but they are there to try things with.
RESERVED_ENDINGS = {
    "alt": "is kept out of the DNS",
    "arpa": "belongs to the network itself",
    "internal": "is for private networks, and no authority certifies it",
    "invalid": "is there to lead nowhere",
    "local": "is looked up in one's own network only",
    "localhost": "is everybody's own machine",
    "onion": "leads into Tor only",
}


class InvalidValueError(ValueError):
    """Carry the reason why one value is refused."""


def wrong(where: str, reason: str, *, hint: str = "") -> DeclarationError:
    """Make the error for one place of a declaration, such as `schools.yml: schools.a.domain`."""
    return DeclarationError("The declaration is wrong", because=f"{where}: {reason}", hint=hint)


def known_keys(where: str, row: Mapping[Any, Any], known: Iterable[str]) -> None:
    """Raise for the first key that is not known, with the nearest known one."""
    names = sorted(known)
    for key in row:
        if not isinstance(key, str):
            raise wrong(f"{where}.{key}", "a key must be text; quote it")
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            advice = f"did you mean `{near[0]}`?" if near else f"known keys are {', '.join(names)}"
            raise wrong(f"{where}.{key}", f"unknown key, {advice}")


def text(value: Any) -> str:
    """Return plain text on one line, without Jinja markers and characters that cannot be seen."""
    if not isinstance(value, str):
        kind = type(value).__name__
        raise InvalidValueError(f"must be text, but YAML reads it as {kind}; put it in quotes")
    if "{{" in value or "{%" in value or "{#" in value:
        raise InvalidValueError("must be plain data: `{{`, `{%` and `{#` are not allowed")
    for character in value:
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
            raise InvalidValueError(f"contains the invisible character U+{ord(character):04X}")
    return unicodedata.normalize("NFC", value)


def title(value: Any) -> str:
    """Return a school's title: 1 to 140 characters, not only spaces, the length that Frappe stores."""
    checked = text(value).strip()
    if not 1 <= len(checked) <= 140:
        raise InvalidValueError("must have 1 to 140 characters")
    return checked


def slug(value: Any) -> str:
    """Return a slug: 2 to 30 of a-z, 0-9 and `-`, beginning with a letter; it names a folder for ever."""
    if not isinstance(value, str) or not SLUG.fullmatch(value) or value.endswith("-"):
        raise InvalidValueError(
            "a slug has 2 to 30 characters of a-z, 0-9 and -, begins with a letter and does not end with -"
        )
    if value in RESERVED_SLUGS:
        raise InvalidValueError("this name is reserved")
    return value


def domain(value: Any) -> str:
    """Return a host name that visitors can reach: lower-case ASCII, at least two labels, none of the reserved names."""
    checked = _host_name(value)
    ending = checked.rpartition(".")[2]
    if ending in RESERVED_ENDINGS:
        raise InvalidValueError(f"is reserved: `.{ending}` {RESERVED_ENDINGS[ending]}")
    return checked


def language(value: Any) -> str:
    """Return a language as Frappe names it: an ISO 639 code, perhaps with a region, such as fr or pt-BR."""
    checked = text(value)
    if not LANGUAGE.fullmatch(checked):
        raise InvalidValueError("is no language code such as fr or pt-BR")
    return checked


def timezone(value: Any) -> str:
    """Return the name of a time zone that the IANA database has."""
    checked = text(value)
    # Here, because few rows have one, and every start would pay for it.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(checked)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValueError("is no time zone such as Europe/Paris") from None
    return checked


def currency(value: Any) -> str:
    """Return a currency's ISO 4217 code."""
    checked = text(value)
    if not CURRENCY.fullmatch(checked):
        raise InvalidValueError("is no currency code such as EUR")
    return checked


def day(value: Any) -> str:
    """Return a day in ISO form, as text: YAML reads a bare one as a date, which Ansible would print otherwise."""
    checked = text(value)
    try:
        found = date.fromisoformat(checked)
    except ValueError:
        raise InvalidValueError('is no day such as "2026-12-31"') from None
    if checked != found.isoformat():
        raise InvalidValueError('is no day such as "2026-12-31"')
    return checked


def is_key_of(kind: str, encoded: str) -> bool:
    """Tell whether the bytes of a public SSH key (base64) begin with the kind that its line names."""
    # Here, because few declarations are looked at for one.
    from base64 import b64decode

    try:
        content = b64decode(encoded, validate=True)
    except ValueError:
        return False
    return content.startswith(len(kind).to_bytes(4, "big") + kind.encode())


def _host_name(value: Any) -> str:
    """Return a host name by RFC 1123, its international labels as A-labels by RFC 5891 that trick no reader."""
    checked = text(value)
    if not checked.isascii():
        raise InvalidValueError("must be ASCII; write an international name in its xn-- form")
    if len(checked) > 253:
        raise InvalidValueError("must have at most 253 characters")
    labels = checked.split(".")
    if len(labels) < 2 or not all(LABEL.fullmatch(label) for label in labels):
        raise InvalidValueError(
            "is not a host name: lower-case letters, digits and - in at least two parts joined by dots"
        )
    if labels[-1].isdigit():
        raise InvalidValueError("is an address, not a name")
    if any(label[2:4] == "--" for label in labels):
        # Here, because few names are international, and because that module knows this one.
        from schoolctl.schools import domains

        domains.refuse_tricks(labels)
    return checked


def email(value: Any) -> str:
    """Return an e-mail address of plain ASCII form, at most 140 characters."""
    checked = text(value)
    if len(checked) > 140 or not EMAIL.fullmatch(checked):
        raise InvalidValueError("is not an e-mail address")
    _host_name(checked.rpartition("@")[2].lower())
    return checked
