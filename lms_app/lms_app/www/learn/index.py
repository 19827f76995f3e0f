"""The catalogue: the school's front page for pupils."""

from urllib.parse import urlencode

import frappe
from frappe import _

from lms_app import pages
from lms_app.services import catalogue, durations

no_cache = 1

_NAMES = {"search": "q", "category": "category", "level": "level", "language": "language", "page": "page"}


def get_context(context: frappe._dict) -> None:
    """Fill in the courses that are looked for, and what there is to look for."""
    user = frappe.session.user
    filters = catalogue.Filters.of(frappe.form_dict)
    found = catalogue.courses(filters, user)
    pages.begin(context, _("Courses"))
    facets = catalogue.facets(user) if found.total or filters != catalogue.Filters() else {}
    context.update(
        {
            "found": found,
            "filters": filters,
            "facets": facets,
            "is_filtered": filters != catalogue.Filters(page=filters.page),
            "link": lambda **changed: _address(filters, **changed),
            "duration": durations.words,
        }
    )


def _address(filters: catalogue.Filters, **changed: str | int) -> str:
    """Return the address of the catalogue with some of the filters changed; another choice begins on the first page."""
    chosen = {field: getattr(filters, field) for field in _NAMES} | {"page": 1} | changed
    query = urlencode({_NAMES[field]: value for field, value in chosen.items() if value and value != 1})
    return f"/learn?{query}" if query else "/learn"
