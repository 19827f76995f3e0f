"""My settings: which mails I get, and what the school keeps of me, to take away or to remove."""

import frappe
from frappe import _
from lms_app import pages
from lms_app.api import me
from lms_app.services import rights, students, teacher_mails

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in what was chosen; keep another choice, or remove everything, where a form asks for that."""
    user = frappe.session.user
    if user == rights.GUEST:
        pages.go("/login?redirect-to=/learn/me/settings", status=302)
    if pages.is_form():
        pages.act(context, lambda: _obey(frappe.form_dict))
    pages.begin(context, _("Settings"))
    context.update(
        {
            "preferences": students.preferences(user),
            "as_teacher": teacher_mails.preferences(user) if context.teaches else None,
            "address": frappe.db.get_value("User", user, "email") or user,
            "said": None if context.trouble else frappe.form_dict.get("said"),
            "unlisted": True,
        }
    )


def _obey(form: frappe._dict) -> str:
    if form.get("deed") == "prefer":
        me.prefer(bool(form.get("mails_about_enrolment")), bool(form.get("mails_about_progress")))
        return "/learn/me/settings?said=kept"
    if form.get("deed") == "prefer-as-teacher":
        me.prefer_as_teacher(bool(form.get("mails_about_requests")), bool(form.get("mails_about_work")))
        return "/learn/me/settings?said=kept"
    if form.get("deed") == "erase":
        me.erase_data(form.get("confirmation") or "")
        return "/learn/me/settings?said=erased"
    return "/learn/me/settings"
