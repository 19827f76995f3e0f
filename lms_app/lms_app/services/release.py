"""When a pupil may open a lesson: dates, days since enrolment, modules before it, the order of a course.

Pure: nothing here needs a site. Times are naive, in the school's time zone.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

NOW, ON_DATE, AFTER_DAYS, AFTER_MODULE = "Now", "On Date", "Days After Enrolment", "After Module"

# A hundred years: days that are counted from a date lead to one that there is.
MOST_DAYS = 36500

# Reasons for a lock; `until` or `by` say the rest.
NOT_BEFORE, MODULE_FIRST, LESSON_FIRST = "not_before", "module_first", "lesson_first"


@dataclass(frozen=True)
class Rule:
    """When a module opens.

    on: for ON_DATE. days: for AFTER_DAYS, each of 24 hours. after: the module's name, for AFTER_MODULE.
    """

    kind: str = NOW
    on: datetime | None = None
    days: int = 0
    after: str | None = None


@dataclass(frozen=True)
class Lesson:
    """What of a lesson decides about others: its name, and whether the course is not completed without it."""

    name: str
    is_required: bool = True
    is_preview: bool = False


@dataclass(frozen=True)
class Module:
    """A module with its lessons, in their order."""

    name: str
    rule: Rule = field(default_factory=Rule)
    lessons: Sequence[Lesson] = ()


@dataclass(frozen=True)
class Lock:
    """Why a lesson is not open yet.

    until: when it opens, if time alone does it. by: the name of the module or lesson that comes first.
    """

    reason: str
    until: datetime | None = None
    by: str | None = None


def locks(
    modules: Sequence[Module],
    completed: Collection[str],
    now: datetime,
    activated_on: datetime,
    *,
    starts_on: datetime | None = None,
    sequential: bool = False,
) -> dict[str, Lock | None]:
    """Return for each lesson why it is locked for a pupil; None for one that is open.

    completed: names of the lessons that the pupil has completed; these stay open, and so do previews.
    """
    finished = {module.name: _is_finished(module, completed) for module in modules}
    found: dict[str, Lock | None] = {}
    missing: str | None = None
    for module in modules:
        lock = _before(starts_on, now) or of_module(module.rule, now, activated_on, finished)
        for lesson in module.lessons:
            if lesson.is_preview or lesson.name in completed:
                found[lesson.name] = None
            else:
                found[lesson.name] = lock or (Lock(LESSON_FIRST, by=missing) if missing else None)
            if sequential and missing is None and lesson.is_required and lesson.name not in completed:
                missing = lesson.name
    return found


def of_module(rule: Rule, now: datetime, activated_on: datetime, finished: Mapping[str, bool]) -> Lock | None:
    """Return why a module is locked; None for one that is open.

    finished: of each module whether the pupil is through. One that is gone keeps nobody out.
    """
    if rule.kind == ON_DATE:
        return _before(rule.on, now)
    if rule.kind == AFTER_DAYS:
        return _before(activated_on + timedelta(days=rule.days), now)
    if rule.kind == AFTER_MODULE and rule.after and not finished.get(rule.after, True):
        return Lock(MODULE_FIRST, by=rule.after)
    return None


def circle(after: Mapping[str, str | None]) -> list[str]:
    """Return modules that wait for one another, in their order; nothing if each can open at some time."""
    for start in after:
        path = list(_chain(start, after))
        if after.get(path[-1]) == start:
            return path
    return []


def _chain(start: str, after: Mapping[str, str | None]) -> Iterator[str]:
    seen: set[str] = set()
    name: str | None = start
    while name is not None and name not in seen:
        yield name
        seen.add(name)
        name = after.get(name)


def _is_finished(module: Module, completed: Collection[str]) -> bool:
    return all(lesson.name in completed for lesson in module.lessons if lesson.is_required)


def _before(moment: datetime | None, now: datetime) -> Lock | None:
    return Lock(NOT_BEFORE, until=moment) if moment and now < moment else None
