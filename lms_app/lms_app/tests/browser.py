"""Requests to the whole web application, by somebody with a key."""

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import frappe
from frappe.utils.password import set_encrypted_password
from werkzeug.test import Client, TestResponse


def key_of(user: str) -> str:
    """Give a user a key, and return the header by which it is shown."""
    frappe.db.set_value("User", user, "api_key", frappe.generate_hash(length=15))
    secret = frappe.generate_hash(length=15)
    set_encrypted_password("User", user, secret, "api_secret")
    return f"token {frappe.db.get_value('User', user, 'api_key')}:{secret}"


def ask(
    path: str,
    data: Mapping[str, Any] | None = None,
    *,
    method: str = "",
    key: str = "",
    files: Sequence[tuple[str, str, bytes]] | None = None,
) -> TestResponse:
    """Return the answer to one request: a POST of JSON if there is data, else a GET; of a guest without a key.

    files: field, file name and content of each; the data is sent with them as a form does it.
    """

    def as_a_browser() -> TestResponse:
        from frappe.app import application

        headers = {"X-Frappe-Site-Name": site, **({"Authorization": key} if key else {})}
        verb = method or ("GET" if data is None else "POST")
        sent: dict[str, Any] = {"json": data}
        if files is not None:
            sent["data"] = {name: str(value) for name, value in (data or {}).items()}
            for field, name, content in files:
                sent["data"].setdefault(field, []).append((io.BytesIO(content), name))
            sent = {"data": sent["data"], "content_type": "multipart/form-data"}
        return Client(application).open(path, method=verb, headers=headers, buffered=True, **sent)

    site = frappe.local.site
    # In a thread of its own: a request ends by closing everything that frappe.local holds.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(as_a_browser).result()
