"""My courses: those that somebody teaches, and what waits for them there."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import teach
from lms_app.services import access, teaching

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the courses of whoever teaches, or make one; guests are led to the login and back."""
    user = frappe.session.user
    if pages.is_form():
        pages.act(context, lambda: f"/teach/c/{teach.make_course(frappe.form_dict.get('title') or '')['course']}")
    search = str(frappe.form_dict.get("q") or "").strip()[: teaching.LONGEST_SEARCH]
    number = pages.number(frappe.form_dict.get("page"))
    found = pages.show(context, _("Teaching"), lambda: teaching.courses(user, search, number))
    if found is None:
        return
    context.update(
        {
            "search": search,
            "typed": frappe.form_dict.get("title") or "",
            "link": pages.linked("/teach", q=search),
            "may_make": access.may_make(user),
            "unlisted": True,
        }
    )
