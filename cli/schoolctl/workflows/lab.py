"""The throw-away server: made and removed by the same playbooks that the Molecule scenarios use."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

from schoolctl.errors import CommandUsageError, SchoolctlError
from schoolctl.workflows.playbook import run_playbook
from schoolctl.workflows.step import Progress

DEFAULT = "lab"
_NAME = re.compile(r"lab|lab-[a-z0-9-]{1,20}|molecule-[a-z0-9-]{1,20}")


def up(root: Path, name: str, bench: str, progress: Progress, *, develop: bool = False) -> bool:
    """Make the lab, or start it again; return whether anything changed. bench: real, stand-in or auto.

    develop: its bench runs this checkout's lms_app, not the copy in its image.
    """
    ports = "fixed" if name == DEFAULT else "any"
    extra = {
        "lab_name": _checked(name),
        "lab_bench": bench,
        "lab_ports": ports,
        "lab_develop": "yes" if develop else "no",
    }
    return bool(run_playbook(root, "molecule/shared/create.yml", progress, extra=extra).changed)


def down(root: Path, name: str, progress: Progress) -> None:
    """Remove the lab with all that is on it."""
    run_playbook(root, "molecule/shared/destroy.yml", progress, extra={"lab_name": _checked(name)})


def status(root: Path, name: str) -> dict[str, Any]:
    """Return name, state (absent, running, exited ...) and the published ports by the server's own port."""
    import docker
    from docker.errors import DockerException

    labels = [f"schoolctl.lab.project={root}", f"schoolctl.lab.name={_checked(name)}"]
    try:
        with closing(docker.from_env()) as engine:
            found = engine.containers.list(all=True, filters={"label": labels})
    except DockerException as fault:
        raise SchoolctlError(
            "Could not ask for the lab",
            because=f"Docker on this machine does not answer: {fault}",
            hint="run `make lab`",
        ) from None
    if not found:
        return {"name": name, "state": "absent", "ports": {}}
    container = found[0]
    ports = {
        inside.partition("/")[0]: int(outside[0]["HostPort"])
        for inside, outside in (container.ports or {}).items()
        if outside
    }
    return {"name": name, "state": container.status, "ports": ports}


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CommandUsageError(
            f"`{name}` cannot be a lab's name",
            because="its inventory and its container bear it",
            hint="call it `lab`, or `lab-` and up to 20 of a-z, 0-9 and -",
        )
    return name
