"""Keep a copy of the inventory with the backups: with it and the vault's password everything can be made anew."""

from dataclasses import dataclass, field
from pathlib import Path

from schoolctl.remote.backups import Backups
from schoolctl.workflows.step import Step

# Where each lies in an inventory.
_FILES = (
    "hosts.yml",
    "apps.lock.yml",
    "group_vars/all/platform.yml",
    "group_vars/all/schools.yml",
    "group_vars/all/vault.yml",
)
_SECRET = "vault.yml"  # noqa: S105 - a file's name
_ENCRYPTED = "$ANSIBLE_VAULT;"


@dataclass
class KeepInventory:
    """Hand the files of an inventory over to be stored. left_out: those that anybody could read there."""

    backups: Backups
    inventory: Path
    left_out: list[str] = field(default_factory=list)

    def steps(self) -> list[Step]:
        """Return the story of keeping them."""
        return [Step("Keep the inventory's files", do=self._keep)]

    def _keep(self) -> None:
        files = {}
        for path in map(self.inventory.joinpath, _FILES):
            if not path.is_file():
                continue
            text = path.read_text(encoding="utf-8")
            if path.name == _SECRET and not text.startswith(_ENCRYPTED):
                self.left_out.append(path.name)
            else:
                files[path.name] = text
        self.backups.keep_inventory(files)
