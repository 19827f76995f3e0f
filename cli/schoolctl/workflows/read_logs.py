"""Read what was written down about one school, and follow it: never a line of another."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schoolctl.remote.server import Server

# Frappe writes these into the site's own folder. What the containers print mixes all schools and is not read here.
FILES: Mapping[str, tuple[str, ...]] = {
    "site": ("*.log",),
    "web": ("frappe.log", "frappe.web.log"),
    "worker": ("scheduler.log", "worker*.log"),
}
EDGE = "edge"
# As many new lines as one look may bring.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One line and where it stands; facts: what a line of the edge says, by name."""

    source: str
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass
class ReadLogs:
    """Read one school's logs again and again, each time only what is new.

    files: patterns of names in the site's folder of logs. edge: its requests too.
    """

    server: Server
    slug: str
    files: Sequence[str]
    edge: bool
    _since: str | None = None
    _seen: dict[str, Sequence[int]] | None = None

    def lines(self, last: int) -> Iterator[Line]:
        """Yield the last lines of each log: of what is there at first, then of what came since."""
        if self.edge:
            requests, self._since = self.server.edge_log(self.slug, last, self._since)
            for request in requests:
                yield Line(EDGE, _request(request), request)
        if self.files:
            found = self.server.site_logs(self.slug, self.files, last, self._seen)
            self._seen = {**(self._seen or {}), **{name: log["seen"] for name, log in found.items()}}
            for name, log in found.items():
                for text in log["lines"]:
                    yield Line(name, _printable(text))

    def follow(self, last: int, pause: Callable[[float], Any] = time.sleep) -> Iterator[Line]:
        """Yield the last lines, then each new one as it comes, looking once a second, for ever."""
        yield from self.lines(last)
        while True:
            pause(1.0)
            yield from self.lines(_AT_ONCE)


def _request(request: Mapping[str, str]) -> str:
    keys = ("time", "client", "status", "method", "host", "path", "seconds")
    return _printable(" ".join(request.get(key) or "-" for key in keys))


def _printable(text: str) -> str:
    """Return text that cannot command a terminal: visitors choose what is in a log."""
    return "".join(sign if sign.isprintable() or sign == "\t" else "\ufffd" for sign in text)
