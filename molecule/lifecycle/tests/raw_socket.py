"""A socket.io client that keeps no rules: it says what it is told, goes on after a refusal, and shows every packet.

A well-behaved client gives up when a server refuses a namespace, and never sees what the server sends all the same.
"""

import http.client
import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from journey import Journey

PATH = "/socket.io/?EIO=4&transport=polling"
SEPARATOR = "\x1e"


@dataclass
class RawSocket:
    """One Engine.IO session over polling; headers go with each request."""

    lab: Journey
    headers: Mapping[str, str]
    session: str = ""

    def open(self) -> int:
        """Begin the session; return the status of the answer."""
        status, text = self._ask("GET", "")
        if status == 200:
            self.session = "&sid=" + json.loads(text[1:])["sid"]
        return status

    def say(self, packet: str) -> int:
        """Send one packet; return the status of the answer."""
        return self._ask("POST", packet)[0]

    def heard(self, seconds: float) -> str:
        """Return all packets that come within some seconds."""
        found, deadline = "", time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                status, text = self._ask("GET", "", timeout=left)
            except TimeoutError:
                break
            if status != 200:
                break
            if text == "2":
                self.say("3")
            found += text + SEPARATOR
        return found

    def _ask(self, method: str, packet: str, timeout: float = 20) -> tuple[int, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.lab.port, timeout=timeout)) as connection:
            body = packet or None
            headers = {"Content-Type": "text/plain;charset=UTF-8", **self.headers} if packet else self.headers
            connection.request(method, PATH + self.session, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
