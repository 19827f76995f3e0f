"""What visitors over IPv6 are promised: they are seen, limited and shut out as others are, and reach nothing more."""

import json
import subprocess

import pytest
from conftest import SCHOOLS
from strangers import ADDRESSES_V6, Strangers

HOST = SCHOOLS["tech-school"]["domain"]
FIRST, SECOND, _ = ADDRESSES_V6
# Of the first machine, each in another network of 64 bits; the last is in one of which an address is never shut out.
HERE, NEXT_DOOR, FAR, FURTHER, DECLARED = (f"2001:2:0:{network}::7" for network in (101, 102, 103, 104, 177))
PRIVATE_REFUSED = ("fd00:ec2::254", "fd77:213:7::1", "fec0::1")
PRIVATE_ALLOWED = "fd77:213:7::2"
ASK = """
import http.client, sys
source, address, port, host, path, form, number = sys.argv[1:]
for _ in range(int(number)):
    connection = http.client.HTTPConnection(address, int(port), timeout=5, source_address=(source, 0))
    headers = {"Host": host, "Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection.request("POST" if form else "GET", path, form or None, headers)
        print(connection.getresponse().status)
    except OSError:
        print(0)
"""
REDIRECTED = 308


@pytest.fixture(scope="module", autouse=True)
def sixth(lab, strangers: Strangers):
    """Let the first machine have many networks; count wrong passwords to as few as a test can type."""
    strangers.many_addresses()
    # The lab's server got its IPv6 just now: the engine looks when it starts, and for a container when that starts.
    lab.on_server("systemctl", "restart", "docker")
    lab.on_server("docker", "restart", "schools-edge")
    assert strangers.becomes(lambda: (page := lab.visit(HOST)) is not None and page.status in (200, REDIRECTED))
    before = lab.on_server("fail2ban-client", "get", "schools-login", "maxretry").strip()
    yield
    lab.on_server("fail2ban-client", "set", "schools-login", "maxretry", before)
    lab.on_server("fail2ban-client", "unban", "--all")


def test_a_visitor_over_ipv6_comes_with_his_own_address(lab, strangers: Strangers):
    for address in (SECOND, FAR):
        path = f"/seen-{address.rpartition(':')[2]}-{address.count('1')}"
        assert _ask(strangers, address, path) != ["0"]
        lines = [json.loads(line) for line in _log(lab) if path in line]
        assert [line["client"] for line in lines] == [address]


def test_over_ipv6_nothing_answers_but_what_is_declared(strangers: Strangers):
    for port, answers in (
        (22, True),
        (80, True),
        (443, True),
        (8000, False),
        (8080, False),
        (8090, False),
        (9000, False),
    ):
        assert _reaches(strangers, strangers.server_v6, port) is answers, port


def test_nobody_routes_to_the_edge_past_its_published_ports(lab, strangers: Strangers):
    form = "--format={{.NetworkSettings.Networks.schools_entry.GlobalIPv6Address}}"
    entry = lab.on_server("docker", "inspect", form, "schools-edge").strip()
    strangers.run(strangers.anybody, "ip", "route", "replace", entry, "via", strangers.server_v6)
    for port in (8080, 8090):
        assert not _reaches(strangers, entry, port)


def test_who_has_many_addresses_of_one_network_is_slowed_as_one_and_the_network_beside_it_is_not(strangers: Strangers):
    guesses = _ask(strangers, HERE, "/api/method/login", "usr=nobody&pwd=guess", 90)
    assert "429" in guesses

    # Each time another address of it.
    assert "429" in [_guess(strangers, f"{HERE}:{number}")[0] for number in range(1, 5)]
    assert _guess(strangers, NEXT_DOOR) == ["401"]


def test_who_guesses_over_ipv6_is_shut_out_with_the_network_around_and_nobody_else(lab, strangers: Strangers):
    lab.on_server("fail2ban-client", "set", "schools-login", "maxretry", "3")
    network = FAR.replace("::7", "::/64")
    for number in range(1, 7):
        _guess(strangers, f"{FAR}:{number}")
    assert strangers.becomes(lambda: _ask(strangers, f"{FAR}:99") == ["0"])

    assert network in _shut_out(lab)
    assert _ask(strangers, FURTHER) != ["0"]
    assert _reaches(strangers, strangers.server_v6, 22, source=FAR), "a school's network may be its operator's too"

    assert lab.on_server("fail2ban-client", "unban", network).strip() == "1"
    assert _ask(strangers, f"{FAR}:99") != ["0"]


def test_who_is_declared_is_not_shut_out_for_the_network_around(lab, strangers: Strangers):
    lab.on_server("fail2ban-client", "set", "schools-login", "maxretry", "3")
    for address in (DECLARED, FURTHER):
        for _ in range(6):
            _guess(strangers, address)

    # Counted in the order of the journal: when the second is out, the first was seen.
    assert strangers.becomes(lambda: _ask(strangers, FURTHER) == ["0"])
    assert _ask(strangers, DECLARED) != ["0"]


@pytest.fixture(scope="module")
def neighbourhood(strangers: Strangers):
    """Put listeners of inner addresses around the server."""
    with strangers.listening(*PRIVATE_REFUSED, PRIVATE_ALLOWED, ports=(8000,)):
        yield


@pytest.mark.usefixtures("neighbourhood")
def test_the_edge_is_refused_what_lies_around_the_server_over_ipv6_too(lab):
    for address in (*PRIVATE_REFUSED, PRIVATE_ALLOWED, FIRST):
        assert _connects(lab, "", address), f"the server itself gets to {address}"
    assert [address for address in PRIVATE_REFUSED if _connects(lab, "schools-edge", address)] == []
    assert _connects(lab, "schools-edge", FIRST)
    assert _connects(lab, "schools-edge", PRIVATE_ALLOWED)


@pytest.mark.parametrize("container", ["schools-web", "schools-worker-short", "schools-tools"])
@pytest.mark.usefixtures("neighbourhood")
def test_the_bench_has_no_ipv6_to_reach_anything_by(lab, container: str):
    for address in (*PRIVATE_REFUSED, PRIVATE_ALLOWED, FIRST):
        assert not _connects(lab, container, address), address


def test_a_server_whose_ipv6_is_switched_off_serves_schools_and_nothing_is_left_to_change(
    lab, play, strangers: Strangers
):
    lab.on_server("sysctl", "--quiet", "net.ipv6.conf.all.disable_ipv6=1")
    try:
        lab.on_server("systemctl", "restart", "docker")
        lab.on_server("docker", "rm", "--force", "schools-edge")
        lab.on_server("docker", "network", "rm", "schools_entry")
        play("bench")
        assert strangers.becomes(lambda: (page := lab.visit(HOST)) is not None and page.status in (200, REDIRECTED))
        assert lab.changes_left_for_ansible("host", "bench") == []
    finally:
        lab.on_server("sysctl", "--quiet", "net.ipv6.conf.all.disable_ipv6=0")


def _ask(strangers: Strangers, source: str, path: str = "/learn", form: str = "", number: int = 1) -> list[str]:
    """Ask for a page from an address of the first or the second machine; return the statuses, 0 for no answer."""
    machine = strangers.somebody_else if source == SECOND else strangers.anybody
    asked = (source, strangers.server_v6, "80", HOST, path, form, str(number))
    return strangers.run(machine, "python3", "-c", ASK, *asked).split()


def _guess(strangers: Strangers, source: str) -> list[str]:
    return _ask(strangers, source, "/api/method/login", "usr=nobody&pwd=guess")


def _reaches(strangers: Strangers, address: str, port: int, source: str = FIRST) -> bool:
    connect = "import socket, sys; a, p, s = sys.argv[1:]; socket.create_connection((a, int(p)), 3, (s, 0)); print(1)"
    return strangers.run(strangers.anybody, "python3", "-c", connect, address, str(port), source).strip() == "1"


def _connects(lab, container: str, address: str) -> bool:
    """Say whether a container of the server, or the server itself, gets a connection."""
    inside = ["docker", "exec", container] if container else []
    argv = ["docker", "exec", lab.container, *inside, "timeout", "4", "bash", "-c", f"exec 3<>/dev/tcp/{address}/8000"]
    return subprocess.run(argv, capture_output=True).returncode == 0


def _log(lab) -> list[str]:
    return lab.on_server("docker", "logs", "--tail", "50", "schools-edge").splitlines()


def _shut_out(lab) -> list[str]:
    return lab.on_server("fail2ban-client", "get", "schools-login", "banip").split()
