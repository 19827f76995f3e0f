"""Sets on their way back: chosen from all targets, brought to a folder beside, and looked through before use."""

import os
import shutil
from pathlib import Path

from backup import sets
from backup.errors import BackupError
from backup.files import walk
from backup.repository import Repository
from backup.settings import checked_set, checked_slug


def copies(settings, slug=None, target=None):
    """Return every stored set, asked of the repositories, and by target what was wrong with those that did not answer.

    The sets are by slug and name; of each, its snapshot by target. slug, target: None for all. Raises BackupError if a
    target that was named does not answer, or none does.
    """
    tags = {} if slug is None else {"school": checked_slug(slug)}
    found, faults = {}, {}
    for place in [settings.target(target)] if target is not None else settings.targets.values():
        snapshots, fault = _asked(settings, place, tags)
        if fault:
            faults[place.name] = fault
        for snapshot in snapshots:
            key = (snapshot["tags"].get("school", ""), snapshot["tags"].get("set", ""))
            # The last of those that were stored twice.
            found.setdefault(key, {})[place.name] = snapshot
    if faults and (target is not None or len(faults) == len(settings.targets)):
        raise BackupError("; ".join(faults.values()))
    return found, faults


def _asked(settings, target, tags):
    try:
        return Repository(settings, target).snapshots(**tags), None
    except BackupError as fault:
        return [], str(fault)


def choose(settings, slug, name=None, before=None, target=None):
    """Return the name of a school's set, and its snapshot in each target that has it: the newest, or that of a name.

    before: a moment after which it must not have been taken.
    """
    found, faults = copies(settings, slug, target)
    known = sorted((name for _, name in found), key=sets.order)
    aside = f" ({'; '.join(faults.values())})" if faults else ""
    if not known:
        raise BackupError(f"no set of {slug} is stored{aside}")
    if name is not None:
        if checked_set(name) not in known:
            raise BackupError(f"there is no set {name} of {slug}; stored are {', '.join(known[-10:])}{aside}")
    else:
        fitting = [one for one in known if before is None or sets.moment_of_name(one) <= before]
        if not fitting:
            raise BackupError(f"no set of {slug} is as old as {sets.iso(before)}; the first is {known[0]}{aside}")
        name = fitting[-1]
    return name, found[slug, name]


def fetch(settings, slug, name=None, before=None, target=None, folder=None):
    """Bring a set of a school into a new folder below the root; return its manifest, every file compared with it.

    name, before, target: see `choose`. Where one target has it damaged, the next one that has it is tried. On failure
    nothing is left.
    """
    folder = settings.inside(folder)
    if os.path.lexists(folder):
        raise BackupError(f"{folder} is already there")
    name, places = choose(settings, slug, name, before, target)
    faults = []
    for place, snapshot in places.items():
        manifest, fault = _fetched(settings, slug, name, settings.target(place), snapshot, folder)
        if manifest:
            return manifest
        faults.append(fault)
    raise BackupError("; ".join(faults))


def _fetched(settings, slug, name, target, snapshot, folder):
    """Return the manifest of a set that one target had whole, or why there is none."""
    beside = folder.with_name(f".{folder.name}.partial")
    if os.path.lexists(beside):
        shutil.rmtree(beside)  # of a run that was killed
    try:
        Repository(settings, target).fetch(snapshot, beside)
        manifest = sets.verify(beside, slug)
        if manifest["set"] != name:
            raise BackupError(f"the set {manifest['set']} is there under the name {name}")
        _give_to_the_bench(beside / "files", settings.frappe_uid)
        beside.rename(folder)
    except BackupError as fault:
        words = str(fault)
        return None, words if words.startswith(f"{target.name}: ") else f"{target.name}: {words}"
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return manifest, None


def _give_to_the_bench(files, uid):
    """Make uploads the bench's, as on any server; they have no more rights than to be read and written."""
    for path, status in walk(files) if Path(files).is_dir() else ():
        if os.geteuid() == 0:
            os.chown(files / path, uid, uid, follow_symlinks=False)
        (files / path).chmod(status.st_mode & 0o666)
