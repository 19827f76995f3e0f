"""Documents that pages write for people who hold no permission on them: a guard has let them through before."""

from datetime import datetime

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import get_datetime

from lms_app.services import markup, reasons

CHANGED = "changed_meanwhile"


def stamp(moment: str | datetime) -> str:
    """Return when a document was saved last, as pages send it back to say which state they have seen."""
    return get_datetime(moment).isoformat(timespec="microseconds")


def unchanged(doctype: str, name: str, seen: str) -> Document:
    """Return a document, locked until the end of the transaction.

    seen: its stamp when the page was made. Raises RefusedError, with the stamp of now as `seen` in its details, if
    somebody has saved it since.
    """
    row = frappe.db.get_value(doctype, name, ["modified", "modified_by"], as_dict=True, for_update=True)
    reasons.refuse("" if row else "unknown")
    if stamp(row.modified) != seen:
        who = frappe.db.get_value("User", row.modified_by, "full_name") or row.modified_by
        said = _("{0} has saved this since you opened it. What you wrote is still here, and not saved yet.").format(who)
        reasons.refuse_with(CHANGED, said, seen=stamp(row.modified))
    return frappe.get_doc(doctype, name)


def keep(doc: Document) -> Document:
    """Save a document, new or not; what it refuses itself is raised as a RefusedError."""
    try:
        return doc.save(ignore_permissions=True)
    except (reasons.RefusedError, reasons.MalformedError):
        raise
    except frappe.ValidationError as fault:
        # Said by Frappe already, in HTML.
        frappe.clear_last_message()
        reasons.refuse_with("not_valid", markup.words(str(fault)))


def remove(doc: Document) -> None:
    """Remove a document with its files; one that another points to is kept, and a RefusedError raised."""
    try:
        frappe.delete_doc(doc.doctype, doc.name, ignore_permissions=True)
    except frappe.LinkExistsError:
        frappe.clear_last_message()
        reasons.refuse("in_use")
