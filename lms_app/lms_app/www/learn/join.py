"""Signing up: an account for whom the school lets make one."""

import frappe
from frappe import _

from lms_app import pages
from lms_app.services import reasons, rights, sign_up, sign_up_policy, visitors

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in who may sign up; ask for an account where a form says so. Whoever is logged in goes on instead."""
    form = frappe.form_dict
    target = sign_up_policy.target(str(form.get("to") or ""))
    if frappe.session.user != rights.GUEST:
        pages.go("/learn/me" if target == sign_up_policy.HOME else target, status=302)
    if pages.is_form():
        pages.act(context, lambda: _ask(form, target))
    pages.begin(context, _("Sign up"))
    terms = sign_up.terms()
    context.update(
        {
            "terms": terms,
            "reason": reasons.words(terms.reason),
            "target": target,
            "typed": {field: str(form.get(field) or "") for field in ("full_name", "email")} if context.trouble else {},
            "said": None if context.trouble else form.get("said"),
            "unlisted": True,
        }
    )


def _ask(form: frappe._dict, target: str) -> str:
    visitor = visitors.counted(getattr(frappe.local, "request_ip", None))
    sign_up.ask(str(form.get("email") or ""), str(form.get("full_name") or ""), target, visitor)
    return "/learn/join?said=sent"
