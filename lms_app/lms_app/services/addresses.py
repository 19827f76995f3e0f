"""Addresses of courses and lessons: a slug of their own, and the way from every slug that they ever had."""

import frappe
from frappe.model.document import Document

from lms_app.services import slugs

HISTORY = "Academy Slug History"


def give(doc: Document, scope: str = "") -> None:
    """Give a course or lesson a slug that is nobody else's: the one written in it, or one made from its title.

    scope: the course in which a lesson's slug is its own; empty for a course.
    """
    filters = {"name": ("!=", doc.name or "")} | ({"course": scope} if scope else {})
    wanted = slugs.slug_of(doc.slug or doc.title)
    near = {**filters, "slug": ("like", f"{wanted[:40]}%")}
    doc.slug = slugs.free(wanted, set(frappe.get_all(doc.doctype, near, pluck="slug")))


def remember(doc: Document, scope: str = "") -> None:
    """Keep the slug that a saved course or lesson had before, so that its old address leads on."""
    before = doc.get_doc_before_save()
    # Somebody else's old address that is taken now leads to whoever has it.
    frappe.db.delete(HISTORY, {"scope": scope, "slug": doc.slug})
    if before and before.slug and before.slug != doc.slug:
        frappe.db.delete(HISTORY, {"scope": scope, "slug": before.slug})
        row = {"doctype": HISTORY, "scope": scope, "slug": before.slug}
        row |= {"course": scope, "lesson": doc.name} if scope else {"course": doc.name}
        frappe.get_doc(row).insert(ignore_permissions=True)


def moved_course(slug: str) -> str | None:
    """Return the slug that a course has now which once had this one."""
    rows = frappe.db.sql(
        "SELECT c.slug FROM `tabAcademy Slug History` h JOIN `tabAcademy Course` c ON c.name = h.course"
        " WHERE h.scope = '' AND h.slug = %s",
        slug,
    )
    return rows[0][0] if rows else None


def moved_lesson(course: str, slug: str) -> str | None:
    """Return the slug that a lesson of a course has now which once had this one."""
    rows = frappe.db.sql(
        "SELECT l.slug FROM `tabAcademy Slug History` h JOIN `tabAcademy Lesson` l ON l.name = h.lesson"
        " WHERE h.scope = %s AND h.slug = %s",
        (course, slug),
    )
    return rows[0][0] if rows else None


def forget(doc: Document) -> None:
    """Remove the old slugs of a course or lesson that is deleted."""
    field = "course" if doc.doctype == "Academy Course" else "lesson"
    frappe.db.delete(HISTORY, {field: doc.name})
