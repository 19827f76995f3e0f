"""A lesson as a pupil sees it who has just joined, for the teachers of its course."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.services import access, content, durations, rights

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the lesson; nothing that is done here counts."""
    slug, lesson, user = frappe.form_dict.slug, frappe.form_dict.lesson, frappe.session.user
    page = pages.show(context, _("Preview"), lambda: content.preview(slug, lesson, user))
    if page is None:
        return
    may_edit = not rights.edit(access.viewer(user, page.course.name, state=""))
    context.update(
        {
            "page_title": f"{page.lesson.title} · {_('Preview')}",
            "unlisted": True,
            "duration": durations.words,
            "counts": False,
            "declared": False,
            "previewing": True,
            "may_edit": may_edit,
            "back": f"/teach/c/{page.course.slug}{f'/l/{page.lesson.slug}' if may_edit else ''}",
        }
    )
