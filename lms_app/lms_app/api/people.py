"""What teachers do about many people at once, and about one of them in a quiz."""

import frappe

from lms_app.deadlocks import tried_again
from lms_app.services import access, people, reasons, rights


@frappe.whitelist(methods=["POST"])
@tried_again
def bring(course: str, email: str) -> dict[str, str]:
    """Let somebody into a course by their address, or invite who has no account; return outcome: added or invited."""
    access.to_edit(frappe.session.user, course)
    return {"outcome": people.bring(course, email, by=frappe.session.user)}


@frappe.whitelist(methods=["POST"])
def look(course: str, text: str) -> dict[str, list[dict[str, int | str]]]:
    """Say what would become of each line of a table with addresses, and change nothing; return lines and faults."""
    access.to_edit(frappe.session.user, course)
    return people.look(course, text, by=frappe.session.user)


@frappe.whitelist(methods=["POST"])
@tried_again
def take(course: str, text: str) -> dict[str, int]:
    """Let everybody in whom a table names, or invite them; return how many were added, invited, and found it full."""
    access.to_edit(frappe.session.user, course)
    return people.take(course, text, by=frappe.session.user)


@frappe.whitelist(methods=["POST"])
def export(course: str) -> None:
    """Download everybody who is or was in a course, as CSV."""
    access.to_edit(frappe.session.user, course)
    table = people.export(course).encode()
    frappe.local.response.update({"type": "download", "filename": "people.csv", "filecontent": table})


@frappe.whitelist(methods=["POST"])
@tried_again
def override(
    enrollment: str,
    quiz: str,
    extra_minutes: int = 0,
    extra_attempts: int = 0,
    closes_on: str = "",
    note: str = "",
    opens_on: str = "",
) -> None:
    """Give a pupil more minutes, more attempts or other times in a quiz; nothing of all takes it back."""
    course = frappe.db.get_value("Academy Enrollment", enrollment, "course")
    reasons.deny("" if course else rights.NOT_STAFF)
    access.to_edit(frappe.session.user, course)
    people.give(enrollment, quiz, extra_minutes, extra_attempts, closes_on, note, opens_on)
