"""Show Frappe's own pages to people without the desk without looking through the desk for them.

Each of Frappe's pages asks which workspaces the visitor may open. What it finds it keeps, but not that it found
nothing: it works out all permissions of the visitor anew for each workspace, 44 times with ERPNext, which takes half a
second.
"""

import frappe
from frappe.website.page_renderers.document_page import DocumentPage
from frappe.website.page_renderers.static_page import StaticPage
from frappe.website.page_renderers.template_page import TemplatePage
from frappe.website.page_renderers.web_form import WebFormPage

from lms_app import compiled

# As Frappe names what it keeps of a user for a Workspace.
ALLOWED_MODULES = "user_allowed_modules"
# What Frappe asks before its own pages, so that a school's page at the same address comes before them.
FIRST = (StaticPage, WebFormPage, DocumentPage)
# No module is called so: a list that opens nothing and is not empty.
NO_MODULE = [""]


class VisitorPage(TemplatePage):
    """The page renderer of Frappe's pages for guests and website users; see Frappe's `page_renderer` hook."""

    def can_render(self) -> bool:
        """Say whether Frappe would show a page of its own here, and the visitor is somebody who has no desk."""
        return (
            bool(super().can_render())
            and _has_no_desk()
            and not any(kind(self.path, self.http_status_code).can_render() for kind in FIRST)
        )

    def init_context(self) -> None:
        """Begin as Frappe does, when it has been told that there is no module for this visitor.

        For this request alone: who is given the desk finds it in the next one. Templates are compiled once here, too.
        """
        compiled.environment()
        frappe.local.cache[frappe.cache.make_key(ALLOWED_MODULES, frappe.session.user)] = NO_MODULE
        super().init_context()


def _has_no_desk() -> bool:
    user = frappe.session.user
    return user == "Guest" or frappe.get_cached_value("User", user, "user_type") == "Website User"
