"""Making courses and their outline, as a teacher."""

import frappe

from lms_app.deadlocks import tried_again
from lms_app.services import access, authoring, limits, reasons, uploads

# More than anybody makes by hand.
COURSES_AN_HOUR = 60


@frappe.whitelist(methods=["POST"])
@tried_again
def make_course(title: str) -> dict[str, str]:
    """Make a draft of a course that one leads oneself; return course (its slug)."""
    access.to_make(frappe.session.user)
    limits.count("make_course", frappe.session.user, most=COURSES_AN_HOUR, seconds=3600)
    return {"course": authoring.make_course(title, frappe.session.user)}


@frappe.whitelist(methods=["POST"])
@tried_again
def change_course(course: str, seen: str, values: dict[str, str]) -> dict[str, str]:
    """Change what a course says of itself; return course (its slug).

    course: its name. seen: the stamp of the page. values: fields of services.authoring.OF_COURSE.
    """
    access.to_change(frappe.session.user, access.COURSE, course)
    return {"course": authoring.change_course(course, seen, values)}


@frappe.whitelist(methods=["POST"])
@tried_again
def upload_cover(course: str) -> dict[str, str]:
    """Let the picture that is sent as `file` be the cover of a course; return address."""
    access.to_change(frappe.session.user, access.COURSE, course)
    return {"address": uploads.cover_of(course, *sent_file("file"))}


@frappe.whitelist(methods=["POST"])
@tried_again
def name_teacher(course: str, user: str, role: str, is_shown: bool = True) -> None:
    """Name somebody in a course whom the school lets teach. role: Lead, Assistant or Grader."""
    access.to_change(frappe.session.user, access.COURSE, course)
    authoring.name_teacher(course, user, role, is_shown=is_shown)


@frappe.whitelist(methods=["POST"])
@tried_again
def dismiss_teacher(course: str, user: str) -> None:
    """Name somebody in a course no longer."""
    access.to_change(frappe.session.user, access.COURSE, course)
    authoring.dismiss_teacher(course, user)


@frappe.whitelist(methods=["POST"])
@tried_again
def set_course_status(course: str, status: str) -> None:
    """Publish a course, take it back to a draft, or archive it. status: Published, Draft or Archived."""
    access.to_change(frappe.session.user, access.COURSE, course)
    authoring.set_status(course, status)


@frappe.whitelist(methods=["POST"])
@tried_again
def add_module(course: str, title: str) -> dict[str, str]:
    """Add a module at the end of a course; return module (its name)."""
    access.to_change(frappe.session.user, access.COURSE, course)
    return {"module": authoring.add_module(course, title)}


@frappe.whitelist(methods=["POST"])
@tried_again
def change_module(module: str, seen: str, values: dict[str, str]) -> None:
    """Change a module. seen: the stamp of the page. values: fields of services.authoring.OF_MODULE."""
    access.to_change(frappe.session.user, authoring.MODULE, module)
    authoring.change_module(module, seen, values)


@frappe.whitelist(methods=["POST"])
@tried_again
def place_module(module: str, position: int) -> None:
    """Put a module at a place among those of its course, from 1 on."""
    access.to_change(frappe.session.user, authoring.MODULE, module)
    authoring.place_module(module, position)


@frappe.whitelist(methods=["POST"])
@tried_again
def remove_module(module: str) -> None:
    """Remove a module with its lessons, none of which a pupil has begun."""
    access.to_change(frappe.session.user, authoring.MODULE, module)
    authoring.remove_module(module)


@frappe.whitelist(methods=["POST"])
@tried_again
def add_lesson(module: str, title: str, kind: str = "Page") -> dict[str, str]:
    """Add a draft of a lesson at the end of a module; return lesson (its slug)."""
    access.to_change(frappe.session.user, authoring.MODULE, module)
    return {"lesson": authoring.add_lesson(module, title, kind)}


@frappe.whitelist(methods=["POST"])
@tried_again
def place_lesson(lesson: str, module: str, position: int) -> None:
    """Put a lesson at a place in a module of its course, from 1 on."""
    access.to_change(frappe.session.user, authoring.LESSON, lesson)
    authoring.place_lesson(lesson, module, position)


@frappe.whitelist(methods=["POST"])
@tried_again
def remove_lesson(lesson: str) -> None:
    """Remove a lesson that no pupil has begun."""
    access.to_change(frappe.session.user, authoring.LESSON, lesson)
    authoring.remove_lesson(lesson)


def sent_file(field: str) -> tuple[str, bytes]:
    """Return name and content of a file that was sent with a request; raises RefusedError where there is none."""
    files = getattr(frappe.local.request, "files", {}) if getattr(frappe.local, "request", None) else {}
    found = files.get(field)
    reasons.refuse("" if found and found.filename else "nothing_sent")
    # It may have been read before, for a transaction that came to nothing.
    found.stream.seek(0)
    return found.filename, found.stream.read()
