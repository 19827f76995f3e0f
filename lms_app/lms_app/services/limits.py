"""How often somebody may do what others are told of or have to wait for."""

import frappe

from lms_app.services import reasons


def count(deed: str, user: str, most: int, seconds: int, times: int = 1) -> None:
    """Count that somebody does something; raises RefusedError for more than so often in so many seconds.

    times: how often at once. By user: a whole school may come from one address.
    """
    key = frappe.cache.make_key(f"often:{deed}:{user}")
    frappe.cache.set(key, 0, ex=seconds, nx=True)
    reasons.refuse("too_often" if frappe.cache.incrby(key, times) > most else "")
