"""Deadlocks: of two transactions that wait for each other the database ends one, and undoes all of it."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import frappe

P = ParamSpec("P")
T = TypeVar("T")


def tried_again(deed: Callable[P, T]) -> Callable[P, T]:
    """Return a deed, a transaction from its beginning, that is done once more where the database ended it for another.

    The second time the other one is through. What it raises then is for its caller. Of deeds within one another the
    outermost is done again: all that was done before is undone with the rest.
    """

    @wraps(deed)
    def again(*args: P.args, **kwargs: P.kwargs) -> T:
        if frappe.flags.in_deed:
            return deed(*args, **kwargs)
        frappe.flags.in_deed = True
        try:
            return deed(*args, **kwargs)
        except frappe.QueryDeadlockError:
            frappe.db.rollback()
            frappe.clear_messages()
            return deed(*args, **kwargs)
        finally:
            frappe.flags.in_deed = False

    return again
