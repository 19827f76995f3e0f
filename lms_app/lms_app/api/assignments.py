"""What those do about assignments and rubrics who may change the course."""

import frappe

from lms_app.deadlocks import tried_again
from lms_app.services import access, assignment_content, assignment_form


@frappe.whitelist(methods=["POST"])
@tried_again
def save(course: str, values: dict[str, str], assignment: str = "", seen: str = "") -> dict[str, str]:
    """Write an assignment of a course, a new one without its name; return assignment. course: its name.

    values: the fields by their names, as text. seen: the stamp of the page.
    """
    access.to_edit(frappe.session.user, course)
    return {"assignment": assignment_form.save(course, assignment, seen, values)}


@frappe.whitelist(methods=["POST"])
@tried_again
def remove(assignment: str) -> None:
    """Remove an assignment in which nobody has written anything."""
    access.to_change(frappe.session.user, assignment_content.ASSIGNMENT, assignment)
    assignment_form.remove(assignment)


@frappe.whitelist(methods=["POST"])
@tried_again
def save_rubric(
    course: str,
    title: str,
    criteria: list[dict[str, str]],
    levels: list[dict[str, str]],
    rubric: str = "",
    seen: str = "",
) -> dict[str, str]:
    """Write a rubric of a course, a new one without its name; return rubric. course: its name.

    criteria: anchor, title, description. levels: number of their criterion, anchor, title, points, description. seen:
    the stamp of the page.
    """
    access.to_edit(frappe.session.user, course)
    return {"rubric": assignment_form.save_rubric(course, rubric, seen, title, criteria, levels)}


@frappe.whitelist(methods=["POST"])
@tried_again
def remove_rubric(rubric: str) -> None:
    """Remove a rubric by which no assignment is judged."""
    access.to_change(frappe.session.user, assignment_content.RUBRIC, rubric)
    assignment_form.remove_rubric(rubric)
