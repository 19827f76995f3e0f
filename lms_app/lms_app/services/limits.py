"""How often somebody may do what others are told of or have to wait for."""

import frappe

from lms_app.services import reasons

AN_HOUR, A_DAY = 3600, 86400


def count(deed: str, user: str, most: int, seconds: int, times: int = 1, *, with_rollback: bool = False) -> None:
    """Count that somebody does something; raises RefusedError for more than so often in so many seconds.

    times: how often at once. What is refused counts for nothing. By user: a whole school may come from one address.
    with_rollback: it counts for nothing either when the transaction is rolled back, as where it is tried again.
    """
    key = frappe.cache.make_key(f"often:{deed}:{user}")
    if _add(key, times, seconds) > most:
        _add(key, -times, seconds)
        reasons.refuse("too_often" if seconds <= AN_HOUR else "too_often_today")
    if with_rollback:
        frappe.db.after_rollback.add(lambda: _add(key, -times, seconds))


def _add(key: bytes, times: int, seconds: int) -> int:
    """Return what has been counted, with so many more."""
    # Both at once: a number that came to be between the two would never be forgotten.
    with frappe.cache.pipeline(transaction=True) as both:
        both.set(key, 0, ex=seconds, nx=True)
        both.incrby(key, times)
        return int(both.execute()[1])
