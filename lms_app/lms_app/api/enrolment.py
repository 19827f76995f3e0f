"""Joining and leaving courses, and what teachers decide about it."""

import frappe

from lms_app.deadlocks import tried_again
from lms_app.services import access, enrolment, invitations, limits, people, reasons, rights

# Teachers get a mail for each request, and pupils for each seat.
JOINS_AN_HOUR = 30


@frappe.whitelist(methods=["POST"])
@tried_again
def join(course: str, message: str = "") -> dict[str, str]:
    """Join a course oneself; return state. course: its slug."""
    name, viewer = _seen(course)
    reasons.deny(rights.LOG_IN if viewer.is_guest else "")
    limits.count("join", frappe.session.user, most=JOINS_AN_HOUR, seconds=3600)
    return {"state": enrolment.join(frappe.session.user, name, message).state}


@frappe.whitelist(methods=["POST"])
@tried_again
def leave(course: str) -> None:
    """Leave a course oneself. course: its slug."""
    # Whatever became of the course: who is in it, the service knows.
    enrolment.leave(frappe.session.user, frappe.db.get_value(access.COURSE, {"slug": course}, "name") or "")


@frappe.whitelist(methods=["POST"])
@tried_again
def accept_invitation(token: str) -> dict[str, str]:
    """Join the course of an invitation; return state, and course (its slug)."""
    reasons.deny(rights.LOG_IN if frappe.session.user == rights.GUEST else "")
    enrolled = invitations.accept(frappe.session.user, token)
    return {"state": enrolled.state, "course": enrolled.course}


@frappe.whitelist(methods=["POST"])
@tried_again
def add(course: str, user: str) -> dict[str, str]:
    """Enrol somebody, as a teacher; return state. course: its name. user: a user's name."""
    access.to_edit(frappe.session.user, course)
    known = frappe.db.get_value("User", {"name": user, "enabled": 1}, "name")
    reasons.refuse("unknown" if known in (None, rights.GUEST) else "")
    people.count(frappe.session.user)
    return {"state": enrolment.add(course, known, by=frappe.session.user).state}


@frappe.whitelist(methods=["POST"])
@tried_again
def decide(enrollment: str, accept: bool, answer: str = "") -> dict[str, str]:
    """Answer a request, as a teacher; return state."""
    _may_edit("Academy Enrollment", enrollment)
    return {"state": enrolment.decide(enrollment, accept=accept, by=frappe.session.user, answer=answer)}


@frappe.whitelist(methods=["POST"])
@tried_again
def remove(enrollment: str) -> None:
    """Take somebody out of a course, as a teacher."""
    _may_edit("Academy Enrollment", enrollment)
    enrolment.remove(enrollment, by=frappe.session.user)


@frappe.whitelist(methods=["POST"])
@tried_again
def suspend(enrollment: str) -> None:
    """Keep a pupil out of the lessons for a while, as a teacher."""
    _may_edit("Academy Enrollment", enrollment)
    enrolment.suspend(enrollment, by=frappe.session.user)


@frappe.whitelist(methods=["POST"])
@tried_again
def resume(enrollment: str) -> None:
    """Let a suspended pupil learn again, as a teacher."""
    _may_edit("Academy Enrollment", enrollment)
    enrolment.resume(enrollment, by=frappe.session.user)


@frappe.whitelist(methods=["POST"])
@tried_again
def invite(course: str, email: str = "", max_uses: int = 1, days: int = invitations.DAYS) -> dict[str, str]:
    """Invite somebody by mail, or make a link for many, as a teacher; return the link's path: it is shown once."""
    access.to_edit(frappe.session.user, course)
    people.count(frappe.session.user)
    return {"path": f"/i/{invitations.invite(course, email, max_uses=max_uses, days=days)}"}


@frappe.whitelist(methods=["POST"])
@tried_again
def revoke_invitation(invitation: str) -> None:
    """Take an invitation back, as a teacher."""
    _may_edit("Academy Invitation", invitation)
    invitations.revoke(invitation)


def _seen(slug: str) -> tuple[str, rights.Viewer]:
    """Return the name of a course that the session's user may see, and who they are to it."""
    course = frappe.db.get_value(access.COURSE, {"slug": slug}, ["name", "status", "visibility"], as_dict=True)
    reasons.deny("" if course else rights.UNKNOWN)
    viewer = access.viewer(frappe.session.user, course.name)
    reasons.deny(rights.see_course(course.status, course.visibility, viewer))
    return course.name, viewer


def _may_edit(doctype: str, name: str) -> None:
    """Let through who may change the course that a row belongs to."""
    course = frappe.db.get_value(doctype, name, "course")
    reasons.deny("" if course else rights.NOT_STAFF)
    access.to_edit(frappe.session.user, course)
