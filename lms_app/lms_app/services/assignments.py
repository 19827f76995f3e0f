"""When an assignment can be handed in, what being late costs, and what a rubric and several versions come to.

Pure: nothing here needs a site. Times are naive, in the school's time zone: a day more ends at the hour of the day
before, also where clocks change in between.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lms_app.services import attempts
from lms_app.services.attempts import exact

ACCEPTED, LOSES_POINTS, NOT_ACCEPTED = "Accepted", "Loses Points", "Not Accepted"

DRAFT, SUBMITTED, GRADED, RETURNED, REPLACED = "Draft", "Submitted", "Graded", "Returned", "Replaced"
# What a pupil is shown the grade and the feedback of.
TOLD = (GRADED, RETURNED)

# Reasons why nothing can be handed in.
CLOSED, NONE_LEFT = "assignment_closed", "no_versions_left"
# Why a choice of levels is none, why a rubric cannot be used, and why a file is not taken.
UNKNOWN_CRITERION, UNKNOWN_LEVEL = "unknown_criterion", "unknown_level"
NO_CRITERION, SAME_CRITERION, NO_LEVEL = "no_criterion", "same_criterion", "no_level"
FOREIGN_LEVEL, SAME_LEVEL, NO_POINTS = "foreign_level", "same_level", "no_points"
TOO_MANY_ROWS = "too_many_rows"
BAD_FILE_TYPE, BAD_FILE_CONTENT = "bad_file_type", "bad_file_content"
FILE_TOO_BIG, EMPTY_FILE = "file_too_big", "empty_file"

LONGEST_NAME, LONGEST_URL = 120, 500
# What the form of a rubric has room for: criteria, and levels of each.
MOST_CRITERIA, MOST_LEVELS = 50, 20
MEGABYTE = 1024 * 1024
DAY = timedelta(days=1)

# How files of some types begin, whatever they are called.
_ZIP, _JPEG = (b"PK\x03\x04", b"PK\x05\x06"), (b"\xff\xd8\xff",)
BEGINNINGS: Mapping[str, tuple[bytes, ...]] = {
    **dict.fromkeys(("zip", "docx", "xlsx", "pptx", "odt", "ods", "odp", "epub"), _ZIP),
    **dict.fromkeys(("jpg", "jpeg"), _JPEG),
    "png": (b"\x89PNG\r\n\x1a\n",),
    "gif": (b"GIF87a", b"GIF89a"),
    "webp": (b"RIFF",),
    "pdf": (b"%PDF-",),
}


@dataclass(frozen=True)
class Rules:
    """Until when an assignment is taken, and how often.

    late_percent: of the most points that there are, lost for each day begun; late_most: lost at most. attempts: 0 for
    any number.
    """

    due_on: datetime | None = None
    cut_off_on: datetime | None = None
    policy: str = ACCEPTED
    late_percent: float = 0
    late_most: float = 100
    attempts: int = 1


@dataclass(frozen=True)
class Override:
    """What one pupil is given beyond the rules; dates stand in the place of the assignment's, and days follow them."""

    days: int = 0
    attempts: int = 0
    due_on: datetime | None = None
    cut_off_on: datetime | None = None


@dataclass(frozen=True)
class Level:
    """How well a criterion can be met."""

    anchor: str
    title: str
    points: float = 0
    description: str = ""


@dataclass(frozen=True)
class Criterion:
    """What is looked at, and the levels that there are."""

    anchor: str
    title: str
    levels: Sequence[Level] = ()
    description: str = ""

    @property
    def most(self) -> Fraction:
        """The points of its best level."""
        return max((exact(level.points) for level in self.levels), default=Fraction(0))


class InvalidChoiceError(ValueError):
    """Say that somebody chose what a rubric does not have."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def overridden(rules: Rules, override: Override | None) -> Rules:
    """Return the rules as they are for a pupil."""
    if override is None:
        return rules
    days = timedelta(days=max(0, override.days))
    due_on, cut_off_on = override.due_on or rules.due_on, override.cut_off_on or rules.cut_off_on
    return replace(
        _with_dates(rules, due_on and _after(due_on, days), cut_off_on and _after(cut_off_on, days)),
        attempts=rules.attempts + max(0, override.attempts) if rules.attempts else 0,
    )


def again(rules: Rules, until: datetime | None) -> Rules:
    """Return the rules for a new version of what was given back: in time until then, if that is later."""
    if until is None:
        return rules
    return _with_dates(rules, *(known and max(known, until) for known in (rules.due_on, rules.cut_off_on)))


def closes_on(rules: Rules) -> datetime | None:
    """Return the last moment in which something is taken; None if there is none."""
    ends = [rules.cut_off_on, rules.due_on if rules.policy == NOT_ACCEPTED else None]
    return min((end for end in ends if end), default=None)


def left(rules: Rules, states: Sequence[str]) -> int | None:
    """Return how many versions can still be handed in; None for any number.

    states: of those that were, the first one first. What a teacher gave back is not counted.
    """
    if not rules.attempts:
        return None
    free = rules.attempts - sum(1 for state in states if state != RETURNED)
    return max(free, 1 if states and states[-1] == RETURNED else 0)


def obstacle(rules: Rules, states: Sequence[str], now: datetime) -> str:
    """Return the reason why no version can be handed in now; nothing if one can. states: see `left`."""
    end = closes_on(rules)
    if end and now > end:
        return CLOSED
    return NONE_LEFT if left(rules, states) == 0 else ""


def days_late(due_on: datetime | None, moment: datetime) -> int:
    """Return how many days are begun since something was due; 0 for what is in time."""
    return max(0, -((due_on - moment) // DAY)) if due_on else 0


def is_late(rules: Rules, moment: datetime) -> bool:
    """Say whether what is handed in then is late."""
    return days_late(rules.due_on, moment) > 0


def lost_percent(rules: Rules, moment: datetime) -> Fraction:
    """Return how much of the most points is lost by handing in then: 0 to 100."""
    if rules.policy != LOSES_POINTS:
        return Fraction(0)
    lost = min(exact(rules.late_percent) * days_late(rules.due_on, moment), exact(rules.late_most))
    return min(Fraction(100), max(Fraction(0), lost))


def kept(given: Fraction, most: Fraction, lost: Fraction) -> Fraction:
    """Return what is left of the points given, after so many percent of the most; never less than nothing."""
    return max(Fraction(0), given - most * lost / 100)


def most_of(criteria: Sequence[Criterion]) -> Fraction:
    """Return the most points that a rubric gives."""
    return sum((criterion.most for criterion in criteria), Fraction(0))


def chosen(criteria: Sequence[Criterion], levels: Mapping[str, str]) -> list[tuple[Criterion, Level | None]]:
    """Return each criterion with the level that was chosen for it, None for none yet.

    levels: anchors of levels by anchors of criteria. Raises InvalidChoiceError for any that the rubric does not have.
    """
    if levels.keys() - {criterion.anchor for criterion in criteria}:
        raise InvalidChoiceError(UNKNOWN_CRITERION)
    found: list[tuple[Criterion, Level | None]] = []
    for criterion in criteria:
        known = {level.anchor: level for level in criterion.levels}
        anchor = levels.get(criterion.anchor)
        if anchor and anchor not in known:
            raise InvalidChoiceError(UNKNOWN_LEVEL)
        found.append((criterion, known[anchor] if anchor else None))
    return found


def rubric_faults(criteria: Sequence[str], levels: Sequence[tuple[str, str, float]]) -> list[str]:
    """Return why nobody could judge by a rubric: reasons.

    criteria: titles. levels: of each the criterion's title, its own, and its points.
    """
    titles = [title.strip() for title in criteria]
    named = [(of.strip(), title.strip()) for of, title, _ in levels]
    found = (
        (NO_CRITERION, not titles),
        (SAME_CRITERION, len({*titles}) < len(titles)),
        (FOREIGN_LEVEL, any(of not in titles for of, _ in named)),
        (NO_LEVEL, any(title not in [of for of, _ in named] for title in titles)),
        (SAME_LEVEL, len({*named}) < len(named)),
        (NO_POINTS, bool(named) and not any(points > 0 for *_, points in levels)),
        (
            TOO_MANY_ROWS,
            len(titles) > MOST_CRITERIA or max(Counter(of for of, _ in named).values(), default=0) > MOST_LEVELS,
        ),
    )
    return [reason for reason, is_so in found if is_so]


def result(method: str, versions: Sequence[tuple[str, Fraction]]) -> Fraction | None:
    """Return the percentage that a pupil's versions come to: state and percentage of each, the first one first.

    Only what is graded counts; None without any.
    """
    return attempts.result(method, [percent for state, percent in versions if state == GRADED])


def endings(words: str | None) -> tuple[str, ...]:
    """Return the endings of file names that a teacher listed, without dots, in small letters."""
    found = (word.strip().lstrip("*.").lower() for word in (words or "").replace(";", ",").split(","))
    return tuple(dict.fromkeys(word for word in found if word))


def ending(name: str) -> str:
    """Return the ending of a file's name, in small letters; nothing if it has none."""
    return name.rpartition(".")[2].lower() if "." in name.strip(".") else ""


def file_fault(name: str, content: bytes, allowed: Sequence[str], megabytes: int) -> str:
    """Return why a file is not taken; nothing if it is. allowed: endings."""
    if ending(name) not in allowed:
        return BAD_FILE_TYPE
    if not content:
        return EMPTY_FILE
    if len(content) > megabytes * MEGABYTE:
        return FILE_TOO_BIG
    known = BEGINNINGS.get(ending(name))
    return "" if known is None or content.startswith(known) else BAD_FILE_CONTENT


def plain_name(name: str | None) -> str:
    """Return what a file is called, without folders and control characters, and shortened before its ending."""
    base = (name or "").replace("\\", "/").rpartition("/")[2]
    base = " ".join("".join(letter if letter.isprintable() else " " for letter in base).split())
    if len(base) <= LONGEST_NAME:
        return base
    tail = f".{ending(base)}" if 0 < len(ending(base)) < 20 else ""
    return base[: LONGEST_NAME - len(tail)].rstrip() + tail


def is_web_address(text: str) -> bool:
    """Say whether a text is the address of a web page, and nothing else that a browser would do something with."""
    try:
        address = urlsplit(text)
        has_port = address.port is None or address.port > 0
    except ValueError:
        return False
    is_plain = all(letter.isprintable() and not letter.isspace() for letter in text)
    return is_plain and has_port and address.scheme in ("http", "https") and bool(address.hostname)


def elsewhere(moment: datetime, school: str, reader: str | None) -> datetime | None:
    """Return what a reader's clock shows in a moment of the school's; None where it shows the same, or nobody knows."""
    try:
        there = moment.replace(tzinfo=ZoneInfo(school)).astimezone(ZoneInfo(reader or school)).replace(tzinfo=None)
    except (ZoneInfoNotFoundError, ValueError):
        return None
    return there if there != moment else None


def _after(moment: datetime, days: timedelta) -> datetime:
    """Return a later moment; the last one that there is, where there is none so late."""
    return moment + days if days <= datetime.max - moment else datetime.max


def _with_dates(rules: Rules, due_on: datetime | None, cut_off_on: datetime | None) -> Rules:
    # Whoever is in time can hand in.
    if due_on and cut_off_on:
        cut_off_on = max(due_on, cut_off_on)
    return replace(rules, due_on=due_on, cut_off_on=cut_off_on)
