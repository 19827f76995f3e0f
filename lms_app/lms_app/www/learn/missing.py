"""What stands at addresses below /learn, /teach and /verify where there is nothing."""

import frappe

from lms_app import pages
from lms_app.services import reasons, rights

no_cache = 1
sitemap = 0


def get_context(context: frappe._dict) -> None:
    """Say that there is nothing, as of a course that does not exist."""
    words = reasons.words(rights.UNKNOWN)
    pages.refuse(context, words, reasons.DeniedError(rights.UNKNOWN, words))
