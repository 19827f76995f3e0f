"""The stack as it is rendered: Compose accepts it, and no service has more than it needs."""

import json
import subprocess
from fnmatch import fnmatch
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml

from schoolctl.render import context
from schoolctl.render.environment import render
from schoolctl.schools.platform import CONTAINERS, LAB_APP, Edge, Platform, Sizing
from tests.support.edge import TEMPLATES

SERVICES = {"db", "cache", "queue", "web", "realtime", "worker-short", "worker-long", "scheduler", "edge", "tools"}
SECRETS = {"redis_password": "not-a-secret"}
SIZES = [(1000, 1), (4000, 2), (64000, 32)]


@pytest.mark.parametrize("source", ["", LAB_APP], ids=["server", "developing"])
def test_compose_accepts_it(tmp_path: Path, source: str):
    version = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if version.returncode:
        pytest.skip("Docker's Compose plugin is not installed (apt install docker-compose-plugin)")
    file = tmp_path / "compose.yml"
    file.write_text(_text("compose/compose.yml.j2", lms_app_source=source))

    checked = subprocess.run(["docker", "compose", "-f", file, "config", "--quiet"], capture_output=True, text=True)

    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_container_is_known_by_its_name():
    assert {service["container_name"] for service in _services().values()} == set(CONTAINERS)


def test_there_are_ten_services_and_only_the_edge_is_published():
    services = _services()

    assert set(services) == SERVICES
    assert {name for name, service in services.items() if "ports" in service} == {"edge"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_no_more_than_it_needs(name: str):
    service = _services()[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"]
    assert service["user"].partition(":")[0] not in ("0", "root", "")
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert int(service["mem_limit"].removesuffix("m")) >= 64
    assert service["healthcheck"]["test"]
    assert service["stop_grace_period"]
    assert service["init"]
    assert service["pids_limit"] <= 1024
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode"} & set(service)
    assert not any("docker.sock" in volume for volume in service["volumes"])


def test_gunicorn_listens_where_the_edge_alone_can_speak_to_it():
    services = _services()
    (bind,) = [word for word in services["web"]["command"] if word.startswith("--bind=")]
    door = bind.removeprefix("--bind=unix:")
    mounted = {
        name: [volume for volume in service["volumes"] if f":{Path(door).parent}" in str(volume)]
        for name, service in services.items()
    }

    assert door.startswith("/")
    assert {name for name, volumes in mounted.items() if volumes} == {"web", "edge"}
    assert mounted["edge"][0].endswith(":ro")
    for template in ("nginx/nginx.conf.j2", "nginx/school.conf.j2"):
        assert f"proxy_pass http://unix:{door};" in (TEMPLATES / template).read_text()
    assert f'DOOR = "{door}"' in (TEMPLATES / "bench/health.py.j2").read_text()


def test_docker_waits_for_all_that_the_health_of_the_bench_may_take():
    text = (TEMPLATES / "bench/health.py.j2").read_text()
    patience, sites = (int(text.partition(f"\n{name} = ")[2].split()[0]) for name in ("PATIENCE_S", "SITES_TO_ASK"))

    # A second more for each site's database.
    assert int(_services()["web"]["healthcheck"]["timeout"].removesuffix("s")) > sites * (patience + 1) + patience


@pytest.mark.parametrize("name", ["web", "worker-short", "worker-long", "scheduler"])
def test_a_service_of_the_bench_is_asked_what_it_is_for(name: str):
    service = _services()[name]

    assert service["healthcheck"]["test"] == ["CMD", "schools-health", "web" if name == "web" else "work"]
    assert [volume for volume in service["volumes"] if str(volume).endswith("/schools-health:ro")]


@pytest.mark.parametrize("ipv6", [True, False])
def test_visitors_come_in_by_a_network_of_the_edge_alone_that_has_ipv6_where_the_server_has_it(ipv6: bool):
    compose = yaml.safe_load(_text("compose/compose.yml.j2", edge=Edge(ipv6=ipv6)))
    entry = compose["networks"]["entry"]

    assert [name for name, service in compose["services"].items() if "entry" in service["networks"]] == ["edge"]
    assert {name for name, network in compose["networks"].items() if network.get("enable_ipv6")} == (
        {"entry"} if ipv6 else set()
    )
    assert not ipv6 or ip_network(entry["ipam"]["config"][0]["subnet"]).is_private
    # Ports are those of the first network that leads to the world, by its name.
    networks = compose["services"]["edge"]["networks"]
    assert min(name for name in networks if not compose["networks"][name].get("internal")) == "entry"


def test_the_edge_cannot_reach_the_data():
    networks = {name: set(service["networks"]) for name, service in _services().items()}

    assert all(networks["edge"].isdisjoint(networks[name]) for name in ("db", "cache", "queue"))


def test_what_keeps_data_or_listens_to_browsers_cannot_reach_the_world():
    compose = yaml.safe_load(_text("compose/compose.yml.j2"))
    internal = {name for name, settings in compose["networks"].items() if settings.get("internal")}

    for name in ("db", "cache", "queue", "realtime"):
        assert set(compose["services"][name]["networks"]) <= internal


def test_nothing_but_the_edge_and_the_queue_shares_a_network_with_the_realtime_server():
    networks = {name: set(service["networks"]) for name, service in _services().items()}

    assert {name for name in SERVICES if networks[name] & networks["realtime"]} == {"edge", "queue", "realtime"}


def test_the_firewall_knows_every_network_by_the_name_of_its_bridge():
    defaults = yaml.safe_load((TEMPLATES.parent / "roles/host_firewall/defaults/main.yml").read_text())
    contained = defaults["host_firewall_contained_interfaces"]
    networks = yaml.safe_load(_text("compose/compose.yml.j2"))["networks"]
    bridges = {name: network["driver_opts"]["com.docker.network.bridge.name"] for name, network in networks.items()}

    assert len(set(bridges.values())) == len(bridges)
    # The kernel cuts longer ones.
    assert all(len(bridge) <= 15 for bridge in bridges.values())
    assert [bridge for bridge in bridges.values() if not any(fnmatch(bridge, known) for known in contained)] == []


def test_a_new_image_empties_the_cache_while_nobody_uses_it():
    services = _services()

    assert services["cache"]["labels"]["schools.image"] == services["web"]["image"]
    assert all(
        service["depends_on"]["cache"]["restart"]
        for service in services.values()
        if service["image"] == services["web"]["image"]
    )


@pytest.mark.parametrize(("memory_mb", "cores"), SIZES)
def test_what_a_service_is_told_to_use_fits_its_limit(memory_mb: int, cores: int):
    sizing = Sizing.of(memory_mb, cores)
    database = _text("mariadb/schools.cnf.j2", memory_mb, cores)
    limit = {name: int(service["mem_limit"].removesuffix("m")) for name, service in _services(memory_mb, cores).items()}

    assert f"innodb_buffer_pool_size = {sizing.buffer_pool_mb}M" in database
    assert sizing.buffer_pool_mb < limit["db"]
    assert f"maxmemory {sizing.cache_maxmemory_mb}mb" in _text("redis/cache.conf.j2", memory_mb, cores)
    assert sizing.cache_maxmemory_mb < limit["cache"]


def test_frappe_reads_its_configuration_as_json():
    settings = json.loads(_text("env/common_site_config.json.j2"))

    assert settings["redis_queue"] == "redis://:not-a-secret@queue:6379"
    assert "webserver_port" not in settings, "Frappe would put it into every link that it mails"


def test_no_secret_is_in_the_compose_file():
    assert "not-a-secret" not in _text("compose/compose.yml.j2")


def test_every_service_of_the_bench_runs_the_app_that_is_being_developed():
    services = _services(lms_app_source=LAB_APP)
    lent = {
        name: [volume for volume in service["volumes"] if LAB_APP in str(volume)] for name, service in services.items()
    }
    bench = {name for name, service in services.items() if service["image"] == services["web"]["image"]}

    assert {name for name, volumes in lent.items() if volumes} == {*bench, "edge"}
    for name in bench:
        (volume,) = lent[name]
        assert volume["target"] == "/home/frappe/frappe-bench/apps/lms_app"
        assert not volume.get("read_only"), "Frappe writes DocTypes there in developer mode"
    assert lent["edge"][0]["read_only"]


def test_an_app_that_is_being_developed_is_loaded_anew_and_never_before_the_workers():
    command = _services(lms_app_source=LAB_APP)["web"]["command"]

    assert {"--reload", "--workers=1"} <= set(command)
    assert "--preload" not in command, "its code would be that of the start for ever"


def test_developing_switches_on_what_frappe_needs_for_it():
    settings = json.loads(_text("env/common_site_config.json.j2", lms_app_source=LAB_APP))
    assert (settings["developer_mode"], settings["allow_tests"]) == (1, True)


def test_a_server_runs_the_app_of_its_image_and_nothing_for_developers():
    services, settings = _services(), json.loads(_text("env/common_site_config.json.j2"))
    assert "/apps/lms_app" not in str(services)
    assert "--preload" in services["web"]["command"]
    assert "--reload" not in services["web"]["command"]
    assert settings["developer_mode"] == 0
    assert "allow_tests" not in settings


def _services(memory_mb: int = 4000, cores: int = 2, lms_app_source: str = "") -> dict:
    return yaml.safe_load(_text("compose/compose.yml.j2", memory_mb, cores, lms_app_source))["services"]


def _text(
    template: str, memory_mb: int = 4000, cores: int = 2, lms_app_source: str = "", edge: Edge | None = None
) -> str:
    platform = Platform(bench_image="bench:test", lms_app_source=lms_app_source, edge=edge or Edge())
    facts = context.server_context(platform, templates=TEMPLATES, image="bench:test", memory_mb=memory_mb, cores=cores)
    return render(TEMPLATES, template, {"platform": facts, "secrets": SECRETS})
