#!/usr/bin/env python3
"""Be wkhtmltopdf, and find the schools' own pictures and styles at the edge, wherever their names lead from here.

Frappe hands it pages full of addresses that begin with the school's own. Nobody promises that a container reaches
those: a new domain is in no DNS yet, and few networks let their own public address be reached from inside. wkhtmltopdf
leaves out what it cannot fetch and says nothing. So it asks through a proxy that lives as long as it does: the schools'
names lead to the edge, all others where they always do.
"""

import json
import os
import selectors
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

PROGRAM = "/usr/bin/wkhtmltopdf"
SITES = Path("/home/frappe/frappe-bench/sites")
# Where the edge listens inside the bench's network, for pages without and with TLS.
EDGE, PLAIN, TLS = "edge", 8080, 8443
PATIENCE_S = 30
LONGEST_LINE = 65536
# What concerns one connection alone, and every request gets one of its own.
HOP = ("connection:", "keep-alive:", "proxy-")


def own_names(sites: Path) -> Iterator[str]:
    """Yield the name under which each school writes its addresses."""
    for config in sites.glob("*/site_config.json"):
        try:
            name = urlsplit(json.loads(config.read_text(encoding="utf-8"))["host_name"]).hostname
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # a site that is being made, or damaged, hides no other
        if name:
            yield name


class Request(socketserver.StreamRequestHandler):
    """One request of wkhtmltopdf's: passed on with its answer, and over."""

    timeout = PATIENCE_S
    rbufsize = 0  # what follows the head must not be read here
    server: "Proxy"

    def handle(self) -> None:
        """Pass on one request, or one TLS connection; where nobody answers, say so as a proxy does."""
        try:
            method, target, _ = self.rfile.readline(LONGEST_LINE).decode("latin-1").split()
            head = [*iter(lambda: self.rfile.readline(LONGEST_LINE).decode("latin-1").strip(), "")]
            address = urlsplit(f"//{target}" if method == "CONNECT" else target)
            host, port = address.hostname or "", address.port
            to_tls = method == "CONNECT"
            upstream = self.server.reach(host, port or (443 if to_tls else 80), to_tls=to_tls)
        except (OSError, ValueError):
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with upstream:
            if to_tls:
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                kept = [line for line in head if not line.lower().startswith(HOP)]
                path = address._replace(scheme="", netloc="", fragment="").geturl() or "/"
                lines = [f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]
                upstream.sendall("\r\n".join(lines).encode("latin-1"))
            self._relay(upstream)

    def _relay(self, upstream: socket.socket) -> None:
        """Carry bytes both ways until either end has nothing more to say."""
        with selectors.DefaultSelector() as ready:
            ready.register(self.connection, selectors.EVENT_READ, upstream)
            ready.register(upstream, selectors.EVENT_READ, self.connection)
            while events := ready.select(PATIENCE_S):
                for key, _ in events:
                    try:
                        data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                        key.data.sendall(data)
                    except OSError:
                        return
                    if not data:
                        return


class Proxy(socketserver.ThreadingTCPServer):
    """Where wkhtmltopdf asks for everything; only this container reaches it."""

    daemon_threads = True

    def __init__(self, names: set[str], edge: str = EDGE, plain: int = PLAIN, tls: int = TLS) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self._names, self._edge, self._plain, self._tls = names, edge, plain, tls

    @property
    def address(self) -> str:
        """What a program takes for its proxy."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def reach(self, host: str, port: int, *, to_tls: bool) -> socket.socket:
        """Return a connection to where a name leads: a school's to the edge."""
        if host in self._names:
            host, port = self._edge, self._tls if to_tls else self._plain
        return socket.create_connection((host, port), PATIENCE_S)


def main() -> int:
    """Run wkhtmltopdf with this process's own streams, and return its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        os.execv(PROGRAM, [PROGRAM, *arguments])  # noqa: S606 - its own words
    with Proxy({*own_names(SITES)}) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        return subprocess.run([PROGRAM, *arguments], env={**os.environ, "http_proxy": proxy.address}).returncode


if __name__ == "__main__":
    sys.exit(main())
