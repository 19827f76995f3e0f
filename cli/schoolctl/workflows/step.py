"""The step, and how a list of steps is run: skipped when done, taken back when a later one fails."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from schoolctl.errors import SchoolctlError


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a workflow does.

    is_done: asks the server; true skips the step. do: may be run again after it was killed anywhere.
    undo: takes back what this run made, all or part of it; called for a failing step and for those done before it.
    commits: once done, nothing before it is taken back any more; a later run goes on from there. Such a step says by
    is_done whether it happened, because its failure may have come after the deed.
    """

    title: str
    do: Callable[[], None]
    is_done: Callable[[], bool] = _never
    undo: Callable[[], None] | None = None
    commits: bool = False


class Outcome(Enum):
    """What is said of a step."""

    STARTED = "started"
    GOING_ON = "going on"
    DONE = "done"
    SKIPPED = "already done"
    WOULD_DO = "would do"
    FAILED = "failed"
    TAKEN_BACK = "taken back"
    STUCK = "could not be taken back"
    ILL = "not so"
    PASSED_OVER = "passed over"


Progress = Callable[[str, Outcome, float], None]
"""Told of each step: its title, what became of it, and the seconds that it took."""


def run_steps(
    steps: Sequence[Step], progress: Progress, *, dry_run: bool = False, done: list[Step] | None = None
) -> bool:
    """Run the steps in order; return whether anything was done.

    done: gets the steps that can still be taken back; those that it holds already are taken back with the rest, after
    which it is empty.
    On any failure, Ctrl-C included, the undos run backwards to the last commit, then the failure goes on its way. When
    an undo fails, those before it are left as well: what they made, such as a claim, tells the next run what to clear.
    """
    to_undo = [] if done is None else done
    changed = False
    for step in steps:
        began, begun = time.monotonic(), False
        try:
            if step.is_done():
                progress(step.title, Outcome.SKIPPED, 0.0)
                continue
            changed = True
            if dry_run:
                progress(step.title, Outcome.WOULD_DO, 0.0)
                continue
            begun = True
            progress(step.title, Outcome.STARTED, 0.0)
            step.do()
        except BaseException:
            progress(step.title, Outcome.FAILED, time.monotonic() - began)
            if not (begun and step.commits and _may_have_happened(step)):
                take_back([*to_undo, step] if begun else to_undo, progress)
                to_undo.clear()
            raise
        progress(step.title, Outcome.DONE, time.monotonic() - began)
        if step.commits:
            to_undo.clear()
        else:
            to_undo.append(step)
    return changed


def _may_have_happened(step: Step) -> bool:
    try:
        return step.is_done()
    except SchoolctlError:
        return True  # nobody can say: taking back could destroy what is in use now


def take_back(steps: Sequence[Step], progress: Progress) -> None:
    """Undo steps backwards, until one cannot be undone."""
    for step in reversed(steps):
        if step.undo is None:
            continue
        began = time.monotonic()
        try:
            step.undo()
        except SchoolctlError:
            # The first failure is the one to report.
            progress(step.title, Outcome.STUCK, time.monotonic() - began)
            return
        progress(step.title, Outcome.TAKEN_BACK, time.monotonic() - began)
