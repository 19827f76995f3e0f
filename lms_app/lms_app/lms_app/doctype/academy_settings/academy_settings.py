"""How a school looks and what it is called."""

import frappe
from frappe import _
from frappe.model.document import Document

from lms_app.services import colours, sign_up_policy


class AcademySettings(Document):
    """The one place where a school's name, logo and colours are kept, and who may sign up."""

    def validate(self) -> None:
        """Refuse what is no colour, colours on which text cannot be read, and what is no domain."""
        if wrong := sign_up_policy.no_domain(self.sign_up_domains):
            frappe.throw(_("{0} is no domain such as school.org").format(frappe.bold(frappe.utils.escape_html(wrong))))
        for token in colours.TOKENS:
            if not colours.HEX.fullmatch(self.get(token) or ""):
                frappe.throw(_("{0} must be a colour like #1F4E8C").format(_(self.meta.get_label(token))))
        for front, back, ratio, needed in colours.weak_pairs({token: self.get(token) for token in colours.TOKENS}):
            frappe.throw(
                _("{0} cannot be read well on {1}: their contrast is {2}, it must be at least {3}").format(
                    _(self.meta.get_label(front)), _(self.meta.get_label(back)), f"{ratio:.1f}", needed
                )
            )
