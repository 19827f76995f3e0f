"""The outline of a course: its modules and lessons in their order, and what is open to whom."""

from collections.abc import Collection, Iterator
from datetime import datetime

import frappe
from frappe.utils import now_datetime

from lms_app.services import access, reasons, release, rights

PUBLISHED = "Published"


def load(course: str, *, with_drafts: bool = False) -> list[frappe._dict]:
    """Return the modules of a course with their lessons, in one query; without lessons nobody sees a module.

    with_drafts: for teachers.
    """
    rows = frappe.db.sql(
        "SELECT m.name module, m.title module_title, m.summary, m.release_rule, m.release_on, m.release_days,"
        " m.release_after, l.name, l.slug, l.title, l.kind, l.status, l.minutes, l.is_required, l.is_preview,"
        " l.completion_rule, l.quiz, l.assignment FROM `tabAcademy Module` m"
        " JOIN `tabAcademy Lesson` l ON l.module = m.name"
        " WHERE m.course = %(course)s AND (l.status = %(published)s OR %(with_drafts)s)"
        " ORDER BY m.position, m.creation, m.name, l.position, l.creation, l.name",
        {"course": course, "published": PUBLISHED, "with_drafts": int(with_drafts)},
        as_dict=True,
    )
    modules: dict[str, frappe._dict] = {}
    for row in rows:
        module = modules.setdefault(row.module, _module(row))
        module.lessons.append(_lesson(row))
    return list(modules.values())


def completed(enrollment: str) -> set[str]:
    """Return the names of the lessons that a pupil has completed."""
    rows = frappe.db.sql(
        "SELECT lesson FROM `tabAcademy Lesson Progress` WHERE enrollment = %s AND is_completed = 1", enrollment
    )
    return {lesson for (lesson,) in rows}


def decide(
    modules: list[frappe._dict],
    course: frappe._dict,
    viewer: rights.Viewer,
    activated_on: datetime | None,
    done: Collection[str],
) -> None:
    """Write into each lesson of an outline whether it is completed, and the decision whether it is open.

    course: status, visibility, starts_on and sequential.
    """
    barred = rights.open_lessons(course.status, course.visibility, viewer)
    hidden = rights.see_course(course.status, course.visibility, viewer)
    now = now_datetime()
    found = release.locks(
        [_of_rules(module) for module in modules],
        done,
        now,
        activated_on or now,
        starts_on=course.starts_on,
        sequential=bool(course.sequential),
    )
    titles = {thing.name: thing.title for module in modules for thing in (module, *module.lessons)}
    for lesson in lessons(modules):
        lock = found[lesson.name]
        lesson.is_completed = lesson.name in done
        if viewer.is_staff or (lesson.is_preview and not hidden):
            lesson.decision = access.Decision()
        elif barred:
            lesson.decision = access.Decision(barred)
        elif lock:
            lesson.decision = access.Decision(lock.reason, lock.until, titles.get(lock.by or ""))
        else:
            lesson.decision = access.Decision()


def lessons(modules: list[frappe._dict]) -> Iterator[frappe._dict]:
    """Yield the lessons of an outline in their order."""
    for module in modules:
        yield from module.lessons


def find(modules: list[frappe._dict], slug: str) -> frappe._dict | None:
    """Return the lesson of an outline that has a slug."""
    return next((lesson for lesson in lessons(modules) if lesson.slug == slug), None)


def next_of(modules: list[frappe._dict]) -> frappe._dict | None:
    """Return where a pupil goes on: the first open lesson that is not completed, else the first open one."""
    opened = [lesson for lesson in lessons(modules) if lesson.decision.is_allowed]
    return next((lesson for lesson in opened if not lesson.is_completed), opened[0] if opened else None)


def demand(decision: access.Decision) -> None:
    """Let through what is allowed; raises DeniedError with the reason for everything else."""
    reasons.deny(decision.reason, decision.until, decision.by)


def _of_rules(module: frappe._dict) -> release.Module:
    rule = release.Rule(module.release_rule, module.release_on, module.release_days, module.release_after)
    known = [release.Lesson(one.name, bool(one.is_required), bool(one.is_preview)) for one in module.lessons]
    return release.Module(module.name, rule, known)


def _module(row: frappe._dict) -> frappe._dict:
    kept = ("summary", "release_rule", "release_on", "release_days", "release_after")
    return frappe._dict({key: row[key] for key in kept}, name=row.module, title=row.module_title, lessons=[])


def _lesson(row: frappe._dict) -> frappe._dict:
    kept = (
        *("name", "slug", "title", "kind", "status", "minutes", "is_required", "is_preview"),
        *("completion_rule", "quiz", "assignment"),
    )
    return frappe._dict({key: row[key] for key in kept}, is_completed=False, decision=access.Decision())
