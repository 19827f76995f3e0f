"""One lab with two open schools."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator

import journey as journeys
import pytest
import yaml
from journey import ROOT, Journey
from strangers import Strangers, strangers_around

from schoolctl.schools.vault import PASSWORD_NAME, VARIABLE

SCHOOLS = yaml.safe_load((ROOT / "inventories/example/group_vars/all/schools.yml").read_text())["schools"]


@pytest.fixture(scope="session")
def lab() -> Journey:
    """Return the scenario's lab, with every declared school open."""
    lab = journeys.from_environment()
    for slug in SCHOOLS:
        lab.schoolctl("new-school", slug)
    return lab


@pytest.fixture(scope="session")
def containers(lab: Journey) -> dict[str, dict]:
    """Return what Docker says of each service of the stack, by the service's name."""
    names = lab.on_server("docker", "ps", "--all", "--format", "{{.Names}}").split()
    return {
        container["Config"]["Labels"]["com.docker.compose.service"]: container
        for container in json.loads(lab.on_server("docker", "inspect", *names))
    }


@pytest.fixture(scope="session")
def strangers(lab: Journey) -> Iterator[Strangers]:
    """Return machines around the server that are neither its own nor private."""
    with strangers_around(lab.container) as strangers:
        yield strangers


@pytest.fixture(scope="session")
def play(lab: Journey) -> Callable[[str], str]:
    """Return a way to run one playbook against the lab, which returns what it says."""

    def run(name: str) -> str:
        inventory = ROOT / "inventories" / lab.name / "hosts.yml"
        argv = ["ansible-playbook", "--inventory", inventory, f"playbooks/{name}.yml"]
        opener = {VARIABLE: str(inventory.parent / PASSWORD_NAME)}
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **opener})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
