"""Visit schools as anybody outside does, from where schoolctl runs, without asking the DNS where they are."""

import http.client
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

PATIENCE_S = 5.0
# What is asked for here is short; no page of a server gone wrong may fill the memory.
LONGEST_BODY = 100_000


@dataclass(frozen=True, slots=True)
class Page:
    """What a visitor got: status, where it sends them, and its text."""

    status: int
    location: str = ""
    text: str = ""


class NoPageError(Exception):
    """There was no answer at all, with the reason."""


class HungUpError(NoPageError):
    """The server ended the connection without a word, as it does for names that it does not know."""


class Visitor:
    """A visitor of one name, who keeps the connection from page to page.

    server: where to go. address: the school's, which says how and to which port.
    """

    def __init__(self, server: str, address: str, host: str, *, patience: float = PATIENCE_S) -> None:
        parts = urlsplit(address)
        usual = http.client.HTTPS_PORT if parts.scheme == "https" else http.client.HTTP_PORT
        self._host, self._port = host, parts.port or usual
        self._authority = host if self._port == usual else f"{host}:{self._port}"
        self._is_secure = parts.scheme == "https"
        self._connection = http.client.HTTPConnection(server, self._port, timeout=patience)

    def __enter__(self) -> "Visitor":
        """Connect at the first page."""
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        """Hang up."""
        self._connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Page:
        """Return a page; raises NoPageError if there is none."""
        return self._ask("GET", path, headers or {})

    def head(self, path: str) -> Page:
        """Return a page without its text; raises NoPageError if there is none."""
        return self._ask("HEAD", path, {})

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> Page:
        try:
            if self._connection.sock is None:
                self._connect()
            self._connection.request(method, path, headers={"Host": self._authority, **headers})
            answer = self._connection.getresponse()
            text = answer.read(LONGEST_BODY).decode(errors="replace")
        except (OSError, http.client.HTTPException) as fault:
            self._connection.close()
            raise self._without(fault) from None
        if not answer.isclosed():
            self._connection.close()
        return Page(answer.status, answer.getheader("Location") or "", text)

    def _connect(self) -> None:
        self._connection.connect()
        if self._is_secure:
            # What the certificate is worth is another question.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._connection.sock = context.wrap_socket(self._connection.sock, server_hostname=self._host)

    def _without(self, fault: Exception) -> NoPageError:
        """Return why there is no page, with where it was asked for."""
        if isinstance(fault, http.client.RemoteDisconnected | ConnectionResetError):
            return HungUpError(f"{self._authority} hangs up without a word")
        if isinstance(fault, TimeoutError):
            return NoPageError(f"{self._authority} gives no answer in time")
        return NoPageError(f"{self._authority}: {getattr(fault, 'strerror', None) or fault or type(fault).__name__}")


# Makes a visitor, of what a visitor is made of.
Visit = Callable[[str, str, str], Visitor]
