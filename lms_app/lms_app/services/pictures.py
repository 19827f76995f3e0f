"""Pictures of the school as data within a document, so that whatever prints it need not fetch anything."""

import base64
import hashlib
from pathlib import Path

import frappe

LARGEST = 2_000_000
_FOLDERS = {"/files/": ("public", "files"), "/private/files/": ("private", "files")}
# How pictures begin that can do nothing but be shown. SVG is no picture here: it may name addresses of its own.
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
)


def as_data(file_url: str | None, expected: str | None = None) -> str:
    """Return an uploaded picture as a `data:` address; nothing for what is missing, too large, or no picture.

    expected: the fingerprint of the picture that is meant; there is nothing for another one that took its place.
    """
    content = _content(file_url)
    if expected is not None and _digest(content) != expected:
        return ""
    kind = next((kind for begin, at, kind in _BEGINNINGS if content[at : at + len(begin)] == begin), None)
    return f"data:{kind};base64,{base64.b64encode(content).decode()}" if kind else ""


def fingerprint(file_url: str | None) -> str:
    """Return what tells an uploaded picture from every other one: its SHA-256; nothing where there is none."""
    return _digest(_content(file_url))


def _content(file_url: str | None) -> bytes:
    path = _path(file_url or "")
    if path is None or not path.is_file() or path.stat().st_size > LARGEST:
        return b""
    return path.read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if content else ""


def _path(file_url: str) -> Path | None:
    """Return where an upload lies; None for an address outside the folders for uploads, by whatever way."""
    for prefix, parts in _FOLDERS.items():
        name = file_url.removeprefix(prefix)
        if name != file_url and name and "/" not in name and "\0" not in name:
            folder = Path(frappe.get_site_path(*parts)).resolve()
            # A link in the folder may lead to another school's.
            path = (folder / name).resolve()
            return path if path.parent == folder else None
    return None
