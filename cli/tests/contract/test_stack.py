"""The stack as it is rendered: Compose accepts it, and no service has more than it needs."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from schoolctl.render import context
from schoolctl.render.environment import render
from schoolctl.schools.platform import CONTAINERS, Platform, Sizing
from tests.support.edge import TEMPLATES

SERVICES = {"db", "cache", "queue", "web", "realtime", "worker-short", "worker-long", "scheduler", "edge", "tools"}
SECRETS = {"redis_password": "not-a-secret"}
SIZES = [(1000, 1), (4000, 2), (64000, 32)]


def test_compose_accepts_it(tmp_path: Path):
    version = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if version.returncode:
        pytest.skip("Docker's Compose plugin is not installed (apt install docker-compose-plugin)")
    file = tmp_path / "compose.yml"
    file.write_text(_text("compose/compose.yml.j2"))

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
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode"} & set(service)
    assert not any("docker.sock" in volume for volume in service["volumes"])


def test_the_edge_cannot_reach_the_data():
    compose = yaml.safe_load(_text("compose/compose.yml.j2"))

    assert compose["networks"]["data"] == {"internal": True}
    assert compose["services"]["edge"]["networks"] == ["front"]
    assert all(compose["services"][name]["networks"] == ["data"] for name in ("db", "cache", "queue"))


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


def _services(memory_mb: int = 4000, cores: int = 2) -> dict:
    return yaml.safe_load(_text("compose/compose.yml.j2", memory_mb, cores))["services"]


def _text(template: str, memory_mb: int = 4000, cores: int = 2) -> str:
    platform = Platform(bench_image="bench:test")
    facts = context.server_context(platform, templates=TEMPLATES, image="bench:test", memory_mb=memory_mb, cores=cores)
    return render(TEMPLATES, template, {"platform": facts, "secrets": SECRETS})
