"""How often somebody may do something that costs the server much, or that only a machine would do so often."""

import time

import frappe


def is_spent(what: str, whose: str, *, most: int, seconds: int) -> bool:
    """Count one more use, and say whether it is one too many in a stretch of so many seconds.

    whose: a user, or an address as `visitors.counted` gives it.
    """
    stretch = int(time.time()) // seconds
    key = frappe.cache.make_key(f"academy_limit:{what}:{whose}:{stretch}")
    pipeline = frappe.cache.pipeline()
    pipeline.incr(key)
    pipeline.expire(key, seconds)
    return bool(pipeline.execute()[0] > most)
