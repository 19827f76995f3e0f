"""A visitor of the server in memory: gets what the edge in force gives, by name."""

import json
from collections.abc import Callable, Mapping

from schoolctl.remote.visits import HungUpError, NoPageError, Page, Visitor
from tests.support.server_model import ServerModel


def visiting(server: ServerModel) -> Callable[[str, str, str], Visitor]:
    """Return what makes visitors of a server."""
    return lambda address, url, host: VisitorModel(server, address, url, host)


class VisitorModel(Visitor):
    """Ask the model instead of a network."""

    def __init__(self, server: ServerModel, address: str, url: str, host: str) -> None:
        super().__init__(address, url, host)
        self._server, self._url, self._name = server, url, host

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> Page:
        if self._server.unreachable:
            raise NoPageError(self._server.unreachable)
        if (self._name, path) in self._server.astray:
            return self._server.astray[self._name, path]  # type: ignore[no-any-return]
        status = self._server.visit(self._name)
        if status is None:
            raise HungUpError(f"{self._name} hangs up without a word")
        if status == 308:
            return Page(308, f"{self._url}{path}")
        if status != 200:
            return Page(status)
        if path.startswith("/assets/"):
            return Page(404 if path in self._server.gone else 200)
        if path.startswith("/socket.io/"):
            return Page(200, text='0{"sid":"x"}') if headers.get("Origin") == self._url else Page(403)
        return Page(200, text=json.dumps({"message": "pong"}))
