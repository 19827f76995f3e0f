"""In place of Node with Frappe's realtime server: opens a socket to whoever asks, and nothing comes through it."""

import json
import secrets
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from stand_in import LABEL

PORT = 9000


class Visitor(BaseHTTPRequestHandler):
    """One request; every answer is how a socket opens."""

    def do_GET(self) -> None:
        """Say that a socket is open."""
        opened = {"sid": secrets.token_urlsafe(15), "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000}
        content = f"0{json.dumps(opened)}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Stand-In", LABEL)
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Listen where the realtime server would."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"{LABEL}; listening on {PORT}", file=sys.stderr)
    ThreadingHTTPServer(("0.0.0.0", PORT), Visitor).serve_forever()  # noqa: S104 - inside a container


if __name__ == "__main__":
    main()
