"""What commands that make something for a school have in common: its claim, and passwords."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from schoolctl.errors import RefusedError
from schoolctl.remote.server import DRILL, Server


def new_password() -> str:
    """Return 192 random bits in characters that neither SQL nor a shell gives a meaning."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class Again:
    """The command that takes up what an interrupted one left at a school.

    words: as a person types it, without `schoolctl`. consent: options that answer its question, because the answer was
    given when it was begun.
    """

    words: tuple[str, ...]
    consent: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(("schoolctl", *self.words))


def _restore(slug: str, claim: Mapping[str, Any]) -> Again:
    options = tuple(map(str, claim.get("options", ())))
    # Without its set a restore would take the newest, which need not be the one that was chosen; a moment chooses one.
    chosen = ("--set", str(claim["set"])) if claim.get("set") and "--at" not in options else ()
    if of := claim.get("of"):
        return Again(("restore", str(of), "--as", slug, *chosen, *options), consent=("--yes",))
    return Again(("restore", slug, *chosen, *options), consent=("--yes",))


def _import(slug: str, claim: Mapping[str, Any]) -> Again:
    # The file is named among the options.
    return Again(("import", *map(str, claim.get("options", ())), "--as", slug))


def _as_begun(slug: str, claim: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(claim["doing"]), slug, *map(str, claim.get("options", ())))


def _end(slug: str, claim: Mapping[str, Any]) -> Again:
    return Again(_as_begun(slug, claim), consent=("--yes", "--confirm", slug))


def _clone(slug: str, claim: Mapping[str, Any]) -> Again:
    doing, *rest = _as_begun(slug, claim)
    return Again((doing, str(claim.get("of")), *rest))


# By what a claim says it was doing, which is the command's name. Every command that leaves claims has its line here.
_AGAIN: Mapping[str, Callable[[str, Mapping[str, Any]], Again]] = {
    "new-school": lambda slug, claim: Again(_as_begun(slug, claim)),
    "restore": _restore,
    "import": _import,
    "verify-backup": lambda site, _: Again(("verify-backup", site.removesuffix(DRILL))),
    "close-school": _end,
    "reopen": lambda slug, _: Again(("reopen", slug)),
    "purge": _end,
    "clone": _clone,
    "golden": lambda _, claim: Again(("golden", *map(str, claim.get("options", ())))),
}


def again(slug: str, claim: Mapping[str, Any]) -> Again | None:
    """Return what takes up an interrupted command; None for a command that this schoolctl does not know."""
    known = _AGAIN.get(str(claim.get("doing")))
    return known(slug, claim) if known else None


def refuse_claim_of_others(server: Server, slug: str, doing: str) -> None:
    """Raise RefusedError if an interrupted command of another kind still owns something of this school."""
    claim = server.claim(slug)
    if claim is not None and claim.get("doing") != doing:
        raise RefusedError(
            f"Could not begin on `{slug}`",
            because=f"`{claim.get('doing')}` was interrupted there at {claim.get('since')}",
            hint=f"run `{again(slug, claim) or claim.get('doing')}` again first: it clears up or completes",
        )
