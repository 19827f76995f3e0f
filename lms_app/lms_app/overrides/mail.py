"""Let a mail carry no file of another school as a picture.

Frappe reads what a mail's `embed` names from wherever the path leads; versions from August 2026 on look into the
school's own folders alone.
"""

from email.message import Message
from typing import Protocol

import frappe


class Mail(Protocol):
    """What Frappe hands to a hook: the mail as it will be sent."""

    msg_root: Message


def embed_pictures_alone(mail: Mail) -> None:
    """Refuse a mail that would show settings or a document as if it were a picture."""
    for part in mail.msg_root.walk():
        if part.get_content_disposition() == "inline" and part.get_content_maintype() != "image":
            frappe.throw(f"A mail can embed pictures alone, and {part.get_filename()} is none.", frappe.PermissionError)
