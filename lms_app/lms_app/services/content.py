"""Lessons: their blocks as pages show them, and what they lack before they may be published."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import (
    access,
    addresses,
    checks,
    markup,
    media,
    notes,
    outline,
    reasons,
    recipe,
    rights,
    seats,
)

LESSON = "Academy Lesson"
_COURSE = ("name", "slug", "title", "status", "visibility", "starts_on", "sequential", "cover", "cover_alt")
_BLOCK = (
    *("name", "anchor", "kind", "title", "tone", "code_language", "body", "recipe", "file", "url", "duration"),
    *("alt_text", "is_decorative", "has_no_speech", "transcript"),
)


def lesson_page(course_slug: str, lesson_slug: str, user: str) -> frappe._dict:
    """Return what the page of a lesson shows.

    moved: the address that it has now, if the slugs are old ones: the page answers 301; nothing else is in it then.
    decision: whether it may be shown; when it may not, only course, lesson, outline and decision are in it.
    course, lesson, outline (modules with lessons, each with decision and is_completed), blocks (see `render`),
    enrolment (None without one), trace (position and watched of the video), note (the pupil's own text), previous and
    next (lessons of the outline, or None), viewer. Raises DeniedError for a course that is not for this user at all.
    """
    course = frappe.db.get_value(access.COURSE, {"slug": course_slug}, _COURSE, as_dict=True)
    if course is None:
        moved = addresses.moved_course(course_slug)
        reasons.deny("" if moved else rights.UNKNOWN)
        return frappe._dict(moved=f"/learn/c/{moved}/l/{lesson_slug}")
    enrolled = access.enrolment_of(user, course.name) if user != rights.GUEST else None
    viewer = access.viewer(user, course.name, state=enrolled.state if enrolled else "")
    reasons.deny(rights.see_course(course.status, course.visibility, viewer))
    modules = outline.load(course.name, with_drafts=viewer.is_staff)
    done = outline.completed(enrolled.name) if enrolled else set()
    outline.decide(modules, course, viewer, enrolled.activated_on if enrolled else None, done)
    lesson = outline.find(modules, lesson_slug)
    if lesson is None:
        moved = addresses.moved_lesson(course.name, lesson_slug)
        reasons.deny("" if moved else rights.UNKNOWN)
        return frappe._dict(moved=f"/learn/c/{course.slug}/l/{moved}")
    row = list(outline.lessons(modules))
    place = row.index(lesson)
    page = frappe._dict(
        moved="",
        course=course,
        lesson=lesson,
        outline=modules,
        enrolment=enrolled,
        viewer=viewer,
        decision=lesson.decision,
        previous=row[place - 1] if place else None,
        next=row[place + 1] if place + 1 < len(row) else None,
    )
    if lesson.decision.is_allowed:
        page.blocks = blocks_of(lesson.name)
        page.trace = _trace(enrolled, lesson.name)
        page.note = notes.read(user, lesson.name) if enrolled else ""
    return page


def preview(course_slug: str, lesson_slug: str, user: str) -> frappe._dict:
    """Return what the page of a lesson shows to a pupil who has just joined, for a teacher of its course.

    As `lesson_page`; a draft is shown as if it were published alone. Raises DeniedError for everybody else.
    """
    access.to_teach(user)
    course = frappe.db.get_value(access.COURSE, {"slug": course_slug}, _COURSE, as_dict=True)
    reasons.deny("" if course else rights.UNKNOWN)
    reasons.deny(rights.grade(access.viewer(user, course.name, state="")))
    pupil = rights.Viewer(user, "", seats.ACTIVE)
    modules = outline.load(course.name, with_drafts=True)
    lesson = outline.find(modules, lesson_slug)
    reasons.deny("" if lesson else rights.UNKNOWN)
    for module in modules:
        module.lessons = [one for one in module.lessons if one is lesson or one.status == outline.PUBLISHED]
    modules = [module for module in modules if module.lessons]
    outline.decide(modules, frappe._dict(course, status=rights.PUBLISHED), pupil, None, set())
    row = list(outline.lessons(modules))
    place = row.index(lesson)
    return frappe._dict(
        moved="",
        course=course,
        lesson=lesson,
        outline=modules,
        enrolment=None,
        viewer=pupil,
        # What keeps a pupil out yet is said; its teacher reads it all the same.
        lock="" if lesson.decision.is_allowed else lesson.decision.words,
        decision=access.Decision(),
        previous=row[place - 1] if place else None,
        next=row[place + 1] if place + 1 < len(row) else None,
        blocks=blocks_of(lesson.name),
        trace=_trace(None, lesson.name),
        note="",
    )


def blocks_of(lesson: str) -> list[dict[str, Any]]:
    """Return the blocks of a lesson, ready to show; the caller has asked whether they may be shown."""
    columns = ", ".join(f"b.`{field}`" for field in _BLOCK)
    rows = frappe.db.sql(
        f"SELECT {columns}, f.file_name, f.file_size FROM `tabAcademy Lesson Block` b"  # noqa: S608 - our columns
        " LEFT JOIN tabFile f ON f.name = b.file WHERE b.parent = %s AND b.parenttype = %s ORDER BY b.idx",
        (lesson, LESSON),
        as_dict=True,
    )
    captions = frappe.db.sql(
        "SELECT block, language, label, file FROM `tabAcademy Caption` WHERE parent = %s AND parenttype = %s"
        " ORDER BY idx",
        (lesson, LESSON),
        as_dict=True,
    )
    return [render(row, [caption for caption in captions if caption.block == row.anchor]) for row in rows]


def render(block: Mapping[str, Any], captions: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a block as its template needs it: anchor, kind and title, and more by its kind.

    Rich Text, Markdown, Callout: html (clean), and tone (Note, Tip, Warning). Code: text, language. Image: address, alt
    ("" if it only decorates). Video: address or embed (provider, address, page), captions (address, language, label),
    duration, transcript (clean HTML). Audio: address, duration, transcript. File: address, file_name, size (bytes).
    Embed: embed, None if nothing from its address is shown any more. Recipe: recipe (servings, ingredients with name,
    amount and unit, steps with text and timer in seconds, allergens), None if it cannot be read. Whatever is not said
    to be clean HTML has still to be escaped.
    """
    kind = block["kind"]
    shown = {"anchor": block["anchor"], "kind": kind, "title": block["title"] or ""}
    address = media.address(block["file"]) if block["file"] else ""
    embed = markup.embed(block["url"])
    transcript = markup.from_markdown(block["transcript"]) if block["transcript"] else ""
    by_kind: dict[str, dict[str, Any]] = {
        "Image": {"address": address, "alt": "" if block["is_decorative"] else block["alt_text"] or ""},
        "Video": {
            "address": address,
            "embed": asdict(embed) if embed and not address else None,
            "captions": [
                {"address": media.address(row["file"]), "language": row["language"], "label": row["label"] or ""}
                for row in captions
            ],
            "duration": block["duration"],
            "transcript": transcript,
        },
        "Audio": {"address": address, "duration": block["duration"], "transcript": transcript},
        "File": {"address": address, "file_name": block["file_name"] or "", "size": block["file_size"] or 0},
        "Code": {"text": block["body"] or "", "language": block["code_language"] or ""},
        "Embed": {"embed": asdict(embed) if embed else None},
    }
    if kind == "Recipe":
        shown["recipe"] = _recipe(block["recipe"])
    elif kind in by_kind:
        shown |= by_kind[kind]
    else:
        shown["html"] = markup.clean(block["body"]) if kind == "Rich Text" else markup.from_markdown(block["body"])
        shown["tone"] = block["tone"] or "Note"
    return shown


def faults_of(lesson: Document) -> list[tuple[int, str]]:
    """Return what a lesson lacks before it may be published: see `told`."""
    captioned = {row.block for row in lesson.captions if row.file}
    blocks = [row.as_dict() for row in lesson.blocks]
    return told(checks.of_lesson(lesson.as_dict(), blocks, captioned), blocks)


def told(faults: Iterable[checks.Fault], blocks: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Return faults as sentences, each with the number of its block, 0 for the lesson itself."""
    said = []
    for number, reason in faults:
        if number:
            where = _("Block {0} ({1})").format(number, _(blocks[number - 1]["kind"]))
            said.append((number, f"{where}: {reasons.words(reason)}"))
        else:
            said.append((0, reasons.words(reason)))
    return said


def lacks_of(course: Document) -> list[str]:
    """Return what a course lacks before it may be published, as words for a list."""
    has_lesson = bool(frappe.db.exists(LESSON, {"course": course.name, "status": outline.PUBLISHED}))
    has_lead = any(row.role == rights.LEAD for row in course.instructors)
    found = checks.of_course(course.as_dict(), has_lead=has_lead, has_lesson=has_lesson)
    return [reasons.words(reason) for reason in found]


def _trace(enrolled: frappe._dict | None, lesson: str) -> frappe._dict:
    known = enrolled and frappe.db.get_value(
        "Academy Lesson Progress",
        {"enrollment": enrolled.name, "lesson": lesson},
        ["position", "watched", "is_completed"],
        as_dict=True,
    )
    return known or frappe._dict(position=0, watched=0, is_completed=0)


def _recipe(data: str | None) -> dict[str, Any] | None:
    try:
        return asdict(recipe.read(data))
    except recipe.InvalidRecipeError:
        return None
