"""The edge on this machine: the rendered Nginx tree with other ports, and an echo in place of the bench."""

import json
import os
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from schoolctl.render import context
from schoolctl.render.environment import render
from schoolctl.schools.model import Schools
from schoolctl.schools.platform import LAB_APP, Edge, Platform

TEMPLATES = Path(__file__).resolve().parents[3] / "templates"


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 means that the connection was closed without a word."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    head: tuple[tuple[str, str], ...] = ()

    def lines(self, header: str) -> list[str]:
        """Return each value of a header that is named in lower case."""
        return [value for name, value in self.head if name == header]

    @property
    def echo(self) -> dict[str, Any]:
        """Return what the bench saw of the request."""
        return dict(json.loads(self.body))


@dataclass(frozen=True)
class EdgeHere:
    """A running edge, its folder in place of the platform's, and the ports of its listeners.

    bench: what is behind it, by a socket file as on a server.
    """

    root: Path
    port: int
    tls_port: int
    inner_port: int
    log: Path
    bench: socketserver.BaseServer

    def get(
        self,
        host: str,
        path: str = "/",
        *headers: str,
        method: str = "GET",
        body: str = "",
        inner: bool = False,
        shake: str = "",
    ) -> Answer:
        """Ask for a page; `headers` are whole lines. shake: over TLS, with a handshake that names this host."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
        return self.raw("\r\n".join(lines) + "\r\n\r\n" + body, inner=inner, shake=shake)

    def raw(self, request: str, *, inner: bool = False, shake: str = "") -> Answer:
        """Send a request exactly as it is."""
        port = self.tls_port if shake else self.inner_port if inner else self.port
        with ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            if shake:
                connection = stack.enter_context(trusting_all().wrap_socket(connection, server_hostname=shake))
            connection.sendall(request.encode())
            received = b""
            with suppress(ConnectionResetError):
                while part := connection.recv(65536):
                    received += part
        if not received:
            return Answer(0, {}, b"")
        head, _, body = received.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        lines = tuple((name.lower(), value) for name, _, value in (line.partition(": ") for line in rest))
        headers = dict(lines)
        if headers.get("transfer-encoding") == "chunked":
            body = _unchunked(body)
        return Answer(int(first.split()[1]), headers, body, lines)

    def lines(self) -> str:
        """Return all that Nginx has written to its log."""
        return self.log.read_text()


@contextmanager
def edge_here(
    root: Path,
    rows: Mapping[str, Any],
    settings: Edge | None = None,
    bench_kind: type[BaseHTTPRequestHandler] | None = None,
    trusted: Iterable[str] = (),
    lacking: Iterable[str] = (),
    lms_app_source: str = "",
) -> Iterator[EdgeHere]:
    """Run the edge of these schools below a folder; the bench behind it is an echo, unless another kind is given.

    trusted: the schools whose certificate browsers trust. lacking: names that it does not cover. lms_app_source: the
    platform's, of which `lms_app` below the folder takes the place.
    """
    door = tempfile.TemporaryDirectory(prefix="edge-")  # short: a socket's path holds a hundred letters
    bench = _Bench(f"{door.name}/bench", bench_kind or Echo)
    realtime = _Realtime(("127.0.0.1", 0), bench_kind or Echo)
    for server in (bench, realtime):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    names = _Names()
    outer, tls, inner = _free_port(), _free_port(), _free_port()
    replaced = {
        "listen [::]:8080": f"listen [::1]:{outer}",
        "listen [::]:8443": f"listen [::1]:{tls}",
        "listen 8080": f"listen 127.0.0.1:{outer}",
        "listen 8443": f"listen 127.0.0.1:{tls}",
        "listen 8090": f"listen 127.0.0.1:{inner}",
        "/run/web/gunicorn.sock": f"{door.name}/bench",
        "realtime:9000": f"realtime:{realtime.server_port}",
        "127.0.0.11": f"127.0.0.1:{names.port}",
        "/var/cache/nginx": f"{root}/cache",
        "/tmp/nginx.pid": f"{root}/nginx.pid",
        "/run/systemd/journal/dev-log": f"{root}/journal",
        LAB_APP: f"{root}/lms_app",
    }
    (root / "cache").mkdir(parents=True)
    platform = Platform(
        root=str(root), bench_image="bench:test", edge=settings or Edge(), lms_app_source=lms_app_source
    )
    tree = write_tree(platform, Schools(rows), replaced)
    sign_itself(tree / "tls", rows)
    for slug in trusted:
        hosts = [host for host in Schools(rows)[slug].hosts if host not in [*lacking]]
        (tree / "tls" / f"{slug}.map").write_text("".join(f'"{slug} {host}" 1;\n' for host in hosts))
    log = root / "log"
    user = ["-g", "daemon off; user root;"] if os.geteuid() == 0 else ["-g", "daemon off;"]
    with log.open("w") as output:
        nginx = subprocess.Popen(
            ["nginx", "-p", f"{tree}/", "-c", tree / "nginx.conf", *user], stdout=output, stderr=output
        )
        try:
            _wait_for(outer, nginx, log)
            yield EdgeHere(root, outer, tls, inner, log, bench)
        finally:
            nginx.terminate()
            nginx.wait(10)
            for server in (bench, realtime):
                server.shutdown()
                server.server_close()
            names.close()
            door.cleanup()


def write_tree(platform: Platform, schools: Schools, replaced: Mapping[str, str]) -> Path:
    """Write the edge's files as the roles and commands do, but for some replaced words; return their folder."""
    server = context.server_context(platform, templates=TEMPLATES, image="bench:test", memory_mb=4000, cores=2)
    plain = context.platform_context(platform)
    files = [(file, {"platform": server}) for file in server["files"] if file["apply"] == "edge"]
    for school in schools.values():
        derived = context.school_context(school, plain, templates=TEMPLATES)
        files += [(file, {"platform": plain, "school": derived}) for file in derived["files"]]
    for file, seen in files:
        text = render(TEMPLATES, file["template"], seen)
        for old, new in replaced.items():
            text = text.replace(old, new)
        path = Path(file["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Path(platform.root) / "edge" / "conf"


def trusting_all() -> ssl.SSLContext:
    """Return what a client speaks TLS with that looks at no certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def sign_itself(folder: Path, slugs: Iterable[str]) -> None:
    """Write one certificate and its key for all of these schools, as the program that puts trees in force does."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "signed by itself")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    made = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made
    for slug in slugs:
        (folder / f"{slug}.pem").write_bytes(text)


class _Many(socketserver.ThreadingMixIn):
    """Takes as many visitors at once as tests send."""

    request_queue_size = 512
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing of those who left before they were answered."""


class _Bench(_Many, socketserver.UnixStreamServer):
    """Listens where gunicorn does."""


class _Realtime(_Many, HTTPServer):
    """Listens where the realtime server does."""


class Echo(BaseHTTPRequestHandler):
    """In place of the bench: says what it saw; /private/... is granted as Frappe grants it, /refused never."""

    def answer(self) -> None:
        """Answer, whatever the method."""
        body = json.dumps(
            {"path": self.path, "headers": [[name.lower(), value] for name, value in self.headers.items()]}
        )
        self.send_response(401 if self.path == "/refused" else 200)
        if self.path.startswith("/private/"):
            self.send_header("X-Accel-Redirect", "/protected" + self.path)
            if self.path.endswith("named.svg"):
                self.send_header("Content-Disposition", 'attachment; filename="named.svg"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Names:
    """A resolver by which every name is this machine."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        while True:
            try:
                query, sender = self._socket.recvfrom(512)
            except OSError:
                return
            question = query[12 : query.index(b"\0", 12) + 5]
            record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04" + socket.inet_aton("127.0.0.1")
            head = query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"
            self._socket.sendto(head + question + record, sender)

    def close(self) -> None:
        self._socket.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, nginx: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(100):
        if nginx.poll() is not None:
            raise AssertionError(f"nginx refuses the tree:\n{log.read_text()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nginx does not listen:\n{log.read_text()}")


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return whole
