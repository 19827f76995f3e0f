"""What closes a host is data that holds on every release that is served, not only on the one that the lab runs."""

import ipaddress
from pathlib import Path

import paramiko
import pytest
import yaml

ROLES = Path(__file__).parents[3] / "roles"
# What Ubuntu 22.04's OpenSSH 8.9 can do, of what we ask for; the others are newer.
OLDEST_SSHD = {
    "HostKeyAlgorithms": {"ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"},
    "KexAlgorithms": {"sntrup761x25519-sha512@openssh.com", "curve25519-sha256", "curve25519-sha256@libssh.org"},
    "Ciphers": {"aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"},
    "MACs": {"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "umac-128-etm@openssh.com"},
}
METADATA = (
    *("169.254.169.254", "169.254.169.253", "fd00:ec2::254", "fe80::a9fe:a9fe"),
    *("100.100.100.200", "168.63.129.16", "192.0.0.192", "64:ff9b::a9fe:a9fe"),
)
PRIVATE = ("10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.0.1", "100.64.0.1", "127.0.0.1", "fd12:3456::1", "::1")


def _variables(role: str) -> dict:
    return yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text())


def _algorithms(option: str) -> list[str]:
    return _variables("host_ssh")["__host_ssh_options"][option].split(",")


def _within(address: str, networks: list[str]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks)


@pytest.mark.parametrize("option", OLDEST_SSHD)
def test_the_oldest_sshd_that_is_served_knows_every_algorithm(option: str):
    assert set(_algorithms(option)) <= OLDEST_SSHD[option]


def test_the_client_of_schoolctl_shares_an_algorithm_of_each_kind():
    offer = paramiko.Transport

    assert set(_algorithms("HostKeyAlgorithms")) & set(offer._preferred_keys)
    assert set(_algorithms("KexAlgorithms")) & set(offer._preferred_kex)
    assert set(_algorithms("Ciphers")) & set(offer._preferred_ciphers)
    assert set(_algorithms("MACs")) & set(offer._preferred_macs)


def test_kernel_settings_leave_alone_what_containers_need():
    settings = _variables("host_base")["__host_base_sysctl"]

    assert not [key for key in settings if "forward" in key or "userns" in key or "bridge-nf" in key]


@pytest.mark.parametrize("address", METADATA)
def test_the_bench_is_kept_from_the_metadata_of_every_cloud(address: str):
    private = _variables("host_firewall")["__host_firewall_private"]

    assert _within(address, private["ip6" if ":" in address else "ip"])


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused_to_the_bench_and_never_shut_out(address: str):
    private = _variables("host_firewall")["__host_firewall_private"]

    assert _within(address, _variables("host_fail2ban")["__host_fail2ban_private"])
    # Nothing is routed to ::1.
    assert address == "::1" or _within(address, private["ip6" if ":" in address else "ip"])


def test_the_rest_of_the_world_is_neither():
    firewall, bans = _variables("host_firewall"), _variables("host_fail2ban")

    for address in ("203.0.113.5", "198.18.58.65", "172.32.0.1", "100.128.0.1", "2001:db8::1"):
        assert not _within(address, firewall["__host_firewall_private"]["ip6" if ":" in address else "ip"])
        assert not _within(address, bans["__host_fail2ban_private"])
