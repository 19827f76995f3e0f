"""Back up a school: the server writes a set of it, and stores that in every target."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from schoolctl.errors import DeclarationError, SchoolctlError, UnreachableError
from schoolctl.remote.backups import Backups, Stored, Written
from schoolctl.remote.server import Server, UnprovisionedError
from schoolctl.remote.standing import BackupFacts
from schoolctl.transport.base import Command
from schoolctl.workflows.databases import drop_database
from schoolctl.workflows.step import Progress, Step, run_steps

# Where Frappe keeps what people uploaded; its own backups and logs beside them are not part of a set.
UPLOADS = ("public/files", "private/files")
# What is set aside for an export, in the folder for sets on their way.
EXPORT = ".export"

_ROOM = 512 * 1024 * 1024


@dataclass
class BackUpSchool:
    """Let the server write a set of a school and store it in targets.

    targets: their names. everywhere: whether those are all there are. stored: what came of each; faults: of each that
    failed, why.
    """

    server: Server
    school: Mapping[str, Any]
    targets: Sequence[str]
    everywhere: bool = True
    written: Written | None = None
    stored: dict[str, Stored] = field(default_factory=dict)
    faults: dict[str, SchoolctlError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name what the steps work on."""
        self.backups = Backups(self.server)
        self._slug: str = self.school["slug"]
        self._fetched = self.backups.fetched(self._slug)

    def run(self, progress: Progress, *, dry_run: bool = False) -> None:
        """Write a set and store it in every target, whatever becomes of the others.

        Raises SchoolctlError that names the targets that failed; what the others have stays.
        """
        run_steps(self._writing(), progress, dry_run=dry_run)
        self._store_everywhere(progress, dry_run=dry_run)
        # What a restore replaced is let go of for a set that is wherever sets shall be, and for no less.
        if self.everywhere:
            run_steps([self._letting_go()], progress, dry_run=dry_run)

    def store_anew(self, progress: Progress) -> None:
        """Write a set and store it as `run` does; what the last restore kept stays."""
        run_steps(self._writing(), progress)
        self._store_everywhere(progress, dry_run=False)

    def last_steps(self) -> list[Step]:
        """Return the story of a last backup, which has to succeed everywhere and is read back."""
        return [
            *self._writing(),
            *(Step(f"Store it in {target}", do=partial(self._store_surely, target)) for target in self.targets),
            Step("Read it back", do=self._read_back, undo=self._drop_fetched),
            self._letting_go(),
        ]

    @property
    def summary(self) -> dict[str, Any]:
        """What the set holds, and where it is."""
        written = self.written
        if written is None:
            return {}
        return {
            "set": written.set_id,
            "tables": written.tables,
            "files": written.files,
            "bytes": written.bytes,
            "targets": list(self.stored),
            "added_bytes": {target: stored.added_bytes for target, stored in self.stored.items()},
        }

    # --- steps -------------------------------------------------------------------------------------------------------

    def _writing(self) -> list[Step]:
        return [
            Step("Clear what an interrupted export left", is_done=self._nothing_left, do=self._clear_left),
            Step("Write a set", do=self._write),
        ]

    def _storing(self, target: str) -> Step:
        return Step(f"Store it in {target}", do=partial(self._store, target))

    def _letting_go(self) -> Step:
        return Step("Let go of what the last restore kept", is_done=self._nothing_kept, do=self._drop_kept)

    # --- deeds -------------------------------------------------------------------------------------------------------

    def _nothing_left(self) -> bool:
        return not self.server.exists(self._fetched + EXPORT)

    def _clear_left(self) -> None:
        self.server.remove(self._fetched + EXPORT)

    def _write(self) -> None:
        site_database(self.server, self.school)
        require_room(self.server, f"back up `{self._slug}`")
        self.written = self.backups.write(self._slug)

    def _store(self, target: str) -> None:
        stored = self.stored[target] = self.backups.store(self._slug, target)
        if self.written:
            self.written = replace(self.written, set_id=stored.set_id)
        self.stored |= stored.others
        for name, reason in stored.others_faults.items():
            self.stored.pop(name, None)
            self.faults[name] = SchoolctlError(f"Could not store a set in {name}", because=reason)

    def _store_surely(self, target: str) -> None:
        self._store(target)
        if self.faults:
            raise self._failure()

    def _store_everywhere(self, progress: Progress, *, dry_run: bool) -> None:
        for target in self.targets:
            try:
                run_steps([self._storing(target)], progress, dry_run=dry_run)
            except UnreachableError:
                raise
            except SchoolctlError as fault:
                self.faults[target] = fault
        if self.faults:
            raise self._failure()

    def _failure(self) -> SchoolctlError:
        kept = f"; {', '.join(self.stored)} has the set" if self.stored else "; the set is in the spool on the server"
        [first, *_] = self.faults
        return SchoolctlError(
            f"Could not store a set of `{self._slug}` in {', '.join(self.faults)}",
            because="; ".join(self._said(name, fault) for name, fault in self.faults.items()) + kept,
            hint=f"look at it with `schoolctl backup-targets check {first}`, then run the same command again",
            details="\n".join(fault.details for fault in self.faults.values() if fault.details),
        )

    def _said(self, target: str, fault: SchoolctlError) -> str:
        return fault.reason if fault.reason.startswith(f"{target}: ") else f"{target}: {fault.reason}"

    def _read_back(self) -> None:
        self._drop_fetched()
        set_id = self.written.set_id if self.written else None
        self.backups.fetch(self._slug, self._fetched, set_id=set_id, target=self.targets[0])
        self._drop_fetched()

    def _drop_fetched(self) -> None:
        self.server.remove(self._fetched)

    def _kept(self) -> list[str]:
        return self.server.names_in(self.server.path("archive", self._slug))

    def _nothing_kept(self) -> bool:
        return not self._kept()

    def _drop_kept(self) -> None:
        # The bench may write a site's configuration, so what it names is no proof of whose database that is.
        survey = self.server.survey()
        in_use = {site.database for sites in (survey.sites, survey.closed) for site in sites.values()}
        in_use |= {str(claim.get("database")) for claim in survey.claims.values()} | {*survey.pool}
        named = Counter(survey.kept)
        for name in self._kept():
            folder = self.server.path("archive", self._slug, name)
            kept = self.server.database_of(folder)
            if kept is not None and kept not in in_use and named[kept] == 1:
                drop_database(self.server, kept)
            self.server.remove(folder)
            named[str(kept)] -= 1


def backup_facts(server: Server) -> BackupFacts:
    """Return how a server backs up; raises UnprovisionedError if it was never told to."""
    facts = server.backup_facts()
    if facts is None:
        raise UnprovisionedError(
            f"{server.name} makes no backups yet",
            because="nobody has told it where to",
            hint="run `schoolctl provision --tags backups`",
        )
    return facts


def chosen_targets(facts: BackupFacts, names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the targets of these names, all if none is named; raises DeclarationError for an unknown one."""
    for name in names or ():
        if name not in facts.targets:
            raise DeclarationError(
                f"There is no target `{name}`", because=f"the server knows {', '.join(facts.targets) or 'none'}"
            )
    return tuple(dict.fromkeys(names)) if names else facts.targets


def site_database(server: Server, school: Mapping[str, Any]) -> str:
    """Return the name of a school's database; raises SchoolctlError if the school is not open."""
    name = server.database_of(school["site_dir"])
    if name is None:
        raise SchoolctlError(
            f"There is no site of `{school['slug']}` on {server.name}",
            because=f"{school['site_dir']}/site_config.json is missing or damaged",
            hint=f"open it with `schoolctl new-school {school['slug']}`, or restore it",
        )
    return name


def require_room(server: Server, wish: str, needed: int = 0) -> None:
    """Raise SchoolctlError if there is little space for a copy of a school. wish: as in "Could not <wish>".

    needed: bytes that it takes, as far as that is known.
    """
    free, least = server.free_bytes(), _ROOM + needed
    if free < least:
        raise SchoolctlError(
            f"Could not {wish}",
            because=f"only {free // 1024**2} MB are free below {server.root}",
            hint=f"free at least {least // 1024**2} MB there, then run it again",
        )


def make_site_folders(server: Server, folder: str) -> None:
    """Make a site's folders; root alone may write where `folder` lies."""
    for name in ("", "/public", "/public/files", "/private", "/private/files", "/private/backups", "/locks", "/logs"):
        server.make_site_folder(folder + name)


def unpack_files(server: Server, archive: str, folder: str) -> None:
    """Make a site's folders, and fill them with packed files; root alone may write where `folder` lies."""
    make_site_folders(server, folder)
    options = ("--extract", "--numeric-owner", "--same-permissions", f"--directory={folder}", f"--file={archive}")
    server.run(Command(("tar", *options)))
