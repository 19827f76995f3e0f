"""The most that the numbers of courses may be: with more, a day or a sum that follows from them is none."""

from collections.abc import Mapping

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import flt

from lms_app.services import assignment_form, catalogue, people, quiz_form, release, writing

MOST: Mapping[str, Mapping[str, int]] = {
    "Academy Course": {"access_days": release.MOST_DAYS, "certificate_months": 1200},
    "Academy Module": {"release_days": release.MOST_DAYS},
    "Academy Lesson": {"minutes": writing.MOST_COUNTED, "video_percent": 100},
    "Academy Quiz": {**dict.fromkeys(quiz_form.NUMBERS, quiz_form.MOST), "pass_percent": 100},
    "Academy Assignment": {**assignment_form.COUNTS, **assignment_form.AMOUNTS},
    "Academy Override": {
        "extra_minutes": people.MOST_MINUTES,
        "extra_days": people.MOST_DAYS,
        "extra_attempts": people.MOST_ATTEMPTS,
    },
}


def check(doc: Document) -> None:
    """Refuse a document with a number out of its bounds, wherever it was written."""
    for field, most in MOST[doc.doctype].items():
        if not 0 <= flt(doc.get(field)) <= most:
            frappe.throw(_("{0} must be from 0 to {1}").format(_(doc.meta.get_label(field)), most))


def bring_within() -> None:
    """Let every number that was kept before there were bounds be the nearest one within them.

    Nobody who writes a document meanwhile is in the way, and nobody is told that it has changed: what was beyond worked
    for nobody.
    """
    longer = {"minutes": (">", MOST[writing.LESSON]["minutes"])}
    courses = {*frappe.get_all(writing.LESSON, longer, pluck="course")}
    for doctype, fields in MOST.items():
        for field, most in fields.items():
            for beyond, nearest in ((("<", 0), 0), ((">", most), most)):
                frappe.db.set_value(doctype, {field: beyond}, field, nearest, update_modified=False)
    for course in courses:
        catalogue.recount(course)
