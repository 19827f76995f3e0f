from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolctl.errors import DeclarationError
from schoolctl.schools import platform
from schoolctl.schools.platform import Platform, Sizing
from tests.support.project import CHECKOUT

APPS = [{"name": "frappe", "url": "https://example.org/frappe", "branch": "version-15"}]


def fault(**values: Any) -> str:
    with pytest.raises(DeclarationError) as raised:
        Platform.from_mapping({"apps": APPS, **values})
    return raised.value.because


def test_the_example_is_a_platform_and_says_what_the_defaults_say() -> None:
    example = platform.load(CHECKOUT / "inventories/example/group_vars/all/platform.yml")
    assert example.root == Platform().root
    assert example.images == Platform().images
    assert example.edge == Platform().edge
    assert example.pool_size == Platform().pool_size
    assert example.reboot_window == Platform().reboot_window
    assert example.never_ban == Platform().never_ban
    assert example.egress_allow == Platform().egress_allow
    assert example.backups == Platform().backups


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"rooot": "/srv/schools"}, "platform.rooot: unknown key, did you mean `root`?"),
        ({"images": {"mariabd": "x"}}, "platform.images.mariabd: unknown key, did you mean `mariadb`?"),
        ({"images": None}, "platform.images: must be a mapping"),
        ({"edge": {"http_port": "80"}}, "platform.edge.http_port: '80' is not a port number"),
        ({"edge": {"http_port": True}}, "is not a port number"),
        ({"edge": {"http_port": 70000}}, "is not a port number"),
        ({"edge": {"ipv6": "yes"}}, "platform.edge.ipv6: 'yes' is neither true nor false"),
        ({"edge": {"ipv6": 1}}, "platform.edge.ipv6: 1 is neither true nor false"),
        ({"pool_size": 101}, "platform.pool_size: 101 is no whole number from 0 to 100"),
        ({"pool_size": -1}, "is no whole number"),
        ({"pool_size": 2.0}, "is no whole number"),
        ({"pool_size": True}, "is no whole number"),
        ({"pool_size": "2"}, "is no whole number"),
        ({"edge": {"guest_cache_seconds": 61}}, "edge.guest_cache_seconds: 61 is no whole number from 0 to 60"),
        ({"edge": {"guest_cache_seconds": True}}, "edge.guest_cache_seconds: True is no whole number"),
        ({"edge": {"logins_per_minute_of_address": -1}}, "edge.logins_per_minute_of_address: -1 is no whole number"),
        ({"edge": {"trusted_proxies": ["proxy.org"]}}, "edge.trusted_proxies[0]: 'proxy.org' is no address or network"),
        ({"edge": {"trusted_proxies": ["203.0.113.5/24"]}}, "edge.trusted_proxies[0]: '203.0.113.5/24' is no address"),
        ({"edge": {"trusted_proxies": ["0.0.0.0/0"]}}, "edge.trusted_proxies[0]: '0.0.0.0/0' is everybody"),
        ({"edge": {"trusted_proxies": ["2001:db8::/32", "::/0"]}}, "edge.trusted_proxies[1]: '::/0' is everybody"),
        ({"edge": {"public_addresses": "203.0.113.5"}}, "edge.public_addresses: must be a list"),
        ({"edge": {"public_addresses": ["vps1.org"]}}, "edge.public_addresses[0]: 'vps1.org' is no IPv4 or IPv6"),
        ({"edge": {"public_addresses": ["203.0.113.5", 7]}}, "edge.public_addresses[1]: must be text"),
        ({"edge": {"public_addresses": ["203.0.113.0/24"]}}, "is no IPv4 or IPv6 address"),
        ({"edge": {"public_addresses": ["::1"]}}, "is no address that a visitor could reach"),
        ({"edge": {"public_addresses": ["224.0.0.1"]}}, "is no address that a visitor could reach"),
        ({"reboot_window": "24:00"}, "platform.reboot_window: '24:00' is no time of day"),
        ({"reboot_window": "3:30"}, "is no time of day"),
        # As YAML reads 13:30 without quotes.
        ({"reboot_window": 810}, "platform.reboot_window: must be text, but YAML reads it as int"),
        ({"never_ban": "198.51.100.0/24"}, "platform.never_ban: must be a list"),
        ({"never_ban": ["school.org"]}, "platform.never_ban[0]: 'school.org' is no address or network"),
        ({"egress_allow": ["10.0.8.25/24"]}, "platform.egress_allow[0]: '10.0.8.25/24' is no address or network"),
        ({"egress_allow": ["10.0.8.0/24 accept"]}, "is no address or network"),
        ({"apps": "frappe"}, "platform.apps: must be a list"),
        ({"apps": [{"name": "frappe"}]}, "platform.apps[0]: lacks url, branch"),
        (
            {"apps": [{"name": "x", "url": "https://a.example/x", "branch": "a..b"}]},
            "platform.apps[0].branch: 'a..b' is no name of a branch",
        ),
        ({"apps": []}, "names no app"),
        ({"lms_app_source": "/home/me/lms_app"}, "platform.lms_app_source: is for labs alone"),
        ({"lms_app_source": "/var/lib/schools-lab/lms_app/../x"}, "platform.lms_app_source: is for labs alone"),
        ({"deploy_keys": [1]}, "platform.deploy_keys[0]: must be text"),
        ({"release": 15.0}, "platform.release: must be text, but YAML reads it as float"),
        ({"timezone": "{{ x }}"}, "platform.timezone: must be plain data"),
        ({"docker_packages": "snap"}, "must be `official` or `distribution`"),
        ({"accept_vulnerable_versions": {"frappe": 15.55}}, "accept_vulnerable_versions.frappe: must be text"),
        ({"accept_vulnerable_versions": ["frappe"]}, "must be a mapping of app to the exact version"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(values: dict[str, Any], reason: str) -> None:
    assert reason in fault(**values)


def test_a_lab_may_lend_its_checkouts_app() -> None:
    assert Platform.from_mapping({"apps": APPS, "lms_app_source": platform.LAB_APP}).lms_app_source == platform.LAB_APP


def test_public_addresses_are_kept_as_the_dns_writes_them() -> None:
    edge = {"public_addresses": ["203.0.113.5", "2001:0DB8:0::5", "10.0.0.5"]}
    platform = Platform.from_mapping({"apps": APPS, "edge": edge})
    assert platform.edge.public_addresses == ("203.0.113.5", "2001:db8::5", "10.0.0.5")


def test_networks_are_single_addresses_or_ranges() -> None:
    values = {"never_ban": ["198.51.100.7", "2001:DB8::/32"], "egress_allow": ["10.0.8.0/24"]}
    platform = Platform.from_mapping({"apps": APPS, **values})
    assert platform.never_ban == ("198.51.100.7/32", "2001:db8::/32")
    assert platform.egress_allow == ("10.0.8.0/24",)


@pytest.mark.parametrize(
    "root",
    ["", "/", "/srv", "srv/schools", "/srv/schools/", "/srv/../etc", "/srv/a b", "/srv/a;b", "/srv//a", "/srv/$x"],
)
def test_the_root_must_be_a_folder_of_its_own_that_nothing_has_to_quote(root: str) -> None:
    assert "platform.root: must be a folder of its own" in fault(root=root)


servers = st.tuples(st.integers(1024, 262_144), st.integers(1, 128))


@given(servers)
def test_no_single_service_may_take_more_than_the_server_has(server: tuple[int, int]) -> None:
    memory, cores = server
    sizes = Sizing.of(memory, cores)
    for name in ("db", "cache", "queue", "web", "worker", "realtime", "scheduler", "edge", "tools"):
        assert 0 < getattr(sizes, f"{name}_mb") <= memory, name
    assert sizes.buffer_pool_mb < sizes.db_mb
    assert sizes.cache_maxmemory_mb < sizes.cache_mb
    assert sizes.web_workers * 220 <= sizes.web_mb
    assert sizes.max_connections > sizes.web_workers * sizes.web_threads


@given(servers, st.integers(0, 65_536), st.integers(0, 64))
def test_a_bigger_server_gives_no_service_less(server: tuple[int, int], memory: int, cores: int) -> None:
    small, big = Sizing.of(*server), Sizing.of(server[0] + memory, server[1] + cores)
    for name in Sizing.__dataclass_fields__:
        assert getattr(big, name) >= getattr(small, name), name


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"deploy_user": "root"}, "platform.deploy_user"),
        ({"deploy_user": "ALL"}, "platform.deploy_user"),
        ({"bootstrap_user": "a b"}, "platform.bootstrap_user"),
        ({"timezone": "../../etc/shadow"}, "platform.timezone"),
        ({"timezone": 'UTC"x: #'}, "platform.timezone"),
        ({"release": "develop"}, "platform.release"),
        ({"apps": [{"name": "../../x", "url": "https://a.example/x", "branch": "b"}]}, "platform.apps[0].name"),
        ({"apps": [{"name": "x", "url": "https://a.example/x", "branch": "-x"}]}, "platform.apps[0].branch"),
        ({"apps": [{"name": "x", "url": "https://token@a.example/x", "branch": "b"}]}, "platform.apps[0].url"),
        ({"apps": [{"name": "x", "url": "--upload-pack=x", "branch": "b"}]}, "platform.apps[0].url"),
    ],
)
def test_what_other_programs_would_have_to_quote_is_refused_with_its_place(change: dict[str, Any], place: str) -> None:
    apps = [{"name": "frappe", "url": "https://a.example/frappe", "branch": "version-15"}]
    Platform.from_mapping({"apps": apps})
    with pytest.raises(DeclarationError) as refused:
        Platform.from_mapping({"apps": apps, **change})
    assert f"platform.yml: {place}: " in refused.value.because
