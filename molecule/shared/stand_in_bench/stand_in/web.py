"""In place of gunicorn with Frappe: one plain page per site, with the data of that site's own database."""

import argparse
import html
import json
import signal
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pymysql

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
                user = form.get("usr", [""])[0]
                fits = sites.password_fits(cursor, user, form.get("pwd", [""])[0])
                if fits:
                    sites.note_login(cursor, user)
                word = "Logged In" if fits else "Invalid login credentials"
                self._json(HTTPStatus.OK if fits else HTTPStatus.UNAUTHORIZED, {"message": word})
            elif path == sites.LOGIN_PATH:
                if user := sites.use_login_key(cursor, form.get("key", [""])[0]):
                    sites.note_login(cursor, user)
                    self._page(HTTPStatus.OK, f"Welcome to {title}", f"<p>Logged in as {html.escape(user)}.</p>")
                else:
                    self._page(HTTPStatus.FORBIDDEN, "Not permitted", "<p>This link is used up or expired.</p>")
            elif path == "/login":
                self._page(HTTPStatus.OK, f"Login to {title}", LOGIN)
            elif path == "/learn" and "lms_app" in sites.installed_apps(cursor):
                self._page(HTTPStatus.OK, title, "<p>What this school teaches will be here.</p>")
            elif path.startswith("/private/files/"):
                self._page(HTTPStatus.FORBIDDEN, "Not permitted", "")
            else:
                self._page(HTTPStatus.NOT_FOUND, "Page not found", "")

    def _page(self, status: HTTPStatus, title: str, body: str) -> None:
        text = PAGE.format(title=html.escape(title), label=html.escape(LABEL), body=body)
        self._send(status, "text/html; charset=utf-8", text)

    def _json(self, status: HTTPStatus, document: dict[str, str]) -> None:
        self._send(status, "application/json", json.dumps(document))

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Stand-In", LABEL)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def main() -> None:
    """Listen where gunicorn would; its other options are taken and have no effect."""
    parser = argparse.ArgumentParser(prog="gunicorn", description=LABEL)
    parser.add_argument("--bind", default="0.0.0.0:8000")
    options, _ = parser.parse_known_args()
    host, _, port = options.bind.rpartition(":")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"{LABEL}; listening on {options.bind}", file=sys.stderr)
    ThreadingHTTPServer((host, int(port)), Visitor).serve_forever()


if __name__ == "__main__":
    main()
