"""Keep a copy of the inventory with the backups: with it and the vault's password everything can be made anew."""

from dataclasses import dataclass, field
from pathlib import Path

from schoolctl.remote.backups import Backups, OutdatedError
from schoolctl.remote.server import UnprovisionedError
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

    def hand_over(self) -> None:
        """Keep them, and let the server store them behind the command in every target that lacks them as they are now.

        A target may be slow or away: nobody waits for it, and the server tells of it by itself. Raises SchoolctlError.
        A server that makes no backups yet has nowhere to keep them, and is no reason to say anything.
        """
        try:
            lacking = self.backups.keep_inventory(inventory_files.read(self.inventory).texts)
        except OutdatedError:
            raise
        except UnprovisionedError:
            return
        if lacking:
            self.backups.begin_storing_inventory()

    def _keep(self) -> None:
        found = inventory_files.read(self.inventory)
        self.left_out += found.left_out
        self.backups.keep_inventory(found.texts)
