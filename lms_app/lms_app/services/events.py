"""What pupils did, as a log of sentences: who, verb, object (xAPI's shape)."""

from collections.abc import Mapping
from typing import Any

import frappe
from frappe.utils import now_datetime

REGISTERED, UNREGISTERED, INITIALIZED, COMPLETED = "registered", "unregistered", "initialized", "completed"
PASSED, FAILED, SUBMITTED = "passed", "failed", "submitted"


def log(student: str, verb: str, thing: tuple[str, str], course: str, result: Mapping[str, Any] | None = None) -> None:
    """Add a sentence to the log.

    thing: the DocType and the name of the object. result: what came of it, if there is more to say.
    """
    object_type, object_name = thing
    # Everything in it was just read: looking each link up again would cost more than the row.
    frappe.get_doc(
        {
            "doctype": "Academy Event",
            "student": student,
            "verb": verb,
            "object_type": object_type,
            "object_name": object_name,
            "course": course,
            "happened_on": now_datetime(),
            "result": frappe.as_json(result) if result else None,
        }
    ).db_insert()
