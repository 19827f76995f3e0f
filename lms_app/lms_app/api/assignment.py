"""Handing in assignments, and what teachers do about them."""

import frappe
from werkzeug.datastructures import FileStorage

from lms_app.api import demands
from lms_app.deadlocks import tried_again
from lms_app.services import (
    access,
    assignment_content,
    assignment_grading,
    limits,
    moments,
    reasons,
    rights,
    submissions,
)

# More than anybody needs, and few enough that nobody fills a school's disk with them.
FILES_AN_HOUR = 120


@frappe.whitelist(methods=["POST"])
@tried_again
def save(assignment: str, version: int, text: str = "", url: str = "") -> None:
    """Keep what is written so far, without handing it in.

    version: the one that the page shows as the next.
    """
    demands.nothing_but("assignment", "version", "text", "url")
    submissions.save(demands.somebody(), assignment, version, text, url)


@frappe.whitelist(methods=["POST"])
@tried_again
def upload(assignment: str, version: int) -> dict[str, str | int]:
    """Add the file of a form, in its field `file`, to what is handed in next; return file, file_name, size, address."""
    demands.nothing_but("assignment", "version")
    user = demands.somebody()
    sent = frappe.request.files.get("file")
    reasons.refuse("" if sent else "no_file_sent")
    return add_file(user, assignment, version, sent)


@frappe.whitelist(methods=["POST"])
@tried_again
def remove_file(file: str) -> None:
    """Remove one's own file from what is not handed in yet."""
    demands.nothing_but("file")
    submissions.detach(demands.somebody(), file)


@frappe.whitelist(methods=["POST"])
@tried_again
def submit(assignment: str, version: int, text: str = "", url: str = "") -> dict[str, str]:
    """Hand in a version with the files that were added to it; the same again changes nothing. Return submission."""
    demands.nothing_but("assignment", "version", "text", "url")
    return {"submission": submissions.submit(demands.somebody(), assignment, version, text, url)}


@frappe.whitelist(methods=["POST"])
@tried_again
def grade(
    submission: str,
    points: float | None = None,
    levels: dict[str, str] | None = None,
    comments: dict[str, str] | None = None,
    feedback: str = "",
    is_told: bool = True,
) -> dict[str, str | float | int]:
    """Grade a version, as a teacher; return state, given, lost_percent, points, most, percent, is_passed.

    points: without a rubric. levels, comments: with one, by the anchors of its criteria. is_told: whether the pupil is
    told at once.
    """
    _may_grade(assignment_content.SUBMISSION, submission)
    given = {"points": points, "levels": levels, "comments": comments, "feedback": feedback, "is_told": is_told}
    found = assignment_grading.grade(submission, by=frappe.session.user, **given)
    return {key: found[key] for key in ("state", *assignment_content.GRADE)}


@frappe.whitelist(methods=["POST"])
@tried_again
def give_back(submission: str, feedback: str, until: str = "") -> None:
    """Give work back to be handed in once more, as a teacher. until: when a new version is still in time."""
    _may_grade(assignment_content.SUBMISSION, submission)
    assignment_grading.give_back(submission, frappe.session.user, feedback, moments.of_form(until))


@frappe.whitelist(methods=["POST"])
@tried_again
def release(assignment: str) -> dict[str, int]:
    """Tell pupils all grades of an assignment that are kept and whole, as a teacher; return told: how many."""
    _may_grade(assignment_content.ASSIGNMENT, assignment)
    return {"told": assignment_grading.release(assignment)}


@frappe.whitelist(methods=["POST"])
@tried_again
def grant(
    assignment: str,
    student: str,
    days: int = 0,
    attempts: int = 0,
    due_on: str = "",
    cut_off_on: str = "",
    note: str = "",
) -> dict[str, str]:
    """Give one pupil more days, more versions or other dates, as a teacher of the course; return override.

    Nothing of all takes back what was given.
    """
    course = _course_of(assignment_content.ASSIGNMENT, assignment)
    access.to_edit(frappe.session.user, course)
    given = {"days": days, "attempts": attempts, "note": note}
    given |= {"due_on": moments.of_form(due_on), "cut_off_on": moments.of_form(cut_off_on)}
    return {"override": assignment_grading.grant(assignment, student, **given)}


def add_file(user: str, assignment: str, version: int, sent: FileStorage) -> dict[str, str | int]:
    """Add a file of a request to what somebody hands in next; a page's form may send several."""
    limits.count("hand_in", user, most=FILES_AN_HOUR, seconds=3600)
    # It may have been read before, for a transaction that came to nothing.
    sent.stream.seek(0)
    return submissions.attach(user, assignment, version, sent.filename or "", sent.stream.read())


def _may_grade(doctype: str, name: str) -> None:
    """Let through who may grade in the course that a row belongs to."""
    access.to_grade(frappe.session.user, _course_of(doctype, name))


def _course_of(doctype: str, name: str) -> str:
    course = frappe.db.get_value(doctype, name, "course")
    reasons.deny("" if course else rights.NOT_STAFF)
    return course
