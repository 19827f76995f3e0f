"""Keep a copy of the inventory with the backups: with it and the vault's password everything can be made anew."""

from dataclasses import dataclass, field
from pathlib import Path

from schoolctl.errors import SchoolctlError
from schoolctl.remote.backups import Backups
from schoolctl.remote.server import CallFailedError, UnprovisionedError
from schoolctl.schools import inventory_files
from schoolctl.workflows.step import Step


@dataclass
class KeepInventory:
    """Hand the files of an inventory over to be stored. left_out: those that anybody could read there."""

    backups: Backups
    inventory: Path
    left_out: list[str] = field(default_factory=list)

    def steps(self) -> list[Step]:
        """Return the story of keeping them; they are stored with the next set."""
        return [Step("Keep the inventory's files", do=self._keep)]

    def store(self) -> list[str]:
        """Keep them, and store them in every target that lacks them as they are now; return what was not to be had.

        A server that makes no backups yet has nowhere to keep them, and is no reason to say anything.
        """
        try:
            faults = self.backups.keep_inventory(inventory_files.read(self.inventory).texts, store=True)
        except UnprovisionedError:
            return []
        except SchoolctlError as fault:
            reason = fault.reason if isinstance(fault, CallFailedError) else fault.because or fault.what
            return [not_kept(reason)]
        return [f"warning: the inventory as it is now is not in {name}: {why}" for name, why in faults.items()]

    def _keep(self) -> None:
        found = inventory_files.read(self.inventory)
        self.left_out += found.left_out
        self.backups.keep_inventory(found.texts)


def not_kept(reason: str) -> str:
    """Return the warning that says why the backups lack the inventory as it is now."""
    return f"warning: the inventory as it is now is not with the backups: {reason}"
