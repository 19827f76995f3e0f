"""Speak with the agent: one JSON object a line, in both directions."""

import json
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from schoolctl.errors import SchoolctlError, UnreachableError

# Runs on the server: reads the agent's length and source from stdin, then becomes the agent.
BOOT = (
    "import sys; n = int(sys.stdin.buffer.readline()); "
    "exec(compile(sys.stdin.buffer.read(n), 'agent', 'exec'), {'__name__': '__main__'})"
)

# Runs on the server: becomes the program whose words the agent holds at a place.
TAKE = "import json, os, sys; argv = json.load(open(sys.argv[1])); os.execvp(argv[0], argv)"


class ByteWriter(Protocol):
    """The sending end of a byte stream."""

    def write(self, data: bytes, /) -> object:
        """Take bytes."""

    def flush(self) -> object:
        """Send what was taken."""


class ByteReader(Protocol):
    """The receiving end of a byte stream."""

    def readline(self) -> bytes:
        """Return bytes up to and with the next newline; fewer only at the end."""


class ServerFaultError(SchoolctlError):
    """Report that the server could not do one operation; `kind` names the fault for programs."""

    def __init__(self, kind: str, message: str, *, details: str = "") -> None:
        super().__init__("The server could not do it", because=message, details=details)
        self.kind = kind


class AgentSession:
    """Call operations of an agent that listens on a pair of byte streams.

    One thread at a time may call; any may tell meanwhile.
    """

    def __init__(self, to_agent: ByteWriter, from_agent: ByteReader, host: str) -> None:
        self._to_agent = to_agent
        self._from_agent = from_agent
        self._host = host
        self._last = 0
        self._sending = threading.Lock()
        # Whether the agent has answered anything yet.
        self.heard = False

    def start(self, source: bytes) -> None:
        """Hand over the agent's program, preceded by its length, to the boot line that waits for it, and greet it.

        Nobody waits for its greeting: it comes before the first answer, and shows that the agent began.
        """
        self._send(b"%d\n" % len(source) + source)
        self._ask("hello", {})

    def call(self, operation: str, **arguments: Any) -> Any:
        """Return the answer to one operation; see `Transport.call`."""
        answer = self._receive(self._ask(operation, arguments))
        if "fault" in answer:
            fault = answer["fault"]
            raise ServerFaultError(fault["kind"], fault["message"], details=fault.get("details", ""))
        return answer["result"]

    def tell(self, operation: str, **arguments: Any) -> None:
        """Send an operation that gets no answer; see `Transport.tell`."""
        self._send(json.dumps({"id": None, "do": operation, **arguments}).encode() + b"\n")

    def _ask(self, operation: str, arguments: Mapping[str, Any]) -> int:
        """Send an operation and return the number that its answer will bear."""
        self._last += 1
        self._send(json.dumps({"id": self._last, "do": operation, **arguments}).encode() + b"\n")
        return self._last

    def _receive(self, number: int) -> dict[str, Any]:
        """Return the answer to one request; those that nobody waits for, and a login shell's words, are passed over."""
        while True:
            try:
                line = self._from_agent.readline()
            except OSError as fault:
                raise self._lost(str(fault)) from fault
            if not line:
                raise self._lost("the connection ended")
            try:
                answer = json.loads(line)
            except ValueError:
                continue
            if isinstance(answer, dict) and "id" in answer:
                self.heard = True
                if answer["id"] == number:
                    return answer

    def _send(self, data: bytes) -> None:
        try:
            with self._sending:
                self._to_agent.write(data)
                self._to_agent.flush()
        except OSError as fault:
            raise self._lost(str(fault)) from fault

    def _lost(self, reason: str) -> UnreachableError:
        return UnreachableError(
            f"Lost the connection to {self._host}",
            because=reason or "the connection ended",
            hint="run the same command again: it takes up what was begun",
        )
