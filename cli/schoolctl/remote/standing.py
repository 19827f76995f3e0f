"""What a server has written down of its backups: sets, where they are, drills; as its file says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class BackupSet:
    """One set of a school: when it was taken (ISO, UTC), what it holds, and the targets that have it.

    What nobody knows of it is None. image: what ran when it was taken. disputed: those targets in which it may be
    another than was stored: several bear its name and differ, or what the server stored there is gone.
    """

    slug: str
    set_id: str
    taken: str
    targets: tuple[str, ...] = ()
    bytes: int | None = None
    tables: int | None = None
    files: int | None = None
    image: str | None = None
    disputed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drill:
    """What a restore to a throw-away site found of a set.

    at: when it ended (ISO, UTC). seconds: how long all of it took, restore_seconds: until the site could be entered.
    age_seconds: how old the data was. checks: by its name what each found: ok (None for what could not be tried), said,
    seconds. fault: what it failed at, None if it did not. What it did not get as far as is None.
    """

    at: str
    set_id: str | None
    target: str | None
    ok: bool
    seconds: float
    restore_seconds: float | None = None
    age_seconds: float | None = None
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest set of a school in one target; fault: why the last attempt to store one failed, None if it did not."""

    set_id: str | None
    taken: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class SchoolStanding:
    """What was written down of a school's sets, oldest first, of the newest in each target, and of its last drill.

    fault: why no new set could be taken, None if one could.
    """

    known: tuple[BackupSet, ...] = ()
    newest: Mapping[str, Newest] = field(default_factory=dict)
    drill: Drill | None = None
    fault: str | None = None

    @property
    def faults(self) -> dict[str, str]:
        """By target why the last attempt to store a set there failed."""
        return {name: row.fault for name, row in self.newest.items() if row.fault}

    @property
    def last(self) -> BackupSet | None:
        """The newest set that some target has."""
        return next((one for one in reversed(self.known) if one.targets), None)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the server has written down of all backups.

    schools: by slug. targets: by name the damage that the last check found, else what was wrong at the last look; None
    for nothing. checked: by name when that was (ISO, UTC), None for never. kept: by name why old sets could not be let
    go of; inventory: by name why the inventory as it is now is not there, inventory_since: from when on it is not
    (ISO, UTC), whether or not anybody knows why. misnamed: by name the snapshots that say to be sets and cannot be any.
    logs_fault: why the last changes of databases
    could not be put away; logs_put_away: when they last were, or, if never, from when on they should have been.
    """

    schools: Mapping[str, SchoolStanding] = field(default_factory=dict)
    targets: Mapping[str, str | None] = field(default_factory=dict)
    checked: Mapping[str, str | None] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    inventory: Mapping[str, str] = field(default_factory=dict)
    logs_fault: str | None = None
    logs_put_away: str | None = None
    inventory_since: Mapping[str, str] = field(default_factory=dict)
    misnamed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, slug: str) -> SchoolStanding:
        """Return what is known of one school, which may be nothing."""
        return self.schools.get(slug, SchoolStanding())

    def first_in(self, target: str) -> str | None:
        """Return when the first set that is known of a target was taken; None if there is none."""
        taken = [one.taken for school in self.schools.values() for one in school.known if target in one.targets]
        return min(taken, default=None)


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """How a server backs up, and what it has written down of that.

    targets: their names, in order. expected: the schools that shall be backed up, each with the moment (ISO, UTC) from
    which that is known. stale_hours: so old the newest set of one may be; drill_days: and so old its last drill.
    has_key: whether sets can be encrypted. has_log: whether what databases write down of their changes is put away.
    """

    targets: tuple[str, ...]
    expected: Mapping[str, str]
    stale_hours: float
    drill_days: float
    has_key: bool
    has_log: bool
    standing: Standing


def facts_of(found: Mapping[str, Any] | None) -> BackupFacts | None:
    """Return what the agent tells of backups; None where the server makes none."""
    if found is None:
        return None
    return BackupFacts(
        tuple(found["targets"]),
        found["expected"],
        found["stale_hours"],
        found["drill_days"],
        found["has_key"],
        found["has_log"],
        standing_of(found["standing"]),
    )


def standing_of(document: Mapping[str, Any] | None) -> Standing:
    """Return what standing.json says; nothing is known where there is none."""
    found = document or {}
    targets, logs = found.get("targets") or {}, found.get("logs") or {}
    return Standing(
        {slug: _school_standing(slug, row) for slug, row in sorted((found.get("schools") or {}).items())},
        {name: row.get("damage") or row.get("fault") for name, row in targets.items()},
        {name: row.get("checked") for name, row in targets.items()},
        {name: row["kept"] for name, row in targets.items() if row.get("kept")},
        {name: row["inventory_fault"] for name, row in targets.items() if row.get("inventory_fault")},
        logs.get("fault"),
        logs.get("archived") or logs.get("since"),
        {name: row["inventory_since"] for name, row in targets.items() if row.get("inventory_since")},
        {name: tuple(row["misnamed"]) for name, row in targets.items() if row.get("misnamed")},
    )


def _school_standing(slug: str, row: Mapping[str, Any]) -> SchoolStanding:
    known = [set_of(slug, set_id, facts) for set_id, facts in (row.get("known") or {}).items()]
    newest = {
        name: Newest(facts.get("newest"), facts.get("taken"), facts.get("fault"))
        for name, facts in (row.get("sets") or {}).items()
    }
    drill = row.get("drill")
    return SchoolStanding(
        # Some may have been taken in the same second, which only their names tell apart.
        tuple(sorted(known, key=lambda one: (one.taken, len(one.set_id), one.set_id))),
        newest,
        drill_of(drill) if drill else None,
        row.get("fault"),
    )


def set_of(slug: str, set_id: str, row: Mapping[str, Any]) -> BackupSet:
    """Return a set as the backup program tells of it."""
    return BackupSet(
        slug,
        set_id,
        row["taken"],
        tuple(row.get("targets") or ()),
        row.get("bytes"),
        row.get("tables"),
        row.get("files"),
        row.get("image"),
        tuple(row.get("disputed") or ()),
    )


def drill_of(row: Mapping[str, Any]) -> Drill:
    """Return a drill's report as the backup program gives it."""
    return Drill(
        row["at"],
        row["set"],
        row["target"],
        row["ok"],
        row["seconds"],
        row.get("restore_seconds"),
        row.get("age_seconds"),
        row.get("checks") or {},
        row.get("fault"),
    )
