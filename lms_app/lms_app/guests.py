"""Tell the edge which pages are the same for every guest, so that it asks for each only once in a few seconds."""

import hashlib

import frappe
from frappe.utils import cint
from werkzeug.wrappers import Request, Response

# Pages that know no guest from another, beside those that Frappe itself keeps for all of them.
SAME_FOR_ALL = ("learn", "login")
REMEMBERED_S = 120


def share(response: Response | None, request: Request) -> None:
    """Mark a page that any guest may be given, for as many seconds as the edge asked for; `after_request` calls it.

    The edge asks only in plain requests of guests, with nothing in them that Frappe reads but path, host and language.
    What is marked sets no cookies: those of a guest say nothing, and what sets one is never kept.
    """
    seconds = cint(request.headers.get("X-Guest-Page-Seconds"))
    if (
        seconds
        and response is not None
        and _is_same_for_all(response, request)
        and _came_out_the_same(response, request)
    ):
        frappe.local.cookie_manager.cookies.clear()
        response.headers["Cache-Control"] = f"max-age={seconds}, stale-while-revalidate={seconds}"
        response.headers["X-Guest-Page"] = "yes"


def _is_same_for_all(response: Response, request: Request) -> bool:
    """Say whether this is a whole page, asked for by nobody in particular, that promises to know nobody."""
    return (
        response.status_code == 200
        and response.mimetype == "text/html"
        and request.method == "GET"
        and not request.args
        and frappe.session.user == "Guest"
        and not frappe.local.cookie_manager.to_delete
        and (response.headers.get("X-Page-Name") in SAME_FOR_ALL or response.headers.get("X-From-Cache") == "True")
    )


def _came_out_the_same(response: Response, request: Request) -> bool:
    """Say whether the page was just this when it was made before: one with a token made for each visit never is."""
    # By its whole address: pages of one name need not be the same.
    address = hashlib.sha256(f"{request.host}{request.path}".encode()).hexdigest()
    key = f"guest_page:{address}:{frappe.local.lang}"
    made = hashlib.sha256(response.get_data()).hexdigest()
    before = frappe.cache.get_value(key, expires=True)
    if before != made:
        frappe.cache.set_value(key, made, expires_in_sec=REMEMBERED_S)
    return bool(before == made)
