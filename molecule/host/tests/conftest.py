"""The lab server as its operator sees it over SSH, and as a stranger sees it from outside."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import testinfra
import yaml
from journey import container_of

PROJECT = Path(__file__).parents[3]
LAB = "molecule-host"
CONTAINER = container_of(LAB)


@dataclass(frozen=True)
class Door:
    """Where and with what the lab's server is entered."""

    address: str
    port: int
    key: Path
    known_hosts: Path

    def ssh(self, user: str, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command as `user`, with the operator's key alone unless `options` say otherwise."""
        argv = ["ssh", "-p", str(self.port), "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
        argv += ["-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes", *options]
        argv += ["-i", str(self.key), f"{user}@{self.address}", *command]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="session")
def door() -> Door:
    inventory = yaml.safe_load((PROJECT / "inventories" / LAB / "hosts.yml").read_text())
    (server,) = inventory["all"]["hosts"].values()
    return Door(
        server["ansible_host"],
        server["ansible_port"],
        PROJECT / server["ansible_ssh_private_key_file"],
        PROJECT / inventory["all"]["vars"]["known_hosts_file"],
    )


@pytest.fixture(scope="session")
def platform() -> dict:
    declared = PROJECT / "inventories" / LAB / "group_vars" / "all" / "platform.yml"
    return yaml.safe_load(declared.read_text())["platform"]


@pytest.fixture(scope="session")
def extra_ca(platform: dict) -> str:
    """Return the declared authorities (PEM), or nothing."""
    declared = platform["extra_ca_file"]
    return (PROJECT / declared).read_text() if declared else ""


@pytest.fixture(scope="session")
def server(door: Door, platform: dict):
    """Return the server, entered as the deploy user with sudo."""
    return testinfra.get_host(
        f"ssh://{platform['deploy_user']}@{door.address}:{door.port}",
        ssh_identity_file=str(door.key),
        ssh_extra_args=f"-F none -o UserKnownHostsFile={door.known_hosts} -o StrictHostKeyChecking=yes",
        sudo=True,
    )


@pytest.fixture(scope="session")
def address() -> str:
    """Return the server's own IPv4 address, reached from the machine that runs the lab: a stranger's way."""
    return _networks()["bridge"]["IPAddress"]


@pytest.fixture(scope="session")
def machine_image() -> str:
    """Return the image that the server was made of: the machine that runs the lab has it."""
    return json.loads(_docker("inspect", CONTAINER))[0]["Config"]["Image"]


@pytest.fixture
def restart(door: Door, platform: dict):
    """Return a switch that turns the server off and on, and waits until it lets its operator in."""

    def off_and_on() -> None:
        _docker("restart", CONTAINER)
        for _ in range(30):
            if door.ssh(platform["deploy_user"], "true").returncode == 0:
                return
            time.sleep(1)
        raise TimeoutError("the server did not come back")

    return off_and_on


@pytest.fixture(scope="module")
def address_v6(server):
    """Give the server a second network, with IPv6, while the tests of a module run."""
    network = f"schoolctl-lab-{LAB}-v6"
    # Outside the ranges that Docker hands out by itself: the engine inside the server may have taken the next one.
    subnets = ("--subnet", "198.18.57.0/24", "--subnet", "fd5c:7001::/64")
    subprocess.run(["docker", "network", "rm", network], capture_output=True, check=False)
    _docker("network", "create", "--ipv6", *subnets, network)
    try:
        _docker("network", "connect", network, CONTAINER)
        # The engine looks once, when it starts, whether there is IPv6.
        server.check_output("systemctl restart docker")
        yield _networks()[network]["GlobalIPv6Address"]
        _docker("network", "disconnect", network, CONTAINER)
    finally:
        _docker("network", "rm", network)


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def _networks() -> dict:
    return json.loads(_docker("inspect", CONTAINER))[0]["NetworkSettings"]["Networks"]
