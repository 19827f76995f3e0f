"""When a pupil may begin a quiz, how long an attempt lasts, and what several attempts come to.

Pure: nothing here needs a site. Times are naive, in the school's time zone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

HIGHEST, LAST, AVERAGE, FIRST = "Highest", "Last", "Average", "First"
METHODS = (HIGHEST, LAST, AVERAGE, FIRST)

IN_PROGRESS, WAITING, GRADED = "In Progress", "Waiting for a Grade", "Graded"

# Reasons why no attempt can begin; `until` says when one can, if time alone does it.
NOT_YET, CLOSED, NONE_LEFT, COOLING = "quiz_not_open", "quiz_closed", "no_attempts_left", "cooldown"


@dataclass(frozen=True)
class Rules:
    """What a quiz asks of its attempts.

    attempts: 0 for any number. limit and cooldown: minutes, 0 for none. grace: seconds in which what was on its way
    when the time was up still counts.
    """

    attempts: int = 0
    limit: int = 0
    cooldown: int = 0
    grace: int = 0
    opens_on: datetime | None = None
    closes_on: datetime | None = None


@dataclass(frozen=True)
class Override:
    """What one pupil is given beyond the rules; dates stand in the place of the quiz's."""

    minutes: int = 0
    attempts: int = 0
    opens_on: datetime | None = None
    closes_on: datetime | None = None


def overridden(rules: Rules, override: Override | None) -> Rules:
    """Return the rules as they are for a pupil; nobody gets less by an override than without."""
    if override is None:
        return rules
    return replace(
        rules,
        attempts=rules.attempts + max(0, override.attempts) if rules.attempts else 0,
        limit=rules.limit + max(0, override.minutes) if rules.limit else 0,
        opens_on=override.opens_on or rules.opens_on,
        closes_on=override.closes_on or rules.closes_on,
    )


def obstacle(rules: Rules, begun: int, ended_on: datetime | None, now: datetime) -> tuple[str, datetime | None]:
    """Return the reason why no further attempt can begin, and when one can; ("", None) if one can now.

    begun: how many there were. ended_on: when the last of them was handed in.
    """
    if rules.opens_on and now < rules.opens_on:
        return NOT_YET, rules.opens_on
    if rules.closes_on and now >= rules.closes_on:
        return CLOSED, None
    if left(rules, begun) == 0:
        return NONE_LEFT, None
    if rules.cooldown and ended_on and now < (again := ended_on + timedelta(minutes=rules.cooldown)):
        return COOLING, again
    return "", None


def left(rules: Rules, begun: int) -> int | None:
    """Return how many attempts are left; None for any number."""
    return max(0, rules.attempts - begun) if rules.attempts else None


def deadline(rules: Rules, started_on: datetime) -> datetime | None:
    """Return when an attempt ends: after its time, or when the quiz closes; None if never."""
    ends = [rules.closes_on] if rules.closes_on else []
    if rules.limit:
        ends.append(started_on + timedelta(minutes=rules.limit))
    return min(ends, default=None)


def is_over(ends: datetime | None, grace: int, now: datetime) -> bool:
    """Say whether nothing more can be written into an attempt."""
    return ends is not None and now > ends + timedelta(seconds=grace)


def result(method: str, percents: Sequence[Fraction]) -> Fraction | None:
    """Return what the graded attempts of a pupil, in their order, come to; None without any."""
    if not percents:
        return None
    if method == AVERAGE:
        return sum(percents, Fraction(0)) / len(percents)
    return {HIGHEST: max(percents), LAST: percents[-1], FIRST: percents[0]}[method]


def percent(points: Fraction, most: Fraction) -> Fraction:
    """Return points as a percentage of the most that there is, 0 to 100; 0 of nothing is 0."""
    return min(Fraction(100), max(Fraction(0), points * 100 / most)) if most > 0 else Fraction(0)


def shown(percent: Fraction) -> int:
    """Return a percentage as it is told: in whole percents that are reached, so that no failure looks like a pass."""
    return int(round(percent, 6))


def exact(value: float | None) -> Fraction:
    """Return points as they are written down, and not as the nearest binary number; nothing is 0."""
    return Fraction(str(value or 0))


def is_passed(reached: Fraction | None, needed: float) -> bool:
    """Say whether a percentage is enough: to six places, because a third of a point is kept with nine of them."""
    return reached is not None and round(reached, 6) >= Fraction(str(needed))
