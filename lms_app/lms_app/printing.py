"""What a site prints: the heads of its documents, and pictures in PDFs."""

import io
import struct
from pathlib import Path
from typing import Any

import frappe
from frappe.utils.pdf import get_pdf, is_wkhtmltopdf_valid
from pypdf import PdfReader


def loses_heads() -> bool:
    """Say whether the heads of documents, with the school's logo, are missing in their PDFs.

    They are where heads shall be repeated on each page: Debian's wkhtmltopdf cannot do that, and leaves them out.
    """
    repeats = frappe.db.get_single_value("Print Settings", "repeat_header_footer")
    return bool(repeats) and not is_wkhtmltopdf_valid()


def keep_heads() -> None:
    """Let heads and feet be printed once, where they cannot be repeated, and write down that it was us."""
    if loses_heads():
        frappe.db.set_single_value("Print Settings", "repeat_header_footer", 0)
        frappe.db.set_single_value("Academy Settings", "keeps_heads", 1)


def put_back() -> None:
    """Let heads and feet be repeated again, if it was us who changed that."""
    # The app can be removed from a site that was not migrated to the field yet.
    is_known = frappe.get_meta("Academy Settings").has_field("keeps_heads")
    if is_known and frappe.db.get_single_value("Academy Settings", "keeps_heads"):
        frappe.db.set_single_value("Print Settings", "repeat_header_footer", 1)
        frappe.db.set_single_value("Academy Settings", "keeps_heads", 0)


def print_picture() -> dict[str, Any]:
    """Print a document with one of the site's own pictures to PDF, and say whether the picture is in it.

    Return pages (how many), picture (its path) and found. Raises what Frappe does when it cannot print.
    """
    picture = min(Path(frappe.local.sites_path, "assets", "frappe", "images").glob("*.png"))
    path = f"/assets/frappe/images/{picture.name}"
    # As people write it into a print format: Frappe puts the school's own address before it.
    page = frappe.get_print("User", "Administrator").replace("</body>", f'<p><img src="{path}"></p></body>')
    sheets = PdfReader(io.BytesIO(get_pdf(page))).pages
    found = any(_size_of(picture) == size for sheet in sheets for size in _sizes_on(sheet))
    return {"pages": len(sheets), "picture": path, "found": found}


def _sizes_on(sheet: Any) -> list[tuple[int, int]]:
    """Return width and height of each picture on a page; what stands for a missing one is much smaller."""
    things = (sheet["/Resources"].get("/XObject") or {}).values()
    pictures = [thing for each in things if (thing := each.get_object())["/Subtype"] == "/Image"]
    return [(int(picture["/Width"]), int(picture["/Height"])) for picture in pictures]


def _size_of(picture: Path) -> tuple[int, int]:
    """Return width and height of a PNG."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height
