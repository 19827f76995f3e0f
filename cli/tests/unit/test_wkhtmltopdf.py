import http.client
import importlib.util
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "templates" / "image" / "wkhtmltopdf.py"
SCHOOL = "tech-school.example"


@pytest.fixture(scope="module")
def program() -> Any:
    spec = importlib.util.spec_from_file_location("wkhtmltopdf", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Answering(BaseHTTPRequestHandler):
    """Say what was asked, by which name."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        seen = {"path": self.path, "host": self.headers["Host"], "hop": self.headers["Proxy-Connection"]}
        content = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(server: Any) -> Iterator[int]:
    with server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def edge() -> Iterator[int]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Answering)) as port:
        yield port


@pytest.fixture
def proxy(program: Any, edge: int) -> Iterator[Any]:
    proxy = program.Proxy({SCHOOL}, edge="127.0.0.1", plain=edge, tls=edge)
    with serving(proxy):
        yield proxy


def asked(proxy: Any, address: str) -> tuple[int, dict[str, Any]]:
    """Ask the proxy as wkhtmltopdf does: by the whole address."""
    with closing(http.client.HTTPConnection(*proxy.server_address, timeout=10)) as connection:
        headers = {"Host": urlsplit(address).netloc, "Proxy-Connection": "keep-alive"}
        connection.request("GET", address, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or "{}")


def test_what_a_page_names_by_its_school_comes_from_the_edge_whatever_the_port(proxy: Any) -> None:
    seen = {"path": "/files/logo.png?v=2", "host": f"{SCHOOL}:8080", "hop": None}
    assert asked(proxy, f"http://{SCHOOL}:8080/files/logo.png?v=2") == (200, seen)
    assert asked(proxy, f"http://{SCHOOL}")[1]["path"] == "/"


def test_another_name_leads_where_it_leads_by_itself(proxy: Any) -> None:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Answering)) as elsewhere:
        assert asked(proxy, f"http://127.0.0.1:{elsewhere}/a")[1]["host"] == f"127.0.0.1:{elsewhere}"
    assert asked(proxy, f"http://127.0.0.1:{elsewhere}/a") == (502, {})


def test_tls_of_a_school_is_carried_to_the_edge_unread(proxy: Any) -> None:
    with closing(socket.create_connection(proxy.server_address, 10)) as line, line.makefile("rb") as answers:
        line.sendall(f"CONNECT {SCHOOL}:443 HTTP/1.1\r\nHost: {SCHOOL}:443\r\n\r\n".encode())
        assert b" 200 " in answers.readline()
        assert answers.readline() == b"\r\n"
        line.sendall(b"GET /inside HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b'"path": "/inside"' in answers.read()


def test_what_is_no_request_is_refused(proxy: Any) -> None:
    with closing(socket.create_connection(proxy.server_address, 10)) as line, line.makefile("rb") as answers:
        line.sendall(b"nonsense\r\n\r\n")
        assert b" 502 " in answers.readline()


def test_the_schools_names_are_those_of_their_configurations_and_a_damaged_one_hides_no_other(
    program: Any, tmp_path: Path
) -> None:
    for site, text in {
        "a": '{"host_name": "http://a.example:8080"}',
        "b": '{"host_name": "https://b.example"}',
        "damaged": "{",
        "empty": "{}",
        "odd": "[]",
        "number": '{"host_name": 7}',
        "nameless": '{"host_name": ""}',
    }.items():
        (tmp_path / site).mkdir()
        (tmp_path / site / "site_config.json").write_text(text)
    assert sorted(program.own_names(tmp_path)) == ["a.example", "b.example"]


@pytest.mark.parametrize("arguments", [("--quiet", "-", "-"), ("--version",)])
def test_streams_arguments_and_exit_code_are_the_programs_own(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    real = tmp_path / "real"
    real.write_text('#!/bin/sh\ncat; echo "$@"; echo "${http_proxy%:*}" >&2; exit 7\n')
    real.chmod(0o755)
    own = tmp_path / "wkhtmltopdf"
    own.write_text(PROGRAM.read_text().replace('"/usr/bin/wkhtmltopdf"', repr(str(real))))
    done = subprocess.run([sys.executable, own, *arguments], input="page\n", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, f"page\n{' '.join(arguments)}\n")
    # Its version is asked for without one.
    assert (done.stderr.strip() == "http://127.0.0.1") is (arguments != ("--version",))
