"""What teachers upload: files of lessons, private, and covers of courses, which everybody sees.

Guards are asked before. Names are random: nobody finds a file by guessing, and none takes the place of another.
"""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import PurePosixPath

import frappe
from frappe.core.api.file import get_max_file_size
from frappe.core.doctype.file.file import File
from frappe.utils import add_to_date, cint, now_datetime

from lms_app.services import access, documents, limits, media, reasons

MEGABYTE = 1024 * 1024
# At once, where a site's configuration says nothing.
FRAPPE_TAKES = 25 * MEGABYTE
# More than anybody needs, and few enough that nobody fills a school's disk with them.
UPLOADS_AN_HOUR = 300
# Whoever has a lesson open can still bring a block back, or save one with a file that was sent before.
KEPT_DAYS = 2
IMAGE, VIDEO, AUDIO, CAPTIONS, FILE = "Image", "Video", "Audio", "Captions", "File"


@dataclass(frozen=True)
class Kind:
    """What is taken for a purpose: how files may end, how large they may be, and how their content begins.

    begins: for each, the offset and the bytes. reason: why another content is refused.
    """

    endings: tuple[str, ...]
    megabytes: int
    begins: tuple[tuple[int, bytes], ...] = ()
    reason: str = "bad_file"


PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
KINDS = {
    IMAGE: Kind(
        PICTURES, 10, ((0, b"\x89PNG\r\n\x1a\n"), (0, b"\xff\xd8\xff"), (0, b"GIF8"), (8, b"WEBP")), "not_a_picture"
    ),
    VIDEO: Kind((".mp4", ".webm"), 2048, ((4, b"ftyp"), (0, b"\x1aE\xdf\xa3")), "not_a_video"),
    AUDIO: Kind(
        (".mp3", ".ogg", ".wav"),
        200,
        (
            *((0, b"ID3"), (0, b"\xff\xfb"), (0, b"\xff\xf3"), (0, b"\xff\xf2"), (0, b"OggS")),
            (8, b"WAVE"),
        ),
        "not_a_sound",
    ),
    CAPTIONS: Kind((".vtt",), 2, ((0, b"WEBVTT"), (0, b"\xef\xbb\xbfWEBVTT")), "not_captions"),
    # Nothing that a browser would run on the school's own address.
    FILE: Kind(
        (
            *(".pdf", ".txt", ".csv", ".md", ".zip", ".json", ".ipynb", ".py", ".ino", ".c", ".cpp", ".h", ".java"),
            *(".odt", ".ods", ".odp", ".docx", ".xlsx", ".pptx", ".epub", ".stl", ".step", ".kicad_pcb", ".kicad_sch"),
            *(".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp3", ".ogg", ".wav", ".mp4", ".webm"),
        ),
        200,
    ),
}
_UNSAFE = re.compile(r"[\x00-\x1f/\\:*?\"<>|%#]+")


def largest(kind: str) -> int:
    """Return how many bytes a file for a purpose may have: the app's limit, or the school's if that is lower."""
    return min(KINDS[kind].megabytes * MEGABYTE, get_max_file_size(), at_once() * MEGABYTE)


def at_once() -> int:
    """Return how many megabytes of files one form may bring: Frappe takes no larger request, nor does the edge."""
    return max(1, (cint(frappe.conf.max_file_size) or FRAPPE_TAKES) // MEGABYTE)


def of_lesson(lesson: str, kind: str, file_name: str, content: bytes) -> frappe._dict:
    """Keep a private file of a lesson; return file (its name), file_name, file_size and address.

    Raises RefusedError for what is not taken for this purpose.
    """
    _check(kind, file_name, content)
    row = {"attached_to_doctype": "Academy Lesson", "attached_to_name": lesson, "is_private": 1}
    file = _insert(file_name, content, row)
    shown = _plain(file_name)
    # How pupils find it when they download it.
    frappe.db.set_value("File", file.name, "file_name", shown, update_modified=False)
    return frappe._dict(file=file.name, file_name=shown, file_size=len(content), address=media.address(file.name))


def cover_of(course: str, file_name: str, content: bytes) -> str:
    """Let a picture be the cover of a course, and return its address; the one before is removed."""
    _check(IMAGE, file_name, content)
    row = {"attached_to_doctype": access.COURSE, "attached_to_name": course, "attached_to_field": "cover"}
    file = _insert(file_name, content, {**row, "is_private": 0})
    for name in frappe.get_all("File", {**row, "name": ("!=", file.name)}, pluck="name"):
        frappe.delete_doc("File", name, ignore_permissions=True)
    # Nobody who writes the course's description meanwhile is in the way.
    frappe.db.set_value(access.COURSE, course, "cover", file.file_url, update_modified=False)
    return str(file.file_url)


def clear(lesson: str, shown: AbstractSet[str], before: AbstractSet[str], texts: str) -> None:
    """Remove the files of a lesson that nothing in it has shown for some days.

    shown, before: names of those in its blocks and captions, now and until now. texts: of the lesson; what they lead to
    is kept as well.
    """
    owned = {"attached_to_doctype": "Academy Lesson", "attached_to_name": lesson}
    now = now_datetime()
    if left := before - shown:
        # From now on it is counted.
        frappe.db.set_value("File", {**owned, "name": ("in", [*left])}, "modified", now, update_modified=False)
    old = {"name": ("not in", [*shown, ""]), "modified": ("<", add_to_date(now, days=-KEPT_DAYS))}
    for name in frappe.get_all("File", {**owned, **old}, pluck="name"):
        if name not in texts:
            frappe.delete_doc("File", name, ignore_permissions=True)


def _check(kind: str, file_name: str, content: bytes) -> None:
    limits.count("upload", frappe.session.user, most=UPLOADS_AN_HOUR, seconds=3600)
    reasons.reject("" if kind in KINDS else "bad_file")
    reasons.refuse("" if content else "nothing_sent")
    taken = KINDS[kind]
    reasons.refuse("" if _ending(file_name) in taken.endings else taken.reason)
    reasons.refuse("large_file" if len(content) > largest(kind) else "")
    if taken.begins and not any(content[at : at + len(begin)] == begin for at, begin in taken.begins):
        reasons.refuse(taken.reason)


def _insert(file_name: str, content: bytes, row: dict[str, str | int]) -> File:
    named = f"{frappe.generate_hash(length=24)}{_ending(file_name)}"
    doc = frappe.get_doc({"doctype": "File", "file_name": named, "content": content, **row})
    return documents.keep(doc)


def _ending(file_name: str) -> str:
    return PurePosixPath(file_name).suffix.lower()


def _plain(file_name: str) -> str:
    """Return a name of a file without what other systems do not take in one."""
    return _UNSAFE.sub(" ", file_name).strip(" .")[-140:] or "file"
