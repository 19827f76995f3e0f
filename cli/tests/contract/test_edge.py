"""The edge as it is rendered, run by a real Nginx: which school a visitor is at is the edge's word alone."""

import gzip
import json
import re
import shutil
import socket
import ssl
from base64 import b64encode
from contextlib import ExitStack
from pathlib import Path

import pytest

from schoolctl.schools.platform import LAB_APP
from tests.support.edge import TEMPLATES, Answer, Echo, EdgeHere, edge_here, trusting_all

TECH, CUISINE = "tech-school.com", "cuisine-school.com"
ROWS = {
    "tech-school": {"title": "Tech School", "domain": TECH, "aliases": ["www.tech-school.com"]},
    "cuisine-school": {"title": "Cuisine School", "domain": CUISINE, "aliases": ["www.cuisine-school.com"]},
    # Words that Nginx knows, and as long as names get.
    "default": {"title": "Default", "domain": "default.include", "aliases": ["hostnames.volatile"]},
    "z" * 30: {"title": "Long", "domain": ".".join(["a" * 62] * 4), "aliases": [f"a{n}.many.org" for n in range(60)]},
}
ROWS |= {
    "paused": {
        "title": "Paused & <b>Co</b>",
        "domain": "paused.org",
        "aliases": ["www.paused.org"],
        "state": "suspended",
    },
    "gone": {"title": "Gone", "domain": "gone.org", "aliases": ["www.gone.org"], "state": "closed"},
    "copy": {"title": "Copy", "domain": "copy.org", "staging": {"of": "tech-school", "expires": "2999-12-31"}},
    "halfway": {"title": "Halfway", "domain": "halfway.org", "aliases": ["half.org"], "state": "suspended"},
    "old-copy": {"title": "Old", "domain": "old.org", "staging": {"of": "tech-school", "expires": "2026-01-09"}},
    "locked": {"title": "Locked", "domain": "locked.org", "aliases": ["www.locked.org"]},
    "locked-copy": {
        "title": "Locked copy",
        "domain": "locked-copy.org",
        "staging": {"of": "tech-school", "expires": "2999-12-31"},
    },
    "big-files": {"title": "Big", "domain": "big.org", "quota": {"file_mb": 60}},
}
SITES = {
    TECH: "tech-school",
    CUISINE: "cuisine-school",
    "default.include": "default",
    ".".join(["a" * 62] * 4): "z" * 30,
}

APR1 = "T64oOxnD8c28.dQa.2Lty1"

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="Nginx is not installed (apt install nginx-light)"
)


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    root = tmp_path_factory.mktemp("edge")
    for slug in ("tech-school", "cuisine-school"):
        for name, text in {
            "site_config.json": "the settings",
            "public/files/badge.svg": f"badge of {slug}",
            "public/files/plan a.txt": f"plan of {slug}",
            "private/files/marks.csv": f"marks of {slug}",
            "private/files/essay.svg": f"essay of {slug}",
            "private/files/named.svg": f"drawing of {slug}",
        }.items():
            _write(root / "sites" / slug / name, text)
    (root / "sites/tech-school/public/files/way-out.txt").symlink_to(
        root / "sites/cuisine-school/private/files/marks.csv"
    )
    (root / "sites/tech-school/private/files/way-out.csv").symlink_to(
        root / "sites/cuisine-school/private/files/marks.csv"
    )
    _write(root / "assets/new/app/desk.bundle.ABCDEF12.js", "the new desk")
    _write(root / "assets/new/app/logo.png", "the logo")
    _write(root / "assets/old/app/desk.bundle.OLDOLD12.js", "the old desk")
    (root / "assets/new/app/desk.bundle.ABCDEF12.js.gz").write_bytes(gzip.compress(b"the new desk"))
    (root / "assets/current").symlink_to("new")
    (root / "assets/previous").symlink_to("old")
    # "open sesame", as `openssl passwd -apr1` gives it.
    _write(root / "edge/auth/copy", "staging:$apr1$abcdefgh$" + APR1 + "\n")
    _write(root / "edge/acme/.well-known/acme-challenge/token", "the proof")
    with edge_here(root, ROWS, trusted=["locked", "locked-copy", "halfway"], lacking=["half.org"]) as running:
        yield running


@pytest.mark.parametrize(("host", "site"), SITES.items(), ids=SITES.values())
def test_a_school_is_found_by_its_domain(edge: EdgeHere, host: str, site: str):
    assert _site(edge.get(host)) == site


@pytest.mark.parametrize(
    "line",
    [
        "X-Frappe-Site-Name: cuisine-school",
        "x-frappe-site-name: cuisine-school\r\nX-FRAPPE-SITE-NAME: cuisine-school",
        "X_Frappe_Site_Name: cuisine-school",
        "X-Frappe_Site-Name: cuisine-school",
        "X-Frappe-Site-Name : cuisine-school",
        "X-Forwarded-Host: cuisine-school.com",
        "X-Original-URL: http://cuisine-school.com/",
        "Forwarded: host=cuisine-school.com",
        "Connection: close, X-Frappe-Site-Name",
    ],
)
def test_no_header_of_a_visitor_changes_the_school(edge: EdgeHere, line: str):
    answer = edge.get(TECH, "/", line)

    if answer.status == 200:
        assert _site(answer) == "tech-school"
        assert b"cuisine-school" not in answer.body
    else:
        assert answer.status in (0, 400)


@pytest.mark.parametrize(
    "request_head",
    [
        f"GET / HTTP/1.1\r\nHost: {TECH}\r\nHost: {CUISINE}",
        f"GET http://{CUISINE}/ HTTP/1.1\r\nHost: {TECH}",
        f"GET / HTTP/1.1\r\nHost: {TECH}:80@{CUISINE}",
        f"GET / HTTP/1.1\r\nHost: {CUISINE.upper()}:{TECH}",
        f"GET / HTTP/1.1\r\nHost: {TECH}.\r\nX-Forwarded-Host: {CUISINE}",
        f"GET / HTTP/1.1\r\nHost: {TECH}\r\n Host: {CUISINE}",
        f"GET //{CUISINE}/ HTTP/1.1\r\nHost: {TECH}",
    ],
)
def test_two_hosts_in_one_request_never_mix_two_schools(edge: EdgeHere, request_head: str):
    answer = edge.raw(f"{request_head}\r\nConnection: close\r\n\r\n")

    if answer.status == 200:
        hosts = _seen(answer, "host")
        assert len(hosts) == 1
        assert SITES[hosts[0]] == _site(answer)
    else:
        assert answer.status in (0, 400)


@pytest.mark.parametrize(
    "host",
    ["unknown.com", "127.0.0.1", "/tech-school", "tech-school", "tech-school.com.evil.com", "", "bad host", "[::1]"],
)
def test_an_unknown_host_gets_no_answer(edge: EdgeHere, host: str):
    assert edge.get(host).status == 0


@pytest.mark.parametrize(
    "request_text",
    [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET /{'a' * 70000} HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nX: {'a' * 70000}\r\n\r\n",
    ],
    ids=lambda text: text[:12].strip(),
)
def test_a_request_that_makes_no_sense_gets_no_answer(edge: EdgeHere, request_text: str):
    assert edge.raw(request_text).status == 0


def test_an_alias_leads_to_the_domain_with_path_and_query(edge: EdgeHere):
    answer = edge.get("www.tech-school.com", "/a%20b/c?d=e&f=%2F")

    assert answer.status == 308
    assert answer.headers["location"] == f"http://{TECH}/a%20b/c?d=e&f=%2F"


def test_the_bench_believes_only_what_the_edge_saw(edge: EdgeHere):
    answer = edge.get(
        f"{TECH}:81", "/", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Ssl: on",
        "X-Forwarded-Protocol: ssl", "X-Real-IP: 6.6.6.6", "Forwarded: for=6.6.6.6", "Remote-Addr: 6.6.6.6",
        "Proxy: http://6.6.6.6",
    )  # fmt: skip

    assert _seen(answer, "x-forwarded-for") == ["127.0.0.1"]
    assert _seen(answer, "x-forwarded-proto") == ["http"]
    assert _seen(answer, "host") == [TECH]
    assert b"6.6.6.6" not in answer.body
    assert not _seen(answer, "x-forwarded-ssl") + _seen(answer, "x-forwarded-protocol")


def test_a_public_file_is_served_by_the_edge_and_never_runs_in_the_page(edge: EdgeHere):
    plain, drawing = edge.get(TECH, "/files/plan%20a.txt"), edge.get(TECH, "/files/badge.svg")

    assert plain.body == b"plan of tech-school"
    assert "content-disposition" not in plain.headers
    assert drawing.headers["content-disposition"] == "attachment"
    assert "content-security-policy" not in plain.headers
    for answer in (plain, drawing):
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/files/badge.svg", "/private/files/essay.svg", "/private/files/named.svg"])
def test_what_a_browser_would_run_is_handed_over_once_and_locked_up(edge: EdgeHere, path: str):
    answer = edge.get(TECH, path)

    name = '; filename="named.svg"' if "named" in path else ""
    assert answer.lines("content-disposition") == [f"attachment{name}"]
    (policy,) = answer.lines("content-security-policy")
    assert policy.endswith("; sandbox")
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/files/way-out.txt",
        "/private/files/way-out.csv",
        "/protected/private/files/marks.csv",
        "/files/../../site_config.json",
        "/files/..%2f..%2fsite_config.json",
        "/private/../site_config.json",
        "/assets/../../sites/tech-school/site_config.json",
        "/assets/..%2f..%2fsites/tech-school/site_config.json",
        "/-/page.html",
        "/-/too-large.html",
    ],
)
def test_no_path_leads_to_what_is_not_public(edge: EdgeHere, path: str):
    answer = edge.get(TECH, path)

    assert b"marks" not in answer.body.replace(path.encode(), b"")
    assert b"settings" not in answer.body
    assert answer.status in (0, 400, 403, 404) or answer.echo["path"]


def test_a_private_file_comes_when_the_bench_says_so(edge: EdgeHere):
    assert edge.get(TECH, "/private/files/marks.csv").body == b"marks of tech-school"
    answer = edge.get(CUISINE, "/private/files/marks.csv")
    assert answer.body == b"marks of cuisine-school"
    assert answer.headers["cache-control"] == "private"
    assert "content-disposition" not in answer.headers


def test_assets_of_this_image_and_of_the_one_before_are_there(edge: EdgeHere):
    new, old = (
        edge.get(TECH, "/assets/app/desk.bundle.ABCDEF12.js"),
        edge.get(TECH, "/assets/app/desk.bundle.OLDOLD12.js"),
    )

    assert (new.body, old.body) == (b"the new desk", b"the old desk")
    assert "immutable" in new.headers["cache-control"]
    assert "immutable" not in edge.get(TECH, "/assets/app/logo.png").headers["cache-control"]
    packed = edge.get(TECH, "/assets/app/desk.bundle.ABCDEF12.js", "Accept-Encoding: gzip")
    assert gzip.decompress(packed.body) == b"the new desk"


def test_what_is_saved_of_an_app_in_the_making_is_served_at_once_and_nothing_else_of_it(tmp_path: Path):
    script = tmp_path / "lms_app/lms_app/public/js/quiz.js"
    _write(tmp_path / "assets/new/lms_app/js/quiz.js", "of the image")
    (tmp_path / "assets/current").symlink_to("new")
    _write(tmp_path / "lms_app/lms_app/hooks.py", "the code")
    _write(script, "first")
    with edge_here(tmp_path, {"tech-school": ROWS["tech-school"]}, lms_app_source=LAB_APP) as edge:
        before = edge.get(TECH, "/assets/lms_app/js/quiz.js")
        script.write_text("then")
        after = edge.get(TECH, "/assets/lms_app/js/quiz.js")
        code = edge.get(TECH, "/assets/lms_app/..%2fhooks.py")

    assert (before.body, after.body) == (b"first", b"then")
    assert before.headers["cache-control"] == "no-cache"
    assert before.headers["x-content-type-options"] == "nosniff"
    assert code.status != 200 or b"the code" not in code.body


@pytest.mark.parametrize(
    "path", ["/", "/assets/app/logo.png", "/files/badge.svg", "/private/files/marks.csv", "/assets/no"]
)
def test_no_location_loses_the_security_headers(edge: EdgeHere, path: str):
    headers = edge.get(TECH, path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["server"] == "nginx"


WEBSOCKET = ("Upgrade: websocket", "Connection: Upgrade")


def test_a_page_of_the_school_reaches_its_realtime_server(edge: EdgeHere):
    answer = edge.get(TECH, "/socket.io/?EIO=4", f"Origin: http://{TECH}", "X-Frappe-Site-Name: cuisine-school")

    assert _site(answer) == "tech-school"
    assert _seen(answer, "host") == ["edge"]
    assert _seen(answer, "origin") == ["http://edge:8090/tech-school"]
    assert answer.echo["path"] == "/socket.io/?EIO=4"
    assert edge.get(TECH, "/socket.io/?EIO=4").status == 200, "a browser leaves Origin out of its own GETs"


@pytest.mark.parametrize(
    "lines",
    [
        (f"Origin: http://{CUISINE}",),
        ("Origin: http://evil.com",),
        ("Origin: null",),
        (f"Origin: http://{TECH}:81",),
        (f"Origin: https://{TECH}",),
        (f"Origin: http://{TECH}.evil.com",),
        (f"Origin: http://{CUISINE}", f"Origin: http://{TECH}"),
        WEBSOCKET,
        (*WEBSOCKET, "Origin: "),
    ],
)
def test_a_page_of_someone_else_does_not(edge: EdgeHere, lines: tuple[str, ...]):
    assert edge.get(TECH, "/socket.io/?EIO=4&transport=websocket", *lines).status in (400, 403)


class Upgrading(Echo):
    """A realtime server that changes over when it is asked to, and then says each line back in capitals."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Change over, or answer as the echo does."""
        if (self.headers["Upgrade"], self.headers["Connection"]) != ("websocket", "upgrade"):
            super().answer()
            return
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(f"{self.headers['Origin']}\n".encode())
        for line in self.rfile:
            self.wfile.write(line.upper())
        self.close_connection = True


@pytest.mark.parametrize("shaken", [False, True], ids=["http", "https"])
def test_a_websocket_is_opened_and_both_sides_speak_when_they_like(tmp_path: Path, shaken: bool):
    scheme = "https" if shaken else "http"
    head = [f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {TECH}", *WEBSOCKET]
    with edge_here(tmp_path, ROWS, bench_kind=Upgrading) as edge, ExitStack() as at_the_end:
        port = edge.tls_port if shaken else edge.port
        connection = at_the_end.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        if shaken:
            connection = at_the_end.enter_context(trusting_all().wrap_socket(connection, server_hostname=TECH))
        stream = at_the_end.enter_context(connection.makefile("rwb", buffering=0))
        stream.write("\r\n".join([*head, f"Origin: {scheme}://{TECH}", "", ""]).encode())

        assert stream.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"
        assert {b"Upgrade: websocket\r\n", b"Connection: upgrade\r\n"} <= set(iter(stream.readline, b"\r\n"))
        assert stream.readline() == b"http://edge:8090/tech-school\n", "the server may speak first"
        for words in (b"one\n", b"two\n"):
            stream.write(words)
            assert stream.readline() == words.upper()


def test_a_post_without_an_origin_does_not(edge: EdgeHere):
    assert edge.get(TECH, "/socket.io/?EIO=4", "Content-Length: 0", method="POST").status == 403


def test_the_inner_listener_asks_the_bench_who_a_session_is_and_nothing_else(edge: EdgeHere):
    method = "/api/method/frappe.realtime.get_user_info?sid=inner-session"
    asked = edge.get("edge:8090", f"/tech-school{method}", "X-Frappe-Site-Name: cuisine-school", inner=True)

    assert _site(asked) == "tech-school"
    assert asked.echo["path"] == method
    for path in (
        method,
        f"/unknown{method}",
        f"/tech-school.com{method}",
        "/tech-school/api/method/frappe.client.get_list",
        "/tech-school/api/method/frappe.realtime.get_user_info/../../frappe.client.get_list",
        "/tech-school/login",
    ):
        assert edge.get("edge:8090", path, inner=True).status == 404
    assert "inner-session" not in edge.lines()


def test_the_log_tells_the_path_without_what_follows_it(edge: EdgeHere):
    edge.get(TECH, "/update-password?key=once-only")

    assert '"path":"/update-password"' in edge.lines()
    assert "once-only" not in edge.lines()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_bench_that_is_down_leaves_a_page_that_says_so(tmp_path: Path, method: str):
    with edge_here(tmp_path, ROWS) as edge:
        edge.bench.server_close()
        answer = edge.get(TECH, "/update-password?key=once-only", "Content-Length: 0", method=method)

        assert answer.status == 502
        assert b"Back in a moment" in answer.body
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "once-only" not in edge.lines()


def _site(answer: Answer) -> str:
    (site,) = _seen(answer, "x-frappe-site-name")
    return site


def _seen(answer: Answer, header: str) -> list[str]:
    return [value for name, value in answer.echo["headers"] if name == header]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("host", ["paused.org", "www.paused.org"])
@pytest.mark.parametrize("path", ["/", "/login", "/files/badge.svg", "/api/method/ping", "/socket.io/"])
def test_a_suspended_school_answers_with_its_page_and_the_bench_is_not_asked(edge: EdgeHere, host: str, path: str):
    answer = edge.get(host, path)

    assert answer.status == 503
    assert b"Paused &amp; &lt;b&gt;Co&lt;/b&gt; is paused" in answer.body
    assert answer.headers["retry-after"] == "3600"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_suspended_school_takes_no_uploads_either(edge: EdgeHere):
    assert edge.get("paused.org", "/api/method/upload_file", "Content-Length: 0", method="POST").status == 503


@pytest.mark.parametrize("host", ["gone.org", "www.gone.org"])
def test_a_closed_school_is_gone(edge: EdgeHere, host: str):
    answer = edge.get(host, "/learn")

    assert answer.status == 410
    assert b"Gone has closed" in answer.body
    assert "retry-after" not in answer.headers


def test_a_copy_lets_in_who_knows_the_password_and_is_hidden_from_search_engines(edge: EdgeHere):
    asked = edge.get("copy.org", "/learn")
    assert (asked.status, asked.headers["x-robots-tag"]) == (401, "noindex, nofollow")

    let_in = edge.get("copy.org", "/learn", "Authorization: Basic " + b64encode(b"staging:open sesame").decode())
    assert let_in.status == 200
    assert let_in.headers["x-robots-tag"] == "noindex, nofollow"
    assert "authorization" not in dict(let_in.echo["headers"])

    assert "x-robots-tag" not in edge.get(TECH).headers


def test_a_copy_whose_time_is_over_is_shut_by_the_edge_itself(edge: EdgeHere):
    answer = edge.get("old.org", "/learn")

    assert answer.status == 410
    assert b"kept until 2026-01-09" in answer.body


@pytest.mark.parametrize(("host", "status"), [("big.org", b"100 Continue"), (TECH, b"413 ")])
def test_a_school_with_a_quota_for_files_may_send_larger_ones(edge: EdgeHere, host: str, status: bytes):
    told = _asked_first(edge, host, "/api/method/upload_file", 55 * 1024 * 1024)
    assert told.startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("whole", [True, False], ids=["sent whole", "asked first"])
@pytest.mark.parametrize(("host", "title", "limit"), [(TECH, b"Tech School", 25), ("big.org", b"Big", 60)])
def test_who_sends_too_much_at_once_is_told_on_a_page_of_the_school_how_much_it_takes(
    edge: EdgeHere, host: str, title: bytes, limit: int, whole: bool
):
    size = limit * 1024 * 1024 + 1
    body = "x" * size if whole else ""
    answer = edge.get(host, "/learn/assignment/loaf", f"Content-Length: {size}", method="POST", body=body)

    assert (answer.status, answer.headers["content-type"]) == (413, "text/html; charset=utf-8")
    assert title in answer.body
    assert b"at most %d MB at once" % limit in answer.body
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/api/method/lms_app.api.assignment.upload", "/learn/assignment/loaf"])
def test_a_program_that_sends_too_much_at_once_is_told_in_the_words_that_pages_show(edge: EdgeHere, path: str):
    size = 55 * 1024 * 1024
    answer = edge.get(TECH, path, f"Content-Length: {size}", "Accept: application/json", method="POST")

    assert answer.status == 413
    told = json.loads(answer.body)
    [shown] = json.loads(told["_server_messages"])
    assert json.loads(shown)["message"] == told["message"]
    assert "more than the school takes at once" in told["message"]


@pytest.mark.parametrize(("host", "limit"), [(TECH, 25), ("big.org", 60)])
def test_the_edge_and_the_bench_draw_the_line_at_the_same_byte(edge: EdgeHere, host: str, limit: int):
    """Frappe takes just so many bytes at once: see `init_request` in its `app.py`."""
    size = limit * 1024 * 1024
    assert _asked_first(edge, host, "/learn", size).startswith(b"HTTP/1.1 100 Continue")
    assert _asked_first(edge, host, "/learn", size + 1).startswith(b"HTTP/1.1 413 ")


def _asked_first(edge: EdgeHere, host: str, path: str, size: int) -> bytes:
    """Return what who asks before they send so many bytes is told."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: {size}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as connection:
        connection.sendall(head.encode())
        return connection.recv(100)


# --- TLS --------------------------------------------------------------------------------------------------------------


def _shake(edge: EdgeHere, name: str | None, **wants: object) -> "ssl.SSLSocket":
    context = trusting_all()
    context.set_alpn_protocols(["h2", "http/1.1"])
    for key, value in wants.items():
        setattr(context, key, value)
    connection = socket.create_connection(("127.0.0.1", edge.tls_port), timeout=10)
    return context.wrap_socket(connection, server_hostname=name)


def test_every_name_of_a_school_is_served_over_tls_and_http_2(edge):
    for host in (TECH, CUISINE, "www.tech-school.com", "paused.org", "gone.org", "copy.org"):
        with _shake(edge, host) as connection:
            assert connection.version() == "TLSv1.3"
            assert connection.selected_alpn_protocol() == "h2"
    assert edge.get(TECH, shake=TECH).status == 200


@pytest.mark.parametrize("name", ["unknown.org", "tech-school", None])
def test_an_unknown_name_gets_no_handshake(edge, name):
    with pytest.raises(ssl.SSLError):
        _shake(edge, name)


def test_old_versions_of_tls_are_refused(edge):
    with pytest.warns(DeprecationWarning, match="TLSv1"), pytest.raises((ssl.SSLError, ConnectionResetError)):
        _shake(edge, TECH, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)


def test_a_handshake_with_one_school_opens_no_other(edge):
    assert edge.get(CUISINE, shake=TECH).status == 421
    assert edge.get("www.cuisine-school.com", shake=TECH).status == 421
    assert edge.get("paused.org", shake=TECH).status == 421
    assert edge.get("unknown.org", shake=TECH).status == 421
    assert edge.get(TECH, shake="www.tech-school.com").status == 200, "a browser uses one connection for both names"


def test_only_what_browsers_trust_sends_visitors_to_https_and_keeps_them_there(edge):
    for host in (TECH, "paused.org"):
        assert edge.get(host).status != 308
        assert "strict-transport-security" not in edge.get(host, shake=host).headers
    plain = edge.get("locked.org", "/learn?a=b%2F")
    assert (plain.status, plain.headers["location"]) == (308, "https://locked.org/learn?a=b%2F")
    assert "strict-transport-security" not in plain.headers, "over http nobody may believe it"
    locked = edge.get("locked.org", shake="locked.org")
    assert (locked.status, locked.headers["strict-transport-security"]) == (200, "max-age=63072000")
    assert edge.get("locked-copy.org").status == 308, "a password never travels in the open"


def test_a_name_that_the_certificate_lacks_is_not_sent_to_https(edge):
    assert edge.get("halfway.org").status == 308
    assert edge.get("half.org").status == 503


def test_an_alias_leads_to_where_its_school_is_reached(edge):
    def leads(host: str, **how: str) -> str:
        return edge.get(host, "/a", **how).headers["location"]

    assert leads("www.tech-school.com") == f"http://{TECH}/a"
    assert leads("www.tech-school.com", shake="www.tech-school.com") == f"https://{TECH}/a"
    assert leads("www.locked.org") == "https://locked.org/a"


def test_the_bench_learns_how_a_visitor_came(edge):
    assert _seen(edge.get("locked.org", shake="locked.org"), "x-forwarded-proto") == ["https"]
    assert _seen(edge.get(TECH), "x-forwarded-proto") == ["http"]


@pytest.mark.parametrize(
    "host",
    [
        TECH,
        "www.tech-school.com",
        "locked.org",
        "www.locked.org",
        "locked-copy.org",
        "paused.org",
        "gone.org",
        "old.org",
    ],
)
def test_an_authority_finds_its_proof_past_every_redirect_state_and_password(edge, host):
    found = edge.get(host, "/.well-known/acme-challenge/token")
    assert (found.status, found.body) == (200, b"the proof")
    assert edge.get(host, "/.well-known/acme-challenge/other").status == 404
    assert edge.get(host, "/.well-known/acme-challenge/").status == 404


def test_a_realtime_server_knows_its_own_pages_over_both_ways(edge):
    def asked(scheme: str, **how: str) -> int:
        return edge.get("locked.org", "/socket.io/?EIO=4", f"Origin: {scheme}://locked.org", **how).status

    assert asked("https", shake="locked.org") == 200
    assert asked("http", shake="locked.org") == 403, "a page that came in the open is not its own"


@pytest.mark.parametrize(
    ("method", "headers", "counts"),
    [
        ("POST", ["Content-Length: 0"], True),
        ("GET", ["Authorization: token key:secret"], True),
        ("GET", [], False),
    ],
)
def test_a_wrong_password_is_told_to_the_journal_and_a_missing_one_is_not(
    edge: EdgeHere, journal: socket.socket, method: str, headers: list[str], counts: bool
):
    assert edge.get(TECH, "/refused", "X-Forwarded-For: 203.0.113.7", *headers, method=method).status == 401

    assert _told(journal) == (["schools_edge: wrong password from 127.0.0.1"] if counts else [])


def test_a_wrong_password_of_a_copy_to_try_things_on_counts_as_well(edge: EdgeHere, journal: socket.socket):
    wrong = "Authorization: Basic " + b64encode(b"staging:wrong").decode()

    assert edge.get("copy.org", "/learn", wrong).status == 401
    assert _told(journal) == ["schools_edge: wrong password from 127.0.0.1"]


def test_fail2ban_understands_what_the_journal_is_told():
    """The line as fail2ban reads it: the server's name before what the edge wrote."""
    filter_file = TEMPLATES.parent / "roles/host_fail2ban/templates/schools-login.conf.j2"
    pattern = re.search(r"^failregex = (.*)$", filter_file.read_text(), re.MULTILINE)[1]
    plain = re.compile(pattern.replace("<SUBNET>", r"(?P<address>[0-9a-f.:]+(/\d+)?)"))

    assert plain.search("vps1 schools_edge: wrong password from 203.0.113.7")["address"] == "203.0.113.7"
    assert plain.search("vps1 schools_edge: wrong password from 2001:db8::/64")["address"] == "2001:db8::/64"
    assert not plain.search("vps1 sudo: schools_edge: wrong password from 203.0.113.7")


@pytest.fixture(scope="module")
def journal(edge: EdgeHere):
    """Listen where the server's journal would; for all tests, because Nginx keeps its line to a listener."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        place = edge.root / "journal"
        listener.bind(str(place))
        listener.settimeout(0.3)
        yield listener
        place.unlink()


def _told(journal: socket.socket) -> list[str]:
    """Return what the journal was told, without priority and time."""
    lines = []
    try:
        while True:
            lines.append(re.sub(r"^<\d+>\w{3} [ \d]\d \d\d:\d\d:\d\d ", "", journal.recv(4096).decode()))
    except TimeoutError:
        return lines
