"""What of an inventory is kept with the backups: with it and the vault's password everything can be made anew."""

from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class InventoryFiles:
    """The text of each file by its name; left_out: the names of those that anybody could read there."""

    texts: dict[str, str]
    left_out: tuple[str, ...] = ()


def read(inventory: Path) -> InventoryFiles:
    """Return the files of an inventory as they are now."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in map(inventory.joinpath, _FILES) if path.is_file()}
    open_to_all = [name for name in texts if name == _SECRET and not texts[name].startswith(_ENCRYPTED)]
    return InventoryFiles({name: text for name, text in texts.items() if name not in open_to_all}, tuple(open_to_all))
