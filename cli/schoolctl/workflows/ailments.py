"""Tell what is wrong with one of the platform's containers."""

from collections.abc import Mapping
from dataclasses import dataclass

APPLY = "schoolctl apply --all"


@dataclass(frozen=True, slots=True)
class Ailment:
    """What is wrong, in a word, and what mends it."""

    fact: str
    mend: str


def ailment_of(name: str, container: Mapping[str, str] | None) -> Ailment | None:
    """Return what is wrong with a container as `docker ps` tells of it; None for a sound one."""
    if container is None:
        return Ailment("missing", "schoolctl provision")
    if container["state"] != "running":
        return Ailment(container["state"], APPLY)
    if "(unhealthy)" in container["status"]:
        return Ailment("unhealthy", f"look at `docker logs {name}` there")
    return None
