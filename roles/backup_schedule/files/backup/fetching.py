"""Sets on their way back: chosen from all targets, brought to a folder beside, and looked through before use."""

import json
import os
import re
import shutil
from pathlib import Path

from backup import sets, standing
from backup.errors import BackupError, DamagedError, DisputedError, LockedError
from backup.files import walk
from backup.repository import Repository
from backup.settings import checked_set, checked_slug

_SNAPSHOT = re.compile(r"[0-9a-f]{8,64}")
# What a file system may need beyond what files hold.
_ROOM = 64 * 1024**2


def copies(settings, slug=None, target=None):
    """Return every stored set, asked of the repositories, and by target what was wrong with those that did not answer.

    The sets are by slug and name; of each, its snapshots by target: where this server knows which one it stored, that
    alone, with `own` true, or, if that is gone, those in its place, with `replaced` true. A copy of what it stored, by
    whoever and under whatever id, is as good as that. slug, target: None for all.
    What says to be a set and cannot be one is left out, and noted when all of a target were asked for. Raises
    BackupError if a target that was named does not answer, or none does.
    """
    tags = {} if slug is None else {"school": checked_slug(slug)}
    found, faults = {}, {}
    for place in [settings.target(target)] if target is not None else settings.targets.values():
        snapshots, fault = _asked(settings, place, tags)
        if fault:
            faults[place.name] = fault
        misnamed = [snapshot["snapshot"][:8] for snapshot in snapshots if _key_of(snapshot) is None]
        if slug is None and not fault:
            standing.misnamed(settings, place.name, misnamed)
        for snapshot in snapshots:
            if key := _key_of(snapshot):
                found.setdefault(key, {}).setdefault(place.name, []).append(snapshot)
    known = standing.read(settings)["schools"]
    for (school, name), places in found.items():
        for place, snapshots in places.items():
            stored = _stored(known.get(school, {}), name, place)
            others = [{**one, "own": False, "replaced": stored is not None} for one in snapshots]
            places[place] = _own(known.get(school, {}), name, stored, snapshots) or _by_content(
                Repository(settings, settings.target(place)), others
            )
    if faults and (target is not None or len(faults) == len(settings.targets)):
        raise BackupError("; ".join(faults.values()))
    return found, faults


def _key_of(snapshot):
    """Return whose set a snapshot says to be, and which; None if that cannot be: anybody with the key may say more."""
    try:
        return checked_slug(snapshot["tags"].get("school")), checked_set(snapshot["tags"].get("set"))
    except BackupError:
        return None


def _stored(school, name, place):
    """Return the snapshot as which this server stored a set in a target; None if it does not know of any."""
    newest = school.get("sets", {}).get(place, {})
    known = school.get("known", {}).get(name, {}).get("snapshots", {}).get(place)
    return known or (newest.get("snapshot") if newest.get("newest") == name else None)


def _own(school, name, stored, snapshots):
    """Return the snapshot of a set that this server stored; if it is gone, those that hold the same to the last bit."""
    trees = school.get("known", {}).get(name, {}).get("trees", ())
    found = [one for one in snapshots if one["snapshot"] == stored]
    found = found or [one for one in snapshots if one["tree"] in trees]
    return [{**one, "own": True, "replaced": False} for one in found]


def _by_content(repository, snapshots):
    """Return snapshots of one set, those with one `tree` that are the same set.

    restic's own goes by the folders around a set as well. The manifest says every byte of what it belongs to.
    """
    if len({one["tree"] for one in snapshots}) < 2:
        return snapshots
    return [{**one, "tree": _manifest_of(repository, one)} for one in snapshots]


def _manifest_of(repository, snapshot):
    try:
        return repository.read(snapshot, sets.MANIFEST)
    except (BackupError, ValueError):
        return snapshot["tree"]  # nobody can tell that it is the same as another


def _asked(settings, target, tags):
    try:
        return Repository(settings, target).snapshots(**tags), None
    except BackupError as fault:
        return [], str(fault)


def disputed(places):
    """Return the targets in which one set may be another than was stored.

    It has several snapshots there that are not the same, or none of them is the one that this server stored.
    """
    return sorted(place for place, snapshots in places.items() if _is_doubtful(snapshots))


def _is_doubtful(snapshots):
    return snapshots[0]["replaced"] or len({one["tree"] for one in snapshots}) > 1


def choose(settings, slug, name=None, before=None, target=None):
    """Return the name of a school's set, and its snapshots in each target that has it: the newest, or that of a name.

    name: of a set, with @ and a snapshot behind it where there are several. before: a moment after which it must not
    have been taken. Raises DisputedError if nobody can tell which of several is meant.
    """
    [(name, places), *_], _ = _fitting(settings, slug, name, before, target)
    return name, _settled(name, places)


def _settled(name, places):
    """Return those targets in which there can be no doubt about what a set is, those first of which the server knows.

    Whoever got the server's key can store what they like under the name of a set, and say that it is older. A server
    that stored the set itself knows better. For another one, a doubt about one target is one about the set: in those
    from which something can be removed, the false one may have taken the place of the true one.
    """
    doubtful = disputed(places)
    own = {place for place, snapshots in places.items() if any(one["own"] for one in snapshots)}
    if own:
        others = places.keys() - own - {*doubtful}
        return {place: places[place] for chosen in (own, others) for place in places if place in chosen}
    if doubtful:
        raise DisputedError(
            f"{'; '.join(_doubt(name, place, places[place]) for place in doubtful)}. What a snapshot says of itself can"
            " be forged; when its file came to the target, the target's own machine knows. The name with @ takes that"
            " one"
        )
    return places


def _doubt(name, place, snapshots):
    """Return why nobody can tell what a set in a target is, with the names that take it all the same."""
    ids = [one["snapshot"][:8] for one in snapshots]
    several = ", ".join(f"{name}@{one}" for one in ids)
    if snapshots[0]["replaced"]:
        return (
            f"{place} has the set {name} as {', '.join(ids)}, which is not what this server stored there, and that is"
            f" gone: {several}"
        )
    return (
        f"{place} has the set {name} more than once, not the same each time, and this server stored none of them: they"
        f" are {several}"
    )


def _fitting(settings, slug, name, before, target):
    """Return the set that is meant and all that are older, newest first, and what was wrong with targets."""
    name, snapshot = _meant(name)
    found, faults = copies(settings, slug, target)
    known = sorted((name for _, name in found), key=sets.order)
    aside = f" ({'; '.join(faults.values())})" if faults else ""
    if not known:
        raise BackupError(f"no set of {slug} is stored{aside}")
    if name is not None:
        if checked_set(name) not in known:
            raise BackupError(f"there is no set {name} of {slug}; stored are {', '.join(known[-10:])}{aside}")
        fitting = known[: known.index(name) + 1]
        if snapshot:
            found[slug, name] = _only(found[slug, name], name, snapshot)
    else:
        fitting = [one for one in known if before is None or sets.moment_of_name(one) <= before]
        if not fitting:
            raise BackupError(f"no set of {slug} is as old as {sets.iso(before)}; the first is {known[0]}{aside}")
    return [(one, found[slug, one]) for one in reversed(fitting)], faults


def _meant(name):
    """Return the name of a set, and the snapshot that is named behind it; None and nothing where there is none."""
    if not isinstance(name, str) or "@" not in name:
        return name, ""
    name, _, snapshot = name.partition("@")
    if not _SNAPSHOT.fullmatch(snapshot):
        raise BackupError(f"{snapshot!r} cannot be the name of a snapshot")
    return name, snapshot


def _only(places, name, snapshot):
    """Return the snapshot of a set that begins so, by target: whoever names it has no doubt."""
    found = {
        place: [{**one, "replaced": False} for one in some if one["snapshot"].startswith(snapshot)]
        for place, some in places.items()
    }
    found = {place: some for place, some in found.items() if some}
    if not found:
        raise BackupError(f"no target has the set {name} as {snapshot}")
    return found


def row(settings, slug, name=None, before=None, target=None):
    """Return the row that a school had when a set of it was taken; name, before, target: see `choose`."""
    name, places = choose(settings, slug, name, before, target)
    faults = []
    for place, snapshots in places.items():
        try:
            return _row_in(Repository(settings, settings.target(place)), snapshots[0], name)
        except BackupError as fault:  # noqa: PERF203 - where one target has it damaged, the next one is asked
            faults.append(str(fault))
    raise BackupError("; ".join(faults))


def _row_in(repository, snapshot, name):
    try:
        school = json.loads(repository.read(snapshot, sets.MANIFEST))["school"]
        return {key: value for key, value in school.items() if key != "slug"}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DamagedError(f"{repository.target.name}: the manifest of {name} is damaged") from None


def fetch(settings, slug, name=None, before=None, target=None, folder=None, or_older=False):
    """Bring a set of a school into a new folder below the root; return its manifest, every file compared with it.

    name, before, target: see `choose`. Where one target has it damaged, the next one that has it is tried; with
    or_older, where all of them have, the newest of the older sets that is sound. A target that does not answer may have
    it whole: then there is no older one. On failure nothing is left. Raises DisputedError as `choose` does.
    """
    folder = settings.inside(folder)
    if os.path.lexists(folder):
        raise BackupError(f"{folder} is already there")
    fitting, silent = _fitting(settings, slug, name, before, target)
    faults = []
    for one, places in fitting if or_older else fitting[:1]:
        manifest, found = _fetched_somewhere(settings, slug, one, _settled(one, places), folder)
        if manifest:
            return manifest
        faults += found
        if silent or not all(isinstance(fault, DamagedError) for fault in found):
            break
    raise BackupError("; ".join([*map(str, faults), *(silent.values() if or_older else ())]))


def _fetched_somewhere(settings, slug, name, places, folder):
    """Return the manifest of a set that some target had whole, or why none has it."""
    faults = []
    for place, snapshots in places.items():
        for snapshot in snapshots:
            manifest, fault = _fetched(settings, slug, name, settings.target(place), snapshot, folder)
            if manifest:
                return manifest, []
            faults.append(fault)
    return None, faults


def _fetched(settings, slug, name, target, snapshot, folder):
    """Return the manifest of a set that one target had whole, or what was wrong with it."""
    beside = folder.with_name(f".{folder.name}.partial")
    if os.path.lexists(beside):
        shutil.rmtree(beside)  # of a run that was killed
    try:
        _bring(Repository(settings, target), snapshot, beside)
        manifest = sets.verify(beside, slug)
        if manifest["set"] != name:
            raise DamagedError(f"the set {manifest['set']} is there under the name {name}")
        _give_to_the_bench(beside / "files", settings.frappe_uid)
        beside.rename(folder)
    except BackupError as fault:
        words = str(fault)
        return None, type(fault)(words if words.startswith(f"{target.name}: ") else f"{target.name}: {words}")
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return manifest, None


def _bring(repository, snapshot, folder):
    """Bring a snapshot into a new folder; raises DamagedError if it cannot be had of a repository that answers.

    An older set takes the place of one that is damaged, so what may pass by itself is none: a repository at which
    somebody else works, a target that was away for a moment, a disk that is full.
    """
    try:
        repository.fetch(snapshot, folder)
    except LockedError:
        raise
    except BackupError:
        repository.demand()
        shutil.rmtree(folder)
        _bring_once_more(repository, snapshot, folder)


def _bring_once_more(repository, snapshot, folder):
    try:
        repository.fetch(snapshot, folder)
    except LockedError:
        raise
    except BackupError as fault:
        repository.demand()
        if not _had_room(folder, snapshot["bytes"] or 0):
            raise
        raise DamagedError(str(fault)) from None


def _had_room(folder, needed):
    """Say whether so many bytes would have found room in a folder, in which some of them are already."""
    there = sum(status.st_size for _, status in walk(folder))
    return shutil.disk_usage(folder.parent).free + there >= needed + _ROOM


def _give_to_the_bench(files, uid):
    """Make uploads the bench's, as on any server; they have no more rights than to be read and written."""
    for path, status in walk(files) if Path(files).is_dir() else ():
        if os.geteuid() == 0:
            os.chown(files / path, uid, uid, follow_symlinks=False)
        (files / path).chmod(status.st_mode & 0o666)
