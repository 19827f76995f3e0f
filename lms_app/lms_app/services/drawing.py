"""Which questions an attempt has, in which order, and what its options are called there: all of it by one seed.

Pure: nothing here needs a site. The seed stays with the attempt, so that what was drawn can be drawn again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from lms_app.services import scoring
from lms_app.services.scoring import Option, Question

# Why a quiz cannot be drawn.
TOO_FEW = "too_few_questions"


class TooFewQuestionsError(ValueError):
    """Say that a bank holds fewer questions than a quiz wants of it."""


@dataclass(frozen=True)
class Slot:
    """A place in a quiz: so many questions of a pool, each for so many points (None for its own)."""

    pool: Sequence[str]
    count: int = 1
    points: float | None = None


@dataclass(frozen=True)
class Shown:
    """What a pupil is shown of a question, and the rows behind it.

    items: what is chosen, ordered or matched; targets: what items are matched with; both as {id, text}. refs: the name
    of the row by each id.
    """

    items: list[dict[str, str]]
    targets: list[dict[str, str]]
    refs: dict[str, str]
    gaps: list[int]


def generator(seed: str) -> Random:
    """Return the numbers that belong to a seed."""
    return Random(seed)  # noqa: S311 - it has to be drawn again; what nobody may guess is the seed


def draw(slots: Sequence[Slot], chance: Random, *, is_shuffled: bool) -> list[tuple[str, float | None]]:
    """Return the questions of an attempt with their points, none of them twice.

    Raises TooFewQuestionsError if a pool holds fewer than are wanted of it and not in the quiz already.
    """
    fixed = {name for slot in slots if len(slot.pool) == slot.count for name in slot.pool}
    taken: set[str] = set()
    found: list[tuple[str, float | None]] = []
    for slot in slots:
        if len(slot.pool) == slot.count:
            names = [name for name in slot.pool if name not in taken]
        else:
            free = [name for name in slot.pool if name not in taken | fixed]
            if len(free) < slot.count:
                raise TooFewQuestionsError
            names = chance.sample(free, slot.count)
        if len(names) < slot.count:
            raise TooFewQuestionsError
        taken.update(names)
        found += [(name, slot.points) for name in names]
    if is_shuffled:
        chance.shuffle(found)
    return found


def show(question: Question, body: str, chance: Random, *, is_shuffled: bool) -> Shown:
    """Return a question as one attempt shows it; what reveals a key, such as the order of an ordering, never stays."""
    used: set[str] = set()
    refs: dict[str, str] = {}

    def listed(rows: Sequence[Option], field: str) -> list[dict[str, str]]:
        found = []
        for row in rows:
            name = _new(chance, used)
            refs[name] = row.name
            found.append({"id": name, "text": getattr(row, field)})
        return found

    kind, rows = question.kind, [row for row in question.options if row.text]
    items: list[dict[str, str]] = []
    targets: list[dict[str, str]] = []
    if kind in (*scoring.CHOICES, scoring.MULTIPLE):
        items = listed(_mixed(rows, chance) if is_shuffled and kind != scoring.TRUE_FALSE else rows, "text")
    elif kind == scoring.ORDERING:
        items = listed(_deranged(rows, chance), "text")
    elif kind == scoring.MATCHING:
        items = listed(_mixed(rows, chance) if is_shuffled else rows, "text")
        # One target for each text: two of the same could not be told apart.
        targets = listed(_mixed([*{row.key: row for row in question.options}.values()], chance), "key")
    gaps = [*dict.fromkeys(int(gap) for gap in scoring.GAP.findall(body))] if kind == scoring.CLOZE else []
    return Shown(items, targets, refs, gaps)


def _new(chance: Random, used: set[str]) -> str:
    while (name := f"{chance.getrandbits(32):08x}") in used:
        pass
    used.add(name)
    return name


def _mixed(rows: Sequence[Any], chance: Random) -> list[Any]:
    return chance.sample(rows, len(rows))


def _deranged(rows: Sequence[Any], chance: Random) -> list[Any]:
    """Return rows in another order than theirs, if there is another."""
    mixed = _mixed(rows, chance)
    return [*mixed[1:], mixed[0]] if mixed == [*rows] and len(mixed) > 1 else mixed
