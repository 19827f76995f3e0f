"""The page of a course: what it is about, what is in it, and how to join."""

import json

import frappe
from frappe import _
from frappe.utils import get_url

from lms_app import pages
from lms_app.api import enrolment
from lms_app.services import catalogue, durations, markup, rights, seats

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the course, or why it is not to be seen; join or leave it where a form asks for that."""
    slug = frappe.form_dict.slug
    if pages.is_form():
        pages.act(context, lambda: _obey(slug, frappe.form_dict.get("deed"), frappe.form_dict.get("message") or ""))
    page = pages.show(context, _("Course"), lambda: catalogue.course_page(slug, frappe.session.user))
    if page is None:
        return
    course = page.course
    context.update(
        {
            "page_title": course.meta_title or course.title,
            "description": course.meta_description or course.summary or "",
            # Not `canonical`: Frappe writes the name of the page's file into that.
            "canonical_address": get_url(f"/learn/c/{course.slug}"),
            "structured": _structured(page),
            "unlisted": course.visibility != rights.PUBLIC or course.status != rights.PUBLISHED,
            "duration": durations.words,
            "may_leave": page.viewer.state in seats.LIVE,
            "asks": course.enrolment_mode == seats.APPROVAL,
        }
    )


def _obey(slug: str, deed: str | None, message: str) -> str:
    if deed == "join":
        enrolment.join(slug, message)
    elif deed == "leave":
        enrolment.leave(slug)
    return f"/learn/c/{slug}"


def _structured(page: frappe._dict) -> str:
    """Return what search engines read of the course (schema.org), safe inside a script element."""
    course = page.course
    offer = {"@type": "Offer", "category": "Free"}
    if course.enrolment_mode == "Paid":
        offer = {"@type": "Offer", "price": str(course.price), "priceCurrency": course.currency, "category": "Paid"}
    said = {
        "@context": "https://schema.org",
        "@type": "Course",
        "name": course.title,
        "description": course.summary or markup.words(page.html)[:300],
        "url": get_url(f"/learn/c/{course.slug}"),
        "provider": {"@type": "EducationalOrganization", "name": frappe.db.get_single_value(
            "Academy Settings", "school_name") or "", "url": get_url("/learn")},
        "offers": [offer],
        "hasCourseInstance": [
            {"@type": "CourseInstance", "courseMode": "Online", "courseWorkload": f"PT{int(course.minutes or 0)}M"}
        ],
    }  # fmt: skip
    if course.language:
        said["inLanguage"] = course.language
    return json.dumps(said).replace("<", "\\u003c")
