"""Writing lessons: what their editor shows, and how it is kept.

Guards are asked before: whoever comes here may change the course.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import addresses, choices, content, documents, lesson_form, numbers, outline, reasons, rights

LESSON = "Academy Lesson"
TEXTS = ("title",)
COUNTS = ("minutes", "video_percent")
# Those of all lessons of a course are added up.
MOST_COUNTED = 100_000
CHECKS = ("is_required", "is_preview")
SELECTS = ("kind", "completion_rule")
DRAFT = "Draft"


def linked(kinds: Sequence[str]) -> dict[str, str]:
    """Return the field by which a lesson of a kind points to what pupils do in it, such as its quiz, by the kind."""
    meta = frappe.get_meta(LESSON)
    fields = {kind: meta.get_field(frappe.scrub(kind)) for kind in kinds}
    return {kind: field.fieldname for kind, field in fields.items() if field and field.fieldtype == "Link"}


def editor(course: str, slug: str) -> frappe._dict:
    """Return what the editor of a lesson shows: lesson (all its fields), seen, blocks (forms), faults, files, links.

    moved: the slug that it has now, if this is an old one; nothing else is in it then. faults: see `content.told`.
    files: file_name and file_size of its files by their names. links: by kind, what a lesson of it can point to, each
    with value and label. Raises DeniedError for a lesson that there is not.
    """
    name = frappe.db.get_value(LESSON, {"course": course, "slug": slug}, "name")
    if name is None:
        moved = addresses.moved_lesson(course, slug)
        reasons.deny("" if moved else rights.UNKNOWN)
        return frappe._dict(moved=moved)
    doc = frappe.get_doc(LESSON, name)
    return frappe._dict(
        moved="",
        lesson=doc,
        seen=documents.stamp(doc.modified),
        blocks=[
            lesson_form.written(row.as_dict(), [one.as_dict() for one in doc.captions if one.block == row.anchor])
            for row in doc.blocks
        ],
        faults=content.faults_of(doc),
        files=files_of(name),
        links=_links(course, doc),
    )


def files_of(lesson: str) -> dict[str, frappe._dict]:
    """Return file_name and file_size of the files of a lesson, by their names."""
    owned = {"attached_to_doctype": LESSON, "attached_to_name": lesson}
    return {row.name: row for row in frappe.get_all("File", owned, ["name", "file_name", "file_size"])}


def save(
    lesson: str,
    seen: str,
    values: Mapping[str, str],
    blocks: Sequence[Mapping[str, str]],
    status: str = "",
) -> frappe._dict:
    """Keep a lesson; return its slug, status, seen, anchors of its blocks, and faults (see `content.told`).

    seen: see `documents.unchanged`. values: title, minutes and the like. blocks: see `lesson_form`. status: Draft or
    Published, empty for the one that it has. Raises RefusedError for a published lesson that lacks something, with what
    it lacks as `faults` in its details.
    """
    reasons.reject("" if status in ("", DRAFT, outline.PUBLISHED) else "bad_status")
    doc = documents.unchanged(LESSON, lesson, seen)
    _write(doc, values)
    _write_blocks(doc, blocks)
    doc.status = status or doc.status
    if doc.status == outline.PUBLISHED:
        # As it will be when it is saved: a quiz goes with the kind.
        _refuse_faults(content.faults_of(doc))
    documents.keep(doc)
    return frappe._dict(
        slug=doc.slug,
        status=doc.status,
        seen=documents.stamp(doc.modified),
        anchors=[row.anchor for row in doc.blocks],
        faults=content.faults_of(doc),
    )


def _links(course: str, lesson: Document) -> dict[str, list[frappe._dict]]:
    """Return what lessons of each kind can point to: those of the course that no other lesson has."""
    meta = frappe.get_meta(LESSON)
    found = {}
    for kind, field in linked([value for value, _words in choices.of(LESSON, "kind")]).items():
        taken = frappe.get_all(
            LESSON, {field: ("is", "set"), "course": course, "name": ("!=", lesson.name)}, pluck=field
        )
        rows = frappe.get_all(
            meta.get_field(field).options,
            {"course": course, "name": ("not in", [*taken, ""])},
            ["name as value", "title as label"],
            order_by="title",
        )
        found[kind] = rows
    return found


def _write(doc: Document, values: Mapping[str, str]) -> None:
    links = {*linked([value for value, _words in choices.of(LESSON, "kind")]).values()}
    reasons.reject("" if {*values} <= {*TEXTS, *COUNTS, *CHECKS, *SELECTS, *links} else "unexpected")
    for field, text in values.items():
        doc.set(field, _value(field, text.strip(), links))


def _value(field: str, text: str, links: set[str]) -> Any:
    if field in COUNTS:
        return numbers.whole_of_form(text, MOST_COUNTED)
    if field in CHECKS:
        return int(text == "1")
    if field in SELECTS:
        reasons.reject("" if choices.is_one(LESSON, field, text) else "unexpected")
        return text
    if field in links:
        return text or None
    reasons.refuse("" if text else "empty_title")
    reasons.refuse("too_long" if len(text) > 140 else "")
    return text


def _write_blocks(doc: Document, forms: Sequence[Mapping[str, str]]) -> None:
    """Put the blocks that were sent in the place of those that there are; rows keep their names, and so their past."""
    reasons.refuse("too_many_blocks" if len(forms) > lesson_form.MOST_BLOCKS else "")
    rows = {row.anchor: row.name for row in doc.blocks}
    known = {(row.block, row.file): row.name for row in doc.captions}
    blocks: list[dict[str, Any]] = []
    captions: list[dict[str, Any]] = []
    for form in forms:
        try:
            block = lesson_form.read(form)
        except lesson_form.UnreadableError as fault:
            reasons.refuse_with(str(fault), reasons.words(str(fault)))
        anchor = block.row["anchor"]
        if not anchor or any(one["anchor"] == anchor for one in blocks):
            anchor = frappe.generate_hash(length=8)
        blocks.append({**block.row, "anchor": anchor, **_named(rows.get(anchor))})
        captions += [{**row, "block": anchor, **_named(known.get((anchor, row["file"])))} for row in block.captions]
    doc.set("blocks", blocks)
    doc.set("captions", captions)


def _named(name: str | None) -> dict[str, str]:
    return {"name": name} if name else {}


def _refuse_faults(faults: list[tuple[int, str]]) -> None:
    if faults:
        reasons.refuse_with("incomplete", _("This lesson cannot be published yet"), faults=faults)
