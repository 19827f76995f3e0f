import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from schoolctl.remote.visits import LONGEST_BODY, HungUpError, NoPageError, Page, Visitor


class Door(BaseHTTPRequestHandler):
    """Answer by what is asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Any = self.server
        server.seen.append((self.client_address, self.headers["Host"], self.headers["Origin"]))
        if self.path == "/hang-up":
            self.close_connection = True
            return
        content = b"x" * (2 * LONGEST_BODY) if self.path == "/long" else self.path.encode()
        self.send_response(308 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("Location", "http://elsewhere/")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815 - the name by which it is called

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        server.seen = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def address(server: Any, scheme: str = "http") -> str:
    return f"{scheme}://a.example:{server.server_port}"


def test_a_visitor_keeps_the_connection_and_names_the_host_with_its_port(server: Any) -> None:
    with Visitor("127.0.0.1", address(server), "b.example") as visitor:
        assert visitor.get("/one") == Page(200, "", "/one")
        assert visitor.get("/away", {"Origin": "http://x"}) == Page(308, "http://elsewhere/", "/away")
        assert visitor.head("/two") == Page(200)
    assert len({client for client, *_ in server.seen}) == 1
    host = f"b.example:{server.server_port}"
    assert [seen[1:] for seen in server.seen] == [(host, None), (host, "http://x"), (host, None)]


def test_a_page_that_is_too_long_is_cut_and_the_next_one_is_whole(server: Any) -> None:
    with Visitor("127.0.0.1", address(server), "a.example") as visitor:
        assert len(visitor.get("/long").text) == LONGEST_BODY
        assert visitor.get("/next").text == "/next"


def test_no_page_is_told_by_what_happened(server: Any) -> None:
    with Visitor("127.0.0.1", address(server), "a.example") as visitor:
        with pytest.raises(HungUpError, match="hangs up without a word"):
            visitor.get("/hang-up")
        assert visitor.get("/again").status == 200
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        url = f"http://a.example:{mute.getsockname()[1]}"
        with (
            Visitor("127.0.0.1", url, "a.example", patience=0.1) as visitor,
            pytest.raises(NoPageError, match="in time"),
        ):
            visitor.get("/")
    with Visitor("127.0.0.1", url, "a.example") as visitor, pytest.raises(NoPageError, match="refused"):
        visitor.get("/")


def test_tls_is_spoken_where_the_address_says_so_by_the_visited_name(server: Any, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=x",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked: list[str | None] = []
    context.sni_callback = lambda _line, name, _context: asked.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with Visitor("127.0.0.1", address(server, "https"), "b.example") as visitor:
        assert visitor.get("/safe").text == "/safe"
    assert asked == ["b.example"]
