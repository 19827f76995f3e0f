"""What Frappe keeps about documents beside them: comments, tasks, mails, files, versions and the like.

Where it does is read from the forms of the site, so that what a release or another app adds is not forgotten.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import frappe

# Rows of other apps, such as an invoice's, are theirs to keep.
APP = "frappe"
# Which document, where no dynamic link says so.
_NAMED_BY = {
    "Email Queue": "reference_name",
    "Energy Point Log": "reference_name",
    "Error Log": "reference_name",
    "File": "attached_to_name",
    "Milestone": "reference_name",
    "Notification Log": "document_name",
    "Version": "docname",
}
# Of which DocType, where no link says so, and which document.
_IN_WORDS = (
    ("Access Log", "export_from", "reference_document"),
    ("Custom DocPerm", "parent", None),
    ("Custom Field", "options", None),
    ("Deleted Document", "deleted_doctype", "deleted_name"),
    ("List Settings", "name", None),
)
# Tables without a form: the same.
_BARE = (("__Auth", "doctype", "name"), ("__global_search", "doctype", "name"), ("__UserSettings", "doctype", None))
# What is set up for a DocType, and names a document only to try it on.
_SET_UP = frozenset({"Webhook"})
# What is somebody's own and only points to a document, as a mailbox does.
_KEPT = frozenset({"Email Account", "IMAP Folder", "User Type"})
# What Frappe writes into the row of a document itself.
BESIDE = ("_user_tags", "_comments", "_assign", "_liked_by")


@dataclass(frozen=True)
class Place:
    """Where rows are about documents: a DocType, its field that says of which DocType, and which document, if any."""

    doctype: str
    field: str
    names: str | None


def places() -> list[Place]:
    """Return every place of Frappe's where rows are about documents."""
    links = _fields({"fieldtype": "Link", "options": "DocType"})
    dynamic = {(doctype, options): field for doctype, field, options in _fields({"fieldtype": "Dynamic Link"})}
    found = {
        (doctype, field): dynamic.get((doctype, field)) or _NAMED_BY.get(doctype) for doctype, field, _options in links
    }
    found |= {(doctype, by): field for (doctype, by), field in dynamic.items()}
    found |= {(doctype, field): names for doctype, field, names in _IN_WORDS}
    with_rows = _with_rows()
    known = [Place(doctype, field, names) for (doctype, field), names in found.items() if doctype in with_rows]
    return sorted(known, key=lambda place: (place.doctype, place.field))


def remove(doctype: str, filters: Mapping[str, Any]) -> None:
    """Remove rows for good, whatever they are, with those inside them and the files that hang on them."""
    _remove_files(_taken_out(doctype, filters))


def remove_about(documents: Mapping[str, Sequence[str]]) -> None:
    """Remove all that Frappe keeps about documents, by DocType; the documents stay, or are removed by others."""
    found = [place for place in places() if place.names and place.doctype not in _SET_UP]
    files: list[str] = []
    # An empty name would be that of every row that is about no document, such as an export of a whole list.
    about = {doctype: ("in", [*names]) for doctype, names in documents.items() if names}
    for doctype, wanted in about.items():
        for place in found:
            files += _taken_out(place.doctype, {place.field: doctype, place.names: wanted})
        for table, field, by in _BARE:
            if by:
                frappe.db.delete(table, {field: doctype, by: wanted})
    _remove_files(files)
    # Frappe writes down of each file that it was there.
    for doctype, wanted in about.items():
        frappe.db.delete("Comment", {"reference_doctype": doctype, "reference_name": wanted})


def remove_all_about(doctypes: Iterable[str]) -> None:
    """Remove all that Frappe keeps about DocTypes and their documents, but for what it removes with them itself."""
    wanted = ("in", [*doctypes])
    files: list[str] = []
    for place in places():
        if place.doctype in _KEPT:
            frappe.db.set_value(place.doctype, {place.field: wanted}, place.field, None, update_modified=False)
        else:
            files += _taken_out(place.doctype, {place.field: wanted})
    _remove_files(files)
    frappe.db.delete("Comment", {"reference_doctype": wanted})
    for table, field, _by in _BARE:
        frappe.db.delete(table, {field: wanted})
    for doctype, field, _options in _fields({"fieldtype": "Link", "options": "DocType"}):
        frappe.db.delete("Singles", {"doctype": doctype, "field": field, "value": wanted})


def _taken_out(doctype: str, filters: Mapping[str, Any]) -> list[str]:
    """Remove rows, with those inside them; return the files that are among them or hang on them, which stay yet."""
    names = frappe.get_all(doctype, filters, pluck="name")
    if not names or doctype == "File":
        return names
    files = _files(doctype, names)
    for table in frappe.get_meta(doctype).get_table_fields():
        frappe.db.delete(table.options, {"parenttype": doctype, "parent": ("in", names)})
    frappe.db.delete(doctype, {"name": ("in", names)})
    return files


def _remove_files(names: Iterable[str]) -> None:
    """Remove files by their own way, which takes them from the disk as well: at last, for nothing brings them back."""
    for name in dict.fromkeys(names):
        frappe.delete_doc("File", name, ignore_permissions=True, force=True, delete_permanently=True)


def _fields(filters: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return DocType, name and options of fields like these, a school's own ones among them."""
    own = [(row.parent, row.fieldname, row.options) for row in _rows("DocField", filters, "parent")]
    return own + [(row.dt, row.fieldname, row.options) for row in _rows("Custom Field", filters, "dt")]


def _rows(doctype: str, filters: Mapping[str, str], of: str) -> list[frappe._dict]:
    return frappe.get_all(doctype, {**filters, "is_virtual": 0}, [of, "fieldname", "options"])


def _with_rows() -> set[str]:
    """Return the DocTypes of Frappe that have a table of their own."""
    modules = frappe.get_all("Module Def", {"app_name": APP}, pluck="name")
    wanted = {"module": ("in", modules), "issingle": 0, "is_virtual": 0}
    return {*frappe.get_all("DocType", wanted, pluck="name")}


def _files(doctype: str, names: Sequence[str]) -> list[str]:
    return frappe.get_all("File", {"attached_to_doctype": doctype, "attached_to_name": ("in", names)}, pluck="name")
