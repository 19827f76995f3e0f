"""A socket.io client that keeps no rules: it says what it is told, goes on after a refusal, and shows every packet.

A well-behaved client gives up when a server refuses a namespace, and never sees what the server sends all the same.
"""

import base64
import hashlib
import http.client
import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from journey import Journey

PATH = "/socket.io/?EIO=4&transport=polling"
SEPARATOR = "\x1e"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
# RFC 6455: what a server proves with that it understood the question, and what may come in a frame.
PROOF = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT = 0x81


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


class WebSocket:
    """One Engine.IO session over a WebSocket from its first packet on; headers go with the upgrade."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._stream = self._connection.makefile("rb")
        self._headers = headers

    def open(self) -> int:
        """Ask for the upgrade; return the status of the answer."""
        key = base64.b64encode(os.urandom(16)).decode()
        asked = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", **self._headers}
        lines = [f"{name}: {value}" for name, value in {**asked, "Sec-WebSocket-Key": key}.items()]
        self._connection.sendall("\r\n".join([f"GET {WEBSOCKET} HTTP/1.1", *lines, "", ""]).encode())
        status = int(self._stream.readline().split()[1])
        answer = http.client.parse_headers(self._stream)
        if status == 101:
            proof = base64.b64encode(hashlib.sha1((key + PROOF).encode(), usedforsecurity=False).digest()).decode()
            assert answer["Sec-WebSocket-Accept"] == proof
        return status

    def say(self, packet: str) -> None:
        """Send one packet."""
        content, mask = packet.encode(), os.urandom(4)
        assert len(content) < 126, "longer ones have another head"
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
        self._connection.sendall(bytes([TEXT, 0x80 | len(content)]) + mask + masked)

    def heard(self, seconds: float, until: str = "") -> str:
        """Return all packets that come within some seconds, or up to the one that begins so."""
        found, deadline = "", time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._connection.settimeout(left)
            try:
                packet = self._packet()
            except TimeoutError:
                break
            if packet == "2":
                self.say("3")
            found += packet + SEPARATOR
            if until and packet.startswith(until):
                break
        return found

    def _packet(self) -> str:
        kind, size = self._stream.read(2)
        assert kind == TEXT, "whole texts alone come from this server"
        if size == 126:
            size = int.from_bytes(self._stream.read(2), "big")
        return self._stream.read(size).decode()

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self._connection.close()
