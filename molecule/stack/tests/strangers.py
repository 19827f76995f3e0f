"""Machines around the lab's server with addresses that are not private, as those of visitors are."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# For measurements between networks (RFC 2544): nobody's on the Internet, and not private.
SUBNET = "198.18.58.0/24"
NETWORK = "strangers-"
ADDRESSES = ("198.18.58.65", "198.18.58.66", "198.18.58.77")
# The same of IPv6 (RFC 5180), and the networks behind the first machine.
SUBNET_V6 = "2001:2:0:58::/64"
ADDRESSES_V6 = ("2001:2:0:58::65", "2001:2:0:58::66", "2001:2:0:58::77")
BEHIND_THE_FIRST = "2001:2:0:100::/56"
# What a machine around the server answers to besides: an inner service, the metadata of clouds, a carrier's network.
PRIVATE_REFUSED = ("10.213.7.1", "169.254.169.254", "172.31.213.1", "192.168.213.1", "100.100.100.200", "168.63.129.16")
# As the lab's platform.yml declares it.
PRIVATE_ALLOWED = "10.213.7.2"

LISTEN = """
import selectors, socket, sys
ready = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    both = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    ready.register(both, selectors.EVENT_READ)
while True:
    for key, _ in ready.select():
        key.fileobj.accept()[0].close()
"""
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2)"


@dataclass(frozen=True)
class Strangers:
    """Three machines, by their addresses: any two, and one that is never shut out; and the server's, as they see it."""

    container: str
    server: str
    server_v6: str
    anybody: str = ADDRESSES[0]
    somebody_else: str = ADDRESSES[1]
    declared: str = ADDRESSES[2]

    def run(self, address: str, *argv: str) -> str:
        """Run a program on the machine of that address and return what it prints."""
        return _docker("exec", self._name(address), *argv, check=False)

    def reaches(self, address: str, port: int) -> bool:
        """Say whether the machine of that address gets a connection to the server."""
        argv = ["docker", "exec", self._name(address), "python3", "-c", CONNECT, self.server, str(port)]
        return subprocess.run(argv, capture_output=True).returncode == 0

    def many_addresses(self) -> None:
        """Let the first machine have every address of the networks behind it."""
        name = self._name(self.anybody)
        _docker("exec", name, "ip", "-6", "route", "replace", "local", BEHIND_THE_FIRST, "dev", "lo")
        _docker("exec", self.container, "ip", "-6", "route", "replace", BEHIND_THE_FIRST, "via", ADDRESSES_V6[0])

    def becomes(self, ask: Callable[[], bool], patience: float = 30) -> bool:
        """Ask until the answer is yes, for up to `patience` seconds."""
        deadline = time.monotonic() + patience
        while not ask():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        return True

    @contextmanager
    def listening(self, *addresses: str, ports: tuple[int, ...]) -> Iterator[None]:
        """Let the first machine answer to further addresses, by way of which the server knows how to reach them."""
        name = self._name(self.anybody)
        for address in addresses:
            _docker("exec", name, "ip", "address", "replace", address, "dev", "lo")
            by = ADDRESSES_V6[0] if ":" in address else self.anybody
            _docker("exec", self.container, "ip", "route", "replace", address, "via", by)
        _docker("exec", "--detach", name, "python3", "-c", LISTEN, *map(str, ports))
        here = [f"{self.anybody}:{port}" for port in ports]
        try:
            assert self.becomes(lambda: all(self._answers_itself(place) for place in here)), "it does not listen"
            yield
        finally:
            for address in addresses:
                # A server whose IPv6 was switched off meanwhile has lost its routes.
                _docker("exec", self.container, "ip", "route", "delete", address, check=False)

    def _answers_itself(self, place: str) -> bool:
        argv = ["docker", "exec", self._name(self.anybody), "python3", "-c", CONNECT, *place.split(":")]
        return subprocess.run(argv, capture_output=True).returncode == 0

    def _name(self, address: str) -> str:
        return f"stranger-{address}-{self.container[:12]}"


@contextmanager
def strangers_around(container: str) -> Iterator[Strangers]:
    """Connect the server's container to a network of strangers, for as long as the block runs."""
    network = f"{NETWORK}{container[:12]}"
    image = _inspect(container)["Config"]["Image"]
    _take_away(container, network)
    _take_away_what_was_left()
    _docker("network", "create", "--subnet", SUBNET, "--ipv6", "--subnet", SUBNET_V6, network)
    try:
        _docker("network", "connect", network, container)
        found = _inspect(container)["NetworkSettings"]["Networks"][network]
        strangers = Strangers(container, found["IPAddress"], found["GlobalIPv6Address"])
        for address, address_v6 in zip(ADDRESSES, ADDRESSES_V6, strict=True):
            run = ("run", "--detach", "--init", "--cap-add=NET_ADMIN", "--name", strangers._name(address))
            # Programs may speak from addresses that only a route gives them.
            free = ("--sysctl", "net.ipv6.ip_nonlocal_bind=1")
            _docker(*run, *free, "--network", network, "--ip", address, "--ip6", address_v6, image, "sleep", "infinity")
        yield strangers
    finally:
        _take_away(container, network)


def _take_away(container: str, network: str) -> None:
    for address in ADDRESSES:
        _docker("rm", "--force", Strangers(container, "", "")._name(address), check=False)
    _docker("network", "disconnect", network, container, check=False)
    _docker("network", "rm", network, check=False)


def _take_away_what_was_left() -> None:
    """Remove the networks of servers that are gone: a run that was killed leaves its own, and two cannot be alike."""
    for network in _docker("network", "ls", "--filter", f"name=^{NETWORK}", "--format", "{{.Name}}").split():
        container = network.removeprefix(NETWORK)
        if not _docker("ps", "--all", "--quiet", "--filter", f"id={container}").strip():
            _take_away(container, network)


def _inspect(container: str) -> dict:
    return json.loads(_docker("inspect", container))[0]


def _docker(*arguments: str, check: bool = True) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=check).stdout
