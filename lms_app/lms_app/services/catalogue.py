"""The catalogue: courses to choose from, and the page of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import frappe
from frappe import _
from frappe.utils import now_datetime

from lms_app.services import access, addresses, enrolment, markup, outline, paging, reasons, rights, seats

PAGE = 24
LONGEST_SEARCH = 100
LEVELS = ("Beginner", "Intermediate", "Advanced")


@dataclass(frozen=True)
class Filters:
    """What somebody looks for; empty for everything. page: from 1 on."""

    search: str = ""
    category: str = ""
    level: str = ""
    language: str = ""
    page: int = 1

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> "Filters":
        """Return the filters of a page's GET parameters (q, category, level, language, page), whatever is in them."""
        page = str(asked.get("page") or "1")
        return cls(
            search=str(asked.get("q") or "").strip()[:LONGEST_SEARCH],
            category=str(asked.get("category") or "")[:140],
            level=level if (level := str(asked.get("level") or "")) in LEVELS else "",
            language=str(asked.get("language") or "")[:140],
            page=min(max(1, int(page)), 1000) if page.isascii() and page.isdigit() and len(page) < 5 else 1,
        )


def courses(filters: Filters, user: str) -> frappe._dict:
    """Return a page of the courses that somebody may find, as `paging.page_of` does.

    One query, as long as there is such a page. A row has slug, title, summary, cover, cover_alt, category, level,
    language, minutes, lesson_count, learner_count, enrolment_mode, price, currency, is_full.
    """
    where, values = _conditions(filters, user)
    query = (
        "SELECT c.name, c.slug, c.title, c.summary, c.cover, c.cover_alt, g.title category, c.level, c.language,"
        " c.minutes, c.lesson_count, c.learner_count, c.enrolment_mode, c.price, c.currency,"
        " (c.seats > 0 AND c.taken_seats + c.waiting_count >= c.seats) is_full, COUNT(*) OVER () total"
        f" {_FROM} WHERE {where}"
        " ORDER BY c.is_featured DESC, c.published_on DESC, c.title, c.name LIMIT %(limit)s OFFSET %(offset)s"
    )
    return paging.page_of(
        lambda offset: frappe.db.sql(query, {**values, "limit": PAGE, "offset": offset}, as_dict=True),
        filters.page,
        PAGE,
    )


def facets(user: str) -> dict[str, list[frappe._dict]]:
    """Return what there is to filter by: category, level and language, each with value, label, and count; one query."""
    where, values = _conditions(Filters(), user)
    parts = [
        f"SELECT '{kind}' kind, {value} value, {label} label, MIN({order}) position, COUNT(*) count"
        f" {_FROM} WHERE {where} AND COALESCE({value}, '') != '' GROUP BY {value}, {label}"
        for kind, value, label, order in (
            ("category", "g.name", "g.title", "g.position"),
            ("level", "c.level", "c.level", "FIELD(c.level, 'Beginner', 'Intermediate', 'Advanced')"),
            ("language", "c.language", "COALESCE(t.language_name, c.language)", "0"),
        )
    ]
    found: dict[str, list[frappe._dict]] = {"category": [], "level": [], "language": []}
    for row in frappe.db.sql(f"{' UNION ALL '.join(parts)} ORDER BY kind, position, label", values, as_dict=True):
        found[row.kind].append(row)
    return found


def course_page(slug: str, user: str) -> frappe._dict:
    """Return what the page of a course shows.

    moved: the slug that it has now, if this is an old one: the page answers 301; nothing else is in it then.
    course (all fields; html: the description, clean), outcomes (texts), instructors (full_name, user_image, role),
    prerequisites (title, slug, is_completed; without a slug where somebody may not see it), outline (modules with
    lessons, each with decision and is_completed), enrolment (None without one), joining (see `joining`), next (lesson
    to go on with, or None), viewer. Raises DeniedError with the reason for whom the course is not to be seen.
    """
    course = frappe.db.get_value(access.COURSE, {"slug": slug}, "*", as_dict=True)
    if course is None:
        moved = addresses.moved_course(slug)
        reasons.deny("" if moved else rights.UNKNOWN)
        return frappe._dict(moved=moved)
    enrolled = access.enrolment_of(user, course.name) if user != rights.GUEST else None
    viewer = access.viewer(user, course.name, state=enrolled.state if enrolled else "")
    reasons.deny(rights.see_course(course.status, course.visibility, viewer))
    modules = outline.load(course.name, with_drafts=viewer.is_staff)
    done = outline.completed(enrolled.name) if enrolled else set()
    outline.decide(modules, course, viewer, enrolled.activated_on if enrolled else None, done)
    about = _about(course.name, user)
    return frappe._dict(
        moved="",
        course=course,
        html=markup.from_markdown(course.description),
        **about,
        outline=modules,
        enrolment=enrolled,
        joining=joining(
            course,
            viewer,
            lacks=any(not one.is_completed for one in about["prerequisites"]),
            is_over=enrolment.is_over(enrolled),
        ),
        next=outline.next_of(modules) if viewer.state in seats.LEARNING else None,
        viewer=viewer,
    )


def joining(course: frappe._dict, viewer: rights.Viewer, *, lacks: bool, is_over: bool = False) -> frappe._dict:
    """Return whether somebody may join a course: reason and words (why not), state (what they would be), seats_left.

    lacks: whether courses that have to come first are not completed. is_over: whether their days of access are used up.
    seats_left: None for any number. The answer is as old as the counters; whoever joins is looked at again under a
    lock.
    """
    terms = seats.Terms(
        course.enrolment_mode, course.seats, bool(course.has_waitlist), course.enrol_from, course.enrol_until
    )
    left = seats.free(terms.seats, course.taken_seats, course.waiting_count)
    state = seats.place(terms, course.taken_seats, course.waiting_count)
    if viewer.state in seats.LIVE:
        reason = rights.OF_STATE.get(viewer.state, "already_enrolled")
    elif is_over or viewer.state == seats.EXPIRED:
        reason = rights.OF_STATE[seats.EXPIRED]
    else:
        lacks = lacks and not viewer.is_guest
        reason = rights.enter(course.status) or seats.obstacle(terms, now_datetime(), lacks_prerequisites=lacks)
    if not reason and terms.mode == seats.APPROVAL:
        state = seats.PENDING_APPROVAL
    elif not reason and state == seats.FULL:
        reason = seats.FULL
    if not reason and viewer.is_guest:
        reason = rights.LOG_IN
    return frappe._dict(reason=reason, words=reasons.words(reason), state=state, seats_left=left)


def recount(course: str) -> None:
    """Count anew what the catalogue says about a course: its lessons and their minutes, its pupils and free seats."""
    [(lessons, minutes)] = frappe.db.sql(
        "SELECT COUNT(*), COALESCE(SUM(minutes), 0) FROM `tabAcademy Lesson` WHERE course = %s AND status = %s",
        (course, outline.PUBLISHED),
    )
    locked = enrolment.lock(course)
    counters = {"lesson_count": lessons, "minutes": int(minutes)}
    frappe.db.set_value(access.COURSE, course, counters, update_modified=False)
    enrolment.settle(locked)


_FROM = (
    "FROM `tabAcademy Course` c LEFT JOIN `tabAcademy Category` g ON g.name = c.category"
    " LEFT JOIN tabLanguage t ON t.name = c.language"
)


def _conditions(filters: Filters, user: str) -> tuple[str, dict[str, Any]]:
    """Return the SQL by which a course is found, and its values."""
    found_by = (rights.PUBLIC,) if user == rights.GUEST else (rights.PUBLIC, rights.MEMBERS)
    parts = ["c.status = %(published)s", "c.visibility IN %(found_by)s"]
    values: dict[str, Any] = {"published": rights.PUBLISHED, "found_by": found_by}
    for field, wanted in (("category", filters.category), ("level", filters.level), ("language", filters.language)):
        if wanted:
            parts.append(f"c.{field} = %({field})s")
            values[field] = wanted
    for number, word in enumerate(filters.search.split()[:8]):
        parts.append(f"CONCAT_WS(' ', c.title, c.summary, g.title) LIKE %(word{number})s")
        values[f"word{number}"] = f"%{_literally(word)}%"
    return " AND ".join(parts), values


def _literally(word: str) -> str:
    """Return a word for LIKE, in which nothing stands for anything else."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _about(course: str, user: str) -> dict[str, list[Any]]:
    """Return outcomes, instructors and prerequisites of a course, in one query."""
    rows = frappe.db.sql(
        "SELECT 'outcomes' part, o.idx, o.outcome title, NULL slug, NULL image, NULL role, NULL course, NULL status,"
        " NULL visibility, 0 belongs, 0 is_completed"
        " FROM `tabAcademy Course Outcome` o WHERE o.parent = %(course)s AND o.parenttype = 'Academy Course'"
        " UNION ALL SELECT 'instructors', i.idx, u.full_name, NULL, u.user_image, i.role, NULL, NULL, NULL, 0, 0"
        " FROM `tabAcademy Course Instructor` i JOIN tabUser u ON u.name = i.user"
        " WHERE i.parent = %(course)s AND i.parenttype = 'Academy Course' AND i.is_shown = 1 AND u.enabled = 1"
        " UNION ALL SELECT 'prerequisites', p.idx, c.title, c.slug, NULL, NULL, c.name, c.status, c.visibility,"
        " EXISTS (SELECT 1 FROM `tabAcademy Enrollment` e JOIN `tabAcademy Student` s ON s.name = e.student"
        " WHERE s.user = %(user)s AND e.course = p.requires AND e.state IN %(live)s), EXISTS (SELECT 1 FROM"
        " `tabAcademy Enrollment` e JOIN `tabAcademy Student` s ON s.name = e.student"
        " WHERE s.user = %(user)s AND e.course = p.requires AND e.completed_on IS NOT NULL)"
        " FROM `tabAcademy Course Prerequisite` p JOIN `tabAcademy Course` c ON c.name = p.requires"
        " WHERE p.parent = %(course)s AND p.parenttype = 'Academy Course' ORDER BY 1, 2",
        {"course": course, "user": user, "live": seats.LIVE},
        as_dict=True,
    )
    return {
        "outcomes": [row.title for row in rows if row.part == "outcomes"],
        "instructors": [
            frappe._dict(full_name=row.title, user_image=row.image, role=row.role)
            for row in rows
            if row.part == "instructors"
        ],
        "prerequisites": [_prerequisite(row, user) for row in rows if row.part == "prerequisites"],
    }


def _prerequisite(row: frappe._dict, user: str) -> frappe._dict:
    """Return what somebody may know of a course that comes first: nothing of one that is not theirs to see."""
    viewer = rights.Viewer(user, access.role_in(user, row.course), seats.ACTIVE if row.belongs else "")
    is_hidden = bool(rights.see_course(row.status, row.visibility, viewer))
    return frappe._dict(
        title=_("A course that you cannot see") if is_hidden else row.title,
        slug="" if is_hidden else row.slug,
        is_completed=bool(row.is_completed),
    )
