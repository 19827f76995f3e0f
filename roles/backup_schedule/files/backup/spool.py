"""The newest set of a school in plain form, which restic stores: the one before it stays until the new one is whole.

What is as it was is not touched, down to its times, so that restic neither reads nor stores it again. What is new is
made beside. It is whole from the rename on that calls it ready; moving it in can then be repeated, and is, by whoever
comes next.
"""

import contextlib
import errno
import json
import os
import shutil
import stat
from pathlib import Path

from backup import logs, sets
from backup.database import HEAD, REST, checked_name, file_of
from backup.errors import BackupError, ChangedError
from backup.files import BLOCK, open_folder, open_regular, put, read_json, sha256, walk

# A site's uploads, and what they are called in a set.
_UPLOADS = {"public/files": "public", "private/files": "private"}
_CONFIG_LIMIT = 1 << 20


class Spool:
    """What lies on the server of one school; whoever asks holds the school's lock."""

    def __init__(self, settings, slug):
        self.folder = settings.spool(slug)
        self.slug = slug
        self._settings = settings
        self._made = self.folder.with_name(f".{slug}.partial")
        self._ready = self.folder.with_name(f".{slug}.ready")

    def settle(self):
        """Finish what an interrupted run had ready, and clear away what it had not."""
        if (self._ready / sets.MANIFEST).exists():
            self._move_in()
        if self._ready.exists():
            shutil.rmtree(self._ready)  # all of it had been moved
        if self._made.exists():
            shutil.rmtree(self._made)

    def manifest(self):
        """Return the manifest of the set that lies here; raises BackupError if there is none, or not all of it.

        How large an upload is `demand_unchanged` looks at: the school may write to it at any time.
        """
        self.settle()
        manifest = sets.read(self.folder)
        found = {path: entry.st_size for path, entry in walk(self.folder) if path != sets.MANIFEST}
        wanted = {path: entry["bytes"] for path, entry in sets.expected(manifest).items()}
        if found.keys() != wanted.keys() or any(
            found[path] != size for path, size in wanted.items() if not path.startswith("files/")
        ):
            raise BackupError(f"what lies of {self.slug} in the spool is not what its manifest says")
        return manifest

    def demand_unchanged(self, manifest):
        """Raise ChangedError if an upload of the set was written to: here and at the site it is one and the same."""
        for path, entry in manifest["files"]["entries"].items():
            if _form(os.lstat(self.folder / "files" / path)) != (entry["bytes"], entry["modified"]):
                raise ChangedError(f"{path} was written to since the set was taken")

    def write(self, database, image):
        """Take a set; return its manifest. image: what runs the schools now, as `images.running` says it.

        Raises ChangedError if the school got another database, or a command began or ended on it, meanwhile; and
        BackupError for all else that stands in the way. The set that lay here before is then as it was.
        """
        self.settle()
        declared = self._settings.declared(self.slug)
        before = self._before()
        self._made.mkdir(parents=True, mode=0o700)
        (self._made / "database").mkdir()
        try:
            taken = sets.now()
            config, claim = self._config(), self._claim()
            name = _database_of(config)
            dump = database.dump(name, self._made / "database", before.get("database"))
            files = self._take_uploads(before.get("files", {}).get("entries", {}))
            if _database_of(self._config()) != name or self._claim() != claim:
                raise ChangedError("another command was at work on it meanwhile")
            certificate = self._certificate(declared["row"])
            for part, name_in_set, text in (
                ("config", sets.CONFIG, config),
                ("certificate", sets.CERTIFICATE, certificate),
            ):
                if text is not None and before.get(part) != sets.entry(text):
                    put(self._made / name_in_set, text)
            manifest = {
                "version": sets.VERSION,
                "set": sets.name_for(taken, before.get("set")),
                "taken": sets.iso(taken),
                "school": {"slug": self.slug, **declared["row"]},
                "site": declared["site"],
                **image,
                "versions": dump.versions,
                "database": {"name": name, **dump.as_manifest, "log": self._log(dump.position)},
                "files": {
                    "count": len(files),
                    "bytes": sum(entry["bytes"] for entry in files.values()),
                    "entries": files,
                },
                "config": sets.entry(config),
                **({} if certificate is None else {"certificate": sets.entry(certificate)}),
            }
            manifest = sets.write(self._made, manifest)
            self._made.rename(self._ready)
        except BaseException:
            shutil.rmtree(self._made, ignore_errors=True)
            raise
        self._move_in()
        return manifest

    def dump(self, database, folder):
        """Dump the school's database alone into a new folder, from which it can be loaded; return its manifest.

        Nothing of the set that lies here is touched. On failure nothing is left.
        """
        taken, name = sets.now(), _database_of(self._config())
        (folder / "database").mkdir(parents=True, mode=0o700)
        try:
            manifest = {
                "version": sets.VERSION,
                "set": sets.name_for(taken),
                "taken": sets.iso(taken),
                "school": {"slug": self.slug},
                "database": {"name": name, **database.dump(name, folder / "database").as_manifest},
                "files": {"count": 0, "bytes": 0, "entries": {}},
            }
            return sets.write(folder, manifest)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def remove(self):
        """Remove all that lies here of the school."""
        for folder in (self._made, self._ready, self.folder):
            if folder.exists():
                shutil.rmtree(folder)

    # --- what is read of the school ----------------------------------------------------------------------------------

    def _before(self):
        """Return the manifest of the set that lies here, as far as its files are there; {} if there is none."""
        try:
            before = sets.read(self.folder)
        except BackupError:
            return {}
        there = {path: entry.st_size for path, entry in walk(self.folder)}
        tables = before["database"]["tables"]
        before["database"]["tables"] = {
            table: entry for table, entry in tables.items() if there.get(f"database/{file_of(table)}") == entry["bytes"]
        }
        for part, entries, path in (
            ("head", before["database"], f"database/{HEAD}"),
            ("rest", before["database"], f"database/{REST}"),
            ("config", before, sets.CONFIG),
            ("certificate", before, sets.CERTIFICATE),
        ):
            if part in entries and there.get(path) != entries[part]["bytes"]:
                del entries[part]
        return before

    def _config(self):
        """Return the text of the site's configuration."""
        try:
            with self._in_site() as site, open_regular(sets.CONFIG, site) as file:
                return file.read(_CONFIG_LIMIT).decode()
        except FileNotFoundError:
            raise BackupError(f"there is no site of {self.slug} on this server") from None

    def _certificate(self, row):
        """Return the certificate that the school brings, with its key; None where it brings none, or it is not here."""
        if row.get("certificate") != "own":
            return None
        try:
            return self._settings.certificate(self.slug).read_text()
        except FileNotFoundError:
            return None

    def _claim(self):
        """Return what a command under way noted about the school, if one is."""
        claim = read_json(self._settings.claim(self.slug))
        return claim and {key: claim.get(key) for key in ("doing", "since", "database")}

    def _log(self, position):
        # Asked of the server: a name that lay beside could be that of another, whose data is no more.
        stream = logs.stream_of(self._settings) if position else None
        return {"stream": stream, **position} if stream else None

    # --- uploads -----------------------------------------------------------------------------------------------------

    def _take_uploads(self, before):
        """Link every upload that is not as before into the set; return what the manifest says of all.

        The bench owns these folders and may put anything in anything's place at any moment: each folder is opened
        itself and gone through by that, nothing but regular files is taken, and each is looked at where root has it.
        """
        entries = {}
        with self._in_site() as site:
            for place, name in _UPLOADS.items():
                self._take_place(site, place, name, before, entries)
        return dict(sorted(entries.items()))

    def _take_place(self, site, place, name, before, entries):
        try:
            with _folder(place, site) as uploads:
                self._take_folder(uploads, name, before, entries)
        except FileNotFoundError:
            pass  # nothing was uploaded yet
        except NotADirectoryError:
            raise BackupError(f"{place} is no folder, and what a link leads to is not taken") from None

    def _take_folder(self, folder, inside, before, entries):
        with os.scandir(folder) as found:
            listed = list(found)
        for entry in listed:
            path = f"{inside}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                # Removed, or replaced by a link, since it was listed: then it is not there.
                with contextlib.suppress(FileNotFoundError, NotADirectoryError), _folder(entry.name, folder) as inner:
                    self._take_folder(inner, path, before, entries)
            elif entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):
                    entries[path] = self._take_file(entry.name, folder, path, before.get(path))
        for path in [path for path, taken in entries.items() if taken is None]:
            del entries[path]

    def _take_file(self, name, folder, path, before):
        """Return bytes, sha256 and modified of one upload, which is in the set then; None if it is no file any more."""
        now = os.stat(name, dir_fd=folder, follow_symlinks=False)
        kept = _status(self.folder / "files" / path)
        # On another disk what is kept is a copy.
        is_kept = kept is not None and (kept.st_dev != now.st_dev or kept.st_ino == now.st_ino)
        if before and is_kept and _form(now) == _form(kept) == (before["bytes"], before["modified"]):
            return before
        if is_kept and kept.st_dev == now.st_dev:
            taken = self.folder / "files" / path  # the same file, written to in its place
        else:
            taken = self._made / "files" / path
            taken.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(name, folder, taken)
            if not stat.S_ISREG(os.lstat(taken).st_mode):
                taken.unlink()
                return None
        digest = sha256(taken)
        size, modified = _form(os.lstat(taken))
        return {"bytes": size, "sha256": digest, "modified": modified}

    @contextlib.contextmanager
    def _in_site(self):
        with _folder("sites", None, self._settings.root) as sites, _folder(self.slug, sites) as site:
            yield site

    # --- in its place ------------------------------------------------------------------------------------------------

    def _move_in(self):
        """Move what is ready to its place, and remove what is no more; whatever was done of it already."""
        manifest = sets.read(self._ready)
        wanted = sets.expected(manifest)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in [path for path, _ in walk(self.folder) if path not in wanted and path != sets.MANIFEST]:
            (self.folder / path).unlink()
        for inner, _, _ in os.walk(self.folder, topdown=False):
            with contextlib.suppress(OSError):
                Path(inner).rmdir()  # those that are empty
        for path in [path for path, _ in walk(self._ready) if path not in (sets.MANIFEST, sets.CONTENTS)]:
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._ready / path).replace(target)
        self.folder.mkdir(exist_ok=True, mode=0o700)
        contents = self.folder / sets.CONTENTS
        if not contents.exists() or sha256(contents) != manifest["contents"]["sha256"]:
            # What is ready can be read until its manifest goes, the last of all.
            put(contents, (self._ready / sets.CONTENTS).read_text())
        (self._ready / sets.MANIFEST).replace(self.folder / sets.MANIFEST)
        shutil.rmtree(self._ready)


@contextlib.contextmanager
def _folder(path, folder, top=None):
    """Open a folder by its path in another, each part itself and never what a link leads to."""
    number = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if top else os.dup(folder)
    try:
        for part in path.split("/"):
            inner = open_folder(part, number)
            os.close(number)
            number = inner
        yield number
    finally:
        os.close(number)


def _status(path):
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _form(status):
    return status.st_size, status.st_mtime_ns


def _link_or_copy(name, folder, taken):
    """Have a file of a folder in another place, too; on another disk as a copy that is as old."""
    try:
        os.link(name, taken, src_dir_fd=folder, follow_symlinks=False)
    except OSError as fault:
        if fault.errno != errno.EXDEV:
            raise
        with open_regular(name, folder) as source, taken.open("xb") as copy:
            before = os.fstat(source.fileno())
            shutil.copyfileobj(source, copy, BLOCK)
            if _form(os.fstat(source.fileno())) != _form(before):
                raise ChangedError(f"{name} was written to while it was copied") from None
        os.utime(taken, ns=(before.st_atime_ns, before.st_mtime_ns))


def _database_of(config):
    try:
        return checked_name(json.loads(config)["db_name"])
    except (ValueError, KeyError, TypeError):
        raise BackupError(f"the site's {sets.CONFIG} names no database") from None
