"""One who is in a course, for its teachers: where they stand, and what is decided about them."""

import frappe
from frappe import _
from frappe.utils import cint

from lms_app import pages
from lms_app.api import assignment as assignments
from lms_app.api import certificates, enrolment
from lms_app.api import people as many
from lms_app.services import assignment_grading, numbers, people, seats, teaching
from lms_app.services.certificates import LONGEST_REASON

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the pupil; decide where a form asks for that."""
    form = frappe.form_dict
    enrollment = str(form.get("enrollment") or "")
    if pages.is_form():
        pages.act(context, lambda: _obey(form, enrollment))

    def load(course: frappe._dict) -> frappe._dict:
        found = people.pupil(course.name, enrollment)
        found.assignments = assignment_grading.granted(course.name, found.student)
        return found

    page = pages.show_to_staff(context, "people", _("People"), load)
    if page is None:
        return
    context.update(
        {
            "page_title": f"{page.full_name} · {context.course.title}",
            "may_suspend": page.state == seats.ACTIVE,
            "may_resume": page.state == seats.SUSPENDED,
            "may_remove": page.state in seats.LIVE and page.state != seats.PENDING_APPROVAL,
            "asks": page.state == seats.PENDING_APPROVAL,
            "said": None if context.trouble else _said(form.get("said")),
            "most_minutes": people.MOST_MINUTES,
            "most_attempts": people.MOST_ATTEMPTS,
            "most_days": people.MOST_DAYS,
            "longest_reason": LONGEST_REASON,
        }
    )


def _obey(form: frappe._dict, enrollment: str) -> str:
    deed = form.get("deed")
    if deed in ("accept", "decline"):
        enrolment.decide(enrollment, deed == "accept", str(form.get("answer") or ""))
    elif deed == "suspend":
        enrolment.suspend(enrollment)
    elif deed == "resume":
        enrolment.resume(enrollment)
    elif deed == "remove":
        enrolment.remove(enrollment)
        return f"/teach/c/{form.slug}/people?said=removed"
    elif deed == "override":
        minutes, attempts = cint(form.get("extra_minutes")), cint(form.get("extra_attempts"))
        closes_on, note = str(form.get("closes_on") or ""), str(form.get("note") or "")
        opens_on = str(form.get("opens_on") or "")
        many.override(enrollment, str(form.get("quiz") or ""), minutes, attempts, closes_on, note, opens_on)
    elif deed == "grant":
        _grant(form, enrollment)
    elif deed == "revoke":
        certificates.revoke(str(form.get("certificate") or ""), str(form.get("reason") or ""))
    elif deed == "reinstate":
        certificates.reinstate(str(form.get("certificate") or ""))
    return f"/teach/c/{form.slug}/people/p/{enrollment}?said={deed}"


def _grant(form: frappe._dict, enrollment: str) -> None:
    student = people.pupil(teaching.course(form.slug, frappe.session.user).name or "", enrollment).student
    days = numbers.whole_of_form(str(form.get("days") or ""), people.MOST_DAYS, "bad_override")
    versions = numbers.whole_of_form(str(form.get("versions") or ""), people.MOST_ATTEMPTS, "bad_override")
    due_on, cut_off_on, note = (str(form.get(field) or "") for field in ("due_on", "cut_off_on", "note"))
    assignments.grant(str(form.get("assignment") or ""), student, days, versions, due_on, cut_off_on, note)


def _said(deed: str | None) -> str:
    return {
        "accept": _("The request is accepted."),
        "decline": _("The request is declined."),
        "suspend": _("They are kept out of the lessons now."),
        "resume": _("They may learn again."),
        "override": _("What you give holds from now on."),
        "grant": _("What you give holds from now on."),
        "revoke": _("The certificate is taken back: whoever checks it is told so."),
        "reinstate": _("The certificate is valid again."),
    }.get(deed or "", "")
