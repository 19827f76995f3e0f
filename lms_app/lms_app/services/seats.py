"""What becomes of somebody who wants to join a course: a seat, a place in the queue, or a reason why not.

Pure: nothing here needs a site.
"""

from dataclasses import dataclass
from datetime import datetime

OPEN, APPROVAL, INVITE, PAID, COHORT_ONLY = "Open", "Approval", "Invite", "Paid", "Cohort Only"

PENDING_PAYMENT, PENDING_APPROVAL, WAITLISTED = "Pending Payment", "Pending Approval", "Waitlisted"
ACTIVE, COMPLETED, SUSPENDED = "Active", "Completed", "Suspended"
EXPIRED, CANCELLED = "Expired", "Cancelled"

# Who takes a seat from others, who may join no second time, and who may come back by joining anew.
HOLDING = (PENDING_PAYMENT, ACTIVE, SUSPENDED)
LIVE = (*HOLDING, PENDING_APPROVAL, WAITLISTED, COMPLETED)
ENDED = (EXPIRED, CANCELLED)
# Who may read the lessons.
LEARNING = (ACTIVE, COMPLETED)

# Reasons why not.
NOT_YET, TOO_LATE, PREREQUISITES = "enrolment_not_open", "enrolment_closed", "prerequisites"
INVITE_ONLY, MUST_PAY, BY_COHORT, FULL = "invite_only", "must_pay", "by_cohort", "full"


@dataclass(frozen=True)
class Terms:
    """How a course takes pupils.

    seats: 0 for any number.
    """

    mode: str = OPEN
    seats: int = 0
    has_waitlist: bool = True
    enrol_from: datetime | None = None
    enrol_until: datetime | None = None


def obstacle(terms: Terms, now: datetime, *, lacks_prerequisites: bool = False) -> str:
    """Return the reason why nobody may join by themselves, or why this pupil may not; nothing if there is none."""
    if terms.enrol_from and now < terms.enrol_from:
        return NOT_YET
    if terms.enrol_until and now > terms.enrol_until:
        return TOO_LATE
    if lacks_prerequisites:
        return PREREQUISITES
    return {INVITE: INVITE_ONLY, PAID: MUST_PAY, COHORT_ONLY: BY_COHORT}.get(terms.mode, "")


def free(seats: int, taken: int, waiting: int = 0) -> int | None:
    """Return how many seats are free for somebody new, after those who wait; None for any number."""
    return max(0, seats - taken - waiting) if seats else None


def place(terms: Terms, taken: int, waiting: int) -> str:
    """Return the state of somebody whom nothing keeps out any more: ACTIVE, WAITLISTED, or FULL as the reason."""
    if free(terms.seats, taken, waiting) != 0:
        return ACTIVE
    return WAITLISTED if terms.has_waitlist else FULL


def promotable(seats: int, taken: int, waiting: int) -> int:
    """Return how many of those who wait get a seat now."""
    return min(waiting, max(0, seats - taken)) if seats else waiting
