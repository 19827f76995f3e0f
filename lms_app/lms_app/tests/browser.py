"""Requests to the whole web application, by somebody with a key."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from unittest.mock import patch

import frappe
from frappe.database.database import Database
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
    files: Mapping[str, tuple[str, bytes] | list[tuple[str, bytes]]] | None = None,
) -> TestResponse:
    """Return the answer to one request: a POST of JSON if there is data, else a GET; of a guest without a key.

    files: by their fields, names and contents, of one or several; a form is sent then, as browsers do.
    """

    def as_a_browser() -> TestResponse:
        from frappe.app import application

        headers = {"X-Frappe-Site-Name": site, **({"Authorization": key} if key else {})}
        verb = method or ("GET" if data is None else "POST")
        if files is None:
            return Client(application).open(path, method=verb, json=data, headers=headers, buffered=True)
        form = {field: value if isinstance(value, list) else str(value) for field, value in (data or {}).items()}
        sent = {field: many if isinstance(many, list) else [many] for field, many in files.items()}
        form |= {field: [(BytesIO(content), name) for name, content in many] for field, many in sent.items()}
        kind = "multipart/form-data"
        return Client(application).open(
            path, method="POST", data=form, content_type=kind, headers=headers, buffered=True
        )

    site = frappe.local.site
    # In a thread of its own: a request ends by closing everything that frappe.local holds.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(as_a_browser).result()


@contextmanager
def asked() -> Iterator[list[str]]:
    """Give the queries that anybody sends while the block runs."""
    queries: list[str] = []
    real = Database.sql

    def noted(database: Database, query: object, *values: object, **options: object) -> object:
        queries.append(str(query))
        return real(database, query, *values, **options)

    with patch.object(Database, "sql", noted):
        yield queries
