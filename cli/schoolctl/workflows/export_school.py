"""Export a school: its newest state as one file on this machine, in the names that a stock bench restores."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schoolctl.errors import DeclarationError, SchoolctlError
from schoolctl.remote.backups import Backups
from schoolctl.remote.server import Server
from schoolctl.transport.base import Command
from schoolctl.workflows.back_up_school import EXPORT, require_room, site_database
from schoolctl.workflows.portable import CONFIG, CONTENTS, DATABASE, PRIVATE, PUBLIC, Writer, writing
from schoolctl.workflows.step import Outcome, Progress, Step, run_steps


@dataclass
class ExportSchool:
    """Write one file with all of a school. set_id: a stored set; None for its state now. target: where that set is.

    Nothing is copied on the server: what is read there is a second name of the set's files.
    """

    server: Server
    school: Mapping[str, Any]
    file: Path
    set_id: str | None = None
    target: str | None = None
    manifest: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name what the steps work on."""
        self.backups = Backups(self.server)
        self._slug: str = self.school["slug"]
        self._aside = self.backups.fetched(self._slug) + EXPORT
        self._told = time.monotonic()

    def run(self, progress: Progress, *, dry_run: bool = False) -> None:
        """Export it; whatever fails, nothing of it is left here or there."""
        if not self.file.parent.is_dir():
            raise DeclarationError(f"Could not write {self.file}", because=f"{self.file.parent} is no folder")
        if dry_run:
            run_steps([*self._before(), *self._reading(None, progress)], progress, dry_run=True)
            return
        try:
            with writing(self.file) as writer:
                run_steps([*self._before(), *self._reading(writer, progress)], progress)
        except OSError as fault:
            self.server.remove(self._aside)
            raise SchoolctlError(f"Could not write {self.file}", because=str(fault.strerror or fault)) from None

    @property
    def summary(self) -> dict[str, Any]:
        """What was exported."""
        size = self.file.stat().st_size if self.file.exists() else None
        return {"set": self.manifest.get("set"), "taken": self.manifest.get("taken"), "bytes": size}

    def _before(self) -> list[Step]:
        fetching = [Step("Fetch the set", do=self._fetch, undo=self._drop_aside)]
        setting = [
            Step("Write a set", do=self._write),
            Step("Set it aside", do=self._set_aside, undo=self._drop_aside),
        ]
        return [
            Step("Clear what an interrupted export left", is_done=self._nothing_left, do=self._drop_aside),
            *(fetching if self.set_id else setting),
        ]

    def _reading(self, writer: Writer | None, progress: Progress) -> list[Step]:
        def reading(title: str, part: str, command: Command, of: str) -> Step:
            def read() -> None:
                # Of a school to which nobody has uploaded anything there is no such folder.
                if writer is not None and self.server.exists(f"{self._aside}/{of}"):
                    self._tell(title, progress, writer.add(self._name(part), self.server.read_from(command)))

            return Step(title, do=read)

        return [
            reading("Read its database", DATABASE, self._printing_database(), "database"),
            reading("Read its public files", PUBLIC, self._printing_files("public"), "files/public"),
            reading("Read its private files", PRIVATE, self._printing_files("private"), "files/private"),
            Step("Read its configuration", do=lambda: self._add_configuration(writer)),
            Step(f"Keep {self.file.name}", do=lambda: self._keep(writer)),
            Step("Remove what was set aside", do=self._drop_aside),
        ]

    # --- on the server -----------------------------------------------------------------------------------------------

    def _nothing_left(self) -> bool:
        return not self.server.exists(self._aside)

    def _drop_aside(self) -> None:
        self.server.remove(self._aside)

    def _write(self) -> None:
        site_database(self.server, self.school)
        require_room(self.server, f"export `{self._slug}`")
        self._written = self.backups.write(self._slug)

    def _set_aside(self) -> None:
        # By hard links, and while nobody writes there: the next set takes the place of this one file by file.
        spool, lock = f"{self.backups.folder}/spool/{self._slug}", f"{self.backups.folder}/locks/{self._slug}"
        self.server.make_folder(f"{self.backups.folder}/fetched")
        copying = ("cp", "--archive", "--link", "--", spool, self._aside)
        self.server.run(Command(("flock", "--timeout=600", lock, *copying)))
        self._read_manifest()
        if self.manifest.get("set") != self._written.set_id:
            raise SchoolctlError(
                f"Could not export `{self._slug}`",
                because="another set of it was written in that moment",
                hint="run the same command again",
            )

    def _fetch(self) -> None:
        self.backups.fetch(self._slug, self._aside, set_id=self.set_id, target=self.target)
        self._read_manifest()

    def _read_manifest(self) -> None:
        self.manifest = self.server.read_json(f"{self._aside}/manifest.json") or {}
        contents = self.server.read_json(f"{self._aside}/contents.json") or {}
        self._tables = sorted(contents.get("tables", ()))

    # --- what is read ------------------------------------------------------------------------------------------------

    def _name(self, part: str) -> str:
        moment = str(self.manifest["taken"]).replace("-", "").replace(":", "").replace("T", "_").rstrip("Z")
        return f"{moment}-{self.school['site']}-{part}"

    def _printing_database(self) -> Command:
        # The head, the tables, then what builds on them; each is a whole member of what gunzip puts together.
        named = (
            r"printf '_head.sql\0'; find . -name '*.sql' ! -name '_*' -print0 | LC_ALL=C sort -z; printf '_rest.sql\0'"
        )
        script = f'cd "$1" && {{ {named}; }} | xargs -0 -- gzip --stdout --no-name --'
        return Command(("sh", "-c", script, "sh", f"{self._aside}/database"))

    def _printing_files(self, kind: str) -> Command:
        return Command(
            (
                *("tar", "--create", "--sort=name", "--numeric-owner", "--hard-dereference"),
                *(f"--transform=s,^{kind},./{self.school['site']}/{kind}/files,", f"--directory={self._aside}/files"),
                *("--", kind),
            )
        )

    def _add_configuration(self, writer: Writer | None) -> None:
        text = self.server.read(f"{self._aside}/site_config.json")
        if writer is None or text is None:
            raise SchoolctlError(f"Could not export `{self._slug}`", because="its set has no configuration")
        # Its database's password opens nothing anywhere else.
        config = {key: value for key, value in json.loads(text).items() if key != "db_password"}
        for part, document in ((CONFIG, config), (CONTENTS, None)):
            told = document or {
                "version": 1,
                "members": writer.members,
                "tables": self._tables,
                "manifest": self.manifest,
            }
            data = (json.dumps(told, indent=1, sort_keys=True) + "\n").encode()
            for _ in writer.add(self._name(part), iter([data])):
                pass

    def _keep(self, writer: Writer | None) -> None:
        if writer is not None:
            writer.keep()

    def _tell(self, title: str, progress: Progress, sizes: Iterator[int]) -> None:
        """Read to the end, and say about once in a second how far that is."""
        for size in sizes:
            if (now := time.monotonic()) - self._told >= 1:
                self._told = now
                progress(f"{title}: {size // 10**6} MB", Outcome.GOING_ON, 0.0)
