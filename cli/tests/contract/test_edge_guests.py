"""Pages that the edge keeps for guests: nobody is given what the bench would not have answered to that very request."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schoolctl.schools.platform import Edge
from tests.support.edge import Answer, EdgeHere, edge_here

TECH, CUISINE = "tech-school.com", "cuisine-school.com"
ROWS = {
    "tech-school": {"title": "Tech School", "domain": TECH, "aliases": ["www.tech-school.com"]},
    "cuisine-school": {"title": "Cuisine School", "domain": CUISINE, "aliases": []},
    "copy": {"title": "Copy", "domain": "copy.org", "staging": {"of": "tech-school", "expires": "2999-12-31"}},
}
# "open sesame", as `openssl passwd -apr1` gives it, and as a browser sends it.
PASSWORD_OF_COPY = "staging:$apr1$abcdefgh$" + "T64oOxnD8c28.dQa.2Lty1\n"
BASIC = "Authorization: Basic c3RhZ2luZzpvcGVuIHNlc2FtZQ=="
GUEST = "Cookie: sid=Guest; system_user=no; full_name=Guest; user_id=Guest; user_image="

SLOW_S = 0.3

# What Frappe and its apps read of a request beside its first line, the site and the language (frappe/app.py, auth.py,
# translate.py, rate_limiter.py): all that could change an answer.
READ = (
    "Authorization", "Frappe-Authorization-Source", "X-Requested-With", "X-Frappe-CSRF-Token", "Origin", "Range",
    "If-Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "Content-Type",
    "Content-Length", "Upgrade", "Cache-Control", "Pragma", "X-Forwarded-Proto", "X-Forwarded-Host", "Host",
    "X-Frappe-Site-Name", "Accept-Language", "Request-Uri",
)  # fmt: skip
OF_EVERY_GUEST = {"sid=Guest", "system_user=no", "system_user=yes", "full_name=Guest", "user_id=Guest", "user_image="}

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="Nginx is not installed (apt install nginx-light)"
)


class Bench(BaseHTTPRequestHandler):
    """Answers with all that Frappe could have read, and gives every page to every guest as soon as it is asked to."""

    protocol_version = "HTTP/1.1"
    asked = count(1)

    def answer(self) -> None:
        """Answer, whatever the method."""
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        cookies = sorted(set(_cookies(self.headers)) - OF_EVERY_GUEST)
        read = [(name, values) for name in READ if any(values := self.headers.get_all(name) or [])]
        body = repr((self.command, self.path, read, cookies, sent)).encode()
        number = next(self.asked)
        if self.path == "/counted/slow":
            time.sleep(SLOW_S)
        if self.path.startswith("/counted"):
            body = str(number).encode()
        kept = self.headers.get("X-Guest-Page-Seconds")
        self.send_response(404 if self.path == "/none" else 200)
        if kept and self.path != "/never-kept":
            self.send_header("Cache-Control", f"max-age={kept}, stale-while-revalidate={kept}")
            self.send_header("X-Guest-Page", "yes")
        else:
            self.send_header("Cache-Control", "no-store")
        if not kept or self.path == "/counted/with-a-cookie":
            self.send_header("Set-Cookie", f"sid={'Guest' if kept else 'of-somebody'}; Path=/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Edges(NamedTuple):
    """The same edge twice: one that keeps pages for guests, one that asks the bench each time."""

    keeping: EdgeHere
    asking: EdgeHere


@pytest.fixture(scope="module")
def edges(tmp_path_factory):
    unlimited = {
        f"{what}_of_{whose}": 0
        for what in ("logins_per_minute", "requests_at_once", "sockets_at_once")
        for whose in ("address", "school")
    }
    roots = [tmp_path_factory.mktemp(name) for name in ("keeping", "asking")]
    for root in roots:
        (root / "edge/auth").mkdir(parents=True)
        (root / "edge/auth/copy").write_text(PASSWORD_OF_COPY)
    with (
        edge_here(roots[0], ROWS, Edge(guest_cache_seconds=60, **unlimited), Bench) as keeping,
        edge_here(roots[1], ROWS, Edge(guest_cache_seconds=0, **unlimited), Bench) as asking,
    ):
        yield Edges(keeping, asking)


COOKIES = st.sampled_from(
    [
        "sid=Guest", "user_id=Guest", "full_name=Guest", "system_user=no", "user_image=", "sid=6d1f0c", "sid=",
        "sid=Guest2", "sid=guest", "sid=\"Guest\"", "sid=%47uest", " sid=6d1f0c", "SID=6d1f0c", "preferred_language=fr",
        "full_name=Ada", "user_id=ada@x.org", "x=1", "sid=Guest,sid=6d1f0c", "a",
    ]
)  # fmt: skip
LINES = st.sampled_from(
    [
        "Authorization: token a:b", "Authorization: Basic YTpi", "authorization: Bearer x", "Authorization:",
        "Frappe-Authorization-Source: X", "X-Requested-With: XMLHttpRequest", "X-Frappe-CSRF-Token: x",
        "Origin: http://evil.org", "Origin: null", "Range: bytes=0-1", "If-Range: x", "If-None-Match: *",
        "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT", "If-Match: x",
        "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT", "Cache-Control: no-cache", "Pragma: no-cache",
        "Upgrade: websocket", "Content-Type: application/json", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https",
        f"X-Forwarded-Host: {CUISINE}", "X-Frappe-Site-Name: cuisine-school", "X-Guest-Page-Seconds: 3600",
        "X-Guest-Page: yes", "Request-Uri: /other", "Accept: application/json", "User-Agent: Phone",
        "Accept-Encoding: gzip", "Accept-Language: fr", "Accept-Language: de, en;q=0.5", "Accept-Language: \"quoted\"",
        "Accept-Language: " + "x" * 200, "X-HTTP-Method-Override: DELETE", "Content-Length: 0",
    ]
)  # fmt: skip
PATHS = st.sampled_from(
    [
        "/", "/login", "/learn", "/learn/", "//login", "/a/b", "/login?", "/login?sid=6d1f0c", "/?cmd=logout",
        "/login?_lang=fr", "/api/method/ping", "/api", "/app", "/app/user", "/me.html", "/caf%C3%A9", "/LOGIN",
        "/./login", "/a/../login", "/none", "/never-kept", "/backups", "/socket.iox", "/counts",
    ]
)  # fmt: skip
REQUESTS = st.tuples(
    st.sampled_from(["GET"] * 6 + ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
    PATHS,
    st.sampled_from([TECH, TECH, CUISINE, TECH.upper(), f"{TECH}:81", "www.tech-school.com", "copy.org"]),
    st.lists(COOKIES, max_size=4),
    st.lists(LINES, max_size=3, unique=True),
    st.sampled_from(["", "", TECH, CUISINE]),
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(REQUESTS, min_size=1, max_size=6))
@example([("GET", "/login", TECH, [], [], ""), ("GET", "/login", TECH, ["sid=6d1f0c"], [], "")])
@example([("GET", "/login", TECH, [], [], ""), ("GET", "/login", CUISINE, [], [], "")])
@example([("GET", "/login", TECH, [], [], ""), ("GET", "/login", TECH, [], [], TECH)])
@example([("GET", "/login", TECH, [], [], TECH), ("GET", "/login", TECH, [], [], CUISINE)])
@example([("GET", "/login", "copy.org", [], [BASIC], ""), ("GET", "/login", "copy.org", [], [], "")])
def test_whatever_was_asked_before_each_request_gets_what_the_bench_answers_to_it(edges: Edges, requests):
    for method, path, host, cookies, lines, shake in requests:
        head = [*lines, *([f"Cookie: {'; '.join(cookies)}"] if cookies else [])]
        kept, fresh = (edge.get(host, path, *head, method=method, shake=shake) for edge in edges)

        assert (kept.status, kept.body) == (fresh.status, fresh.body)
        assert _told(kept) == _told(fresh)


def test_a_page_for_guests_is_asked_of_the_bench_once(edges: Edges):
    first, second = (edges.keeping.get(TECH, "/counted/once", GUEST) for _ in range(2))

    assert first.body == second.body
    assert edges.keeping.get(TECH, "/counted/once").body == first.body, "a browser that has never been here"


@pytest.mark.parametrize(
    "line",
    ["Cookie: sid=6d1f0c", "Authorization: token a:b", "Cache-Control: no-cache", "Cookie: preferred_language=fr"],
)
def test_who_is_no_plain_guest_is_always_answered_by_the_bench(edges: Edges, line: str):
    kept = edges.keeping.get(TECH, "/counted/other", GUEST)
    answers = {edges.keeping.get(TECH, "/counted/other", line).body for _ in range(3)}

    assert len(answers) == 3
    assert kept.body not in answers
    assert edges.keeping.get(TECH, "/counted/other", GUEST).body == kept.body, "and leaves nothing of it to guests"


def test_each_school_and_language_has_pages_of_its_own(edges: Edges):
    asked = [
        (host, f"Accept-Language: {language}") for host in (TECH, CUISINE) for language in ("fr", "en", "fr;q=0.5, en")
    ]
    bodies = [edges.keeping.get(host, "/counted/whose", line).body for host, line in asked]

    assert len(set(bodies)) == len(asked)
    assert bodies == [edges.keeping.get(host, "/counted/whose", line).body for host, line in asked]


def test_an_answer_that_sets_a_cookie_is_never_kept(edges: Edges):
    path = "/counted/with-a-cookie"

    assert edges.keeping.get(TECH, path).body != edges.keeping.get(TECH, path).body


def test_what_is_kept_brings_no_session(edges: Edges):
    new, known = edges.keeping.get(TECH, "/counted/session"), edges.keeping.get(TECH, "/counted/session", GUEST)

    assert new.lines("set-cookie") == [f"{name}=Guest; Path=/; SameSite=Lax" for name in ("user_id", "full_name")]
    secret = edges.keeping.get(TECH, "/counted/session", shake=TECH)
    assert [line.endswith("; SameSite=Lax; Secure") for line in secret.lines("set-cookie")] == [True, True]
    assert "set-cookie" not in known.headers
    assert not {"x-guest-page", "cache-control"} & known.headers.keys()


def test_a_copy_to_try_things_on_keeps_nothing(edges: Edges):
    bodies = {edges.keeping.get("copy.org", "/counted/copy", BASIC).body for _ in range(3)}

    assert len(bodies) == 3
    assert edges.keeping.get("copy.org", "/counted/copy").status == 401


def test_a_page_is_made_anew_in_time_and_only_who_asks_first_waits_for_that(tmp_path):
    def visit() -> tuple[float, float, bytes]:
        began = time.monotonic()
        body = edge.get(TECH, "/counted/slow").body
        return began, time.monotonic() - began, body

    with edge_here(tmp_path, ROWS, Edge(guest_cache_seconds=1), Bench) as edge, ThreadPoolExecutor(20) as visitors:
        visit()
        visits = []
        for _ in range(100):
            visits.append(visitors.submit(visit))
            time.sleep(0.05)
        seen = [visitor.result() for visitor in visits]

    born: dict[bytes, float] = {}
    for began, took, body in seen:
        born.setdefault(body, began + took)
    assert 2 <= len(born) <= 5, "the bench is asked once in a second or two"
    assert len([took for _, took, _ in seen if took > SLOW_S / 2]) <= len(born)
    # A second, one more while it is made anew, and Nginx counts whole ones.
    assert max(began - born[body] for began, _, body in seen) < 3


def test_a_page_from_long_ago_is_given_to_nobody(tmp_path):
    with edge_here(tmp_path, ROWS, Edge(guest_cache_seconds=1), Bench) as edge, ThreadPoolExecutor(4) as visitors:
        old = edge.get(TECH, "/counted/slow").body
        time.sleep(4)
        bodies = list(visitors.map(lambda _: edge.get(TECH, "/counted/slow").body, range(4)))

    assert old not in bodies


def _cookies(headers: Message) -> list[str]:
    return [part.strip() for line in headers.get_all("Cookie") or [] for part in line.split(";") if part.strip()]


def _told(answer: Answer) -> dict[str, str]:
    """Return what a browser goes by, but for the cookies that a kept page does not bring."""
    untold = {"date", "set-cookie", "cache-control"}
    return {name: value for name, value in answer.headers.items() if name not in untold}
