"""The language in which something is said."""

from collections.abc import Iterator
from contextlib import contextmanager

import frappe


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak a language for a while, and then the one from before, whatever was spoken in between."""
    before, frappe.local.lang = frappe.local.lang, language
    try:
        yield
    finally:
        frappe.local.lang = before
