"""The server is closed: what host_ssh, host_firewall and host_fail2ban promise, tried from outside."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Answers every connection with its own greeting; any image with Perl will do.
GREETER = (
    "use IO::Socket::IP;"
    # Without flags: where no interface has IPv6, `::` would be no address.
    "my $door = IO::Socket::IP->new(LocalHost => q(::), LocalPort => 8000, V6Only => 0, GetAddrInfoFlags => 0,"
    "    Listen => 9, ReuseAddr => 1) or die $!;"
    'while (my $guest = $door->accept) { <$guest>; print $guest "HTTP/1.0 200 OK\\r\\n\\r\\nhello"; close $guest }'
)
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)"
# Two of the containers are in a network with IPv6: visitors get there by the kernel's rules, not by a program that
# stands in for the port.
PUBLISHED = {80: "bridge", 443: "greeters", 9999: "bridge", 9997: "greeters"}
DECLARED, OTHERS = (80, 443), (9999, 9997)
ROUTED = "172.30.99.0/24"
ROUTED_GREETER = "172.30.99.9"
BOTH_FAMILIES = pytest.mark.parametrize("family", ["IPv4", "IPv6"])


def test_root_cannot_log_in_even_with_the_key_that_made_the_server(door):
    answer = door.ssh("root", "true")

    assert answer.returncode == 255
    assert "Permission denied (publickey)" in answer.stderr


def test_who_else_has_an_account_that_a_key_opens_is_kept_out(server, door, platform):
    """As the user is that a provider's image came with."""
    authorized = "/home/{}/.ssh/authorized_keys"
    server.check_output("useradd --create-home --shell /bin/bash --password '*' provider")
    try:
        keys = f"{authorized.format(platform['deploy_user'])} {authorized.format('provider')}"
        server.check_output(f"install -D --owner=provider --mode=0600 {keys}")
        answer = door.ssh("provider", "true")
    finally:
        server.check_output("userdel --force --remove provider")

    assert answer.returncode == 255
    assert "Permission denied (publickey)" in answer.stderr
    refused = "User provider from .* not allowed because not listed in AllowUsers"
    assert server.run(f"journalctl --unit=ssh --since=-1min --grep='{refused}'").succeeded


def test_nobody_is_asked_for_a_password(door, platform):
    no_key = ("-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive")
    answer = door.ssh(platform["deploy_user"], "true", options=no_key)

    assert answer.returncode == 255
    assert "Permission denied (publickey)" in answer.stderr


def test_what_an_operator_writes_into_jail_d_wins(server):
    own, ask = "/etc/fail2ban/jail.d/own.local", "fail2ban-client get sshd maxretry"
    declared = server.check_output(ask)
    try:
        server.check_output(f"printf '[sshd]\\nmaxretry = 41\\n' >{own}")
        server.check_output("fail2ban-client reload sshd")
        assert server.check_output(ask) == "41"
    finally:
        server.check_output(f"rm {own}")
        server.check_output("fail2ban-client reload sshd")
    assert server.check_output(ask) == declared != "41"


def test_sshd_forwards_no_agents_and_no_screens(server):
    effective = server.check_output("sshd -T").splitlines()

    assert {"x11forwarding no", "allowagentforwarding no", "permitemptypasswords no"} <= set(effective)
    assert {"allowtcpforwarding no", "permittunnel no"} <= set(effective)


def test_an_audit_of_ssh_finds_nothing_to_say_against_it(door):
    audit = Path(sys.executable).with_name("ssh-audit")
    # Whether it slows down who connects all the time is no matter of algorithms: fail2ban does.
    argv = [audit, "--json", "--skip-rate-test", "--port", str(door.port), door.address]
    found = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout)
    objections = {
        entry["algorithm"]: notes
        for kind in ("kex", "key", "enc", "mac")
        for entry in found[kind]
        if (notes := [note for level in ("fail", "warn") for note in entry["notes"].get(level, [])])
    }

    assert objections == {}
    assert [key["algorithm"] for key in found["key"]] == ["ssh-ed25519"]
    assert found["cves"] == []


def test_a_scan_of_every_port_finds_the_declared_ones_alone(published):
    """Behind two more ports containers listen, published on every address."""
    if not shutil.which("nmap"):
        pytest.skip("nmap is not installed (apt install nmap)")
    argv = ["nmap", "-Pn", "-n", "-p-", "-T4", "--min-rate=4000", "--max-retries=2", "-oG", "-", published["IPv4"]]
    seen = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300).stdout

    assert set(re.findall(r"(\d+)/open/", seen)) == {"22", "80", "443"}


def test_a_port_that_nobody_declared_is_closed_on_the_server_itself(server, address):
    server.check_output("systemd-run --unit=stranger --collect python3 -m http.server 9998")
    try:
        assert _becomes(True, lambda: server.run("curl -s -o /dev/null http://127.0.0.1:9998/").succeeded)
        assert not _reaches(address, 9998)
    finally:
        server.check_output("systemctl stop stranger")


@BOTH_FAMILIES
@pytest.mark.parametrize("port", DECLARED)
def test_a_published_port_that_is_declared_is_reached(published, family, port):
    assert _becomes(True, lambda: _says_hello(published[family], port))


@BOTH_FAMILIES
@pytest.mark.parametrize("port", OTHERS)
def test_a_published_port_that_nobody_declared_is_not_reached(server, published, family, port):
    assert _becomes(True, lambda: server.run(f"curl -s -o /dev/null http://127.0.0.1:{port}/").succeeded)
    assert not _reaches(published[family], port)


@BOTH_FAMILIES
@pytest.mark.parametrize("port", OTHERS)
def test_it_is_the_firewall_that_keeps_the_port_closed(server, published, family, port):
    server.check_output("systemctl stop schools-firewall")
    try:
        assert _says_hello(published[family], port)
    finally:
        server.check_output("systemctl start schools-firewall")
    assert not _reaches(published[family], port)


@pytest.mark.usefixtures("published")
def test_a_server_that_lets_packets_through_still_learns_its_way_out_from_its_router(server):
    """The kernel of one that does forgets the way, and hears of no other, unless it was told to listen all the same."""
    assert server.check_output("sysctl --values net.ipv6.conf.all.forwarding") == "1"
    _, _, outside = server.check_output("ip -oneline route show default").partition(" dev ")
    for interface in (outside.split()[0], "default"):
        assert server.check_output(f"sysctl --values net.ipv6.conf.{interface}.accept_ra") == "2", interface


def test_a_restart_of_docker_opens_nothing(server, published):
    server.check_output("systemctl restart docker")

    for address in published.values():
        for port in DECLARED:
            assert _becomes(True, lambda address=address, port=port: _says_hello(address, port))
        for port in OTHERS:
            assert not _reaches(address, port)


def test_a_restart_of_the_server_opens_nothing(server, published, restart):
    restart()

    assert _becomes(True, lambda: _says_hello(published["IPv4"], 80), patience=60)
    for address in published.values():
        for port in OTHERS:
            assert not _reaches(address, port)
    assert server.service("schools-firewall").is_running


def test_a_neighbour_cannot_route_to_a_container_past_its_published_ports(server, platform, neighbour):
    server.check_output(f"docker network create --subnet {ROUTED} routed")
    image = platform["images"]["nginx"]
    run = f"docker run --detach --name routed --network routed --ip {ROUTED_GREETER} {image} perl -e %s"
    assert server.run(run, GREETER).succeeded
    try:
        assert not neighbour(ROUTED_GREETER, 8000)
        server.check_output("systemctl stop schools-firewall")
        assert _becomes(True, lambda: neighbour(ROUTED_GREETER, 8000))
    finally:
        server.check_output("systemctl start schools-firewall")
        server.check_output("docker rm --force routed")
        server.check_output("docker network rm routed")


@pytest.fixture(scope="module")
def published(server, platform, address, address_v6):
    """Run containers behind the declared ports and behind others; say where strangers find the server."""
    image = platform["images"]["nginx"]
    server.check_output("docker network create --ipv6 --subnet fd5c:7002::/64 greeters")
    for port, network in PUBLISHED.items():
        server.run(f"docker rm --force greeter-{port}")
        named = f"--name greeter-{port} --network {network} -p {port}:8000"
        assert server.run(f"docker run --detach --restart always {named} {image} perl -e %s", GREETER).succeeded
    yield {"IPv4": address, "IPv6": address_v6}
    server.check_output("docker rm --force " + " ".join(f"greeter-{port}" for port in PUBLISHED))
    server.check_output("docker network rm greeters")


def _says_hello(address: str, port: int) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=3)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read() == b"hello"
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture
def neighbour(address, machine_image):
    """Return a question: does another machine of the server's network reach an address by way of the server?"""

    def reaches(target: str, port: int) -> bool:
        script = f"ip route add {ROUTED} via {address} && exec python3 -c '{CONNECT}' {target} {port}"
        argv = ["docker", "run", "--rm", "--cap-add", "NET_ADMIN", machine_image, "sh", "-c", script]
        return subprocess.run(argv, capture_output=True, check=False, timeout=60).returncode == 0

    return reaches


def _reaches(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=3).close()
    except OSError:
        return False
    return True


def _becomes(wanted: bool, ask, patience: float = 15) -> bool:
    """Ask until the answer is as wanted, for up to `patience` seconds."""
    deadline = time.monotonic() + patience
    while ask() != wanted:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
