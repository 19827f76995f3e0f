"""What teachers do about many people at once, and about one of them in a quiz."""

import frappe

from lms_app.services import access, limits, people, people_table, reasons, rights

# Each may be a mail to somebody who did not ask for it.
BROUGHT_A_DAY = 2000


@frappe.whitelist(methods=["POST"])
def bring(course: str, email: str) -> dict[str, str]:
    """Let somebody into a course by their address, or invite who has no account; return outcome: added or invited."""
    access.to_edit(frappe.session.user, course)
    _count(1)
    return {"outcome": people.bring(course, email, by=frappe.session.user)}


@frappe.whitelist(methods=["POST"])
def look(course: str, text: str) -> dict[str, list[dict[str, int | str]]]:
    """Say what would become of each line of a table with addresses, and change nothing; return lines and faults."""
    access.to_edit(frappe.session.user, course)
    return people.look(course, text)


@frappe.whitelist(methods=["POST"])
def take(course: str, text: str) -> dict[str, int]:
    """Let everybody in whom a table names, or invite them; return how many were added, invited, and found it full."""
    access.to_edit(frappe.session.user, course)
    _count(min(text.count("\n") + 1, people_table.MOST))
    return people.take(course, text, by=frappe.session.user)


@frappe.whitelist(methods=["POST"])
def export(course: str) -> None:
    """Download everybody who is or was in a course, as CSV."""
    access.to_edit(frappe.session.user, course)
    table = people.export(course).encode()
    frappe.local.response.update({"type": "download", "filename": "people.csv", "filecontent": table})


@frappe.whitelist(methods=["POST"])
def override(
    enrollment: str, quiz: str, extra_minutes: int = 0, extra_attempts: int = 0, closes_on: str = "", note: str = ""
) -> None:
    """Give a pupil more minutes, more attempts or another end in a quiz; nothing of all takes it back."""
    course = frappe.db.get_value("Academy Enrollment", enrollment, "course")
    reasons.deny("" if course else rights.NOT_STAFF)
    access.to_edit(frappe.session.user, course)
    people.give(enrollment, quiz, extra_minutes, extra_attempts, closes_on, note)


def _count(times: int) -> None:
    limits.count("bring", frappe.session.user, most=BROUGHT_A_DAY, seconds=86400, times=times)
