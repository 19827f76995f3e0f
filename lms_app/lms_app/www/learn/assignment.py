"""The page of an assignment: what is asked, the form to hand in, and what a teacher said of what was handed in."""

import json

import frappe
from frappe import _

from lms_app import pages
from lms_app.api.assignment import add_file
from lms_app.services import assignment_pages, reasons, rights, submissions

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the assignment, or why it is not to be seen; keep a version or hand it in where a form asks for that."""
    name, form = frappe.form_dict.assignment, frappe.form_dict
    if pages.is_form():
        pages.act(context, lambda: _obey(name, form))
    page = pages.show(context, _("Assignment"), lambda: assignment_pages.assignment_page(name, frappe.session.user))
    if page is None:
        return
    if not page.decision.is_allowed:
        context.status = 403
    if context.trouble and page.draft:
        # What was typed is still there, although nothing of it is kept.
        page.draft.update(text=form.get("text") or "", url=form.get("url") or "")
    context.update(
        {
            "page_title": f"{page.assignment.title} · {page.course.title}",
            "unlisted": True,
            "words": json.dumps(_words()),
            "said": None if context.trouble else form.get("said"),
        }
    )


def _obey(name: str, form: frappe._dict) -> str:
    reasons.deny(rights.LOG_IN if frappe.session.user == rights.GUEST else "")
    path = f"/learn/assignment/{name}"
    version = _number(form.get("version"))
    written = {"text": form.get("text") or "", "url": form.get("url") or ""}
    for sent in frappe.local.request.files.getlist("files"):
        # A browser sends an empty field as a file without a name.
        if sent.filename:
            add_file(frappe.session.user, name, version, sent)
    if form.get("deed") == "submit":
        submissions.submit(frappe.session.user, name, version, **written)
        return f"{path}?said=submitted"
    submissions.save(frappe.session.user, name, version, **written)
    if form.get("remove"):
        submissions.detach(frappe.session.user, form.get("remove"))
    return f"{path}?said=saved"


def _words() -> dict[str, str]:
    """Return what the page's script says, in the reader's language."""
    return {
        "adding": _("Adding {0} ({1} of {2})"),
        "added": _("The files are added, and not handed in yet."),
        "failed": _("could not be added; try it again"),
        "remove": _("Remove {0}"),
    }


def _number(text: str | int | None) -> int:
    words = str(text or "")
    reasons.reject("" if words.isascii() and words.isdigit() and len(words) < 6 else "unknown_version")
    return int(words)
