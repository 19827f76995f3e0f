"""Hand Ansible the same derived platform and schools that schoolctl works with."""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

from schoolctl.errors import SchoolctlError
from schoolctl.render import context
from schoolctl.schools.model import Schools
from schoolctl.schools.platform import Platform


def schoolctl_platform(
    values: dict[str, Any], *, project: str, inventory: str, memory_mb: int, cores: int
) -> dict[str, Any]:
    """Return the derived platform; raises AnsibleFilterError with the model's own words."""
    root = Path(project)
    try:
        platform = Platform.from_mapping(values)
        image = context.bench_image(platform, root, Path(inventory) / "apps.lock.yml")
        return context.server_context(
            platform, templates=root / "templates", image=image, memory_mb=memory_mb, cores=cores
        )
    except SchoolctlError as fault:
        raise AnsibleFilterError(str(fault)) from fault


def schoolctl_schools(rows: dict[str, Any], platform: dict[str, Any], *, project: str) -> list[dict[str, Any]]:
    """Return every derived school; raises AnsibleFilterError with the model's own words."""
    templates = Path(project) / "templates"
    try:
        return [
            context.school_context(school, platform, templates=templates) for school in Schools(rows or {}).values()
        ]
    except SchoolctlError as fault:
        raise AnsibleFilterError(str(fault)) from fault


class FilterModule:
    """Name the filters for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"schoolctl_platform": schoolctl_platform, "schoolctl_schools": schoolctl_schools}
