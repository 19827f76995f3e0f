"""How far a pupil is: what a beat of a lesson page counts for, when a lesson is completed, and a course's percent.

Pure: nothing here needs a site. The browser says what it saw; the clock of the server says how much of it can be true.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MANUAL, VIEW, VIDEO, QUIZ = "Manual", "View", "Video %", "Quiz Passed"
SUBMITTED, GRADED = "Submitted", "Graded"

# The fastest that players go, and how long a beat may be on its way.
MAX_SPEED = 2
SLACK_S = 3
# Beats that got lost are made up for, as far as this: whoever went away for longer did not watch, and visits anew.
LONGEST_GAP_S = 120


@dataclass(frozen=True)
class Trace:
    """What is known of a pupil in a lesson.

    seconds: active ones. position: of the video, to go on from. watched: how far it was watched without a jump.
    visit_began, visit_from: when the visit began that goes on, and how far the video was watched then.
    """

    seconds: int = 0
    position: int = 0
    watched: int = 0
    last_beat: datetime | None = None
    visit_began: datetime | None = None
    visit_from: int = 0


def after_beat(trace: Trace, seconds: int, position: int | None, now: datetime) -> Trace:
    """Return the trace after a beat that claims so many active seconds and a position of the video (seconds).

    The first beat only starts the clock. Negative numbers count for nothing. What a beat may be late counts once in a
    visit: many beats in a row are no faster than one.
    """
    heard = replace(trace, position=trace.position if position is None else max(0, position), last_beat=now)
    if trace.last_beat is None:
        return replace(heard, position=trace.position, visit_began=now, visit_from=trace.watched)
    began, start = trace.visit_began or trace.last_beat, trace.visit_from if trace.visit_began else trace.watched
    if is_new_visit(trace, now):
        began, start = now - timedelta(seconds=LONGEST_GAP_S), trace.watched
    elapsed = min(max(0, int((now - trace.last_beat).total_seconds())), LONGEST_GAP_S)
    since_then = trace.watched + elapsed * MAX_SPEED
    in_all = start + int((now - began).total_seconds() * MAX_SPEED)
    is_jump = heard.position > min(since_then, in_all) + SLACK_S
    return replace(
        heard,
        seconds=trace.seconds + min(max(0, seconds), elapsed),
        watched=trace.watched if is_jump or elapsed == 0 else max(trace.watched, heard.position),
        visit_began=began,
        visit_from=start,
    )


def is_new_visit(trace: Trace, now: datetime) -> bool:
    """Say whether a pupil had gone away and is back."""
    return trace.last_beat is not None and (now - trace.last_beat).total_seconds() > LONGEST_GAP_S


def is_completed(rule: str, trace: Trace, *, video_percent: int = 0, duration: int = 0) -> bool:
    """Say whether a lesson is completed by what is known of it; a Manual one never is by itself.

    duration: of the lesson's video, in seconds.
    """
    if rule == VIEW:
        return trace.last_beat is not None
    if rule == VIDEO:
        return duration > 0 and trace.watched * 100 >= min(video_percent, 100) * duration
    return False


def may_be_declared(rule: str) -> bool:
    """Say whether a pupil's word is enough."""
    return rule in (MANUAL, VIEW)


def percent(completed: int, required: int) -> int:
    """Return how much of the required lessons is completed: 0 to 100, and 100 only if all are; 0 of none is 0."""
    return min(completed, required) * 100 // required if required > 0 else 0
