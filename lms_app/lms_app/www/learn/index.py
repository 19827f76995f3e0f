"""The catalogue: the school's front page for pupils."""

import frappe

from lms_app.services import branding

no_cache = 1


def get_context(context: frappe._dict) -> None:
    """Fill in the school's brand and who is looking."""
    user = frappe.session.user
    context.update(
        {
            "brand": branding.brand(),
            "language": frappe.local.lang or "en",
            "direction": branding.direction(frappe.local.lang),
            "icon": frappe.db.get_single_value("Website Settings", "favicon") or "data:,",
            "guest": user == "Guest",
            "staff": user != "Guest" and frappe.db.get_value("User", user, "user_type") == "System User",
        }
    )
