"""Hand Ansible the same derived platform and schools that schoolctl works with."""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

from schoolctl.bench import backups
from schoolctl.errors import SchoolctlError
from schoolctl.render import context
from schoolctl.schools import vault
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


def schoolctl_backup_settings(platform: dict[str, Any], credentials: dict[str, Any]) -> dict[str, Any]:
    """Return what the server's program for backups is told. credentials: of each target that needs some."""
    return backups.settings(platform, list(credentials))


def schoolctl_new_vault(text: str) -> str:
    """Return the words of a vault with a new backup key behind what it held before."""
    return f"{text}{vault.key_entry()}"


class FilterModule:
    """Name the filters for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "schoolctl_backup_settings": schoolctl_backup_settings,
            "schoolctl_new_vault": schoolctl_new_vault,
            "schoolctl_platform": schoolctl_platform,
            "schoolctl_schools": schoolctl_schools,
        }
