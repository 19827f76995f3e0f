"""How much one address and one school may ask of the edge: a classroom is never refused, a guesser is slowed."""

import json
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from ipaddress import IPv6Address, IPv6Network
from itertools import islice
from threading import Event
from urllib.parse import urlencode

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schoolctl.schools.platform import Edge
from tests.support.edge import Answer, Echo, EdgeHere, edge_here

TECH, CUISINE = "tech-school.com", "cuisine-school.com"
ROWS = {
    "tech-school": {"title": "Tech School", "domain": TECH, "aliases": []},
    "cuisine-school": {"title": "Cuisine School", "domain": CUISINE, "aliases": []},
}
PUPILS = 30
# A proxy that this machine is: with it, tests visit from many addresses.
FROM_ANYWHERE = ("127.0.0.0/8", "10.0.0.0/8")
# Sixteen bits of an address, zero more often than not: rows of zeros are what is left out in writing.
GROUP = st.one_of(st.just(0), st.just(0), st.integers(0, 0xFFFF))

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="Nginx is not installed (apt install nginx-light)"
)


class Slow(Echo):
    """An echo that answers who sends X-Wait when it is told to."""

    hold = Event()

    def answer(self) -> None:
        if "X-Wait" in self.headers:
            self.hold.wait(10)
        super().answer()


def log_in(edge: EdgeHere, host: str = TECH, *lines: str, path: str = "/") -> Answer:
    """Log in as the page of Frappe does it."""
    form = urlencode({"cmd": "login", "usr": "ada@tech-school.com", "pwd": "guess"})
    kind = "Content-Type: application/x-www-form-urlencoded"
    return edge.get(host, path, kind, f"Content-Length: {len(form)}", *lines, method="POST", body=form)


@pytest.mark.parametrize("path", ["/", "/login", "/api/method/login"])
def test_a_classroom_behind_one_address_logs_in_at_once_and_nobody_is_refused(tmp_path, path: str):
    with edge_here(tmp_path, ROWS) as edge, ThreadPoolExecutor(PUPILS) as pupils:
        answers = list(pupils.map(lambda _: log_in(edge, path=path), range(PUPILS)))

    assert [answer.status for answer in answers] == [200] * PUPILS


def test_two_classes_that_all_try_twice_are_let_in_within_two_minutes_by_default():
    edge = Edge()

    assert 2 * edge.logins_per_minute_of_address >= 4 * PUPILS
    assert edge.logins_per_minute_of_school >= 4 * edge.logins_per_minute_of_address


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    settings = Edge(
        logins_per_minute_of_address=3, logins_per_minute_of_school=10, trusted_proxies=FROM_ANYWHERE,
        requests_at_once_of_address=2, requests_at_once_of_school=4, sockets_at_once_of_address=2,
        sockets_at_once_of_school=4,
    )  # fmt: skip
    with edge_here(tmp_path_factory.mktemp("strict"), ROWS, settings, Slow) as edge:
        yield edge


DOORS = [
    ("POST", "/"),
    ("POST", "/login"),
    ("POST", "/anything/else"),
    ("PUT", "/login"),
    ("GET", "/?cmd=login&usr=ada&pwd=guess"),
    ("GET", "/api/method/ping?x=1&%63m%64=login"),
    ("GET", "/api/method/login?usr=ada&pwd=guess"),
    ("POST", "/api/method/login"),
    ("POST", "/api/method/log%69n"),
    ("POST", "//api/./method/login"),
    ("POST", "/api/method/frappe.core.doctype.user.user.reset_password"),
    ("POST", "/api/v1/method/frappe.core.doctype.user.user.sign_up"),
    ("POST", "/api/method/frappe.core.doctype.user.user.update_password"),
    ("GET", "/api/method/frappe.www.login.login_via_key?key=guess"),
    ("POST", "/api/method/frappe.www.login.send_login_link"),
    ("POST", "/api/method/frappe.core.doctype.user.user.reset_password/once/more"),
    ("POST", "/api/method/frappe.core.doctype.user.user.reset_password/../frappe.ping"),
    ("GET", "/api/method/frappe.www.login.login_via_key%2f%2e%2e%2f../../x?key=guess"),
    ("POST", "/api/method/an_app.that_knows_them.sign_up"),
    ("POST", "/api/v2/method/User/reset_password"),
    ("POST", "/api/v2/method/uSER/sign_up"),
    ("POST", "/api/v2/method/%55ser/update_password/"),
    ("POST", "/api/method/frappe.integrations.doctype.ldap_settings.ldap_settings.login"),
    ("POST", "/api/v2/method/LDAP%20Settings/login"),
    ("POST", "/api/method/frappe.integrations.oauth2.get_token"),
]
# What a page may be sent, by a method that sends nothing elsewhere.
CONTENTS = [
    ("GET", "/", "application/x-www-form-urlencoded"),
    ("HEAD", "/login", "multipart/form-data; boundary=x"),
    ("GET", "/learn", "application/json"),
]
OTHERS = [
    ("GET", "/login"),
    ("GET", "/login?redirect-to=/learn"),
    ("HEAD", "/"),
    ("POST", "/api/method/frappe.client.get_list"),
    ("PUT", "/api/resource/User/ada"),
    ("GET", "/api/method/frappe.auth.get_logged_user"),
    ("GET", "/learn?recommend=cmd"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/learn...and.so.on/.x"),
    ("POST", "/api/method/lms_app.api.progress.login_count"),
    ("GET", "/api/v2/method/User/switch_theme"),
    ("GET", "/api/method/frappe.integrations.oauth2.openid_profile"),
]


@pytest.mark.parametrize(("method", "path"), DOORS)
def test_a_guesser_is_slowed_at_every_door(strict: EdgeHere, method: str, path: str):
    assert 429 in [strict.get(CUISINE, path, "Content-Length: 0", method=method).status for _ in range(5)]


@pytest.mark.parametrize(("method", "path", "kind"), CONTENTS)
def test_a_guesser_is_slowed_who_sends_a_form_to_a_page_by_another_method(
    strict: EdgeHere, method: str, path: str, kind: str
):
    lines = (f"Content-Type: {kind}", "Content-Length: 0")
    assert 429 in [strict.get(CUISINE, path, *lines, method=method).status for _ in range(5)]


@pytest.mark.parametrize(("method", "path"), OTHERS)
def test_what_opens_no_door_is_not_counted(strict: EdgeHere, method: str, path: str):
    assert {strict.get(CUISINE, path, "Content-Length: 0", method=method).status for _ in range(12)} == {200}


@pytest.mark.parametrize(("own", "limit"), [("", 60), ("X-Counted-At-Door: yes", 60), ("X-Counted-At-Door: yes", 0)])
def test_the_bench_is_told_what_was_counted_and_believes_no_visitor_about_it(tmp_path, own: str, limit: int):
    """It takes a `cmd` from that alone; what is sent to the API the edge cannot look into."""
    settings = Edge(logins_per_minute_of_address=limit, logins_per_minute_of_school=limit)
    with edge_here(tmp_path, ROWS, settings) as edge:
        told = {
            path: _seen(log_in(edge, TECH, *filter(None, [own]), path=path), "x-counted-at-door")
            for path in (
                "/",
                "/api/method/frappe.ping",
                "/api/method/frappe.ping?cmd=login",
                "//api/method/frappe.ping",
            )
        }
        path = "/tech-school/api/method/frappe.realtime.get_user_info?cmd=login"
        realtime = _seen(edge.get("edge", path, *filter(None, [own]), inner=True), "x-counted-at-door")

    assert list(told.values()) == [["yes"], [], ["yes"], []]
    assert realtime == []


def test_the_inner_listener_hands_on_no_form(tmp_path):
    form = "cmd=login&usr=ada@tech-school.com&pwd=guess"
    kind = "Content-Type: application/x-www-form-urlencoded"
    path = "/tech-school/api/method/frappe.realtime.get_user_info"
    with edge_here(tmp_path, ROWS) as edge:
        answer = edge.get("edge", path, kind, f"Content-Length: {len(form)}", method="POST", body=form, inner=True)

    assert answer.status == 200
    assert _seen(answer, "content-type") == []
    assert _seen(answer, "content-length") in ([], ["0"])


def knock_from(edge: EdgeHere, host: str, address: str) -> Answer:
    """Log in from an address."""
    return log_in(edge, host, f"X-Forwarded-For: {address}")


def test_an_address_is_slowed_alone_and_so_is_a_school(tmp_path):
    settings = Edge(logins_per_minute_of_address=3, logins_per_minute_of_school=10, trusted_proxies=FROM_ANYWHERE)
    with edge_here(tmp_path, ROWS, settings) as edge:
        guesser = [knock_from(edge, TECH, "203.0.113.1").status for _ in range(8)]
        assert guesser == [200] * 4 + [429] * 4
        assert knock_from(edge, TECH, "203.0.113.2").status == 200, "its neighbour"
        assert knock_from(edge, CUISINE, "203.0.113.1").status == 200, "at another school"
        assert edge.get(TECH, "/learn", "X-Forwarded-For: 203.0.113.1").status == 200, "who only reads"

        many = [knock_from(edge, TECH, f"203.0.113.{number}").status for number in range(10, 30)]
        assert many.count(200) <= 7
        assert many[-5:] == [429] * 5
        assert knock_from(edge, CUISINE, "203.0.113.30").status == 200, "another school"


def test_whoever_has_many_addresses_of_one_network_is_slowed_as_one(tmp_path):
    """Anybody has 64 bits of IPv6 addresses; a classroom shares them as it shares one IPv4 address."""
    settings = Edge(logins_per_minute_of_address=3, logins_per_minute_of_school=100, trusted_proxies=FROM_ANYWHERE)
    with edge_here(tmp_path, ROWS, settings) as edge:
        guesser = [knock_from(edge, TECH, f"2001:db8:0:7::{number:x}").status for number in range(8)]
        assert guesser == [200] * 4 + [429] * 4
        assert knock_from(edge, TECH, "2001:db8:0:7:ffff:ffff:ffff:ffff").status == 429
        assert knock_from(edge, TECH, "2001:db8:0:8::1").status == 200, "the network beside it"


@pytest.fixture(scope="module")
def called(tmp_path_factory):
    """Return a question: what does the edge call a guesser, before the journal, who came from an address?"""
    settings = Edge(logins_per_minute_of_address=0, logins_per_minute_of_school=0, trusted_proxies=FROM_ANYWHERE)
    root = tmp_path_factory.mktemp("called")
    with (
        edge_here(root, ROWS, settings) as edge,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal,
    ):
        journal.bind(str(root / "journal"))
        journal.settimeout(5)

        def of(address: str) -> str:
            lines = (f"X-Forwarded-For: {address}", "Content-Length: 0")
            assert edge.get(TECH, "/refused", *lines, method="POST").status == 401
            return journal.recv(4096).decode().rpartition(" ")[2]

        yield of


@settings(max_examples=200, deadline=None)
@given(groups=st.lists(GROUP, min_size=4, max_size=4), rest=st.lists(GROUP, min_size=4, max_size=4))
def test_addresses_of_ipv6_count_by_their_first_64_bits_however_they_are_written(called, groups, rest):
    # Those that hold an address of IPv4 are written as one.
    assume(any(groups) or rest[:2] not in ([0, 0], [0, 0xFFFF]))
    whole = IPv6Address(b"".join(group.to_bytes(2, "big") for group in [*groups, *rest]))

    assert IPv6Network(called(str(whole))) == IPv6Network((whole, 64), strict=False)


@pytest.mark.parametrize("address", ["203.0.113.7", "::ffff:203.0.113.7"])
def test_an_address_of_ipv4_counts_alone(called, address: str):
    assert called(address) == address


@pytest.mark.parametrize(
    ("path", "lines", "kind"),
    [
        ("/", (), "text/html"),
        ("/", ("Accept: text/html,*/*",), "text/html"),
        ("/", ("Accept: application/json, text/javascript, */*; q=0.01", "X-Requested-With: XMLHttpRequest"), "json"),
        ("/api/method/login", (), "json"),
    ],
)
def test_who_is_refused_is_told_so_kindly_and_when_to_come_back(strict: EdgeHere, path: str, lines, kind: str):
    while (answer := log_in(strict, TECH, *lines, path=path)).status == 200:
        pass

    assert answer.status == 429
    assert kind in answer.headers["content-type"]
    assert b"wait half a minute" in answer.body
    if kind == "json":
        told = json.loads(answer.body)
        assert told["exc_type"] == "TooManyRequestsError"
        # As pages of Frappe read it: a list in JSON of messages in JSON.
        (shown,) = map(json.loads, json.loads(told["_server_messages"]))
        assert shown["message"] == told["message"]
    assert answer.headers["retry-after"] == "30"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def at_once(edge: EdgeHere, visitors: list[tuple[str, str]], refused: int) -> list[int]:
    """Ask for a page from each (host, address) while the bench answers none, until so many are refused."""

    def ask(visitor: tuple[str, str]) -> int:
        host, address = visitor
        return edge.get(host, "/learn", f"X-Forwarded-For: {address}", "X-Wait: yes").status

    Slow.hold.clear()
    with ThreadPoolExecutor(len(visitors)) as pool:
        try:
            asked = [pool.submit(ask, visitor) for visitor in visitors]
            list(islice(as_completed(asked, timeout=10), refused))
        finally:
            Slow.hold.set()
    return [visit.result() for visit in asked]


def test_what_is_too_much_at_once_is_refused_and_the_next_is_served(strict: EdgeHere):
    one_address = at_once(strict, [(TECH, "198.51.100.1")] * 5, refused=3)
    assert sorted(one_address) == [200] * 2 + [429] * 3

    many = [(TECH, f"198.51.100.{number}") for number in range(2, 8)]
    *one_school, another = at_once(strict, [*many, (CUISINE, "198.51.100.9")], refused=2)
    assert sorted(one_school) == [200] * 4 + [429] * 2
    assert another == 200
    assert strict.get(TECH, "/learn", "X-Forwarded-For: 198.51.100.1").status == 200


def test_open_sockets_are_counted_apart_from_requests(strict: EdgeHere):
    head = f"GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: {TECH}\r\nX-Forwarded-For: 192.0.2.1\r\nX-Wait: yes\r\n\r\n"
    Slow.hold.clear()
    with ExitStack() as at_the_end:
        at_the_end.callback(Slow.hold.set)
        connections = [socket.create_connection(("127.0.0.1", strict.port), timeout=0.3) for _ in range(3)]
        for connection in connections:
            at_the_end.enter_context(connection)
            connection.sendall(head.encode())
        told = [_first_words(connection) for connection in connections]

        assert sorted(told) == [b"", b"", b"HTTP/1.1 429"]
        assert strict.get(TECH, "/learn", "X-Forwarded-For: 192.0.2.1").status == 200


def test_a_limit_of_zero_is_none(tmp_path):
    none = Edge(
        logins_per_minute_of_address=0, logins_per_minute_of_school=0, requests_at_once_of_address=0,
        requests_at_once_of_school=0, sockets_at_once_of_address=0, sockets_at_once_of_school=0,
    )  # fmt: skip
    with edge_here(tmp_path, ROWS, none) as edge:
        assert {log_in(edge).status for _ in range(100)} == {200}


FORGED = ("X-Forwarded-For: 6.6.6.6", "X-Real-IP: 6.6.6.6", "Forwarded: for=6.6.6.6")


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8",), ("127.0.0.2",)])
def test_a_visitor_says_nothing_about_his_own_address(tmp_path, trusted: tuple[str, ...]):
    with edge_here(tmp_path, ROWS, Edge(trusted_proxies=trusted)) as edge:
        answer = edge.get(TECH, "/", *FORGED)

        assert _seen(answer, "x-forwarded-for") == _seen(answer, "x-real-ip") == ["127.0.0.1"]
        assert '"client":"127.0.0.1"' in edge.lines()


@pytest.mark.parametrize(
    ("lines", "believed"),
    [
        (("X-Forwarded-For: 203.0.113.7",), "203.0.113.7"),
        (("X-Forwarded-For: 6.6.6.6, 203.0.113.7",), "203.0.113.7"),
        (("X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.1.2.3",), "203.0.113.7"),
        (("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.7"), "203.0.113.7"),
        (("X-Forwarded-For: 2001:db8::7",), "2001:db8::7"),
        (("X-Forwarded-For: nonsense",), "127.0.0.1"),
        (("X-Real-IP: 6.6.6.6",), "127.0.0.1"),
    ],
)
def test_a_trusted_proxy_does_and_only_about_who_came_to_it(tmp_path, lines: tuple[str, ...], believed: str):
    with edge_here(tmp_path, ROWS, Edge(trusted_proxies=FROM_ANYWHERE)) as edge:
        answer = edge.get(TECH, "/", *lines)

        assert _seen(answer, "x-forwarded-for") == _seen(answer, "x-real-ip") == [believed]
        assert f'"client":"{believed}"' in edge.lines()


def _first_words(connection: socket.socket) -> bytes:
    try:
        return connection.recv(12)
    except TimeoutError:
        return b""


def _seen(answer: Answer, header: str) -> list[str]:
    return [value for name, value in answer.echo["headers"] if name == header]
