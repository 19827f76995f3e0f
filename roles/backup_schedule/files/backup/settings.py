"""What the server's settings say of its backups, and where everything lies."""

import json
import os
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from backup.errors import BackupError

PATH = "/etc/schools/backups.json"
ISO = "%Y-%m-%dT%H:%M:%SZ"
# How the name of a set begins: the moment at which it was taken.
SET_MOMENT = "%Y%m%dT%H%M%SZ"

_SLUG = re.compile(r"[a-z][a-z0-9-]{1,29}")
_SET = re.compile(r"\d{8}T\d{6}Z(-[1-9]\d{0,3})?")


@dataclass(frozen=True)
class Target:
    """A place for sets, as its settings have it.

    repository: in restic's words, without any secret. upload_kib, download_kib: a second, 0 for no limit.
    environment_file: lines of KEY=value for restic's environment; empty for none. ssh_config: for a repository that is
    reached by SSH.
    """

    name: str
    repository: str
    append_only: bool = False
    upload_kib: int = 0
    download_kib: int = 0
    environment_file: str = ""
    ssh_config: str = ""


@dataclass(frozen=True)
class Settings:
    """The settings as they were read; see the role `backup_schedule`, which writes them."""

    root: Path
    restic: str
    cache: Path
    key_file: Path
    targets: dict[str, Target]
    keep: dict[str, int]
    database: dict[str, object]
    stale_hours: int = 30
    drill_days: int = 7
    alarm: dict[str, object] = field(default_factory=dict)
    frappe_uid: int = 11000
    web: dict[str, object] = field(default_factory=dict)
    redis: dict[str, dict[str, object]] = field(default_factory=dict)
    containers: dict[str, str] = field(default_factory=dict)

    @property
    def backups(self):
        """Where all that is kept here lies; for root alone."""
        return self.root / "backups"

    def spool(self, slug):
        """Where the newest set of a school lies in plain form."""
        return self.backups / "spool" / slug

    def site(self, slug):
        """Where the bench has a school's site."""
        return self.root / "sites" / slug

    def certificate(self, slug):
        """Where the server has the certificate, with its key, that a school brought."""
        return self.root / "tls" / "own" / f"{slug}.pem"

    def claim(self, slug):
        """Where commands note that they are changing a school."""
        return self.root / "journal" / f"{slug}.json"

    def declared(self, slug):
        """Return what is declared of a school: its row and site; raises BackupError if it is unknown here."""
        try:
            found = json.loads((self.backups / "declared" / f"{checked_slug(slug)}.json").read_text())
        except FileNotFoundError:
            raise BackupError(f"no school {slug} is declared on this server") from None
        except ValueError:
            raise BackupError(f"what is declared of {slug} cannot be read") from None
        return found

    def declared_slugs(self):
        """Return every declared school's slug, sorted."""
        return sorted(path.stem for path in (self.backups / "declared").glob("*.json"))

    def target(self, name):
        """Return a target by its name; raises BackupError that lists the known ones."""
        if not isinstance(name, str) or name not in self.targets:
            raise BackupError(f"there is no target {name!r}; known: {', '.join(self.targets) or 'none'}")
        return self.targets[name]

    def inside(self, path):
        """Return a path if it lies below the root, links on the way counting as where they lead."""
        if not isinstance(path, str) or not path.startswith("/"):
            raise BackupError(f"{path!r} is no absolute path")
        given = Path(path)
        parent = given.parent.resolve()
        root = self.root.resolve()
        if given.name in ("", "..") or (parent != root and root not in parent.parents):
            raise BackupError(f"{path} is not below {self.root}")
        return parent / given.name


def read(path=None):
    """Read the settings; path: None for where SCHOOLS_BACKUP_SETTINGS says, or the usual place."""
    given = json.loads(Path(path or os.environ.get("SCHOOLS_BACKUP_SETTINGS", PATH)).read_text())
    targets = {name: Target(name=name, **target) for name, target in given.pop("targets").items()}
    paths = {key: Path(given.pop(key)) for key in ("root", "cache", "key_file")}
    return Settings(targets=targets, **paths, **given)


def checked_slug(slug):
    """Return a slug; raises BackupError for what cannot be one."""
    if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
        raise BackupError(f"{slug!r} cannot be the name of a school")
    return slug


def checked_set(name):
    """Return the name of a set; raises BackupError for what cannot be one."""
    try:
        if _SET.fullmatch(name) and datetime.strptime(name.partition("-")[0], SET_MOMENT):
            return name
    except (TypeError, ValueError):
        pass  # no text, or a month or an hour that there is none of
    raise BackupError(f"{name!r} cannot be the name of a set")
