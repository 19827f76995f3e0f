"""Read where the server is from hosts.yml, the file that Ansible reads as well."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schoolctl.schools import checks
from schoolctl.schools.yaml_file import read_mapping

FILE_NAME = "hosts.yml"
_ADDRESS = re.compile(r"[A-Za-z0-9:][A-Za-z0-9._:%-]{0,252}")


@dataclass(frozen=True, slots=True)
class Host:
    """How to reach one server over SSH; None means what ssh's own configuration says."""

    name: str
    address: str
    port: int | None
    user: str | None
    key_file: Path | None
    known_hosts: Path | None


def load(path: Path, project_root: Path) -> Host:
    """Return the inventory's one host; relative paths in it start at the project's root."""
    group = read_mapping(path, "all")
    shared = _mapping("all.vars", group.get("vars"))
    hosts = _mapping("all.hosts", group.get("hosts"))
    for name, child in _mapping("all.children", group.get("children")).items():
        hosts.update(_mapping(f"all.children.{name}.hosts", _mapping(f"all.children.{name}", child).get("hosts")))
    if len(hosts) != 1:
        raise checks.wrong(
            f"{FILE_NAME}: all.hosts",
            f"must name exactly one server, but names {len(hosts)}",
            hint="use one inventory a server",
        )
    [(name, own)] = hosts.items()
    settings = {**shared, **_mapping(f"all.hosts.{name}", own)}

    def file(key: str) -> Path | None:
        value = settings.get(key)
        return project_root / Path(str(value)).expanduser() if value else None

    port = settings.get("ansible_port")
    if port is not None and (isinstance(port, bool) or not isinstance(port, int)):
        raise checks.wrong(f"{FILE_NAME}: all.hosts.{name}.ansible_port", f"{port!r} is not a port number")
    address = settings.get("ansible_host", name)
    try:
        checked = address_of(address)
    except checks.InvalidValueError as fault:
        raise checks.wrong(f"{FILE_NAME}: all.hosts.{name}.ansible_host", f"{address!r} {fault}") from None
    return Host(
        name=str(name),
        address=checked,
        port=port,
        user=str(settings["ansible_user"]) if "ansible_user" in settings else None,
        key_file=file("ansible_ssh_private_key_file"),
        known_hosts=file("known_hosts_file"),
    )


def address_of(value: Any) -> str:
    """Return where a server is: an address, a name, or a word that ssh's own configuration explains."""
    checked = checks.text(value)
    if not _ADDRESS.fullmatch(checked):
        raise checks.InvalidValueError("is neither an address nor a name of a server")
    return checked


def _mapping(place: str, value: Any) -> dict[str, Any]:
    """Return a copy; a key without a value is an empty mapping."""
    if value is not None and not isinstance(value, dict):
        raise checks.wrong(f"{FILE_NAME}: {place}", "must be a mapping")
    return dict(value or {})
