"""The editor of a lesson: its blocks from top to bottom, saved when its teacher says so.

Without JavaScript each button sends the whole form: whatever was typed comes back with what the button did, and only
saving writes it down.
"""

import json
import re
from dataclasses import dataclass, field

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import teach_lesson
from lms_app.services import (
    access,
    choices,
    lesson_form,
    markup,
    outline,
    reasons,
    recipe,
    rights,
    teaching,
    uploads,
    writing,
)

no_cache = 1

_FIELD = re.compile(r"b(\d{1,4})\.(.+)", re.ASCII)
_UPLOAD = re.compile(r"b(\d{1,4})\.(upload|caption\.(\d{1,4})\.upload)", re.ASCII)
# How many empty lines a block shows that can have more.
SPARE = {"ingredient": 3, "step": 2, "caption": 1}


@dataclass
class Sent:
    """What was sent: values of the lesson, blocks as `lesson_form` reads them, and what is to be done.

    at: the block of a button. kept: fields whose files are kept already.
    """

    values: dict[str, str]
    blocks: list[dict[str, str]]
    deed: str
    at: int = 0
    kept: set[str] = field(default_factory=set)


def get_context(context: frappe._dict) -> None:
    """Fill in the lesson, or what was sent of it; save it, publish it or rearrange it where a form asks for that."""
    form = frappe.form_dict
    sent = _sent(form) if pages.is_form() else None
    if sent:
        pages.act(context, lambda: _obey(form, sent))
    page = pages.show_to_staff(context, "outline", _("Lesson"), lambda course: _load(course, form.lesson))
    if page is None:
        return
    kinds = choices.of("Academy Lesson Block", "kind")
    details = context.fault.details if isinstance(context.fault, reasons.RefusedError) else {}
    context.update(
        {
            "page_title": f"{page.lesson.title} · {context.course.title}",
            "values": {**page.lesson.as_dict(), **sent.values} if sent else page.lesson,
            "blocks": sent.blocks if sent else page.blocks,
            "seen": form.get("seen") if sent else page.seen,
            "is_unsaved": bool(sent),
            "refused": sent.deed if sent else "save",
            "allowed": json.dumps(markup.ALLOWED),
            "faults": details.get("faults", page.faults),
            "kinds": [kind for kind in kinds if kind[0] in lesson_form.FIELDS],
            "words_of": dict(kinds),
            "choose": lambda name: choices.of(writing.LESSON, name),
            "linked": writing.linked([*page.links]),
            "languages": languages(),
            "allergens": recipe.ALLERGENS,
            "lines": _lines,
            "largest": uploads.largest,
            "at_once": uploads.at_once(),
            "endings": lambda kind: ",".join(uploads.KINDS[kind].endings),
            "said": None if sent else form.get("said"),
        }
    )


def languages() -> list[tuple[str, str]]:
    """Return the languages of captions, each with its own name."""
    rows = frappe.get_all("Language", {"enabled": 1}, ["name", "language_name"], order_by="language_name", as_list=True)
    return [("", ""), *((code, f"{name} ({code})") for code, name in rows)]


def _load(course: frappe._dict, slug: str) -> frappe._dict:
    reasons.deny("" if course.may_edit else rights.NOT_STAFF)
    page = writing.editor(course.name, slug)
    if page.moved:
        page.moved = f"/teach/c/{course.slug}/l/{page.moved}"
    return page


def _lines(form: dict[str, str], name: str) -> list[dict[str, str]]:
    """Return the lines of a block with empty ones after them to write into."""
    return [*lesson_form.lines(form, name), *({} for _number in range(SPARE[name]))]


def _sent(form: frappe._dict) -> Sent:
    """Read the form, by the names that the page gave its fields."""
    blocks: dict[int, dict[str, str]] = {}
    for key, value in form.items():
        if found := _FIELD.fullmatch(key):
            blocks.setdefault(int(found[1]), {})[found[2]] = str(value)
    known = {*writing.TEXTS, *writing.COUNTS, *writing.SELECTS, *writing.linked(_kinds()).values()}
    values = {name: str(form[name]) for name in known if name in form}
    values |= {name: "1" if form.get(name) else "" for name in writing.CHECKS}
    # Whoever saves over what somebody else has saved, wants what was refused before.
    asked = form.get("deed") or (form.get("over") and form.get("refused")) or "save"
    deed, _colon, at = str(asked).partition(":")
    row = Sent(values, [blocks[number] for number in sorted(blocks)], deed)
    if deed == "add":
        row.blocks.append({"kind": at})
    else:
        # Its number among those that were sent.
        row.at = sorted(blocks).index(int(at)) if at.isdecimal() and int(at) in blocks else -1
    return row


def _kinds() -> list[str]:
    return [value for value, _words in choices.of(writing.LESSON, "kind")]


def _obey(form: frappe._dict, sent: Sent) -> str:
    course = teaching.course(form.slug, frappe.session.user)
    name = frappe.db.get_value(writing.LESSON, {"course": course.name, "slug": form.lesson}, "name") or ""
    access.to_change(frappe.session.user, writing.LESSON, name)
    _keep_files(name, sent)
    if sent.deed in ("save", "publish", "draft"):
        status = {"publish": outline.PUBLISHED, "draft": writing.DRAFT}.get(sent.deed, "")
        seen = form.get("over") or form.get("seen") or ""
        kept = teach_lesson.save(name, seen, sent.values, sent.blocks, status)
        return f"/teach/c/{course.slug}/l/{kept['slug']}?said=saved"
    _rearrange(sent)
    return ""


def _rearrange(sent: Sent) -> None:
    """Move or remove the block that a button was of."""
    if sent.at < 0:
        return
    block = sent.blocks.pop(sent.at)
    if sent.deed in ("up", "down"):
        sent.blocks.insert(max(0, sent.at + (-1 if sent.deed == "up" else 1)), block)
    elif sent.deed != "remove":
        sent.blocks.insert(sent.at, block)


def _keep_files(lesson: str, sent: Sent) -> None:
    """Keep the files that were sent with the form, and write their names where blocks say which is theirs."""
    numbers = sorted({int(found[1]) for key in frappe.form_dict if (found := _FIELD.fullmatch(key))})
    by_number = dict(zip(numbers, sent.blocks, strict=False))
    for key, file in frappe.local.request.files.items():
        found = _UPLOAD.fullmatch(key)
        block = by_number.get(int(found[1])) if found else None
        if block is None or not file.filename or key in sent.kept:
            continue
        is_caption = found[3] is not None
        kind = uploads.CAPTIONS if is_caption else block.get("kind", "")
        # It may have been read before, for a transaction that came to nothing.
        file.stream.seek(0)
        kept = uploads.of_lesson(lesson, kind, file.filename, file.stream.read())
        block[f"caption.{found[3]}.file" if is_caption else "file"] = kept.file
        # What comes after may be refused, and is sent again then without the file.
        frappe.db.commit()  # nosemgrep
        sent.kept.add(key)
