"""Invitations: a link that lets somebody into a course, kept only as the hash of its token."""

import hashlib
import secrets
from datetime import timedelta

import frappe
from frappe.utils import now_datetime, validate_email_address

from lms_app.services import enrolment, notify, reasons, rights

DAYS = 30
MOST_DAYS = 365
MOST_USES = 500
_FIELDS = ("name", "course", "email", "state", "uses", "max_uses", "expires_on")


def invite(course: str, email: str = "", *, max_uses: int = 1, days: int = DAYS) -> str:
    """Make an invitation, mail it if it is for one address, and return its token, which is kept nowhere.

    email: only this address may use it, once; empty for a link that anybody may use max_uses times (1 to 500). days:
    how long, 1 to 365. Raises a ValidationError for an address that is none and for numbers out of range, RefusedError
    for a course that is not open to pupils, and for an address with an invitation that still serves.
    """
    reasons.refuse(rights.enter(frappe.db.get_value("Academy Course", course, "status")))
    if email:
        email, max_uses = validate_email_address(email, throw=True), 1
        known = {"course": course, "email": email, "state": "Open", "expires_on": (">", now_datetime())}
        reasons.refuse("invited_before" if frappe.db.exists("Academy Invitation", known) else "")
    if not 1 <= max_uses <= MOST_USES or not 1 <= days <= MOST_DAYS:
        frappe.throw(frappe._("An invitation serves 1 to {0} times, for 1 to {1} days").format(MOST_USES, MOST_DAYS))
    token = secrets.token_urlsafe(24)
    frappe.get_doc(
        {
            "doctype": "Academy Invitation",
            "course": course,
            "email": email,
            "max_uses": max_uses,
            "expires_on": now_datetime() + timedelta(days=days),
            "token_hash": _hash(token),
        }
    ).insert(ignore_permissions=True)
    if email:
        notify.invited(email, course, token)
    return token


def look(token: str) -> frappe._dict:
    """Return what the page of an invitation shows: title and slug of the course, email, reason (why not; or empty).

    Of one that there is, its name and max_uses as well.
    """
    row = _find(token)
    if row is None:
        return frappe._dict(title="", slug="", email="", reason="invitation_unknown")
    course = frappe.db.get_value("Academy Course", row.course, ["title", "slug", "status"], as_dict=True)
    reason = _obstacle(row) or rights.enter(course.status)
    shown = {"title": course.title, "slug": course.slug, "email": row.email or "", "reason": reason}
    return frappe._dict(shown, name=row.name, max_uses=row.max_uses)


def accept(user: str, token: str) -> frappe._dict:
    """Let somebody into the course of an invitation; return the enrolment: name, state, course.

    Raises RefusedError with the reason why it does not serve.
    """
    found = _find(token)
    reasons.refuse("" if found else "invitation_unknown")
    locked = enrolment.lock(found.course)
    row = frappe.db.get_value("Academy Invitation", found.name, _FIELDS, as_dict=True, for_update=True)
    reasons.refuse(_obstacle(row) or rights.enter(locked.status))
    if row.email and row.email.casefold() != (frappe.db.get_value("User", user, "email") or "").casefold():
        reasons.refuse("invitation_for_another")
    enrolled = enrolment.admit(user, locked, "Invitation", invitation=row.name)
    uses = row.uses + 1
    frappe.db.set_value(
        "Academy Invitation", row.name, {"uses": uses, "state": "Used" if uses >= row.max_uses else "Open"}
    )
    return frappe._dict(name=enrolled.name, state=enrolled.state, course=locked.slug)


def revoke(invitation: str) -> None:
    """Take an invitation back."""
    row = frappe.db.get_value("Academy Invitation", invitation, _FIELDS, as_dict=True, for_update=True)
    reasons.refuse("" if row else "invitation_unknown")
    reasons.refuse("invitation_used" if row.state == "Used" else "")
    frappe.db.set_value("Academy Invitation", invitation, "state", "Revoked")


def _find(token: str) -> frappe._dict | None:
    return frappe.db.get_value("Academy Invitation", {"token_hash": _hash(token)}, _FIELDS, as_dict=True)


def _obstacle(row: frappe._dict) -> str:
    if row.state != "Open":
        return f"invitation_{row.state.lower()}"
    return "invitation_expired" if row.expires_on < now_datetime() else ""


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
