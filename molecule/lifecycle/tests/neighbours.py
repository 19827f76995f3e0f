"""Two schools of one server: the one that attacks, the one that must not notice, and what the attacker has in hand."""

import http.client
import json
import re
import socket
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from journey import Journey

ATTACKER, VICTIM = "tech-school", "cuisine-school"
ATTACKER_HOST, VICTIM_HOST = "tech-school.com", "cuisine-school.com"
# What the page /learn of each school shows, and of no other.
ATTACKER_TITLE, VICTIM_TITLE = "Tech School", "Cuisine School"
SITES = "/home/frappe/frappe-bench/sites"
CSRF = "X-Frappe-CSRF-Token"

SECRET = "only the victim may read this"
PUBLISHED = "only the victim publishes this"
FILE = "neighbours.txt"


@dataclass(frozen=True)
class Answer:
    """What a visitor got."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> str:
        """The content as text."""
        return self.content.decode(errors="replace")

    @property
    def json(self) -> Any:
        """The body, as the API writes it."""
        return json.loads(self.body)


@dataclass
class Visitor:
    """A browser at one school; it keeps its session and sends paths as they are."""

    lab: Journey
    host: str
    sid: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request; a body goes as JSON. Where the edge hangs up, the answer's status is 0."""
        sent = {"Host": f"{self.host}:{self.lab.port}", **self.headers, **(headers or {})}
        if self.sid:
            sent["Cookie"] = f"sid={self.sid}"
        text = None
        if body is not None:
            text, sent["Content-Type"] = json.dumps(body), "application/json"
        with closing(http.client.HTTPConnection("127.0.0.1", self.lab.port, timeout=60)) as connection:
            connection.request(method, path, text, sent)
            try:
                answer = connection.getresponse()
            except http.client.RemoteDisconnected:
                return Answer(0, {}, b"")
            found = {name.lower(): value for name, value in answer.getheaders()}
            page = Answer(answer.status, found, answer.read())
            cookies = [value for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        self.sid = next((cookie[1] for line in cookies if (cookie := re.match(r"sid=([^;]+)", line))), self.sid)
        return page

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for a page."""
        return self.ask("GET", path, headers=headers)

    def call(self, function: str, **arguments: object) -> Answer:
        """Call a function of the API."""
        return self.ask("POST", f"/api/method/{function}", arguments)

    def make(self, doctype: str, **fields: object) -> dict[str, Any]:
        """Make a document and return it."""
        answer = self.ask("POST", resource(doctype), fields)
        assert answer.status == 200, answer.body
        made: dict[str, Any] = answer.json["data"]
        return made

    def who(self, headers: Mapping[str, str] | None = None) -> str:
        """Return who the school takes this visitor for; nothing when for nobody."""
        answer = self.get("/api/method/frappe.auth.get_logged_user", headers)
        return str(answer.json["message"]) if answer.status == 200 else ""

    def guest(self) -> "Visitor":
        """Return a browser at the same school that nobody knows."""
        return Visitor(self.lab, self.host)


def resource(doctype: str, name: str = "", **query: object) -> str:
    """Return the API's path of a kind of document, or of one."""
    path = "/".join(urllib.parse.quote(part, safe="") for part in (doctype, name) if part)
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in query.items()}
    return f"/api/resource/{path}" + (f"?{urllib.parse.urlencode(words)}" if words else "")


def administrator(lab: Journey, slug: str, host: str) -> Visitor:
    """Return a browser that is logged in as a school's administrator, by a link that works once."""
    link = urllib.parse.urlsplit(lab.json("login", slug)["url"])
    visitor = Visitor(lab, host)
    visitor.get(f"{link.path}?{link.query}")
    assert visitor.who() == "Administrator"
    token = re.search(r'csrf_token\s*=\s*"([0-9a-f]+)"', visitor.get("/app").body)
    assert token
    visitor.headers[CSRF] = token[1]
    return visitor


def rendered(visitor: Visitor, template: str) -> str:
    """Return what the bench makes of a template that a school's own System Manager wrote."""
    # As code, which Frappe keeps as it is; text for people loses what is dangerous in it.
    made = visitor.make("Email Template", name="neighbours", subject="x", use_html=1, response_html=template)
    try:
        answer = visitor.call(
            "frappe.email.doctype.email_template.email_template.get_email_template",
            template_name=made["name"],
            doc="{}",
        )
        return str(answer.json["message"]["message"]) if answer.status == 200 else answer.body
    finally:
        visitor.ask("DELETE", resource("Email Template", made["name"]))


def raw(lab: Journey, request: str, patience: float = 20) -> str:
    """Send these very bytes to the edge; return what comes back until it hangs up, or says nothing for some seconds."""
    with closing(socket.create_connection(("127.0.0.1", lab.port), timeout=patience)) as connection:
        received = b""
        try:
            connection.sendall(request.encode("latin-1"))
            while part := connection.recv(65536):
                received += part
        except (ConnectionResetError, TimeoutError, BrokenPipeError):
            pass
    return received.decode(errors="replace")


def inside(lab: Journey, container: str, *argv: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a program in one of the server's containers, to its end, whatever that is."""
    command = ["docker", "exec", "-i", lab.container, "docker", "exec", "-i", container, *argv]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)


def open_doors(lab: Journey, container: str, *doors: tuple[str, int]) -> list[tuple[str, int]]:
    """Return those of some ports that a container reaches; all are tried at once."""
    knock = "".join(
        f"(timeout 2 bash -c 'exec 3<>/dev/tcp/{host}/{port}' && echo {host} {port}) & " for host, port in doors
    )
    said = [line.split() for line in inside(lab, container, "bash", "-c", f"{knock} wait").stdout.splitlines()]
    return [door for door in doors if [door[0], str(door[1])] in said]


def site_config(lab: Journey, slug: str) -> dict[str, Any]:
    """Return a site's settings, with its secrets."""
    config: dict[str, Any] = json.loads(lab.on_server("cat", f"/srv/schools/sites/{slug}/site_config.json"))
    return config


@contextmanager
def planted(lab: Journey, *commands: str) -> Iterator[None]:
    """Run commands in the sites' folder as the bench would, and take the files called neighbours* away afterwards."""
    run = ("docker", "exec", "-i", "schools-tools", "sh", "-euc")
    try:
        lab.on_server(*run, f"cd {SITES}\n" + "\n".join(commands))
        yield
    finally:
        lab.on_server(*run, f"find {SITES}/{ATTACKER}/ {SITES}/{VICTIM}/ -name '{FILE[:-4]}*' -delete")
