"""Look at many things side by side, each for a limited time, and say of each what was found."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from schoolctl.errors import SchoolctlError
from schoolctl.workflows.trouble import Trouble

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Result(Enum):
    """What a check came to."""

    WELL = "well"
    ILL = "ill"
    PASSED_OVER = "passed over"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to say of one thing: what is wrong with it, what is worth knowing, or why it was not looked at."""

    troubles: Sequence[Trouble] = ()
    notes: Sequence[str] = ()
    passed_over: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    name: for programs. title: what is so if all is well, for people. within: seconds that it may take.
    """

    name: str
    title: str
    look: Callable[[], Seen]
    within: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one check."""

    check: Check
    result: Result
    seen: Seen
    seconds: float


def diagnose(lanes: Sequence[Sequence[Check]], tell: Callable[[Finding], None]) -> list[Finding]:
    """Look at everything: lanes side by side, the checks of a lane one after the other; return the findings in order.

    tell: hears of each finding at once. A check that takes longer than it may is unknown, and so is what would come
    after it in its lane: nobody waits for it.
    """
    events: queue.SimpleQueue[tuple[int, Finding | BaseException | None]] = queue.SimpleQueue()

    def walk(lane: int) -> None:
        try:
            for check in lanes[lane]:
                events.put((lane, None))
                events.put((lane, _look(check)))
        except BaseException as fault:
            events.put((lane, fault))

    found: list[list[Finding]] = [[] for _ in lanes]
    ends: dict[int, float] = {}

    def note(lane: int, finding: Finding) -> None:
        found[lane].append(finding)
        tell(finding)

    for lane, checks in enumerate(lanes):
        if checks:
            ends[lane] = time.monotonic() + checks[0].within
            # What hangs cannot be stopped; a daemon does not keep the program from ending.
            threading.Thread(target=walk, args=(lane,), daemon=True).start()
    while ends:
        try:
            lane, event = events.get(timeout=max(0.0, min(ends.values()) - time.monotonic()))
        except queue.Empty:
            for lane in [lane for lane, end in ends.items() if end <= time.monotonic()]:
                del ends[lane]
                late, *rest = lanes[lane][len(found[lane]) :]
                note(lane, _unknown(late, f"no answer within {late.within:g} s", late.within))
                for check in rest:
                    note(lane, _unknown(check, f"it waited for what was not answered: {late.title}", 0.0))
            continue
        if isinstance(event, BaseException):
            raise event
        if lane not in ends:
            continue  # too late
        if event is None:
            ends[lane] = time.monotonic() + lanes[lane][len(found[lane])].within
            continue
        note(lane, event)
        if len(found[lane]) == len(lanes[lane]):
            del ends[lane]
    return [finding for lane in found for finding in lane]


def _look(check: Check) -> Finding:
    began = time.monotonic()
    try:
        seen = check.look()
    except SchoolctlError as fault:
        return _unknown(check, fault.reason, time.monotonic() - began)
    seconds = time.monotonic() - began
    if seen.passed_over:
        return Finding(check, Result.PASSED_OVER, seen, seconds)
    return Finding(check, Result.ILL if seen.troubles else Result.WELL, seen, seconds)


def _unknown(check: Check, because: str, seconds: float) -> Finding:
    mend = "mend what else is named here, then run `schoolctl doctor` again"
    return Finding(check, Result.UNKNOWN, Seen([Trouble(f"Not known: {check.title}", because, mend)]), seconds)


def each(do: Callable[[Item], Outcome], items: Sequence[Item], *, at_once: int = 16) -> list[Outcome]:
    """Do something with each item, some of them at once, and return what came of them in order.

    Nothing of it keeps the program from ending, as a pool of threads would.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(items)):
        waiting.put(number)
    done: queue.SimpleQueue[tuple[int, Outcome] | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            while True:
                number = waiting.get_nowait()
                done.put((number, do(items[number])))
        except queue.Empty:
            return
        except BaseException as fault:
            done.put(fault)

    for _ in range(min(at_once, len(items))):
        threading.Thread(target=work, daemon=True).start()
    outcomes: dict[int, Outcome] = {}
    while len(outcomes) < len(items):
        event = done.get()
        if isinstance(event, BaseException):
            raise event
        outcomes[event[0]] = event[1]
    return [outcomes[number] for number in range(len(items))]


def grouped(faults: Mapping[str, tuple[str, str]], what: Callable[[str], str]) -> list[Trouble]:
    """Return what is wrong at schools, those with the same fault in one.

    faults: by slug the fact, and the command that mends it with {slug} for the school's. what: makes the harm of them.
    """
    slugs: dict[tuple[str, str], list[str]] = {}
    for slug, fault in faults.items():
        slugs.setdefault(fault, []).append(slug)
    return [
        Trouble(
            what(named(at)),
            because,
            mend.format(slug=at[0]) + (", and the same for each of the others" if "{slug}" in mend and at[1:] else ""),
            tuple(at),
        )
        for (because, mend), at in slugs.items()
    ]


def named(slugs: Sequence[str]) -> str:
    """Return schools as words: all of a few, the first of many."""
    shown = [f"`{slug}`" for slug in (slugs if len(slugs) <= 4 else slugs[:3])]
    if len(slugs) > 4:
        shown.append(f"{len(slugs) - 3} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
