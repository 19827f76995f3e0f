"""In place of gunicorn with Frappe: one plain page per site, with the data of that site's own database."""

import argparse
import html
import json
import os
import signal
import socketserver
import sys
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pymysql
from pymysql.cursors import Cursor

from stand_in import LABEL
from stand_in import site as sites
from stand_in.site import Site, UnknownSiteError

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<link rel="stylesheet" href="/assets/stand-in/stand-in.css">
<p class="stand-in">{label}</p>
<h1>{title}</h1>
{body}
</html>
"""
LOGIN = """<form class="form-login" method="post" action="/api/method/login">
<label>Name <input name="usr" autocomplete="username" required></label>
<label>Password <input name="pwd" type="password" autocomplete="current-password" required></label>
<button>Log in</button>
</form>"""
LARGEST_FORM = 10_000


class Visitor(BaseHTTPRequestHandler):
    """One request; the site is the one that the edge names, else the one called like the host."""

    protocol_version = "HTTP/1.1"
    timeout = 75

    def address_string(self) -> str:
        """Return nothing: who comes by a socket file has no address."""
        return ""

    def do_GET(self) -> None:
        """Answer with a page."""
        self._answer(form={})

    def do_HEAD(self) -> None:
        """Answer as to GET, without the page."""
        self._answer(form={})

    def do_POST(self) -> None:
        """Answer to a form."""
        size = min(int(self.headers.get("Content-Length") or 0), LARGEST_FORM)
        self._answer(form=parse_qs(self.rfile.read(size).decode(errors="replace")))

    def _answer(self, form: dict[str, list[str]]) -> None:
        try:
            host = self.headers.get("Host", "").partition(":")[0]
            site = Site.named(self.headers.get("X-Frappe-Site-Name") or host)
            if site.config().get("maintenance_mode"):
                self._page(
                    HTTPStatus.SERVICE_UNAVAILABLE, "Closed for a moment", "<p>The school is being looked after.</p>"
                )
            else:
                address = urlsplit(self.path)
                self._serve(site, address.path, form or parse_qs(address.query))
        except UnknownSiteError:
            self._page(HTTPStatus.NOT_FOUND, "No such school", "")
        except (pymysql.MySQLError, OSError, ValueError, KeyError) as fault:
            print(f"{type(fault).__name__}: {fault}", file=sys.stderr)
            self._page(HTTPStatus.INTERNAL_SERVER_ERROR, "Something failed", "")

    def _serve(self, site: Site, path: str, form: dict[str, list[str]]) -> None:
        with site.database() as cursor:
            title = sites.single(cursor, "Academy Settings", "school_name") or site.name
            if path == "/":
                path = f"/{sites.single(cursor, 'Website Settings', 'home_page') or 'login'}"
            if path == "/api/method/ping":
                self._json(HTTPStatus.OK, {"message": "pong"})
            elif path == "/api/method/login":
                self._log_in(cursor, form.get("usr", [""])[0], form.get("pwd", [""])[0])
            elif path == "/api/method/frappe.auth.get_logged_user":
                user = self._user(cursor)
                status = HTTPStatus.FORBIDDEN if user == "Guest" else HTTPStatus.OK
                self._json(status, {} if user == "Guest" else {"message": user})
            elif path == sites.LOGIN_PATH:
                if user := sites.use_login_key(cursor, form.get("key", [""])[0]):
                    sites.note_login(cursor, user)
                    self._page(HTTPStatus.OK, f"Welcome to {title}", f"<p>Logged in as {html.escape(user)}.</p>")
                else:
                    self._page(HTTPStatus.FORBIDDEN, "Not permitted", "<p>This link is used up or expired.</p>")
            elif path == "/login":
                self._page(HTTPStatus.OK, f"Login to {title}", LOGIN, is_for_all=not form)
            elif path == "/learn" and "lms_app" in sites.installed_apps(cursor):
                words = "<p>What this school teaches will be here.</p>"
                self._page(HTTPStatus.OK, title, words, is_for_all=not form)
            elif path.startswith("/private/files/"):
                self._private_file(site, cursor, unquote(path))
            else:
                self._page(HTTPStatus.NOT_FOUND, "Page not found", "")

    def _log_in(self, cursor: Cursor, user: str, password: str) -> None:
        if sites.single(cursor, "System Settings", "disable_user_pass_login") == "1":
            self._json(HTTPStatus.UNAUTHORIZED, {"message": "Login with username and password is not allowed."})
        elif not sites.password_fits(cursor, user, password):
            self._json(HTTPStatus.UNAUTHORIZED, {"message": "Invalid login credentials"})
        elif sites.single(cursor, "System Settings", "enable_two_factor_auth") == "1":
            self._json(HTTPStatus.OK, {"verification": "Verification code has been sent"})
        else:
            sites.note_login(cursor, user)
            cookie = f"sid={sites.begin_session(cursor, user)}; Path=/; HttpOnly; SameSite=Lax"
            cookie += "; Secure" if self.headers.get("X-Forwarded-Proto") == "https" else ""
            self._json(HTTPStatus.OK, {"message": "Logged In"}, {"Set-Cookie": cookie})

    def _user(self, cursor: Cursor) -> str:
        try:
            cookies = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return "Guest"
        return sites.user_of(cursor, cookies["sid"].value) if "sid" in cookies else "Guest"

    def _private_file(self, site: Site, cursor: Cursor, url: str) -> None:
        path = site.folder / url.lstrip("/")
        if not sites.may_read(cursor, self._user(cursor), url) or path.parent != site.folder / "private" / "files":
            self._page(HTTPStatus.FORBIDDEN, "Not permitted", "")
        elif not path.is_file():
            self._page(HTTPStatus.NOT_FOUND, "Page not found", "")
        elif self.headers.get("X-Use-X-Accel-Redirect"):
            self._send(HTTPStatus.OK, "application/octet-stream", b"", {"X-Accel-Redirect": quote(f"/protected{url}")})
        else:
            self._send(HTTPStatus.OK, "application/octet-stream", path.read_bytes(), {})

    def _page(self, status: HTTPStatus, title: str, body: str, *, is_for_all: bool = False) -> None:
        text = PAGE.format(title=html.escape(title), label=html.escape(LABEL), body=body)
        seconds = self.headers.get("X-Guest-Page-Seconds") if is_for_all and self.command == "GET" else None
        caching = {"Cache-Control": "no-store"}
        if seconds:
            caching = {"Cache-Control": f"max-age={seconds}, stale-while-revalidate={seconds}", "X-Guest-Page": "yes"}
        self._send(status, "text/html; charset=utf-8", text.encode(), caching)

    def _json(self, status: HTTPStatus, document: dict[str, str], headers: dict[str, str] | None = None) -> None:
        caching = {"Cache-Control": "no-store"}
        self._send(status, "application/json", json.dumps(document).encode(), {**caching, **(headers or {})})

    def _send(self, status: HTTPStatus, kind: str, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-Stand-In", LABEL)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A socket file at which many may wait at once; a visitor that is being served does not keep it from ending."""

    daemon_threads = True
    request_queue_size = 512


def main() -> None:
    """Listen where gunicorn would; its other options are taken and have no effect."""
    parser = argparse.ArgumentParser(prog="gunicorn", description=LABEL)
    parser.add_argument("--bind", required=True)
    options, _ = parser.parse_known_args()
    place = options.bind.removeprefix("unix:")
    Path(place).unlink(missing_ok=True)  # left by one that was killed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"{LABEL}; listening on {options.bind}", file=sys.stderr)
    before = os.umask(0)
    with Server(place, Visitor) as server:
        os.umask(before)
        server.serve_forever()


if __name__ == "__main__":
    main()
