"""The people of a course, for its teachers: who is in it, who asks, who waits, and how others come in."""

import frappe
from frappe import _
from frappe.utils import get_url

from lms_app import pages
from lms_app.api import enrolment
from lms_app.api import people as many
from lms_app.services import invitations, people, rights, seats, teaching

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in a page of the list; decide, bring and invite where a form asks for that."""
    form = frappe.form_dict
    slug, search = form.slug, str(form.get("q") or "").strip()[: people.LONGEST_SEARCH]
    group = form.get("group") if form.get("group") in people.GROUPS else ""
    number = pages.number(form.get("page"))
    if pages.is_form() and form.get("deed") == "link":
        # Shown on this page alone: the link is kept nowhere.
        context.made = pages.done(context, lambda: get_url(_link(form)))
    elif pages.is_form():
        pages.act(context, lambda: _obey(form))

    def load(course: frappe._dict) -> frappe._dict:
        found = people.listed(course.name, search, group, number)
        found.invited = people.invited(course.name) if course.may_edit else []
        return found

    if pages.show_to_staff(context, "people", _("People"), load) is None:
        return
    context.update(
        {
            "search": search,
            "group": group,
            "groups": _groups(),
            "is_shut": bool(rights.enter(context.course.status)),
            "link": pages.linked(f"/teach/c/{slug}/people", q=search, group=group),
            "said": None if context.trouble else _said(form.get("said")),
            "typed": str(form.get("email") or "") if context.trouble else "",
            "asking": seats.PENDING_APPROVAL,
            "days": invitations.DAYS,
            "most_days": invitations.MOST_DAYS,
            "most_uses": invitations.MOST_USES,
        }
    )


def _obey(form: frappe._dict) -> str:
    deed, enrollment = form.get("deed"), str(form.get("enrollment") or "")
    if deed == "bring":
        said = many.bring(_course(form), str(form.get("email") or ""))["outcome"]
    elif deed in ("accept", "decline"):
        enrolment.decide(enrollment, deed == "accept", str(form.get("answer") or ""))
        said = "accepted" if deed == "accept" else "declined"
    elif deed == "revoke":
        enrolment.revoke_invitation(str(form.get("invitation") or ""))
        said = "revoked"
    else:
        said = ""
    return f"/teach/c/{form.slug}/people?said={said}"


def _link(form: frappe._dict) -> str:
    """Return the path of a new invitation's link."""
    uses, days = pages.number(form.get("max_uses")), pages.number(form.get("days"))
    return enrolment.invite(
        _course(form), max_uses=min(uses, invitations.MOST_USES), days=min(days, invitations.MOST_DAYS)
    )["path"]


def _course(form: frappe._dict) -> str:
    return teaching.course(form.slug, frappe.session.user).name or ""


def _groups() -> dict[str, str]:
    return {
        "requests": _("Requests"),
        "waiting": _("Waitlist"),
        "learning": _("Learning"),
        "completed": _("Completed"),
        "suspended": _("Suspended"),
        "former": _("Former"),
    }


def _said(deed: str | None) -> str:
    return {
        people.ADDED: _("They are in the course."),
        people.INVITED: _("Nobody has an account with this address, so an invitation is on its way to it."),
        "accepted": _("The request is accepted."),
        "declined": _("The request is declined."),
        "revoked": _("The invitation is taken back."),
        "removed": _("They are out of the course."),
    }.get(deed or "", "")
