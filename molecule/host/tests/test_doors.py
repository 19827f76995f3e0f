"""The server is closed: what host_ssh and host_firewall promise, tried from outside."""

import http.client
import socket
import subprocess
import time

import pytest

# Answers every connection with its own greeting; any image with Perl will do.
GREETER = (
    "use IO::Socket::INET;"
    "my $door = IO::Socket::INET->new(LocalPort => 8000, Listen => 9, ReuseAddr => 1) or die $!;"
    'while (my $guest = $door->accept) { <$guest>; print $guest "HTTP/1.0 200 OK\\r\\n\\r\\nhello"; close $guest }'
)
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)"
ROUTED = "172.30.99.0/24"
ROUTED_GREETER = "172.30.99.9"
BOTH_FAMILIES = pytest.mark.parametrize("family", ["IPv4", "IPv6"])


def test_root_cannot_log_in_even_with_the_key_that_made_the_server(door):
    answer = door.ssh("root", "true")

    assert answer.returncode == 255
    assert "Permission denied (publickey)" in answer.stderr


def test_nobody_is_asked_for_a_password(door, platform):
    no_key = ("-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive")
    answer = door.ssh(platform["deploy_user"], "true", options=no_key)

    assert answer.returncode == 255
    assert "Permission denied (publickey)" in answer.stderr


def test_sshd_forwards_no_agents_and_no_screens(server):
    effective = server.check_output("sshd -T").splitlines()

    assert {"x11forwarding no", "allowagentforwarding no", "permitemptypasswords no"} <= set(effective)


def test_a_port_that_nobody_declared_is_closed_on_the_server_itself(server, address):
    server.check_output("systemd-run --unit=stranger --collect python3 -m http.server 9998")
    try:
        assert _becomes(True, lambda: server.run("curl -s -o /dev/null http://127.0.0.1:9998/").succeeded)
        assert not _reaches(address, 9998)
    finally:
        server.check_output("systemctl stop stranger")


@BOTH_FAMILIES
def test_a_published_port_that_is_declared_is_reached(published, family):
    assert _becomes(True, lambda: _says_hello(published[family], 80))


@BOTH_FAMILIES
def test_a_published_port_that_nobody_declared_is_not_reached(server, published, family):
    assert _becomes(True, lambda: server.run("curl -s -o /dev/null http://127.0.0.1:9999/").succeeded)
    assert not _reaches(published[family], 9999)


@BOTH_FAMILIES
def test_it_is_the_firewall_that_keeps_the_port_closed(server, published, family):
    server.check_output("systemctl stop schools-firewall")
    try:
        assert _says_hello(published[family], 9999)
    finally:
        server.check_output("systemctl start schools-firewall")
    assert not _reaches(published[family], 9999)


def test_a_restart_of_docker_opens_nothing(server, published):
    server.check_output("systemctl restart docker")

    for address in published.values():
        assert _becomes(True, lambda address=address: _says_hello(address, 80))
        assert not _reaches(address, 9999)


def test_a_restart_of_the_server_opens_nothing(server, published, restart):
    restart()

    assert _becomes(True, lambda: _says_hello(published["IPv4"], 80), patience=60)
    for address in published.values():
        assert not _reaches(address, 9999)
    assert server.service("schools-firewall").is_running


def test_a_neighbour_cannot_route_to_a_container_past_its_published_ports(server, platform, neighbour):
    server.check_output(f"docker network create --subnet {ROUTED} routed")
    image = platform["images"]["debian"]
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
    """Run two containers, one behind a declared port and one behind 9999; say where strangers find the server."""
    image = platform["images"]["debian"]
    for port in (80, 9999):
        server.run(f"docker rm --force greeter-{port}")
        run = f"docker run --detach --restart always --name greeter-{port} -p {port}:8000 {image} perl -e %s"
        assert server.run(run, GREETER).succeeded
    yield {"IPv4": address, "IPv6": address_v6}
    server.check_output("docker rm --force greeter-80 greeter-9999")


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
