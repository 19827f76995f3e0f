"""What host_firewall promises of the schools' containers: the world, and nothing of what lies around the server."""

import subprocess

import pytest
from strangers import PRIVATE_ALLOWED, PRIVATE_REFUSED, Strangers

BENCH = ("schools-web", "schools-worker-short", "schools-worker-long", "schools-scheduler", "schools-tools")


@pytest.fixture(scope="module", autouse=True)
def neighbourhood(strangers: Strangers):
    """Put listeners of private addresses around the server, as those of a provider or an organisation are."""
    with strangers.listening(*PRIVATE_REFUSED, PRIVATE_ALLOWED, ports=(53, 8000)):
        yield


@pytest.mark.parametrize("address", PRIVATE_REFUSED)
def test_the_bench_is_refused_what_lies_around_the_server(lab, address: str):
    assert _connects(lab, "", address, 8000), "the server itself gets there"
    for container in BENCH:
        assert not _connects(lab, container, address, 8000), container


@pytest.mark.parametrize("container", BENCH)
def test_the_bench_reaches_the_world_and_the_private_address_that_is_declared(
    lab, strangers: Strangers, container: str
):
    assert _connects(lab, container, strangers.anybody, 8000)
    assert _connects(lab, container, PRIVATE_ALLOWED, 8000)


def test_name_servers_may_be_private(lab):
    assert _connects(lab, "schools-web", PRIVATE_REFUSED[0], 53)


def test_it_is_the_firewall_that_refuses(lab):
    lab.on_server("systemctl", "stop", "schools-firewall")
    try:
        assert _connects(lab, "schools-web", PRIVATE_REFUSED[0], 8000)
    finally:
        lab.on_server("systemctl", "start", "schools-firewall")
    assert not _connects(lab, "schools-web", PRIVATE_REFUSED[0], 8000)


def test_the_bench_reaches_the_pages_of_the_server_and_not_its_ssh(lab, strangers: Strangers):
    for address in (strangers.server, _gateway(lab)):
        assert _connects(lab, "schools-web", address, 80)
        assert not _connects(lab, "schools-web", address, 22)


def test_services_reach_each_other(lab):
    for host, port in (("db", 3306), ("cache", 6379), ("queue", 6379), ("edge", 8090)):
        assert _connects(lab, "schools-web", host, port)


def _gateway(lab) -> str:
    form = "--format={{(index .IPAM.Config 0).Gateway}}"
    return lab.on_server("docker", "network", "inspect", form, "schools_front").strip()


def _connects(lab, container: str, host: str, port: int) -> bool:
    """Say whether a container of the server, or the server itself, gets a connection."""
    inside = ["docker", "exec", container] if container else []
    argv = ["docker", "exec", lab.container, *inside, "timeout", "5", "bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}"]
    return subprocess.run(argv, capture_output=True).returncode == 0
