"""Certificates of completed courses: issued once for an enrolment, sealed, and checked by whoever has the code.

What a certificate says is a snapshot of the day on which it was issued, under a seal that only this school can make.
Whatever is shown of one, to its pupil or to others, is read from the snapshot and not from what names are today.
"""

import secrets
from datetime import date
from typing import Any

import frappe
from frappe import _
from frappe.utils import add_months, getdate, now_datetime, nowdate
from frappe.utils.password import decrypt, encrypt

from lms_app.services import (
    access,
    branding,
    codes,
    dates,
    enrolment,
    notify,
    pictures,
    placeholders,
    reasons,
    rights,
    seals,
    seats,
)
from lms_app.services.languages import speaking

CERTIFICATE, TEMPLATE, ENROLLMENT = "Academy Certificate", "Academy Certificate Template", "Academy Enrollment"
# The fields of a template that are words.
WORDS = ("heading", "opening", "deed", "closing")
LANDSCAPE = "Landscape"
# Who has completed a course, and was not taken out of it since.
EARNED = (seats.COMPLETED, seats.EXPIRED)
LONGEST_REASON = 280

# Where the key lies, encrypted: beside the settings but under none of their fields, because Frappe forgets a password
# when a form is saved without it.
_KEY = ("Academy Settings", "Academy Settings", "certificate_secret")
_KEPT = "SELECT password FROM `__Auth` WHERE doctype = %s AND name = %s AND fieldname = %s"
_OWN = (
    "SELECT z.code, z.snapshot, z.revoked_on FROM `tabAcademy Student` s"
    " JOIN `tabAcademy Enrollment` e ON e.student = s.name JOIN `tabAcademy Certificate` z ON z.enrollment = e.name"
    " WHERE s.user = %(user)s"
)


def issue_soon(enrollment: str, course: str) -> None:
    """Have a job issue the certificate of a completed course when that is committed, if the course issues any."""
    if frappe.db.get_value(access.COURSE, course, "issues_certificates"):
        frappe.enqueue("lms_app.services.certificates.issue", enrollment=enrollment, enqueue_after_commit=True)


def issue(enrollment: str) -> str | None:
    """Issue the certificate of an enrolment, once; return its code, the known one if it has been issued already.

    None for an enrolment that has earned none: the course issues none, or is not completed any more.
    """
    course = frappe.db.get_value(ENROLLMENT, enrollment, "course")
    if not course:
        return None
    enrolment.lock(course)
    fields = ["name", "student", "course", "state", "completed_on"]
    earned = frappe.db.get_value(ENROLLMENT, enrollment, fields, as_dict=True, for_update=True)
    terms = frappe.db.get_value(
        access.COURSE,
        course,
        ["title", "language", "issues_certificates", "certificate_template", "certificate_months"],
        as_dict=True,
    )
    if not (earned and earned.completed_on and earned.state in EARNED and terms.issues_certificates):
        return None
    snapshot = _snapshot(earned, terms)
    row = {
        "doctype": CERTIFICATE,
        "code": snapshot["code"],
        "pupil": snapshot["pupil"],
        "course": course,
        "enrollment": enrollment,
        "issued_on": now_datetime(),
        "expires_on": snapshot["expires_on"] or None,
        "snapshot": frappe.as_json(snapshot),
        "seal": seals.seal(_kept_key() or _new_key(), snapshot),
    }
    try:
        frappe.get_doc(row).insert(ignore_permissions=True)
    except frappe.UniqueValidationError:
        # Another job was first; only a locking read sees what it wrote.
        frappe.clear_last_message()
        return frappe.db.get_value(CERTIFICATE, {"enrollment": enrollment}, "code", for_update=True)
    notify.certified(enrollment, snapshot["code"])
    return snapshot["code"]


def issue_missed() -> None:
    """Issue the certificates that are missing, because a job was lost or a course began to issue them; once a day."""
    missed = frappe.db.sql(
        "SELECT e.name FROM `tabAcademy Course` c JOIN `tabAcademy Enrollment` e ON e.course = c.name"
        " LEFT JOIN `tabAcademy Certificate` z ON z.enrollment = e.name"
        " WHERE c.issues_certificates = 1 AND e.completed_on IS NOT NULL AND e.state IN %s AND z.name IS NULL"
        " ORDER BY e.completed_on",
        (EARNED,),
    )
    for (enrollment,) in missed:
        try:
            issue(enrollment)
        except Exception:
            # The others shall have theirs.
            frappe.db.rollback()
            frappe.log_error(
                "A certificate could not be issued", reference_doctype=ENROLLMENT, reference_name=enrollment
            )
        # Each by itself, so that no course stays locked for all of them.
        frappe.db.commit()


def check(text: str) -> frappe._dict:
    """Return what anybody may know of a certificate whose code they have, and nothing of any other.

    state: one of VALID, EXPIRED, REVOKED, UNKNOWN in seals; unless it is unknown, pupil, course, school, completed_on
    and expires_on (dates; None for ever) as they were certified, and code.
    """
    code = codes.read(text)
    fields = ["code", "snapshot", "seal", "revoked_on"]
    row = frappe.db.get_value(CERTIFICATE, {"code": code}, fields, as_dict=True) if code else None
    snapshot = _sealed(row) if row else None
    if row is None or snapshot is None:
        return frappe._dict(state=seals.UNKNOWN)
    return _told(row, snapshot)


def of_user(user: str) -> list[frappe._dict]:
    """Return somebody's certificates, the newest first, each as `own` tells it."""
    rows = frappe.db.sql(f"{_OWN} ORDER BY z.issued_on DESC, z.code", {"user": user}, as_dict=True)
    return [_own(row) for row in rows]


def own(user: str, text: str) -> frappe._dict:
    """Return one of somebody's own certificates: as `check` tells it, with snapshot (all that it says).

    Raises DeniedError for a code that is none, and for everybody else's.
    """
    reasons.deny(rights.LOG_IN if user == rights.GUEST else "")
    values = {"user": user, "code": codes.read(text or "")}
    rows = frappe.db.sql(f"{_OWN} AND z.code = %(code)s", values, as_dict=True)
    reasons.deny("" if rows else rights.UNKNOWN)
    return _own(rows[0])


def revoke(certificate: str, reason: str, by: str) -> None:
    """Take a certificate back; whoever checks it is told so, but not why."""
    row = _locked(certificate)
    reasons.refuse("certificate_revoked" if row.revoked_on else "")
    reasons.refuse("" if reason.strip() else "no_reason")
    reasons.refuse("too_long" if len(reason) > LONGEST_REASON else "")
    values = {"revoked_on": now_datetime(), "revoked_by": by, "revoked_reason": reason.strip()}
    frappe.db.set_value(CERTIFICATE, certificate, values)


def reinstate(certificate: str) -> None:
    """Let a certificate that was taken back be valid again."""
    row = _locked(certificate)
    reasons.refuse("" if row.revoked_on else "not_revoked")
    frappe.db.set_value(CERTIFICATE, certificate, {"revoked_on": None, "revoked_by": None, "revoked_reason": None})


def _locked(certificate: str) -> frappe._dict:
    row = frappe.db.get_value(CERTIFICATE, certificate, ["name", "revoked_on"], as_dict=True, for_update=True)
    reasons.refuse("" if row else "unknown")
    return row


def _snapshot(earned: frappe._dict, terms: frappe._dict) -> dict[str, Any]:
    """Return all that a new certificate says, in values that JSON gives back as they were."""
    template = frappe.get_doc(TEMPLATE, terms.certificate_template) if terms.certificate_template else None
    language = (template and template.words_language) or terms.language or frappe.db.get_default("lang") or "en"
    user = frappe.db.get_value(access.STUDENT, earned.student, "user")
    today, completed_on = getdate(nowdate()), getdate(earned.completed_on)
    expires_on = getdate(add_months(today, terms.certificate_months)) if terms.certificate_months else None
    with speaking(language):
        values = {
            "pupil": frappe.db.get_value("User", user, "full_name") or user,
            "course": terms.title,
            "school": branding.brand()["name"],
            "date": dates.day(completed_on),
            "expires": dates.day(expires_on) if expires_on else "",
            "code": codes.draw(),
        }
        usual = _usual_words()
        words = {field: (template and template.get(field)) or usual[field] for field in WORDS}
    signatures = [_signature(row) for row in template.signatures] if template else []
    return {
        **{field: values[field] for field in ("code", "pupil", "course", "school")},
        "completed_on": completed_on.isoformat(),
        "issued_on": today.isoformat(),
        "expires_on": expires_on.isoformat() if expires_on else "",
        "language": language,
        "orientation": template.orientation if template else LANDSCAPE,
        "words": {field: placeholders.fill(text, values) for field, text in words.items()},
        "signatures": signatures,
    }


def signed(snapshot: dict[str, Any]) -> list[dict[str, str]]:
    """Return the signatures of a certificate, each with image, a `data:` address.

    It is nothing, and so a line to sign on, where the picture is not the one of the day on which it was issued.
    """
    return [
        {**one, "image": pictures.as_data(one["picture"], one["fingerprint"]) if one["picture"] else ""}
        for one in snapshot["signatures"]
    ]


def _signature(row: Any) -> dict[str, str]:
    told = {"person": row.person, "role": row.role or "", "picture": row.picture or ""}
    return {**told, "fingerprint": pictures.fingerprint(row.picture)}


def _usual_words() -> dict[str, str]:
    """Return what a certificate says whose template says nothing, in the language that is spoken."""
    return {
        "heading": _("Certificate"),
        "opening": _("This is to certify that"),
        "deed": _("has completed the course"),
        "closing": _("with all that it requires, on {0}.").format("{date}"),
    }


def _own(row: frappe._dict) -> frappe._dict:
    snapshot = frappe.parse_json(row.snapshot)
    return frappe._dict(_told(row, snapshot), snapshot=snapshot)


def _told(row: frappe._dict, snapshot: dict[str, Any]) -> frappe._dict:
    expires_on = snapshot["expires_on"]
    return frappe._dict(
        state=seals.standing(expires_on, getdate(nowdate()), is_revoked=bool(row.revoked_on)),
        code=row.code,
        **{field: snapshot[field] for field in ("pupil", "course", "school")},
        completed_on=date.fromisoformat(snapshot["completed_on"]),
        expires_on=date.fromisoformat(expires_on) if expires_on else None,
    )


def _sealed(row: frappe._dict) -> dict[str, Any] | None:
    """Return the snapshot of a certificate if its seal holds, and if it is this certificate's."""
    try:
        key = _kept_key()
    except frappe.ValidationError:
        # The site has lost what its passwords are encrypted with.
        frappe.clear_last_message()
        return None
    snapshot = frappe.parse_json(row.snapshot)
    holds = key is not None and seals.holds(key, snapshot, row.seal)
    return snapshot if holds and snapshot["code"] == row.code else None


def _kept_key() -> bytes | None:
    """Return the key that this school seals with; None as long as it has issued nothing."""
    kept = frappe.db.sql(_KEPT, _KEY)
    return decrypt(kept[0][0]).encode() if kept else None


def _new_key() -> bytes:
    """Make the key of this school, unless another transaction is first, and return the one that is kept."""
    frappe.db.sql(
        "INSERT IGNORE INTO `__Auth` (doctype, name, fieldname, password, encrypted) VALUES (%s, %s, %s, %s, 1)",
        (*_KEY, encrypt(secrets.token_hex(32))),
    )
    # Only a locking read sees what another one wrote.
    [(kept,)] = frappe.db.sql(f"{_KEPT} LOCK IN SHARE MODE", _KEY)
    return decrypt(kept).encode()
