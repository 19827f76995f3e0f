"""Making courses: what they say of themselves, and the outline of their modules and lessons.

Guards are asked before: whoever comes here may change the course.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import (
    access,
    checks,
    choices,
    content,
    documents,
    enrolment,
    moments,
    numbers,
    outline,
    reasons,
    release,
    rights,
    seats,
)

MODULE, LESSON = "Academy Module", "Academy Lesson"
STATUSES = ("Draft", rights.PUBLISHED, rights.ARCHIVED)

# What the pages of a course and of a module let change, by how it is read.
TEXTS = frozenset({"title", "slug", "summary", "description", "cover_alt", "meta_title", "meta_description"})
SELECTS = frozenset({"level", "visibility", "enrolment_mode", "release_rule"})
LINKS = frozenset({"category", "language", "currency", "certificate_template", "release_after"})
CHECKS = frozenset({"has_waitlist", "sequential", "issues_certificates"})
COUNTS = frozenset({"seats", "access_days", "certificate_months", "release_days"})
MOMENTS = frozenset({"enrol_from", "enrol_until", "starts_on", "release_on"})
OF_COURSE = (
    *("title", "slug", "summary", "description", "cover_alt", "level", "visibility", "enrolment_mode", "category"),
    *("language", "price", "currency", "has_waitlist", "sequential", "issues_certificates", "seats", "access_days"),
    *("enrol_from", "enrol_until", "starts_on", "outcomes", "prerequisites"),
    *("certificate_template", "certificate_months", "meta_title", "meta_description"),
)
# How pupils can join by what there is: a course that is paid for, or for groups, stays so, and none becomes one.
OFFERED_MODES = (seats.OPEN, seats.APPROVAL, seats.INVITE)
OF_MODULE = ("title", "summary", "release_rule", "release_on", "release_days", "release_after")


def make_course(title: str, user: str) -> str:
    """Make a draft of a course that its maker leads, and return its slug."""
    doc = frappe.new_doc(access.COURSE, title=_title(title))
    doc.append("instructors", {"user": user, "role": rights.LEAD})
    return documents.keep(doc).slug


def settings(course: str) -> frappe._dict:
    """Return what the settings of a course show: all its fields, seen, outcomes (a line each), and what to choose from.

    chosen: by field, each value that can be chosen with its words; what it can build on says `prerequisites`.
    """
    row = frappe.db.get_value(access.COURSE, course, "*", as_dict=True)
    told = frappe.get_all(
        "Academy Course Outcome",
        {"parent": course, "parenttype": access.COURSE},
        pluck="outcome",
        order_by="idx",
    )
    return frappe._dict(
        row,
        outcomes="\n".join(told),
        seen=documents.stamp(row.modified),
        chosen={
            "category": _options("Academy Category", "title", "position, title"),
            "language": _options("Language", "language_name", "language_name", {"enabled": 1}),
            "currency": _options("Currency", "name", "name", {"enabled": 1}),
            "certificate_template": _options("Academy Certificate Template", "title", "title"),
        },
    )


def prerequisites(course: str, user: str) -> list[frappe._dict]:
    """Return what a course can build on, by title, in one query: value, label and is_chosen.

    That is what its teacher teaches, and what everybody or every pupil finds; and what it builds on already, whose
    title is not said where the teacher may not see it.
    """
    found = frappe.db.sql(
        "SELECT c.name value, c.title label, p.name IS NOT NULL is_chosen, (%(finds_all)s"
        " OR (c.status = %(published)s AND c.visibility IN %(found)s) OR c.name IN (SELECT i.parent"
        " FROM `tabAcademy Course Instructor` i"
        " WHERE i.parenttype = %(course)s AND i.user = %(user)s AND i.role IN %(roles)s)) is_seen"
        " FROM `tabAcademy Course` c LEFT JOIN `tabAcademy Course Prerequisite` p"
        " ON p.parent = %(name)s AND p.parenttype = %(course)s AND p.requires = c.name"
        " WHERE c.name != %(name)s HAVING is_seen OR is_chosen ORDER BY c.title, c.name",
        {
            "name": course,
            "user": user,
            "course": access.COURSE,
            "finds_all": int(access.is_manager(user)),
            "roles": access.roles_for(user) or ("",),
            "published": rights.PUBLISHED,
            "found": (rights.PUBLIC, rights.MEMBERS),
        },
        as_dict=True,
    )
    for row in found:
        row.label = row.label if row.pop("is_seen") else _("A course that you cannot see")
    return found


def modes(chosen: str) -> list[tuple[str, str]]:
    """Return how pupils can join, with words, and how they join a course now, whatever that is."""
    return [
        (value, words)
        for value, words in choices.of(access.COURSE, "enrolment_mode")
        if value in OFFERED_MODES or value == chosen
    ]


def change_course(course: str, seen: str, values: Mapping[str, str]) -> str:
    """Change what a course says of itself, and return its slug. seen: see `documents.unchanged`."""
    doc = documents.unchanged(access.COURSE, course, seen)
    if wanted := values.get("prerequisites", "").split():
        known = {row.value for row in prerequisites(course, frappe.session.user)}
        reasons.reject("" if {*wanted} <= known else "unexpected")
    mode = values.get("enrolment_mode", doc.enrolment_mode)
    reasons.reject("" if mode in (*OFFERED_MODES, doc.enrolment_mode) else "unexpected")
    _write(doc, OF_COURSE, values)
    return documents.keep(doc).slug


def set_status(course: str, status: str) -> None:
    """Publish a course, take it back to a draft, or archive it; raises RefusedError for what it lacks."""
    reasons.reject("" if status in STATUSES else "bad_status")
    doc = frappe.get_doc(access.COURSE, course, for_update=True)
    doc.status = status
    documents.keep(doc)


def teachers(course: str) -> list[frappe._dict]:
    """Return whom a course names, in their order: user, full_name, role, is_shown."""
    return frappe.db.sql(
        "SELECT i.user, u.full_name, i.role, i.is_shown FROM `tabAcademy Course Instructor` i"
        " JOIN tabUser u ON u.name = i.user WHERE i.parent = %s AND i.parenttype = %s ORDER BY i.idx",
        (course, access.COURSE),
        as_dict=True,
    )


def name_teacher(course: str, user: str, role: str, *, is_shown: bool) -> None:
    """Name somebody in a course, or say anew as what, and whether pupils are told.

    Raises RefusedError for who is nobody, and, in the same words, for whom the school has not given the role.
    """
    reasons.reject("" if role in access.ROLE_OF else "unexpected")
    known = frappe.db.get_value("User", {"name": user.strip(), "enabled": 1}, "name")
    held = {*frappe.get_roles(known)} if known else set()
    may = not held.isdisjoint({access.ROLE_OF[role], access.INSTRUCTOR_ROLE, *access.MANAGERS})
    reasons.refuse("" if may else "no_such_teacher")
    doc = frappe.get_doc(access.COURSE, course, for_update=True)
    row = next((row for row in doc.instructors if row.user == known), None) or doc.append(
        "instructors", {"user": known}
    )
    row.update({"role": role, "is_shown": int(is_shown)})
    _keep_a_lead(doc)


def dismiss_teacher(course: str, user: str) -> None:
    """Name somebody in a course no longer; raises RefusedError for the last one who leads it."""
    doc = frappe.get_doc(access.COURSE, course, for_update=True)
    doc.set("instructors", [row for row in doc.instructors if row.user != user])
    _keep_a_lead(doc)


def _keep_a_lead(doc: Document) -> None:
    reasons.refuse("" if any(row.role == rights.LEAD for row in doc.instructors) else "last_lead")
    documents.keep(doc)


def outline_page(course: str) -> frappe._dict:
    """Return what the outline of a course shows its teachers: modules, lacks, learners, whatever is written in them.

    A module has all its fields, seen and lessons; a lesson has its row, faults (sentences, for a draft) and begun (by
    how many pupils). lacks: what the course lacks before it can be published, as words. learners: pupils who would lose
    sight of it.
    """
    modules = frappe.get_all(
        MODULE,
        {"course": course},
        ["name", "modified", "position", *OF_MODULE],
        order_by="position, creation, name",
    )
    lessons = frappe.db.sql(
        "SELECT l.*, (SELECT COUNT(*) FROM `tabAcademy Lesson Progress` p WHERE p.lesson = l.name) begun"
        " FROM `tabAcademy Lesson` l WHERE l.course = %s ORDER BY l.position, l.creation, l.name",
        course,
        as_dict=True,
    )
    faults = _faults(lessons)
    for lesson in lessons:
        lesson.faults = faults.get(lesson.name, [])
    for module in modules:
        module.seen = documents.stamp(module.modified)
        module.lessons = [lesson for lesson in lessons if lesson.module == module.name]
    about = frappe.db.get_value(
        access.COURSE, course, ["summary", "enrolment_mode", "price", "currency", "learner_count"], as_dict=True
    )
    has_lead = bool(
        frappe.db.exists("Academy Course Instructor", {"parent": course, "parenttype": access.COURSE, "role": "Lead"})
    )
    has_lesson = any(lesson.status == outline.PUBLISHED for lesson in lessons)
    lacks = checks.of_course(about, has_lead=has_lead, has_lesson=has_lesson)
    return frappe._dict(
        modules=modules, lacks=[reasons.words(reason) for reason in lacks], learners=about.learner_count
    )


def add_module(course: str, title: str) -> str:
    """Add a module at the end of a course, and return its name."""
    return documents.keep(frappe.new_doc(MODULE, course=course, title=_title(title))).name


def change_module(module: str, seen: str, values: Mapping[str, str]) -> None:
    """Change what a module says of itself, and when it opens. seen: see `documents.unchanged`."""
    doc = documents.unchanged(MODULE, module, seen)
    _write(doc, OF_MODULE, values)
    documents.keep(doc)


def place_module(module: str, position: int) -> None:
    """Put a module at a place among those of its course, from 1 on."""
    course = frappe.db.get_value(MODULE, module, "course")
    enrolment.lock(course)
    _place(MODULE, module, position, {"course": course})


def remove_module(module: str) -> None:
    """Remove a module with its lessons; raises RefusedError where pupils have begun one, or another waits for it."""
    course = frappe.db.get_value(MODULE, module, "course")
    enrolment.lock(course)
    waits = {"course": course, "release_rule": release.AFTER_MODULE, "release_after": module}
    reasons.refuse("others_wait" if frappe.db.exists(MODULE, waits) else "")
    lessons = frappe.get_all(LESSON, {"module": module}, pluck="name")
    _refuse_begun(lessons)
    for lesson in lessons:
        documents.remove(frappe.get_doc(LESSON, lesson))
    documents.remove(frappe.get_doc(MODULE, module))


def add_lesson(module: str, title: str, kind: str) -> str:
    """Add a draft of a lesson at the end of a module, and return its slug."""
    reasons.reject("" if choices.is_one(LESSON, "kind", kind) else "unexpected")
    enrolment.lock(frappe.db.get_value(MODULE, module, "course"))
    doc = frappe.new_doc(LESSON, module=module, title=_title(title), kind=kind)
    if rule := RULES.get(kind):
        doc.completion_rule = rule
    return documents.keep(doc).slug


def place_lesson(lesson: str, module: str, position: int) -> None:
    """Put a lesson at a place in a module of its course, from 1 on."""
    before = frappe.db.get_value(LESSON, lesson, ["course", "module"], as_dict=True)
    reasons.reject("" if frappe.db.get_value(MODULE, module, "course") == before.course else "wrong_module")
    enrolment.lock(before.course)
    if before.module != module:
        frappe.db.set_value(LESSON, lesson, "module", module, update_modified=False)
    _place(LESSON, lesson, position, {"module": module})


def remove_lesson(lesson: str) -> None:
    """Remove a lesson with its files; raises RefusedError where pupils have begun it."""
    enrolment.lock(frappe.db.get_value(LESSON, lesson, "course"))
    _refuse_begun([lesson])
    documents.remove(frappe.get_doc(LESSON, lesson))


# By what a lesson of a kind is completed, unless its teacher says something else.
RULES = {"Quiz": "Quiz Passed"}


def _title(text: str) -> str:
    reasons.refuse("" if text.strip() else "empty_title")
    reasons.refuse("too_long" if len(text.strip()) > 140 else "")
    return text.strip()


def _write(doc: Document, allowed: Sequence[str], values: Mapping[str, str]) -> None:
    """Write into a document what was sent of it; what a page does not let change is refused."""
    reasons.reject("" if {*values} <= {*allowed} else "unexpected")
    for field, text in values.items():
        doc.set(field, _value(doc.doctype, field, text))


def _value(doctype: str, field: str, text: str) -> Any:
    if field == "title":
        return _title(text)
    if field in TEXTS:
        return text.replace("\r\n", "\n").strip()
    if field == "outcomes":
        return [{"outcome": line.strip()} for line in text.splitlines() if line.strip()]
    if field == "prerequisites":
        return [{"requires": name} for name in text.split()]
    if field in CHECKS:
        return int(text == "1")
    if field in COUNTS:
        return numbers.whole_of_form(text)
    if field in MOMENTS:
        return moments.of_form(text)
    if field in SELECTS:
        reasons.reject("" if choices.is_one(doctype, field, text) else "unexpected")
        return text
    if field == "price":
        # 1,500 is a thousand and a half to some, and nobody should pay the one for the other.
        reasons.refuse("bad_number" if "," in text else "")
        return numbers.of_form(text)
    return text or None


def _options(doctype: str, label: str, order: str, filters: Mapping[str, Any] | None = None) -> list[tuple[str, str]]:
    rows = frappe.get_all(doctype, filters or {}, ["name", f"{label} as words"], order_by=order, as_list=True)
    return [("", _("Not said")), *((value, words or value) for value, words in rows)]


def _place(doctype: str, name: str, position: int, among: Mapping[str, str]) -> None:
    """Number documents anew with one of them at its place; whoever edits them is not in the way."""
    others = frappe.get_all(doctype, {**among, "name": ("!=", name)}, pluck="name", order_by="position, creation, name")
    at = min(max(1, position), len(others) + 1) - 1
    for number, other in enumerate([*others[:at], name, *others[at:]], 1):
        frappe.db.set_value(doctype, other, "position", number, update_modified=False)


def _refuse_begun(lessons: Sequence[str]) -> None:
    reasons.refuse(
        "has_learners" if lessons and frappe.db.exists("Academy Lesson Progress", {"lesson": ("in", lessons)}) else ""
    )


def _faults(lessons: Sequence[frappe._dict]) -> dict[str, list[str]]:
    """Return what drafts lack before they can be published, as sentences, in two queries for all of them."""
    drafts = {lesson.name: lesson for lesson in lessons if lesson.status != outline.PUBLISHED}
    if not drafts:
        return {}
    blocks, captions = (
        frappe.get_all(doctype, {"parent": ("in", [*drafts]), "parenttype": LESSON}, ["*"], order_by="idx")
        for doctype in ("Academy Lesson Block", "Academy Caption")
    )
    found = {}
    for name, lesson in drafts.items():
        own = [block for block in blocks if block.parent == name]
        captioned = {row.block for row in captions if row.parent == name and row.file}
        found[name] = [said for _number, said in content.told(checks.of_lesson(lesson, own, captioned), own)]
    return found
