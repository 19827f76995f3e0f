"""What one school's visitors can send: no request of any shape brings them what is another school's.

The edge alone is proved request by request in the CLI's contract tests; here the bench stands behind it.
"""

import socket
from collections.abc import Iterator

import pytest
from journey import Journey
from neighbours import (
    ATTACKER,
    ATTACKER_HOST,
    ATTACKER_TITLE,
    FILE,
    PUBLISHED,
    SECRET,
    SITES,
    VICTIM,
    VICTIM_HOST,
    VICTIM_TITLE,
    Visitor,
    planted,
    raw,
)


@pytest.fixture(scope="module", autouse=True)
def _files(lab: Journey) -> Iterator[None]:
    """The victim has a public file and a private one; links in the attacker's folders lead to them."""
    victim, ways_out = f"{SITES}/{VICTIM}", f"{ATTACKER}/public/files {ATTACKER}/private/files"
    with planted(
        lab,
        f"echo '{PUBLISHED}' > {VICTIM}/public/files/{FILE}",
        f"echo '{SECRET}' > {VICTIM}/private/files/{FILE}",
        f"echo '{SECRET}' > {VICTIM}/private/backups/{FILE}",
        f"for place in {ways_out}; do",
        f"    ln -s {victim}/private/files/{FILE} $place/neighbours-file.txt",
        f"    ln -s ../../../{VICTIM}/private/files/{FILE} $place/neighbours-relative.txt",
        f"    ln -s {victim}/private $place/neighbours-folder",
        f"    ln -s {victim}/site_config.json $place/neighbours-settings.txt",
        "done",
    ):
        yield


@pytest.fixture
def visitor(lab: Journey, request: pytest.FixtureRequest) -> Visitor:
    """Return the attacker, logged in wherever somebody can be."""
    if lab.is_real:
        found: Visitor = request.getfixturevalue("attacker")
        return found
    return Visitor(lab, ATTACKER_HOST)


def head(line: str, *headers: str) -> str:
    return "\r\n".join((line, *headers, "Connection: close", "", ""))


# --- which school a request is for ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        f"X-Frappe-Site-Name: {VICTIM}",
        f"X-FRAPPE-SITE-NAME: {VICTIM}\r\nx-frappe-site-name: {VICTIM}",
        f"X_Frappe_Site_Name: {VICTIM}",
        f"X-Frappe_Site-Name: {VICTIM}",
        f"X-Forwarded-Host: {VICTIM_HOST}",
        f"X-Forwarded-Server: {VICTIM_HOST}",
        f"X-Host: {VICTIM_HOST}",
        f"X-HTTP-Host-Override: {VICTIM_HOST}",
        f"X-Original-URL: http://{VICTIM_HOST}/learn",
        f"X-Rewrite-URL: http://{VICTIM_HOST}/learn",
        f"Forwarded: host={VICTIM_HOST}",
        "Connection: X-Frappe-Site-Name, Host",
        f"X-Accel-Redirect: /protected/private/files/{FILE}",
        f"Request-Uri: http://{VICTIM_HOST}/learn",
    ],
)
def test_no_header_brings_a_visitor_to_another_school(lab: Journey, header: str) -> None:
    answer = raw(lab, head("GET /learn HTTP/1.1", f"Host: {ATTACKER_HOST}", header))

    assert answer.startswith("HTTP/1.1 200 ")
    assert ATTACKER_TITLE in answer
    assert VICTIM_TITLE not in answer


@pytest.mark.parametrize(
    "host",
    [
        f"{ATTACKER_HOST}:1",
        ATTACKER_HOST.upper(),
        f"{ATTACKER_HOST}.",
        f"{ATTACKER_HOST.title()}.:65535",
    ],
)
def test_one_name_in_many_spellings_is_the_same_school(lab: Journey, host: str) -> None:
    answer = raw(lab, head("GET /learn HTTP/1.1", f"Host: {host}"))

    assert ATTACKER_TITLE in answer


@pytest.mark.parametrize(
    "request_head",
    [
        f"GET /learn HTTP/1.1\r\nHost: {ATTACKER_HOST}\r\nHost: {VICTIM_HOST}",
        f"GET /learn HTTP/1.1\r\nHost: {VICTIM_HOST}\r\nHost: {ATTACKER_HOST}",
        f"GET /learn HTTP/1.1\r\nHost: {ATTACKER_HOST}, {VICTIM_HOST}",
        f"GET /learn HTTP/1.1\r\nHost: {ATTACKER_HOST}@{VICTIM_HOST}",
        f"GET /learn HTTP/1.1\r\nHost: {ATTACKER_HOST}\r\nX-Frappe-Site-Name : {VICTIM}\r\n Host: {VICTIM_HOST}",
        f"GET /learn HTTP/1.1\r\nHost: {VICTIM}",
        f"GET /learn HTTP/1.1\r\nHost: /{VICTIM}",
        "GET /learn HTTP/1.1\r\nHost: edge:8090",
        "GET /learn HTTP/1.1\r\nHost: web:8000",
        "GET /learn HTTP/1.1\r\nHost: unknown.example",
        "GET /learn HTTP/1.1\r\nHost: ",
        "GET /learn HTTP/1.1",
        f"GET /learn HTTP/1.0\r\nX-Frappe-Site-Name: {VICTIM}",
    ],
)
def test_a_request_that_names_no_school_or_two_gets_no_page(lab: Journey, request_head: str) -> None:
    answer = raw(lab, head(request_head))

    assert answer == "" or answer.startswith("HTTP/1.1 400 ")
    assert VICTIM_TITLE not in answer


@pytest.mark.parametrize(
    ("in_line", "in_header", "title"),
    [(ATTACKER_HOST, VICTIM_HOST, ATTACKER_TITLE), (VICTIM_HOST, ATTACKER_HOST, VICTIM_TITLE)],
)
def test_where_the_request_line_names_one_school_and_host_another_only_the_first_is_asked(
    lab: Journey, visitor: Visitor, in_line: str, in_header: str, title: str
) -> None:
    page = raw(lab, head(f"GET http://{in_line}/learn HTTP/1.1", f"Host: {in_header}"))
    assert [school for school in (ATTACKER_TITLE, VICTIM_TITLE) if school in page] == [title]

    # A session of the attacker is worth nothing to the school that is asked.
    who = head(
        f"GET http://{VICTIM_HOST}/api/method/frappe.auth.get_logged_user HTTP/1.1",
        f"Host: {ATTACKER_HOST}",
        f"Cookie: sid={visitor.sid or 'none'}",
    )
    assert "Administrator" not in raw(lab, who)


@pytest.mark.parametrize(
    "framing",
    [
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 4"),
        ("Transfer-Encoding: xchunked", "Content-Length: 4"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Transfer-Encoding: identity, chunked", "Content-Length: 4"),
        ("Transfer-Encoding : chunked", "Content-Length: 4"),
        ("Transfer-Encoding: \x0bchunked", "Content-Length: 4"),
        ("Content-Length: 4", "Content-Length: 200"),
        ("Content-Length: +4",),
    ],
    ids=lambda framing: " ".join(framing),
)
def test_no_request_is_smuggled_past_the_edge_inside_another(lab: Journey, framing: tuple[str, ...]) -> None:
    inner = head("GET /learn HTTP/1.1", f"Host: {VICTIM_HOST}x", f"X-Frappe-Site-Name: {VICTIM}")
    outer = "\r\n".join(("POST /learn HTTP/1.1", f"Host: {ATTACKER_HOST}", *framing, "", ""))
    answer = raw(lab, f"{outer}0\r\n\r\n{inner}", patience=2)

    assert VICTIM_TITLE not in answer
    # Nothing of it waits for whoever comes next.
    for _ in range(4):
        page = lab.visit(ATTACKER_HOST, "/learn")
        assert page is not None
        assert ATTACKER_TITLE in page.body


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        f"/files/{FILE}",
        f"/files/../../../{VICTIM}/public/files/{FILE}",
        f"/files/..%2f..%2f..%2f{VICTIM}/public/files/{FILE}",
        f"/files/%2e%2e/%2e%2e/%2e%2e/{VICTIM}/private/files/{FILE}",
        f"/files/..%252f..%252f..%252f{VICTIM}/private/files/{FILE}",
        f"/files/..%5c..%5c..%5c{VICTIM}/private/files/{FILE}",
        f"/files/..;/..;/..;/{VICTIM}/private/files/{FILE}",
        f"/files/....//....//....//{VICTIM}/private/files/{FILE}",
        f"/files//{SITES}/{VICTIM}/private/files/{FILE}",
        f"/files/%00/../../{VICTIM}/private/files/{FILE}",
        f"/assets/../../sites/{VICTIM}/private/files/{FILE}",
        f"/assets/..%2f..%2fsites/{VICTIM}/private/files/{FILE}",
        f"/assets/%2e%2e/%2e%2e/sites/{VICTIM}/private/files/{FILE}",
        f"/private/files/{FILE}",
        f"/private/files/../../../{VICTIM}/private/files/{FILE}",
        f"/private/files/..%2f..%2f..%2f{VICTIM}/private/files/{FILE}",
        f"/x/private/files/..%2f..%2f..%2f{VICTIM}/private/files/{FILE}",
        f"/protected/private/files/{FILE}",
        f"/protected/private/../../{VICTIM}/private/files/{FILE}",
        f"/protected/private/..%2f..%2f{VICTIM}/private/files/{FILE}",
        f"/%70rotected/private/files/{FILE}",
        f"//protected//private/../private/files/{FILE}",
        f"/backups/{FILE}",
        f"/backups/../../{VICTIM}/private/backups/{FILE}",
        f"/backups/..%2f..%2f..%2f{VICTIM}/private/backups/{FILE}",
        f"/x/../backups/..%2f..%2f..%2f{VICTIM}/private/backups/{FILE}",
        f"/backups/..%252f..%252f..%252f{VICTIM}/private/backups/{FILE}",
        f"/backups/..%2f..%2f..%2f{VICTIM}/site_config.json",
        f"/{VICTIM}/private/files/{FILE}",
        f"/{VICTIM}/api/method/frappe.realtime.get_user_info",
    ],
)
def test_no_path_at_an_attacker_s_own_domain_leads_to_a_file_of_another_school(visitor: Visitor, path: str) -> None:
    for headers in ({}, {"X-Use-X-Accel-Redirect": "", "X-Accel-Mapping": f"/={SITES}/{VICTIM}/", "Range": "bytes=0-"}):
        answer = visitor.get(path, headers)

        assert answer.status in {0, 400, 403, 404}, answer.body[:200]
        assert not any(text in answer.body for text in (SECRET, PUBLISHED, "db_password"))


@pytest.mark.parametrize("place", ["/files", "/private/files"])
@pytest.mark.parametrize(
    "link",
    ["neighbours-file.txt", "neighbours-relative.txt", f"neighbours-folder/files/{FILE}", "neighbours-settings.txt"],
)
def test_the_edge_follows_no_link_out_of_a_school_s_folder(visitor: Visitor, place: str, link: str) -> None:
    answer = visitor.get(f"{place}/{link}")

    assert answer.status in {403, 404}
    assert not any(text in answer.body for text in (SECRET, "db_password"))


def test_the_victim_s_files_are_there_for_the_victim(lab: Journey) -> None:
    """Without this the tests before it could not fail."""
    page = lab.visit(VICTIM_HOST, f"/files/{FILE}")
    assert page is not None
    assert page.body.strip() == PUBLISHED


# --- doors beside the edge --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", [3306, 6379, 8000, 8090, 9000, 2375, 2376])
def test_nothing_but_the_edge_is_reached_from_outside(lab: Journey, port: int) -> None:
    [address] = lab.on_server("sh", "-c", "ip -4 -o route get 192.0.2.1 | grep -o 'src [0-9.]*' | cut -c5-").split()

    assert reached(address, lab.project.platform.edge.http_port)
    assert not reached(address, port)


def reached(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=3).close()
    except OSError:
        return False
    return True
