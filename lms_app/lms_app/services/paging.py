"""Lists of several pages."""

from collections.abc import Callable, Sequence

import frappe


def page_of(ask: Callable[[int], Sequence[frappe._dict]], page: int, size: int) -> frappe._dict:
    """Return a page of a list: rows, total (rows of all pages), pages (how many) and page (its number, from 1 on).

    ask: returns the rows of a page from an offset on; each has `total`. A page after the last one is the first instead:
    what was on it is gone, or never was.
    """
    rows = ask((page - 1) * size)
    if not rows and page > 1:
        return page_of(ask, 1, size)
    total = rows[0].total if rows else 0
    return frappe._dict(rows=rows, total=total, pages=max(1, -(-total // size)), page=page)
