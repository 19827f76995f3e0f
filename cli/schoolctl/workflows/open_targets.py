"""Make backups possible: the key in the vault, and a repository at each target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schoolctl.errors import RefusedError, SchoolctlError
from schoolctl.remote.backups import Backups
from schoolctl.schools import vault
from schoolctl.schools.project import Project
from schoolctl.schools.vault import KEY, Vault
from schoolctl.workflows.step import Progress, Step, run_steps


@dataclass
class OpenTargets:
    """What makes backups possible. names: the targets; hand_over: lets the server have what the vault holds now.

    faults: by target why its repository could not be made. made_key: whether the key is new, so that no kit has it.
    """

    project: Project
    backups: Backups
    names: Sequence[str]
    hand_over: Callable[[], None]
    made: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    made_key: bool = False

    def run(self, progress: Progress, *, dry_run: bool = False) -> bool:
        """Make what is missing; a target that fails keeps no other waiting. Return whether anything was made."""
        changed = run_steps(self._steps(), progress, dry_run=dry_run)
        for name in self.names:
            try:
                changed = run_steps([self._repository(name)], progress, dry_run=dry_run) or changed
            except SchoolctlError as fault:
                self.faults[name] = fault.reason
        return changed

    def _steps(self) -> list[Step]:
        return [
            Step("Make the key of the backups", is_done=self._has_key, do=self._make_key),
            Step("Hand it over to the server", is_done=self._server_has_key, do=self.hand_over),
        ]

    def _make_key(self) -> None:
        if self._server_has_key():
            raise RefusedError(
                "Did not make a key for backups",
                because="the server has one that the vault lacks; another would open none of the sets that there are",
                hint=f"put the server's, from /etc/schools/backup/key, or the kit's into the vault as `{KEY}`",
            )
        self.made_key = vault.make(self.project.inventory)

    def _has_key(self) -> bool:
        return bool(Vault.of(self.project.inventory).values().get(KEY))

    def _server_has_key(self) -> bool:
        facts = self.backups.server.backup_facts()
        return facts is not None and facts.has_key

    def _repository(self, name: str) -> Step:
        def is_made() -> bool:
            # Without a key this is a dry run, which handed nothing over.
            return self._server_has_key() and any(
                target.name == name and target.initialised for target in self.backups.targets()
            )

        def make() -> None:
            if self.backups.init(name):
                self.made.append(name)

        return Step(f"Make the repository of `{name}`", is_done=is_made, do=make)
