"""A browser that says what a page costs: Chromium without a window, spoken to by its own protocol over two pipes."""

import base64
import hashlib
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 60.0
# How long a page may be silent after it was loaded until nothing is expected of it any more.
SILENCE_S = 1.0
TRIES = 3


@dataclass(frozen=True)
class Visit:
    """What a page cost: seconds until it was loaded, and what went over the wire until it was silent."""

    seconds: float
    requests: int
    bytes: int


class BrowserError(Exception):
    """Report a browser that did not do as it was told."""


def program() -> str | None:
    """Return the path of a browser of this machine, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


# The browser reads from 3 and writes to 4. Debian's shell knows no number of two digits, which ours may well have.
_PIPED = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for end, number in zip(ends, (3, 4)):
    os.dup2(end, number)
    os.close(end)
os.execvp(sys.argv[3], sys.argv[3:])
"""


@contextmanager
def fresh_browser(host: str, port: int) -> Iterator["Browser"]:
    """Run a browser that has never been anywhere and finds `host` on this machine; raises BrowserError if none is here.

    The certificate that answers on `port` counts as trusted: what comes by another is never kept for a second visit.
    """
    found = program()
    if found is None:
        raise BrowserError("Chromium is not installed")
    certificate = x509.load_pem_x509_certificate(_certificate(host, port).encode())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        argv = [
            *(found, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio"),
            *(f"--user-data-dir={profile}", f"--host-resolver-rules=MAP {host} 127.0.0.1"),
            *(f"--ignore-certificate-errors-spki-list={pin}", "--remote-debugging-pipe", "about:blank"),
        ]
        to_read, written = os.pipe()
        read, to_write = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", _PIPED, str(to_read), str(to_write), *argv],
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        try:
            yield Browser(written, read)
        finally:
            process.kill()
            process.wait()
            os.close(written)
            os.close(read)


class Browser:
    """One window of a browser."""

    def __init__(self, to: int, answers: int) -> None:
        self._to, self._answers, self._rest, self._number = to, answers, b"", 0
        self._events: list[dict[str, Any]] = []
        self._session = ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self._call(f"{domain}.enable")

    def visit(self, address: str) -> Visit:
        """Go to an address and wait until it is loaded and silent; raises BrowserError if it does not load."""
        for _ in range(TRIES):
            self._call("Page.navigate", url="about:blank")
            self._listen_until_silent()
            self._events.clear()
            failed = self._call("Page.navigate", url=address).get("errorText")
            # Where containers come and go, the machine's networks do.
            if failed != "net::ERR_NETWORK_CHANGED":
                break
        if failed:
            raise BrowserError(f"{address} was not loaded: {failed}")
        give_up = time.monotonic() + PATIENCE_S
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            if time.monotonic() > give_up:
                raise BrowserError(f"{address} was not loaded within {PATIENCE_S:g} s")
            self._listen(1.0)
        self._listen_until_silent()
        timing = "(t => (t.loadEventStart - t.startTime) / 1000)(performance.getEntriesByType('navigation')[0])"
        seconds = self.evaluate(timing)
        finished = {
            event["params"]["requestId"]: int(event["params"]["encodedDataLength"])
            for event in self._events
            if event["method"] == "Network.loadingFinished"
        }
        over_the_wire = [size for size in finished.values() if size]
        return Visit(float(seconds), len(over_the_wire), sum(over_the_wire))

    def evaluate(self, expression: str) -> Any:
        """Return what an expression of JavaScript comes to on the page."""
        said = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in said:
            raise BrowserError(f"{expression}: {said['exceptionDetails'].get('text')}")
        return said["result"].get("value")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._to, json.dumps(order).encode() + b"\0")
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            for said in self._listen(1.0):
                if said.get("id") == self._number:
                    if "error" in said:
                        raise BrowserError(f"{method}: {said['error'].get('message')}")
                    return dict(said["result"])
        raise BrowserError(f"the browser did not answer {method} within {PATIENCE_S:g} s")

    def _listen_until_silent(self) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while self._listen(SILENCE_S) and time.monotonic() < give_up:
            pass

    def _listen(self, seconds: float) -> list[dict[str, Any]]:
        """Return what the browser says within so many seconds, and keep what happened."""
        if not select.select([self._answers], [], [], seconds)[0]:
            return []
        part = os.read(self._answers, 1 << 20)
        if not part:
            raise BrowserError("the browser ended")
        *whole, self._rest = (self._rest + part).split(b"\0")
        said = [json.loads(line) for line in whole]
        self._events += [line for line in said if "method" in line]
        return said or [{}]


def _certificate(host: str, port: int) -> str:
    """Return the certificate (PEM) that this machine shows for a host."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        shown = connection.getpeercert(binary_form=True)
    if not shown:
        raise BrowserError(f"{host} shows no certificate")
    return ssl.DER_cert_to_PEM_cert(shown)
