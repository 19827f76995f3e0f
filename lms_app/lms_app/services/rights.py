"""Who may do what with a course, by what is known of both; each answer is a reason why not, or nothing.

Pure: nothing here needs a site.
"""

from dataclasses import dataclass

from lms_app.services import seats

GUEST = "Guest"

# What somebody is to a course, beside a pupil; each may do what the ones before may.
GRADER, ASSISTANT, LEAD, MANAGER = "Grader", "Assistant", "Lead", "Manager"
STAFF = (GRADER, ASSISTANT, LEAD, MANAGER)
EDITORS = (LEAD, MANAGER)

PUBLISHED, ARCHIVED = "Published", "Archived"
PUBLIC, MEMBERS, UNLISTED, PRIVATE = "Public", "Members", "Unlisted", "Private"

# Reasons why not; a lock's and a seat's are with them.
UNKNOWN, NOT_PUBLISHED, LOG_IN, NOT_ENROLLED, NOT_STAFF, NO_TEACHER = (
    "unknown",
    "not_published",
    "log_in",
    "not_enrolled",
    "not_staff",
    "no_teacher",
)
# A state that keeps somebody out is the reason.
OF_STATE = {
    seats.PENDING_PAYMENT: "pending_payment",
    seats.PENDING_APPROVAL: "pending_approval",
    seats.WAITLISTED: "waitlisted",
    seats.SUSPENDED: "suspended",
    seats.EXPIRED: "expired",
    seats.CANCELLED: NOT_ENROLLED,
}


@dataclass(frozen=True)
class Viewer:
    """Who looks at a course.

    role: one of STAFF, or nothing. state: of the enrolment, or nothing without one.
    """

    user: str = GUEST
    role: str = ""
    state: str = ""

    @property
    def is_guest(self) -> bool:
        """Say whether nobody is logged in."""
        return self.user == GUEST

    @property
    def is_staff(self) -> bool:
        """Say whether this is one of the course's own."""
        return self.role in STAFF


def see_course(status: str, visibility: str, viewer: Viewer) -> str:
    """Return why somebody may not see the page of a course."""
    if viewer.is_staff:
        return ""
    belongs = viewer.state in seats.LIVE
    if status != PUBLISHED and not (status == ARCHIVED and belongs):
        return NOT_PUBLISHED
    if belongs or visibility in (PUBLIC, UNLISTED):
        return ""
    if viewer.is_guest:
        return LOG_IN
    return "" if visibility == MEMBERS else NOT_ENROLLED


def open_lessons(status: str, visibility: str, viewer: Viewer) -> str:
    """Return why somebody may not open lessons of a course, whatever locks them besides."""
    if viewer.is_staff:
        return ""
    if reason := see_course(status, visibility, viewer):
        return reason
    if viewer.is_guest:
        return LOG_IN
    return "" if viewer.state in seats.LEARNING else OF_STATE.get(viewer.state, NOT_ENROLLED)


def enter(status: str | None) -> str:
    """Return why nobody comes into a course anew, whoever lets them in: it is a draft, or was put away."""
    return "" if status == PUBLISHED else NOT_PUBLISHED


def grade(viewer: Viewer) -> str:
    """Return why somebody may not grade what pupils of a course did."""
    return "" if viewer.is_staff else NOT_STAFF


def edit(viewer: Viewer) -> str:
    """Return why somebody may not change a course and those in it."""
    return "" if viewer.role in EDITORS else NOT_STAFF
