"""What host_fail2ban promises: who guesses is shut out, and nobody else; seen from addresses that are not private."""

import pytest
from conftest import SCHOOLS
from strangers import Strangers

HOST = SCHOOLS["tech-school"]["domain"]
LOGIN = """
import http.client, sys
address, host, number = sys.argv[1:]
for _ in range(int(number)):
    connection = http.client.HTTPConnection(address, 80, timeout=30)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Host": host}
    connection.request("POST", "/api/method/login", "usr=Administrator&pwd=guessed", form)
    print(connection.getresponse().status)
"""
# Who is shut out in the middle of it hears nothing more.
KNOCK = "timeout 10 ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=3 nobody@{} true"
GUESSES = 8
EDGE_USER = "101"
NOBODYS = "198.18.58.200"


@pytest.fixture(scope="module", autouse=True)
def impatient(lab):
    """Let the jail of the logins count to as few as that of SSH; a test need not guess a hundred times."""
    before = lab.on_server("fail2ban-client", "get", "schools-login", "maxretry").strip()
    lab.on_server("fail2ban-client", "set", "schools-login", "maxretry", "3")
    yield
    lab.on_server("fail2ban-client", "set", "schools-login", "maxretry", before)


@pytest.fixture(autouse=True)
def amnesty(lab):
    """Let everybody in again."""
    yield
    lab.on_server("fail2ban-client", "unban", "--all")


def test_who_guesses_passwords_is_shut_out_of_the_schools_alone_until_let_in_again(lab, strangers: Strangers):
    guesser, visitor = strangers.anybody, strangers.somebody_else

    assert "401" in _guess(strangers, guesser)
    assert strangers.becomes(lambda: not strangers.reaches(guesser, 80))
    assert not strangers.reaches(guesser, 443)
    assert strangers.reaches(guesser, 22), "a school's network may be its operator's too"
    assert strangers.reaches(visitor, 80)
    assert _shut_out(lab) == [guesser]

    assert lab.on_server("fail2ban-client", "unban", guesser).strip() == "1"
    assert strangers.reaches(guesser, 80)


def test_who_knocks_at_ssh_with_no_key_is_shut_out_of_it_alone(strangers: Strangers):
    guesser, visitor = strangers.anybody, strangers.somebody_else

    for _ in range(GUESSES):
        strangers.run(guesser, "sh", "-c", KNOCK.format(strangers.server))
    assert strangers.becomes(lambda: not strangers.reaches(guesser, 22))
    assert strangers.reaches(guesser, 80)
    assert strangers.reaches(visitor, 22)


def test_a_ban_outlives_a_reload_of_the_firewall_and_a_restart_of_docker(lab, strangers: Strangers):
    lab.on_server("fail2ban-client", "set", "schools-login", "banip", strangers.anybody)
    assert strangers.becomes(lambda: not strangers.reaches(strangers.anybody, 80))

    lab.on_server("systemctl", "reload", "schools-firewall")
    lab.on_server("systemctl", "restart", "docker")

    # Docker's resolver, too: the tests that follow need whole pages.
    assert strangers.becomes(lambda: (page := lab.visit(HOST)) is not None and page.status == 200)
    assert strangers.reaches(strangers.somebody_else, 80)
    assert not strangers.reaches(strangers.anybody, 80)


def test_an_address_that_is_declared_is_never_shut_out(strangers: Strangers):
    _guess(strangers, strangers.anybody)
    _guess(strangers, strangers.declared)

    # Counted in the order of the journal: when the first is out, the second was seen.
    assert strangers.becomes(lambda: not strangers.reaches(strangers.anybody, 80))
    assert strangers.reaches(strangers.declared, 80)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "172.17.0.1", "192.168.1.1", "100.64.0.1", "fd00::1"])
def test_a_private_address_is_never_shut_out(lab, strangers: Strangers, address: str):
    _tell_the_journal(lab, EDGE_USER, address)
    _tell_the_journal(lab, EDGE_USER, NOBODYS)

    # Counted in the order of the journal: when the second is out, the first was seen.
    assert strangers.becomes(lambda: NOBODYS in _shut_out(lab))
    assert address not in _shut_out(lab)


def test_nobody_but_the_edge_can_have_an_address_shut_out(lab, strangers: Strangers):
    _tell_the_journal(lab, "11000", strangers.somebody_else)
    _tell_the_journal(lab, EDGE_USER, NOBODYS)

    assert strangers.becomes(lambda: NOBODYS in _shut_out(lab))
    assert strangers.somebody_else not in _shut_out(lab)


def _guess(strangers: Strangers, address: str) -> list[str]:
    return strangers.run(address, "python3", "-c", LOGIN, strangers.server, HOST, str(GUESSES)).split()


def _tell_the_journal(lab, user: str, address: str) -> None:
    """Write what the edge writes, as a user of the server."""
    as_user = ("setpriv", f"--reuid={user}", "--clear-groups")
    lines = f"wrong password from {address}\n" * GUESSES
    lab.on_server(*as_user, "logger", "--tag", "schools_edge", stdin=lines)


def _shut_out(lab) -> list[str]:
    return lab.on_server("fail2ban-client", "get", "schools-login", "banip").split()
