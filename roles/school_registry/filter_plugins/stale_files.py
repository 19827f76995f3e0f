"""Tell which declared files and folders a server lacks or has otherwise, from one look at all of them.

A task for each file costs a round trip and a start of Python on the server, a hundred schools a minute. So a role asks
`ansible.builtin.find` once and loops over what these filters leave.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha1
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from jinja2 import TemplateError

from schoolctl.render.environment import render

Entry = Mapping[str, Any]


def schoolctl_stale(
    entries: Iterable[Entry], found: Iterable[Entry], *, templates: str = "", **context: Any
) -> list[dict[str, Any]]:
    """Return the entries that are missing or differ in owner, group, mode or, for those with a source, content.

    entries: path, mode, owner, group and perhaps template, or file: a path on this machine. found: the `files` of
    `ansible.builtin.find` with get_checksum. context: what the templates see, beside the entry as `file`. Raises
    AnsibleFilterError when a template cannot be rendered.
    """
    facts = {fact["path"]: fact for fact in found}
    return [dict(entry) for entry in entries if not _as_declared(entry, facts.get(entry["path"]), templates, context)]


def schoolctl_stale_of_schools(
    schools: Iterable[Entry], found: Iterable[Entry], *, templates: str, **context: Any
) -> list[dict[str, Any]]:
    """Return the stale entries among the files of all schools, each with its `school`."""
    known = list(found)
    return [
        {**entry, "school": school}
        for school in schools
        for entry in schoolctl_stale(school["files"], known, templates=templates, school=school, **context)
    ]


def schoolctl_checksums(entries: Iterable[Entry], *, templates: str, **context: Any) -> dict[str, str]:
    """Return the SHA-1 (hex) of what each entry's template renders to, by template."""
    return {entry["template"]: _checksum(entry["template"], templates, context) for entry in entries}


def _as_declared(entry: Entry, fact: Entry | None, templates: str, context: Mapping[str, Any]) -> bool:
    if fact is None or fact["mode"] != entry["mode"]:
        return False
    owners = {fact.get("pw_name"), str(fact["uid"])}
    groups = {fact.get("gr_name"), str(fact["gid"])}
    if str(entry["owner"]) not in owners or str(entry["group"]) not in groups:
        return False
    if "template" in entry:
        return fact.get("checksum") == _checksum(entry["template"], templates, {**context, "file": entry})
    if "file" in entry:
        return fact.get("checksum") == sha1(Path(entry["file"]).read_bytes(), usedforsecurity=False).hexdigest()
    return bool(fact["isdir"])


def _checksum(template: str, templates: str, context: Mapping[str, Any]) -> str:
    try:
        text = render(Path(templates), template, context)
    except TemplateError as fault:
        raise AnsibleFilterError(f"{template}: {fault}") from fault
    return sha1(text.encode(), usedforsecurity=False).hexdigest()  # as `find` answers it


class FilterModule:
    """Name the filters for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "schoolctl_checksums": schoolctl_checksums,
            "schoolctl_stale": schoolctl_stale,
            "schoolctl_stale_of_schools": schoolctl_stale_of_schools,
        }
