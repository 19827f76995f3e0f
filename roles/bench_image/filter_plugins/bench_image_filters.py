"""Ask schoolctl what it knows about apps: which commits are locked, which versions are too old."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError

from schoolctl.errors import SchoolctlError
from schoolctl.schools import apps


def bench_image_locked(text: str) -> list[dict[str, str]]:
    """Return the apps of a lock file's text; raises AnsibleFilterError with the model's own words."""
    try:
        lock = apps.parse_lock((yaml.safe_load(text) or {}).get("apps") or {}, "apps.lock.yml")
    except SchoolctlError as fault:
        raise AnsibleFilterError(str(fault)) from fault
    return [{field.name: getattr(app, field.name) for field in fields(app)} for app in lock]


def bench_image_refusals(
    found: Mapping[str, str], lines: Mapping[str, Mapping[str, Any]], release: str, accepted: Mapping[str, str]
) -> list[str]:
    """Return one sentence for each app that is too old and not accepted at exactly this version.

    lines: what minimum_versions.yml says of each release line.
    """
    try:
        minimums = apps.minimums_of(lines, release)
    except SchoolctlError as fault:
        raise AnsibleFilterError(str(fault)) from fault
    return apps.check_versions(found, minimums, accepted)


class FilterModule:
    """Name the filters for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"bench_image_locked": bench_image_locked, "bench_image_refusals": bench_image_refusals}
