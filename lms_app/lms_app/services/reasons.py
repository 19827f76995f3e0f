"""Why something is not to be had: the codes of all services, in words, and the errors that carry them."""

from datetime import datetime

import frappe
from frappe import _
from frappe.utils import format_datetime


class DeniedError(frappe.PermissionError):
    """Carry why somebody may not see or do something (403)."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class RefusedError(frappe.ValidationError):
    """Carry why something that somebody may do cannot be done now (409)."""

    http_status_code = 409

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def deny(reason: str, until: datetime | None = None, by: str | None = None) -> None:
    """Raise DeniedError, and say why in the answer; nothing happens without a reason. until, by: see `words`."""
    if reason:
        raise DeniedError(reason, _tell(reason, words(reason, until, by)))


def refuse(reason: str) -> None:
    """Raise RefusedError, and say why in the answer; nothing happens without a reason."""
    if reason:
        raise RefusedError(reason, _tell(reason, words(reason)))


def _tell(reason: str, sentence: str) -> str:
    """Put a reason into the answer of an endpoint: as a code for its page, in words for everybody else."""
    frappe.local.response["reason"] = reason
    frappe.msgprint(sentence, indicator="red")
    return sentence


def words(reason: str, until: datetime | None = None, by: str | None = None) -> str:
    """Return a reason in the reader's language.

    until: when it opens. by: the title of what comes first.
    """
    if reason == "not_before":
        return _("Opens on {0}").format(format_datetime(until)) if until else _("Not open yet")
    if reason == "module_first":
        return _("Complete “{0}” first").format(by or "")
    if reason == "lesson_first":
        return _("Complete “{0}” first").format(by or "")
    return _sentences().get(reason, reason)


def _sentences() -> dict[str, str]:
    # In a function: the language is the reader's, not the process's.
    return {
        "": "",
        "unknown": _("There is nothing at this address."),
        "not_published": _("This course is not open to pupils."),
        "log_in": _("Log in to see this."),
        "not_enrolled": _("This is for pupils of the course."),
        "not_staff": _("This is for teachers of the course."),
        "pending_payment": _("Your place is kept until you have paid."),
        "pending_approval": _("The school has still to approve your request."),
        "waitlisted": _("You are on the waitlist."),
        "suspended": _("Your access to this course is suspended."),
        "expired": _("Your access to this course has ended."),
        "enrolment_not_open": _("Enrolment has not opened yet."),
        "enrolment_closed": _("Enrolment is closed."),
        "prerequisites": _("Complete the courses that this one builds on first."),
        "invite_only": _("This course is by invitation only."),
        "must_pay": _("This course has to be paid for; ask the school."),
        "by_cohort": _("The school enrols pupils of this course in groups."),
        "full": _("All seats are taken."),
        "already_enrolled": _("You have joined this course already."),
        "not_pending": _("This request has been answered already."),
        "not_active": _("Only a pupil who is learning can be suspended."),
        "not_suspended": _("This pupil is not suspended."),
        "certificate_revoked": _("This certificate has been taken back."),
        "not_revoked": _("This certificate has not been taken back."),
        "no_reason": _("Write down why."),
        "not_declared": _("This lesson is completed by what you do in it."),
        "invitation_unknown": _("This invitation does not exist."),
        "invitation_used": _("This invitation has been used already."),
        "invitation_revoked": _("This invitation has been taken back."),
        "invitation_expired": _("This invitation has expired."),
        "invitation_for_another": _("This invitation is for another e-mail address."),
        "too_often": _("You have done this too often; try again in an hour."),
        "too_long": _("This text is too long."),
        "not_confirmed": _("Write your e-mail address to confirm."),
        "no_blocks": _("there is nothing in it"),
        "no_text": _("the text is missing"),
        "no_file": _("the file is missing"),
        "no_title": _("the title is missing"),
        "no_alt_text": _("the alternative text is missing"),
        "no_captions": _("captions are missing"),
        "no_transcript": _("the transcript is missing"),
        "no_video": _("the video is missing"),
        "no_duration": _("the video's length is missing"),
        "not_embeddable": _("nothing from this address can be embedded"),
        "bad_recipe": _("the recipe is incomplete"),
        "foreign_file": _("the file belongs to something else"),
        "no_summary": _("a summary"),
        "no_lead": _("a lead instructor"),
        "no_lesson": _("a published lesson"),
        "no_price": _("a price and its currency"),
    }
