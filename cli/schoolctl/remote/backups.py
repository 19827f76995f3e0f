"""Backups as the server's own program makes, checks and brings back them: a method for each call that is asked here.

Timers run the same program without any schoolctl. It is started once for each connection and answers call by call, so
that each can be told as a step.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schoolctl.remote.server import CallFailedError, Server, UnprovisionedError
from schoolctl.remote.standing import BackupSet, Drill, Standing, drill_of, set_of, standing_of
from schoolctl.transport.base import Command
from schoolctl.transport.session import ServerFaultError

_PROGRAM = Command(("/usr/local/sbin/schools-backup", "serve"))
_PROVISION = "run `schoolctl provision --tags backups`"
# What a manifest says of the image, and so of when it was built.
_SAYS_IMAGE = ("image", "image_id", "image_built", "taken")
# What the program says of a call that it does not know, or not with what is said in it.
_UNKNOWN = re.compile(r"there is no call |\w+: got an unexpected keyword argument ")


class OutdatedError(UnprovisionedError):
    """Report a backup program that is older than this schoolctl."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where sets are kept, as it stands now; fault: why nobody can tell, None if all is well.

    repository: its address, without secrets. append_only: what was stored there cannot be removed from here.
    """

    name: str
    repository: str
    append_only: bool
    initialised: bool
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A set as it was written to the spool: its name, and what it holds. seconds: what that took."""

    set_id: str
    tables: int
    rows: int
    files: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing a set in a target came to. added_bytes: what the repository grew by, bytes: of the whole set.

    set_id: the one that is there; another than was written if its uploads had changed, and it was taken once more.
    others: what that one came to in those targets that had the one before; others_faults: why some have not got it.
    """

    set_id: str
    snapshot: str
    added_bytes: int
    bytes: int
    seconds: float
    others: Mapping[str, "Stored"] = field(default_factory=dict)
    others_faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What arrived in a database, and how long that took."""

    tables: int
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ComparedImage:
    """The image that a set is of, the one that runs, and how the first stands to the second.

    relation: same, other or newer, by when each was built; None if nobody can tell.
    """

    of_set: str | None
    runs: str | None
    relation: str | None

    @property
    def is_newer(self) -> bool:
        """Whether the code that runs is older than what the set was made by."""
        return self.relation == "newer"

    @property
    def is_other(self) -> bool:
        """Whether the set was made by other code than runs, whatever versions that calls itself by."""
        return self.relation in {"other", "newer"}


@dataclass(frozen=True, slots=True)
class Replayed:
    """How far a database was brought: the last moment (ISO, UTC) whose changes are in it.

    reaches_until: where the log ended before the moment that was asked for; None if it did not.
    """

    events_until: str | None
    reaches_until: str | None
    statements: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Removed:
    """How many snapshots a target let go of; fault: why it let go of none, or not of all."""

    removed: int
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of a repository came to, with its last words."""

    ok: bool
    said: str


class Backups:
    """The backup program of a server, by the connection that the server has.

    Each call raises CallFailedError with the program's reason, UnprovisionedError where there is no such program,
    OutdatedError where it cannot do that yet.
    """

    def __init__(self, server: Server) -> None:
        self.server = server

    @property
    def folder(self) -> str:
        """Where everything of backups lies."""
        return self.server.path("backups")

    def fetched(self, name: str) -> str:
        """Return the folder for a set on its way back."""
        return f"{self.folder}/fetched/{name}"

    # --- targets -----------------------------------------------------------------------------------------------------

    def targets(self) -> list[Target]:
        """Return every declared target, asked now."""
        return [
            Target(row["name"], row["repository"], row["append_only"], row["initialised"], row.get("fault"))
            for row in self._ask("targets")
        ]

    def init(self, target: str) -> bool:
        """Make the repository of a target; say whether it is new."""
        return bool(self._ask("init", target=target)["created"])

    def check(self, target: str, percent: int) -> Checked:
        """Let a repository prove itself, with so many percent of its data read."""
        found = self._ask("check", target=target, percent=percent)
        return Checked(found["ok"], found["said"])

    # --- sets --------------------------------------------------------------------------------------------------------

    def write(self, slug: str) -> Written:
        """Write a set of a school to the spool, where it replaces the one before."""
        found = self._ask("write", slug=slug)
        return Written(found["set"], found["tables"], found["rows"], found["files"], found["bytes"], found["seconds"])

    def store(self, slug: str, target: str) -> Stored:
        """Store the spool's set of a school in a target."""
        found = self._ask("store", slug=slug, target=target)
        return _stored(found)

    def sets(self, slug: str | None = None, target: str | None = None) -> list[BackupSet]:
        """Return the sets, of one school or all, in one target or all, oldest first; the repositories are asked."""
        return [set_of(row["slug"], row["set"], row) for row in self._ask("sets", slug=slug, target=target)]

    def fetch(
        self,
        slug: str,
        folder: str,
        *,
        set_id: str | None = None,
        before: str | None = None,
        target: str | None = None,
        or_older: bool = False,
    ) -> dict[str, Any]:
        """Bring a set into a folder that does not exist yet, and return its manifest; each file of it is as stored.

        set_id: which; else the newest, `before` a moment (ISO) if one is given. or_older: or, where it is damaged
        wherever it is, the newest sound one of those before it. On failure no folder is left.
        """
        wanted = {"slug": slug, "set": set_id, "before": before, "target": target, "or_older": or_older}
        found: dict[str, Any] = self._ask("fetch", folder=folder, **wanted)
        return found

    def row(
        self, slug: str, *, set_id: str | None = None, before: str | None = None, target: str | None = None
    ) -> dict[str, Any]:
        """Return the row of schools.yml that a school had when a set of it was taken; which: as `fetch` has it."""
        found: dict[str, Any] = self._ask("row", slug=slug, set=set_id, before=before, target=target)
        return found

    def wait(self, slug: str, seconds: int) -> str | None:
        """Wait so long for whoever is at work on the sets of a school; return who that is if they still are."""
        busy: str | None = self._ask("wait", slug=slug, patience=seconds)["busy"]
        return busy

    def dump(self, slug: str, folder: str, seconds: int) -> None:
        """Dump a school's database, and nothing else, into a folder that does not exist yet, for `load`.

        seconds: to wait for whoever is at work on the school's sets. What its own user made of it, and could make the
        administrator act when it is loaded, is refused.
        """
        self._ask("dump", slug=slug, folder=folder, patience=seconds)

    def load(self, folder: str, database: str) -> Loaded:
        """Load a set or a dump in a folder into a database that is there and empty."""
        found = self._ask("load", folder=folder, database=database)
        return Loaded(found["tables"], found["rows"], found["seconds"])

    def compare(self, folder: str, database: str) -> list[str]:
        """Return the tables whose dump is not, byte for byte, what a set or a dump in a folder holds."""
        return [str(name) for name in self._ask("compare", folder=folder, database=database)["differs"]]

    def compare_image(self, manifest: Mapping[str, Any]) -> ComparedImage:
        """Compare the image that a set is of with the one that runs. manifest: the set's."""
        said = {key: manifest[key] for key in _SAYS_IMAGE if key in manifest}
        found = self._ask("compare_image", manifest=said)
        return ComparedImage(manifest.get("image"), found["runs"], found["relation"])

    def give_back_certificate(self, slug: str, folder: str) -> str:
        """Give an open school the certificate that it brought, from the set in a folder, if the server has none.

        Return what became of it: given back, there (already), missing (in the set too), or not its own.
        """
        return str(self._ask("give_back_certificate", slug=slug, folder=folder)["certificate"])

    def replay(
        self, folder: str, database: str, until: str, target: str | None = None, *, or_before: bool = False
    ) -> Replayed:
        """Bring a database, loaded from a set in a folder, forward to a moment (ISO, to the second).

        target: whose log alone is taken; None for all that there is. or_before: as far as the log goes, where it ends
        before that moment.
        """
        found = self._ask("replay", folder=folder, database=database, until=until, target=target, or_before=or_before)
        return Replayed(found["events_until"], found["reaches_until"], found["statements"], found["seconds"])

    def drill(self, slug: str, set_id: str | None = None, target: str | None = None) -> Drill:
        """Prove a set, the newest one if none is named, by a restore to a throw-away site."""
        return drill_of(self._ask("drill", slug=slug, set=set_id, target=target))

    def erase(self, slug: str) -> dict[str, Removed]:
        """Remove every set of a school, and its spool; by target what that came to."""
        return _removed(self._ask("erase", slug=slug))

    # --- what else is kept -------------------------------------------------------------------------------------------

    def keep_inventory(self, files: Mapping[str, str]) -> list[str]:
        """Hand over the inventory's files, by name their text: they are stored with the next set.

        Return the targets that lack them as they are now; none is asked.
        """
        found = self._ask("keep_inventory", files=dict(files)) or {}
        if "lacking" not in found:
            raise self._outdated()
        return [str(name) for name in found["lacking"]]

    def begin_storing_inventory(self) -> None:
        """Let the server store the inventory by itself in every target that lacks it, without waiting for it."""
        self.server.begin("schools-backup-inventory")

    def standing(self) -> Standing:
        """Return what is written down of all sets and drills; no repository is asked, nor the program."""
        return standing_of(self.server.read_json(f"{self.folder}/standing.json"))

    def _ask(self, call: str, **arguments: Any) -> Any:
        try:
            return self.server.ask(_PROGRAM, {"call": call, "arguments": arguments})
        except ServerFaultError as fault:
            if fault.kind == "no-program":
                raise UnprovisionedError(
                    f"{self.server.name} makes no backups yet",
                    because=fault.because,
                    hint=_PROVISION,
                ) from None
            raise
        except CallFailedError as fault:
            if _UNKNOWN.match(fault.reason):
                raise self._outdated() from None
            raise

    def _outdated(self) -> OutdatedError:
        return OutdatedError(
            f"{self.server.name} cannot do that yet",
            because="its program for backups is older than this schoolctl",
            hint=_PROVISION,
        )


def _stored(found: Mapping[str, Any]) -> Stored:
    others = found.get("others") or {}
    return Stored(
        found["set"],
        found["snapshot"],
        found["added_bytes"],
        found["bytes"],
        found["seconds"],
        {name: _stored(other) for name, other in others.items() if not other["fault"]},
        {name: other["fault"] for name, other in others.items() if other["fault"]},
    )


def _removed(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Removed]:
    return {target: Removed(row["removed"], row.get("fault")) for target, row in found.items()}
