"""Find the project and the inventory that a command is about."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from schoolctl.errors import DeclarationError
from schoolctl.schools import hosts, platform, store
from schoolctl.schools.hosts import Host
from schoolctl.schools.model import Schools
from schoolctl.schools.platform import Platform


@dataclass(frozen=True)
class Project:
    """One checkout of the project, with one inventory of it chosen."""

    root: Path
    env: str

    @property
    def inventory(self) -> Path:
        """The folder of the chosen inventory."""
        return self.root / "inventories" / self.env

    @property
    def schools_file(self) -> Path:
        """The file with one row a school."""
        return self.inventory / "group_vars" / "all" / "schools.yml"

    @property
    def platform_file(self) -> Path:
        """The file with what all schools share."""
        return self.inventory / "group_vars" / "all" / "platform.yml"

    @property
    def apps_lock(self) -> Path:
        """The file with the commit of each app."""
        return self.inventory / "apps.lock.yml"

    @cached_property
    def platform(self) -> Platform:
        """The platform as declared; read once a run."""
        return platform.load(self.platform_file)

    @property
    def app_names(self) -> list[str]:
        """What every site has, in the order of installation: the declared apps, then our own."""
        return [*(app.name for app in self.platform.apps), "lms_app"]

    @cached_property
    def host(self) -> Host:
        """The one server of the inventory; read once a run."""
        return hosts.load(self.inventory / "hosts.yml", self.root)

    def schools(self) -> Schools:
        """The schools as declared now: commands change the file, so it is read each time."""
        return store.load(self.schools_file)


def find_root(start: Path) -> Path:
    """Return the nearest folder from `start` upwards that holds inventories/ and playbooks/.

    SCHOOLCTL_PROJECT wins; where neither leads anywhere, the checkout that this program runs from is taken.
    """
    named = os.environ.get("SCHOOLCTL_PROJECT")
    candidates = [Path(named)] if named else [start, *start.parents, Path(__file__).resolve().parents[3]]
    for folder in candidates:
        if (folder / "inventories").is_dir() and (folder / "playbooks").is_dir():
            return folder.resolve()
    raise DeclarationError(
        "Could not find the project",
        because=f"neither {candidates[0]} nor a folder above it holds inventories/ and playbooks/",
        hint="change into the checkout, or set SCHOOLCTL_PROJECT",
    )


def inventories(root: Path) -> list[str]:
    """Return the names of all inventories, the example among them; with a dot begins a draft, which is none yet."""
    return sorted(path.parent.name for path in (root / "inventories").glob("[!.]*/hosts.yml"))


def choose(root: Path, env: str | None) -> Project:
    """Return the project with the inventory from `--env`, SCHOOLCTL_ENV, or the only one there is."""
    known = inventories(root)
    own = [name for name in known if name != "example"]
    chosen = env or os.environ.get("SCHOOLCTL_ENV") or (own[0] if len(own) == 1 else None)
    if chosen is None:
        raise DeclarationError(
            "Could not choose an inventory",
            because=f"inventories/ holds {', '.join(known) or 'none'}",
            hint="name one with --env or SCHOOLCTL_ENV; `schoolctl init` or, to try it, `schoolctl lab up` makes one",
        )
    if chosen not in known:
        raise DeclarationError(
            f"There is no inventory `{chosen}`",
            because=f"inventories/ holds {', '.join(known) or 'none'}",
            hint="`schoolctl lab up` makes the inventory `lab`" if chosen == "lab" else "",
        )
    return Project(root, chosen)
