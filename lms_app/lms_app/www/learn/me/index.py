"""My learning: where to go on, and everything that was begun."""

import frappe
from frappe import _
from lms_app import pages
from lms_app.services import assignment_pages, durations, progress, quiz_pages, rights

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the courses of whoever is logged in; guests are led to the login and back."""
    user = frappe.session.user
    if user == rights.GUEST:
        pages.go("/login?redirect-to=/learn/me", status=302)
    rows = progress.courses_of(user)
    first = next((row for row in rows if row.decision.is_allowed and not row.completed_on), None)
    pages.begin(context, _("My learning"))
    context.update(
        {
            "first": first,
            "going_on": progress.going_on(user, first) if first else None,
            "due": assignment_pages.due_soon(user),
            "closing": quiz_pages.closing_soon(user),
            "active": [row for row in rows if row is not first and not row.completed_on],
            "completed": [row for row in rows if row.completed_on],
            "duration": durations.words,
            "unlisted": True,
        }
    )
