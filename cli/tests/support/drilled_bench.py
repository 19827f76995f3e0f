"""A bench that answers to one site or another, as far as a drill asks: in memory, but with the sites' own database."""

import base64
import hashlib
import json
import secrets
import socketserver
import tempfile
import threading
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from .mariadb_here import MariaDBHere

_PASSWORD_OF = "SELECT password FROM __Auth WHERE name = '{}' AND encrypted = 0"


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class DrilledBench:
    """Its web server, behind a socket file. seen: what each site that was logged in to was like at that moment."""

    def __init__(self, root: Path, database: MariaDBHere) -> None:
        self.root = root
        self.database = database
        self.sessions: dict[str, str] = {}
        self.seen: list[dict[str, Any]] = []
        self.spoils_files = False
        self.known_as = "Administrator"
        bench = self

        class Visitor(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                bench.answer(self, {})

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                bench.answer(self, parse_qs(self.rfile.read(size).decode()))

            def log_message(self, *_: object) -> None:
                pass

        self._folder = tempfile.TemporaryDirectory(prefix="bench-")  # short: a socket's path holds a hundred letters
        self.socket = f"{self._folder.name}/bench"
        self._server = _Server(self.socket, Visitor)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._folder.cleanup()

    def answer(self, visitor: BaseHTTPRequestHandler, form: dict[str, list[str]]) -> None:
        """Answer one request."""
        site = self.root / "sites" / visitor.headers["X-Frappe-Site-Name"]
        cookies = SimpleCookie(visitor.headers.get("Cookie", ""))
        session = cookies["sid"].value if "sid" in cookies else ""
        if not (site / "site_config.json").exists():
            self._send(visitor, 404, b"{}")
        elif visitor.path == "/api/method/login":
            self._log_in(visitor, site, form["usr"][0], form["pwd"][0])
        elif self.sessions.get(session) != site.name:
            self._send(visitor, 403, b"{}")
        elif visitor.path == "/api/method/frappe.auth.get_logged_user":
            self._send(visitor, 200, json.dumps({"message": self.known_as}).encode())
        else:
            data = (site / unquote(visitor.path).lstrip("/")).read_bytes()
            self._send(visitor, 200, data[:-1] if self.spoils_files else data)

    def _log_in(self, visitor: BaseHTTPRequestHandler, site: Path, user: str, password: str) -> None:
        config = json.loads((site / "site_config.json").read_text())
        name = config["db_name"]

        def ask(sql: str) -> list[str]:
            return self.database.run(sql, name).splitlines()

        self.seen.append(
            {
                "config": config,
                "site": site.name,
                "mode": (site / "site_config.json").stat().st_mode & 0o777,
                "webhooks": ask("SELECT enabled FROM tabWebhook"),
                "folders": sorted(str(path.relative_to(site)) for path in site.rglob("*") if path.is_dir()),
            }
        )
        refusals = ask("SELECT field FROM tabSingles WHERE value = '1' AND doctype = 'System Settings'")
        limits = ask("SELECT restrict_ip FROM tabUser WHERE name = 'Administrator' AND restrict_ip IS NOT NULL")
        stored = ask(_PASSWORD_OF.format(user))
        if refusals or limits or not stored or not fits(stored[0], password):
            words = ", ".join(refusals) or "Invalid login credentials"
            self._send(visitor, 401, json.dumps({"message": words}).encode())
            return
        session = secrets.token_hex(8)
        self.sessions[session] = site.name
        self._send(visitor, 200, b'{"message": "Logged In"}', {"Set-Cookie": f"sid={session}; Path=/; HttpOnly"})

    def _send(
        self, visitor: BaseHTTPRequestHandler, status: int, data: bytes, headers: dict[str, str] | None = None
    ) -> None:
        visitor.send_response(status)
        visitor.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            visitor.send_header(name, value)
        visitor.end_headers()
        visitor.wfile.write(data)


def fits(stored: str, password: str) -> bool:
    """Say whether a password is that of which passlib would have stored this."""
    _, kind, rounds, salt, checksum = stored.split("$")
    raw = base64.b64decode(salt.replace(".", "+") + "=" * (-len(salt) % 4))
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), raw, int(rounds))
    return kind == "pbkdf2-sha256" and base64.b64encode(digest).decode().rstrip("=").replace("+", ".") == checksum
