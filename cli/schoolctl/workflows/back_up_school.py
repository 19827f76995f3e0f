"""Back up a school: database, files and configuration in one set on the server, verified before it counts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schoolctl.bench import database
from schoolctl.errors import SchoolctlError
from schoolctl.remote.server import Server
from schoolctl.transport.base import Command
from schoolctl.workflows.databases import drop_database
from schoolctl.workflows.step import Step

PARTIAL = ".partial"
MANIFEST = "manifest.json"
DATABASE_FILE = "database.sql.gz"
FILES_FILE = "files.tar"
CONFIG_FILE = "site_config.json"
# Where Frappe keeps what people uploaded; its own backups and logs beside them are not part of a set.
UPLOADS = ("public/files", "private/files")

_ROOM = 512 * 1024 * 1024


@dataclass
class BackUpSchool:
    """Write a set beside its final name, read it back, and keep it by one rename."""

    server: Server
    school: Mapping[str, Any]
    manifest: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the set after the moment it was begun."""
        self.set_id = self.server.stamp().strftime("%Y%m%dT%H%M%SZ")
        self._sets = self.server.path("backups", self.school["slug"])
        self._partial = f"{self._sets}/{self.set_id}{PARTIAL}"

    def steps(self) -> list[Step]:
        """Return the story of a backup, in order."""
        return [
            Step("Clear what an interrupted backup left", is_done=self._nothing_left, do=self._clear_left),
            Step("Begin a set", do=self._begin, undo=lambda: self.server.remove(self._partial)),
            Step("Dump the database", do=self._dump),
            Step("Pack the files", do=self._pack),
            Step("Write its manifest", do=self._write_manifest),
            Step("Read it back", do=self._verify),
            Step(
                "Keep the set",
                is_done=lambda: self.server.exists(f"{self._sets}/{self.set_id}/{MANIFEST}"),
                do=lambda: self.server.rename(self._partial, f"{self._sets}/{self.set_id}"),
                commits=True,
            ),
            Step("Let go of what the last restore kept", is_done=self._nothing_kept, do=self._drop_kept),
        ]

    @property
    def summary(self) -> dict[str, Any]:
        """What the set holds."""
        database, files = self.manifest["database"], self.manifest["files"]
        return {
            "set": self.set_id,
            "tables": database["tables"],
            "files": files["files"],
            "bytes": database["bytes"] + files["bytes"],
        }

    def _partials(self) -> list[str]:
        return [name for name in self.server.names_in(self._sets) if name.endswith(PARTIAL)]

    def _nothing_left(self) -> bool:
        return not self._partials()

    def _clear_left(self) -> None:
        for name in self._partials():
            self.server.remove(f"{self._sets}/{name}")

    def _begin(self) -> None:
        self._database = site_database(self.server, self.school)
        require_room(self.server, f"back up `{self.school['slug']}`")
        self._take_free_name()
        self.server.make_folder(self._sets)
        self.server.make_folder(self._partial)

    def _take_free_name(self) -> None:
        """Give the set a number if the one before it was begun in the same second."""
        names, moment, number = self.server.names_in(self._sets), self.set_id, 2
        while self.set_id in names:
            self.set_id, number = f"{moment}-{number}", number + 1
        self._partial = f"{self._sets}/{self.set_id}{PARTIAL}"

    def _dump(self) -> None:
        written = self.server.dump(database.dump(self._database), f"{self._partial}/{DATABASE_FILE}")
        self.manifest["database"] = {"file": DATABASE_FILE, **written}

    def _pack(self) -> None:
        written = self.server.pack(self.school["site_dir"], UPLOADS, f"{self._partial}/{FILES_FILE}")
        self.manifest["files"] = {"file": FILES_FILE, **written}

    def _write_manifest(self) -> None:
        config = f"{self._partial}/{CONFIG_FILE}"
        self.server.copy(f"{self.school['site_dir']}/site_config.json", config)
        self.manifest["config"] = {"file": CONFIG_FILE, "sha256": self.server.sha256(config)}
        row = {"slug": self.school["slug"], **self.school["row"]}
        self.manifest |= {"set": self.set_id, "school": row, "image": self.server.survey().image}
        self.server.write(f"{self._partial}/{MANIFEST}", json.dumps(self.manifest, indent=1, sort_keys=True) + "\n")

    def _verify(self) -> None:
        verify_set(self.server, self._partial)

    def _kept(self) -> list[str]:
        return self.server.names_in(self.server.path("archive", self.school["slug"]))

    def _nothing_kept(self) -> bool:
        return not self._kept()

    def _drop_kept(self) -> None:
        # The bench may write a site's configuration, so what it names is no proof of whose database that is.
        survey = self.server.survey()
        in_use = {site.database for sites in (survey.sites, survey.closed) for site in sites.values()}
        for name in self._kept():
            folder = self.server.path("archive", self.school["slug"], name)
            kept = self.server.database_of(folder)
            if kept is not None and kept not in in_use:
                drop_database(self.server, kept)
            self.server.remove(folder)


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


def require_room(server: Server, wish: str) -> None:
    """Raise SchoolctlError if there is little space for a copy of a school. wish: as in "Could not <wish>"."""
    free = server.free_bytes()
    if free < _ROOM:
        raise SchoolctlError(
            f"Could not {wish}",
            because=f"only {free // 1024**2} MB are free below {server.root}",
            hint=f"free at least {_ROOM // 1024**2} MB there, then run it again",
        )


def unpack_files(server: Server, archive: str, folder: str) -> None:
    """Make a site's folders, and fill them with the files of a set; root alone may write where `folder` lies."""
    for name in ("", "/public", "/public/files", "/private", "/private/files", "/private/backups", "/locks", "/logs"):
        server.make_site_folder(folder + name)
    options = ("--extract", "--numeric-owner", "--same-permissions", f"--directory={folder}", f"--file={archive}")
    server.run(Command(("tar", *options)))


def verify_set(server: Server, folder: str) -> dict[str, Any]:
    """Read a whole set, compare it with its manifest and return that; raises SchoolctlError for any damage."""
    manifest = server.read_json(f"{folder}/{MANIFEST}")
    if manifest is None:
        raise _damaged(folder, f"{MANIFEST} is missing or damaged")
    for part in ("database", "files", "config"):
        entry = manifest.get(part)
        if not isinstance(entry, dict):
            raise _damaged(folder, f"the manifest says nothing of its {part}")
        found = server.sha256(f"{folder}/{entry['file']}")
        if found != entry["sha256"]:
            reason = "is missing" if found is None else "is not what the manifest says"
            raise _damaged(folder, f"{entry['file']} {reason}")
    server.run(Command(("gzip", "--test", f"{folder}/{manifest['database']['file']}")))
    return manifest


def _damaged(folder: str, reason: str) -> SchoolctlError:
    return SchoolctlError(
        f"The set {folder.rpartition('/')[2]} cannot be used",
        because=reason,
        hint="choose another set; `show` lists them",
    )
