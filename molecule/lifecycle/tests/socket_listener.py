"""A browser's ear: a socket.io client that is logged in to a school and comes through the edge."""

import http.client
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import closing, contextmanager

import requests
import socketio
from journey import Journey

PASSWORD = "a-password-of-this-test-only"


class Ear:
    """Remember which events arrived."""

    def __init__(self) -> None:
        self._heard: dict[str, threading.Event] = {}

    def heard(self, event: str, *_: object) -> None:
        """Take note of one event."""
        self._heard.setdefault(event, threading.Event()).set()

    def wait_for(self, event: str, seconds: float) -> bool:
        """Say whether the event arrived within some seconds."""
        return self._heard.setdefault(event, threading.Event()).wait(seconds)


@contextmanager
def listens(lab: Journey, host: str, slug: str) -> Iterator[Ear]:
    """Log in to a school as its administrator and listen to its events."""
    lab.on_server(
        "docker", "exec", "-i", "schools-tools", "bench", "--site", slug, "set-admin-password", stdin=f"{PASSWORD}\n"
    )
    ear = Ear()
    with requests.Session() as session:
        # The name leads to this machine for this client alone.
        session.mount("http://", _HostAdapter(lab.port))
        session.headers["Host"] = f"{host}:{lab.port}"
        session.headers["Origin"] = f"http://{host}:{lab.port}"
        session.headers["Cookie"] = f"sid={_log_in(lab, host)}"
        client = socketio.Client(http_session=session, handle_sigint=False)
        client.on("*", ear.heard, namespace=f"/{slug}")
        client.connect(f"http://{host}:{lab.port}", namespaces=[f"/{slug}"], transports=["polling"], wait_timeout=20)
        try:
            yield ear
        finally:
            client.disconnect()
            client.eio.wait()


class _HostAdapter(requests.adapters.HTTPAdapter):
    def __init__(self, port: int) -> None:
        self._port = port
        super().__init__()

    def send(self, request: requests.PreparedRequest, *arguments: object, **settings: object) -> requests.Response:
        """Send to this machine, whatever the name."""
        parts = urllib.parse.urlsplit(str(request.url))
        request.url = urllib.parse.urlunsplit(parts._replace(netloc=f"127.0.0.1:{self._port}"))
        return super().send(request, *arguments, **settings)  # type: ignore[arg-type]


def _log_in(lab: Journey, host: str) -> str:
    body = urllib.parse.urlencode({"usr": "Administrator", "pwd": PASSWORD})
    headers = {"Host": f"{host}:{lab.port}", "Content-Type": "application/x-www-form-urlencoded"}
    with closing(http.client.HTTPConnection("127.0.0.1", lab.port, timeout=60)) as connection:
        connection.request("POST", "/api/method/login", body, headers)
        answer = connection.getresponse()
        answer.read()
    assert answer.status == 200, f"login to {host} gave {answer.status}"
    cookies = [value for key, value in answer.getheaders() if key.lower() == "set-cookie"]
    return next(cookie.split(";")[0].partition("=")[2] for cookie in cookies if cookie.startswith("sid="))
