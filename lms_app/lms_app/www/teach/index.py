"""My courses: those that somebody teaches, and what waits for them there."""

from urllib.parse import urlencode

import frappe
from frappe import _

from lms_app import pages
from lms_app.services import access, teaching

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the courses of whoever teaches; guests are led to the login and back."""
    user = frappe.session.user
    search = str(frappe.form_dict.get("q") or "").strip()[: teaching.LONGEST_SEARCH]
    number = str(frappe.form_dict.get("page") or "1")
    page = max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 5 else 1
    found = pages.show(context, _("Teaching"), lambda: teaching.courses(user, search, page))
    if found is None:
        return
    context.update(
        {
            "search": search,
            "number": page,
            "link": lambda to: f"/teach?{urlencode({**({'q': search} if search else {}), 'page': to})}",
            "may_make": access.may_make(user),
            "unlisted": True,
        }
    )
