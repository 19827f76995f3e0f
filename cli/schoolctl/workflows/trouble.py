"""One thing that is wrong on a server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong: what it does, the fact, and what to run. schools: those it concerns, if not all."""

    what: str
    because: str
    mend: str
    schools: tuple[str, ...] = ()
