"""The set: a folder with all that a school is, and the manifest that says every byte of it."""

import concurrent.futures
import hashlib
import json
from datetime import datetime, timezone
from pathlib import Path

from backup.database import HEAD, REST, file_of
from backup.errors import BackupError, DamagedError
from backup.files import put, sha256, walk
from backup.settings import ISO, checked_set

VERSION = 1
MANIFEST = "manifest.json"
# The long part of the manifest: what is as it was then needs no room in a repository, though the set is another.
CONTENTS = "contents.json"
CONFIG = "site_config.json"

_HASHERS = 2


def now():
    """Return the moment, in UTC, to the second."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def iso(moment):
    """Return a moment as it is written down."""
    return moment.astimezone(timezone.utc).strftime(ISO)


def moment_of(text):
    """Return the moment that a text says; raises BackupError for another form."""
    try:
        return datetime.strptime(text, ISO).replace(tzinfo=timezone.utc)
    except (TypeError, ValueError):
        raise BackupError(f"{text!r} is no moment such as 2026-01-31T12:00:00Z") from None


def name_for(moment, before=None):
    """Return the name of a set that was taken at a moment. before: the name of the one before it, if any."""
    name = moment.strftime("%Y%m%dT%H%M%SZ")
    if before is None or before.partition("-")[0] != name:
        return name
    return f"{name}-{int(before.partition('-')[2] or 1) + 1}"


def moment_of_name(name):
    """Return the moment at which the set of a name was taken; raises BackupError for what cannot be one."""
    text = checked_set(name).partition("-")[0]
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise BackupError(f"{name!r} cannot be the name of a set") from None


def order(name):
    """Return what sorts sets by when they were taken."""
    moment, _, number = name.partition("-")
    return moment, int(number or 1)


def write(folder, manifest):
    """Write a set's manifest into its folder, its contents into a file of their own; return it complete."""
    database, files = manifest["database"], manifest["files"]
    contents = json.dumps({"tables": database["tables"], "files": files["entries"]}, sort_keys=True) + "\n"
    put(Path(folder) / CONTENTS, contents)
    manifest = {**manifest, "contents": entry(contents)}
    short = {
        **manifest,
        "database": {key: value for key, value in database.items() if key != "tables"},
        "files": {key: value for key, value in files.items() if key != "entries"},
    }
    put(Path(folder) / MANIFEST, json.dumps(short, indent=1, sort_keys=True) + "\n")
    return manifest


def read(folder):
    """Return the manifest of the set in a folder; raises BackupError if there is none, or none that can be used."""
    try:
        manifest = json.loads((Path(folder) / MANIFEST).read_text())
        if manifest["version"] != VERSION:
            raise BackupError(f"the manifest in {folder} has version {manifest['version']}; known is {VERSION}")
        checked_set(manifest["set"])
        text = (Path(folder) / CONTENTS).read_text()
        if entry(text) != manifest["contents"]:
            raise DamagedError(f"{CONTENTS} in {folder} is not what the manifest says")
        contents = json.loads(text)
        manifest["database"]["tables"], manifest["files"]["entries"] = contents["tables"], contents["files"]
    except FileNotFoundError:
        raise DamagedError(f"there is no set in {folder}") from None
    except (ValueError, KeyError, TypeError):
        raise DamagedError(f"the manifest in {folder} is damaged") from None
    return manifest


def entry(text):
    """Return what a manifest says of a file with a text: bytes and sha256."""
    words = text.encode()
    return {"bytes": len(words), "sha256": hashlib.sha256(words).hexdigest()}


def expected(manifest):
    """Return what a set consists of besides its manifest: bytes and sha256 of each file, by its path in the folder."""
    database, files = manifest["database"], manifest["files"]["entries"]
    entries = {f"database/{file_of(table)}": entry for table, entry in database["tables"].items()}
    entries |= {f"database/{HEAD}": database["head"], f"database/{REST}": database["rest"]}
    entries |= {f"files/{path}": entry for path, entry in files.items()}
    return {**entries, CONFIG: manifest["config"], CONTENTS: manifest["contents"]}


def number_of_files(manifest):
    """Return how many files a whole set has, the manifest among them."""
    return len(expected(manifest)) + 1


def summary(manifest):
    """Return what is told of a set in a list: set, taken, bytes, tables, rows, files and image."""
    tables = manifest["database"]["tables"].values()
    return {
        "set": manifest["set"],
        "taken": manifest["taken"],
        "bytes": sum(entry["bytes"] for entry in tables) + manifest["files"]["bytes"],
        "tables": len(tables),
        "rows": sum(entry["rows"] for entry in tables),
        "files": manifest["files"]["count"],
        "image": manifest["image"],
    }


def verify(folder, slug=None):
    """Read all files of a set, compare them with its manifest and return that; raises BackupError for any damage.

    slug: whose set it has to be; None for anybody's.
    """
    manifest = read(folder)
    if slug is not None and manifest["school"].get("slug") != slug:
        raise DamagedError(f"the set in {folder} is of {manifest['school'].get('slug')!r}, not of {slug}")
    wanted = expected(manifest)
    found = {path: entry for path, entry in walk(folder) if path != MANIFEST}
    damages = [f"{path} is missing" for path in wanted.keys() - found.keys()]
    damages += [f"{path} belongs to no set" for path in found.keys() - wanted.keys()]
    same = [path for path in wanted.keys() & found.keys() if found[path].st_size == wanted[path]["bytes"]]
    with concurrent.futures.ThreadPoolExecutor(_HASHERS) as pool:
        digests = dict(zip(same, pool.map(lambda path: sha256(Path(folder) / path), same), strict=True))
    changed = [path for path in wanted.keys() & found.keys() if digests.get(path) != wanted[path]["sha256"]]
    damages += [f"{path} is not what the manifest says" for path in changed]
    if damages:
        more = f", and {len(damages) - 3} more" if len(damages) > 3 else ""
        raise DamagedError(f"the set {manifest['set']} is damaged: {', '.join(sorted(damages)[:3])}{more}")
    return manifest
