"""A network that a lab's server shares with one machine alone: its addresses stay while either is another one."""

import subprocess
import zlib

_NETWORKS = 200


def make(name: str) -> str:
    """Make a network with addresses that nobody else has; return how all of them begin. This machine has number 1."""
    first = zlib.crc32(name.encode())
    for number in range(first, first + _NETWORKS):
        part = f"198.18.{60 + number % 190}"
        made = subprocess.run(
            ["docker", "network", "create", "--subnet", f"{part}.0/24", name], capture_output=True, text=True
        )
        if made.returncode == 0:
            return part
    raise AssertionError(made.stderr)


def connect(name: str, container: str) -> None:
    """Connect a container to a network."""
    docker("network", "connect", name, container)


def disconnect(name: str, container: str) -> None:
    """Disconnect a container from a network, if it is connected."""
    docker("network", "disconnect", "--force", name, container, check=False)


def remove(name: str) -> None:
    """Remove a network, if it is there."""
    docker("network", "rm", name, check=False)


def docker(*arguments: str, check: bool = True, text: str = "") -> str:
    """Run Docker's client and return its stdout."""
    done = subprocess.run(["docker", *arguments], input=text, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"docker {' '.join(arguments[:3])}: {done.stderr}")
    return done.stdout
