import socket
import threading
from typing import Any

import pytest

from schoolctl.remote import dns
from schoolctl.remote.dns import Addresses, Finding, OwnAddresses, Verdict

HERE, HERE_6 = "203.0.113.5", "2001:db8::5"
AWAY, AWAY_6 = "192.0.2.7", "2001:db8:1::7"


class Zone:
    """A DNS of which the test knows all; a name that it does not have leads nowhere."""

    def __init__(self, **names: Addresses | set[str] | None) -> None:
        self.names = {name.replace("_", "."): found for name, found in names.items()}
        self.asked: list[str] = []

    def __call__(self, name: str) -> Addresses | None:
        self.asked.append(name)
        found = self.names.get(name.removesuffix("."), set())
        return None if found is None else frozenset(found)


def check(zone: Zone, *domains: str, server: str = HERE, public: tuple[str, ...] = ()) -> list[Finding]:
    return dns.check(domains, server=server, public_addresses=public, resolver=zone, within=60)


def finding(*found: str, own: set[str], declared: bool = False) -> Finding:
    return dns.judge("x.org", frozenset(found), OwnAddresses(frozenset(own), declared))


# --- comparing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "own", "declared", "verdict"),
    [
        ({HERE}, {HERE}, False, Verdict.OK),
        ({HERE, HERE_6}, {HERE, HERE_6}, False, Verdict.OK),
        ({HERE}, {HERE, HERE_6}, False, Verdict.OK),
        # Nobody said which IPv6 address the server has, so this may be it; with all addresses declared it is not.
        ({HERE, AWAY_6}, {HERE}, False, Verdict.OK),
        ({HERE, AWAY_6}, {HERE}, True, Verdict.ELSEWHERE),
        ({AWAY_6}, {HERE}, False, Verdict.UNKNOWN),
        ({AWAY_6}, {HERE}, True, Verdict.ELSEWHERE),
        ({AWAY}, {HERE}, False, Verdict.ELSEWHERE),
        ({HERE, AWAY}, {HERE}, False, Verdict.ELSEWHERE),
        ({HERE, AWAY_6}, {HERE, HERE_6}, False, Verdict.ELSEWHERE),
        (set(), {HERE}, False, Verdict.ELSEWHERE),
        # A server that is reached inside its network: only that very address proves something.
        ({"10.0.0.5"}, {"10.0.0.5"}, False, Verdict.OK),
        ({AWAY}, {"10.0.0.5"}, False, Verdict.UNKNOWN),
        (set(), {"10.0.0.5"}, False, Verdict.UNKNOWN),
        ({AWAY}, {"fd00::5"}, False, Verdict.UNKNOWN),
        ({AWAY}, {"10.0.0.5"}, True, Verdict.ELSEWHERE),
        ({AWAY}, set(), False, Verdict.UNKNOWN),
    ],
)
def test_a_name_leads_here_elsewhere_or_nobody_can_tell(
    found: set[str], own: set[str], declared: bool, verdict: Verdict
) -> None:
    told = finding(*found, own=own, declared=declared)
    assert told.verdict is verdict
    assert bool(told.sentence) is (verdict is not Verdict.OK)


@pytest.mark.parametrize(
    ("found", "own", "sentence"),
    [
        ({AWAY}, {HERE}, f"x.org leads to {AWAY}, this server is {HERE}; point its A record at {HERE}"),
        (set(), {HERE}, f"x.org leads nowhere yet, this server is {HERE}; point its A record at {HERE}"),
        (
            set(),
            {HERE, HERE_6},
            f"x.org leads nowhere yet, this server is {HERE}, {HERE_6}; "
            f"point its A record at {HERE} and its AAAA record at {HERE_6}",
        ),
        (
            {HERE, AWAY_6},
            {HERE},
            f"x.org leads to {HERE}, {AWAY_6}, this server is {HERE}; take its AAAA record away",
        ),
        (
            {AWAY_6},
            {HERE},
            f"x.org leads to {AWAY_6}, this server is {HERE}; "
            f"point its A record at {HERE} and take its AAAA record away",
        ),
        (
            {HERE, AWAY_6},
            {HERE, HERE_6},
            f"x.org leads to {HERE}, {AWAY_6}, this server is {HERE}, {HERE_6}; point its AAAA record at {HERE_6}",
        ),
    ],
)
def test_the_sentence_says_which_record_to_change(found: set[str], own: set[str], sentence: str) -> None:
    assert finding(*found, own=own, declared=True).sentence == sentence


def test_an_international_name_is_told_in_both_forms() -> None:
    told = dns.judge("xn--cole-9oa.fr", frozenset({AWAY}), OwnAddresses(frozenset({HERE}), declared=False))
    assert told.sentence.startswith("xn--cole-9oa.fr (école.fr) leads to ")


# --- what is looked up -------------------------------------------------------------------------------------------


def test_names_are_asked_for_as_visitors_of_the_whole_world_do() -> None:
    zone = Zone(x_org={HERE}, y_org={AWAY})
    assert [found.verdict for found in check(zone, "x.org", "y.org")] == [Verdict.OK, Verdict.ELSEWHERE]
    assert sorted(zone.asked) == ["x.org.", "y.org."]


def test_the_servers_own_name_is_looked_up_as_ssh_does() -> None:
    zone = Zone(x_org={HERE}, vps1={HERE})
    assert [found.verdict for found in check(zone, "x.org", server="vps1")] == [Verdict.OK]
    assert "vps1" in zone.asked


@pytest.mark.parametrize("answer", [None, set()])
def test_a_server_that_only_ssh_knows_where_to_find_asks_for_its_public_addresses(answer: set[str] | None) -> None:
    [found] = check(Zone(x_org={AWAY}, vps1=answer), "x.org", server="vps1")
    assert found.verdict is Verdict.UNKNOWN
    assert "platform.edge.public_addresses" in found.sentence


def test_declared_addresses_count_instead_of_the_one_for_ssh() -> None:
    zone = Zone(x_org={HERE}, y_org={"10.0.0.5"})
    told = check(zone, "x.org", "y.org", server="10.0.0.5", public=(HERE,))
    assert [found.verdict for found in told] == [Verdict.OK, Verdict.ELSEWHERE]


def test_an_address_that_is_written_otherwise_is_the_same() -> None:
    assert check(Zone(x_org={"2001:db8::5"}), "x.org", server="2001:0DB8:0:0::5")[0].verdict is Verdict.OK


@pytest.mark.parametrize("server", ["127.0.0.1", "::1"])
def test_in_a_lab_on_this_machine_nothing_is_looked_up(server: str) -> None:
    zone = Zone()
    assert check(zone, "tech-school.com", server=server) == []
    assert zone.asked == []


def test_in_a_lab_with_a_name_nothing_is_said() -> None:
    assert check(Zone(localhost={"127.0.0.1", "::1"}), "tech-school.com", server="localhost") == []


def test_names_to_try_things_with_are_not_looked_up() -> None:
    zone = Zone(example_org={AWAY})
    assert [found.domain for found in check(zone, "tech.example", "tech.test", "example.org")] == ["example.org"]
    assert zone.asked == ["example.org."]


def test_names_are_asked_for_at_once() -> None:
    both = threading.Barrier(2)

    def resolver(_: str) -> Addresses | None:
        both.wait(timeout=60)  # neither passes alone
        return frozenset({HERE})

    assert dns.look_up(["a", "b"], resolver, within=60) == {"a": {HERE}, "b": {HERE}}


def test_a_name_without_an_answer_holds_nobody_up() -> None:
    asked, over = threading.Event(), threading.Event()

    def resolver(_: str) -> Addresses | None:
        asked.set()
        over.wait()
        return frozenset({HERE})

    assert dns.look_up(["slow"], resolver, within=0) == {"slow": None}
    assert asked.wait(timeout=60)
    over.set()


def test_no_answer_is_unknown_and_not_elsewhere() -> None:
    [found] = check(Zone(x_org=None), "x.org")
    assert found.verdict is Verdict.UNKNOWN
    assert "no answer" in found.sentence


# --- the system's resolver ---------------------------------------------------------------------------------------


def system_says(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def getaddrinfo(host: bytes, *_: Any, **__: Any) -> Any:
        assert host == b"x.org."
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_addresses_of_both_versions_are_found_once_and_without_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (HERE, 0))
    six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (f"{HERE_6}%eth0", 0, 0, 2))
    system_says(monkeypatch, [four, four, six])
    assert dns.resolve("x.org.") == {HERE, HERE_6}


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), frozenset()),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), None),
        (socket.gaierror(socket.EAI_FAIL, "failed"), None),
        (OSError("no network"), None),
    ],
)
def test_a_name_that_is_not_there_differs_from_a_resolver_that_is_not(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, answer: Addresses | None
) -> None:
    system_says(monkeypatch, fault)
    assert dns.resolve("x.org.") == answer
