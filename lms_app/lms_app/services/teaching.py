"""What those who teach find on their pages: their courses, and what waits for them there."""

import frappe

from lms_app.services import access, addresses, assignments, attempts, outline, paging, reasons, rights, seats

PAGE = 24
LONGEST_SEARCH = 100


def courses(user: str, search: str = "", page: int = 1) -> frappe._dict:
    """Return a page of the courses that somebody teaches, those changed last first, as `paging.page_of` does.

    One query, as long as there is such a page. A row has name, slug, title, cover, cover_alt, status, lesson_count,
    learner_count, and what waits: requests, to_grade and drafts. A manager finds every course. Raises DeniedError for
    whom these pages are not.
    """
    access.to_teach(user)
    # What waits is counted for the courses of the page alone.
    query = (
        "SELECT c.*,"
        " (SELECT COUNT(*) FROM `tabAcademy Enrollment` e WHERE e.course = c.name AND e.state = %(asked)s) requests,"
        " (SELECT COUNT(*) FROM `tabAcademy Quiz Attempt` a WHERE a.course = c.name AND a.state = %(waiting)s)"
        " + (SELECT COUNT(*) FROM `tabAcademy Submission` w WHERE w.course = c.name AND w.state = %(submitted)s)"
        " to_grade,"
        " (SELECT COUNT(*) FROM `tabAcademy Lesson` l WHERE l.course = c.name AND l.status != %(published)s) drafts"
        " FROM (SELECT c.name, c.slug, c.title, c.cover, c.cover_alt, c.status, c.lesson_count, c.learner_count,"
        " c.modified, COUNT(*) OVER () total FROM `tabAcademy Course` c WHERE (%(finds_all)s OR c.name IN"
        " (SELECT i.parent FROM `tabAcademy Course Instructor` i"
        " WHERE i.parenttype = %(course)s AND i.user = %(user)s AND i.role IN %(roles)s))"
        " AND INSTR(c.title, %(search)s) ORDER BY c.status = %(archived)s, c.modified DESC, c.name"
        " LIMIT %(limit)s OFFSET %(offset)s) c ORDER BY c.status = %(archived)s, c.modified DESC, c.name"
    )
    values = {
        "finds_all": int(access.is_manager(user)),
        "user": user,
        "roles": access.roles_for(user) or ("",),
        "search": search,
        "course": access.COURSE,
        "asked": seats.PENDING_APPROVAL,
        "waiting": attempts.WAITING,
        "submitted": assignments.SUBMITTED,
        "published": outline.PUBLISHED,
        "archived": rights.ARCHIVED,
        "limit": PAGE,
    }
    return paging.page_of(lambda offset: frappe.db.sql(query, {**values, "offset": offset}, as_dict=True), page, PAGE)


def course(slug: str | None, user: str) -> frappe._dict:
    """Return what every page of a course says to its teachers: name, slug, title, status, role and may_edit.

    moved: the slug that it has now, if this is an old one; nothing else is in it then. Raises DeniedError for whom the
    course is none of theirs.
    """
    access.to_teach(user)
    fields = ["name", "slug", "title", "status"]
    found = frappe.db.get_value(access.COURSE, {"slug": slug}, fields, as_dict=True) if slug else None
    if found is None:
        moved = addresses.moved_course(slug) if slug else None
        reasons.deny("" if moved else rights.UNKNOWN)
        return frappe._dict(moved=moved)
    viewer = access.viewer(user, found.name, state="")
    reasons.deny(rights.grade(viewer))
    return frappe._dict(found, moved="", role=viewer.role, may_edit=not rights.edit(viewer))


def demand_edit(course: frappe._dict) -> None:
    """Let through who may change a course, by what `course` says of it; raises DeniedError for its other teachers."""
    reasons.deny("" if course.may_edit else rights.NOT_STAFF)
