"""What can be asked of this program, by schoolctl and by its own timers: one method a call."""

import concurrent.futures
import getpass
import hashlib
import os
import re
import time

from backup import fetching, images, sets, standing
from backup.database import Database
from backup.errors import BackupError, BusyError, ChangedError, LockedError, VainError
from backup.files import locked, put, sha256
from backup.repository import INVENTORY, SET, Repository
from backup.settings import checked_slug
from backup.spool import Spool

_INVENTORY_NAME = re.compile(r"[a-z][a-z0-9._-]{0,63}\.yml")
_INVENTORY_LIMIT = 10_000_000
_IMAGE_AGE_S = 60
# Longer than somebody else at the repository is waited for; there is little to store.
_INVENTORY_S = 900


class Calls:
    """The calls, by their names. who: does them, for whoever comes second. patience: seconds to wait for another."""

    def __init__(self, settings, who=None, patience=0):
        self._settings = settings
        self._who = who or os.environ.get("SUDO_USER") or getpass.getuser()
        self._patience = patience
        self._database = Database(settings)
        self._image = None, None

    # --- targets -----------------------------------------------------------------------------------------------------

    def targets(self):
        """Return each target, and whether its repository can be used."""
        rows = []
        for target in self._settings.targets.values():
            fault = fault_of(self._settings, target)
            rows.append(
                {
                    "name": target.name,
                    "repository": target.repository,
                    "append_only": target.append_only,
                    "initialised": fault is None,
                    "fault": fault,
                }
            )
        return rows

    def init(self, target):
        """Make a target's repository if there is none."""
        created = Repository(self._settings, self._settings.target(target)).init()
        with standing.changing(self._settings) as known:
            standing.of_target(known, target).update(initialised=True, fault=None)
            if created:
                # What was damaged is given up.
                standing.of_target(known, target).update(checked=None, damage=None)
        return {"created": created}

    def check(self, target, percent=0):
        """Check a target's repository, and read so many percent of its data.

        What keeps the check from its end, such as a backup that goes on for long, says nothing of what lies there.
        """
        place = self._settings.target(target)
        if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100:
            raise BackupError(f"{percent!r} is no share in percent")
        fault = fault_of(self._settings, place)
        if fault is None:
            try:
                Repository(self._settings, place).check(percent)
            except (LockedError, VainError) as found:
                return {"ok": False, "said": str(found)}
            except BackupError as found:
                fault = str(found)
                if gone := fault_of(self._settings, place):
                    return {"ok": False, "said": gone}
            with standing.changing(self._settings) as known:
                standing.of_target(known, target).update(checked=sets.iso(sets.now()), damage=fault)
        return {"ok": fault is None, "said": fault or "no errors were found"}

    # --- sets --------------------------------------------------------------------------------------------------------

    def write(self, slug):
        """Take a set of a school into the spool."""
        began = time.monotonic()
        with self._locked(slug, "backup"):
            try:
                image = self._image_now()
                manifest = _once_more(lambda: Spool(self._settings, slug).write(self._database, image))
            except Exception as fault:
                standing.could_not_write(self._settings, slug, said(fault))
                raise
            standing.wrote(self._settings, manifest)
        told = sets.summary(manifest)
        return {key: told[key] for key in ("set", "tables", "rows", "files", "bytes")} | {
            "seconds": round(time.monotonic() - began, 3)
        }

    def store(self, slug, target):
        """Store the set that lies in the spool in a target; one whose uploads changed since is taken once more.

        The targets that had got it already get the new one as well, so that the newest is wherever one shall be; what
        came of each is in others, with its own fault.
        """
        place = self._settings.target(target)
        try:
            return {**self._store_alone(slug, target, place), "others": {}}
        except ChangedError:
            others = self._having(slug) - {target}
            self.write(slug)
            done = self._store_alone(slug, target, place)
            return {**done, "others": {name: self._try_to_store(slug, name) for name in sorted(others)}}

    def _try_to_store(self, slug, target):
        try:
            return {**self._store_alone(slug, target, self._settings.target(target)), "fault": None}
        except Exception as fault:
            return {"fault": said(fault)}

    def _having(self, slug):
        """Return the targets that have the set which lies in the spool."""
        name = sets.read(self._settings.spool(slug))["set"]
        places = standing.read(self._settings)["schools"].get(slug, {}).get("sets", {})
        return {target for target in self._settings.targets if places.get(target, {}).get("newest") == name}

    def _store_alone(self, slug, target, place):
        with self._locked(slug, f"backup to {target}"):
            try:
                return self._store(slug, place)
            except Exception as fault:
                standing.could_not_store(self._settings, slug, target, said(fault))
                raise

    def _store(self, slug, target):
        spool, repository = Spool(self._settings, slug), Repository(self._settings, target)
        manifest = spool.manifest()
        spool.demand_unchanged(manifest)
        known = standing.read(self._settings)
        self._store_inventory(repository, known)
        before = known["schools"].get(slug, {}).get("sets", {}).get(target.name, {}).get("snapshot")
        tags = {"kind": SET, "school": slug, "set": manifest["set"]}
        done = repository.store(spool.folder, tags, sets.moment_of(manifest["taken"]), before)
        try:
            if done["files"] != sets.number_of_files(manifest):
                raise BackupError(
                    f"{target.name}: restic stored {done['files']} of {sets.number_of_files(manifest)} files"
                )
            spool.demand_unchanged(manifest)
        except BackupError:
            if not target.append_only:
                repository.forget([done["snapshot"]])
            raise
        standing.stored(self._settings, manifest, target.name, done)
        return {"set": manifest["set"], **{key: done[key] for key in ("snapshot", "added_bytes", "bytes", "seconds")}}

    def sets(self, slug=None, target=None):
        """Return the sets that the repositories hold, newest last."""
        found, faults = fetching.copies(self._settings, slug, target)
        asked = {target} if target else self._settings.targets.keys() - faults.keys()
        known = standing.read(self._settings)
        rows = []
        for (school, name), places in found.items():
            one = next(iter(places.values()))[0]
            entry = known["schools"].get(school, {}).get("known", {}).get(name, {})
            rows.append(
                {
                    "slug": school,
                    "set": name,
                    "taken": entry.get("taken") or sets.iso(sets.moment_of_name(name)),
                    "targets": sorted(places),
                    "disputed": fetching.disputed(places),
                    "bytes": entry.get("bytes", one["bytes"]),
                    **{key: entry.get(key) for key in ("tables", "files", "image")},
                }
            )
        if slug is None:
            for place in asked:
                there = {}
                for (school, name), places in found.items():
                    if place in places:
                        own = [one["tree"] for one in places[place] if one["own"]]
                        there.setdefault(school, {})[name] = own
                standing.listed(self._settings, place, there)
        return sorted(rows, key=lambda row: (*sets.order(row["set"]), row["slug"]))

    def fetch(self, slug, folder, set=None, before=None, target=None, or_older=False):  # noqa: A002 (the callers' word)
        """Bring a set of a school into a new folder; return its manifest."""
        moment = None if before is None else sets.moment_of(before)
        return fetching.fetch(self._settings, slug, set, moment, target, folder, or_older)

    def row(self, slug, set=None, before=None, target=None):  # noqa: A002 (it is what the caller calls it)
        """Return the row that a school had when a set of it was taken."""
        moment = None if before is None else sets.moment_of(before)
        return fetching.row(self._settings, slug, set, moment, target)

    def wait(self, slug, patience):
        """Wait so many seconds for whoever is at work on a school's sets; return who that is if they still are."""
        try:
            with self._locked(slug, "wait", patience):
                return {"busy": None}
        except BusyError as fault:
            return {"busy": str(fault)}

    def dump(self, slug, folder, patience=None):
        """Dump a school's database into a new folder, for `load` to make a copy of it; it becomes no set.

        patience: seconds to wait for whoever is at work on the school's sets.
        """
        place = self._settings.inside(folder)
        if os.path.lexists(place):
            raise BackupError(f"{place} is already there")
        # Whoever else dumps it just now would lose the user by whom it is read, or take it from this one.
        with self._locked(slug, "copy", patience):
            manifest = _once_more(lambda: Spool(self._settings, slug).dump(self._database, place))
        return {"tables": len(manifest["database"]["tables"])}

    def load(self, folder, database):
        """Load a set that was fetched, or a database that was dumped, into an empty database."""
        place = self._settings.inside(folder)
        return self._database.load(place, sets.read(place), database)

    def compare(self, folder, database):
        """Return in which tables a database is not what a set says, by every byte."""
        return {"differs": self._database.differences(database, sets.read(self._settings.inside(folder)))}

    def compare_image(self, manifest):
        """Return how the image of a set stands to the one that runs: see `images.relation`; and that one's name.

        manifest: as much of the set's as says its image and when it was taken.
        """
        now = images.running(self._settings)
        return {"relation": images.relation(manifest, now), "runs": now["image"]}

    def give_back_certificate(self, slug, folder):
        """Give a school the certificate that it brought, out of a set that was fetched, if the server has none.

        Return what became of it: given back, there (already), missing (in the set too), or not its own.
        """
        own, brought = self._settings.certificate(checked_slug(slug)), self._settings.inside(folder) / sets.CERTIFICATE
        if self._settings.declared(slug)["row"].get("certificate") != "own":
            return {"certificate": "not its own"}
        if own.exists():
            return {"certificate": "there"}
        if not brought.exists():
            return {"certificate": "missing"}
        for place in (own.parent.parent, own.parent):
            place.mkdir(mode=0o700, exist_ok=True)
        put(own, brought.read_text())
        return {"certificate": "given back"}

    # --- letting go --------------------------------------------------------------------------------------------------

    def forget(self, slugs=None, prune=False):
        """Remove those sets of schools that their policies do not keep, and the logs that only those needed.

        A target in which a check found damage keeps all that it has.
        """
        chosen = [checked_slug(slug) for slug in slugs] if slugs is not None else self._due()
        policies = {}
        for slug in chosen:
            own = self._settings.declared(slug)["row"].get("backup") or {}
            policy = {**self._settings.keep, **(own.get("keep") or {})}
            policies.setdefault(tuple(sorted(policy.items())), []).append(slug)

        damaged = standing.damaged(self._settings)

        def let_go(repository):
            if repository.target.append_only:
                return 0
            # New sets share with the old ones what is damaged; what is sound may be only in the old ones.
            if (name := repository.target.name) in damaged:
                raise BackupError(f"{name} is damaged: nothing is let go of there until a check finds it sound")
            removed = sum(repository.keep(those, dict(policy)) for policy, those in policies.items())
            if policies or prune:
                repository.keep_inventory(self._settings.keep)
            if prune:
                repository.prune()
            return removed

        from backup import logs

        done = self._from_each_target(let_go)
        if any(report["fault"] is None for report in done.values()):
            for name, fault in logs.forget(self._settings, chosen).items():
                done[name]["fault"] = done[name]["fault"] or fault
        with standing.changing(self._settings) as known:
            for name, report in done.items():
                # What follows from damage that is told is not told once more.
                standing.of_target(known, name)["kept"] = None if name in damaged else report["fault"]
        return done

    def let_go_of_kept(self, slug):
        """Remove what restores of a school replaced some days ago; return how many there were."""
        from backup import kept

        with self._locked(slug, "let go of what a restore replaced"):
            return {"removed": kept.let_go(self._settings, slug, self._database)}

    def erase(self, slug):
        """Remove every set of a school, from each target and from the spool."""

        def remove(repository):
            snapshots = [one["snapshot"] for one in repository.snapshots(school=slug)]
            if snapshots:
                repository.forget(snapshots)
            return len(snapshots)

        with self._locked(slug, "erase its backups"):
            done = self._from_each_target(remove)
            Spool(self._settings, slug).remove()
            standing.forgotten(self._settings, slug)
            for lock in (slug, f"{slug}.drill"):
                (self._settings.backups / "locks" / lock).unlink(missing_ok=True)
        return done

    def _from_each_target(self, remove):
        """Return how many sets were removed from each target, or what was wrong with it; the others go on."""

        def removed(target):
            try:
                return {"removed": remove(Repository(self._settings, target)), "fault": None}
            except BackupError as fault:
                return {"removed": 0, "fault": str(fault)}

        return {target.name: removed(target) for target in self._settings.targets.values()}

    # --- what others of this package do ------------------------------------------------------------------------------

    def drill(self, slug, set=None, target=None):  # noqa: A002 (it is what the caller calls it)
        """Restore a set on trial; return the report."""
        from backup import drill

        at = sets.iso(sets.now())
        try:
            report = drill.drill(self._settings, checked_slug(slug), set, target)
        except BusyError:
            raise
        except Exception as fault:
            report = drill.not_begun(slug, set, target, at, said(fault))
            self._note_drill(slug, report)
            raise
        self._note_drill(slug, report)
        return report

    def _note_drill(self, slug, report):
        with standing.changing(self._settings) as known:
            standing.of_school(known, slug)["drill"] = report

    def archive_logs(self):
        """Store what the database logged since the last time."""
        from backup import logs

        try:
            done, fault = logs.archive(self._settings), None
        except Exception as found:
            fault = said(found)
            raise
        finally:
            with standing.changing(self._settings) as known:
                known["logs"]["fault"] = fault
                if fault is None:
                    known["logs"]["archived"] = sets.iso(sets.now())
        return done

    def replay(self, folder, database, until, target=None, or_before=False):
        """Bring a loaded database from a set's moment to a later one, by the database's logs."""
        from backup import logs

        return logs.replay(self._settings, self._settings.inside(folder), database, until, target, or_before)

    # --- the inventory -----------------------------------------------------------------------------------------------

    def keep_inventory(self, files):
        """Keep a copy of the inventory's files, to be stored with the next set or by `store_inventory`.

        files: the text of each by its name. Return which targets lack them as they are now; none is asked.
        """
        if sum(map(len, files.values())) > _INVENTORY_LIMIT:
            raise BackupError("these are no files of an inventory")
        for name in files:
            if not _INVENTORY_NAME.fullmatch(name):
                raise BackupError(f"{name!r} cannot be the name of an inventory's file")
        folder = self._settings.backups / "inventory"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, text in files.items():
            if not (folder / name).exists() or (folder / name).read_text() != text:
                put(folder / name, text)
        for path in folder.iterdir():
            if path.name not in files:
                path.unlink()
        return {"lacking": self._lacking_inventory() if self._settings.key_file.exists() else []}

    def store_inventory(self):
        """Store the inventory in every target that lacks it as it is now; return why one has not got it, by target.

        One that changes meanwhile is stored once more: whoever changed it could begin nothing, as this is at work.
        """
        faults = {}
        with concurrent.futures.ThreadPoolExecutor(max(1, len(self._settings.targets))) as pool:
            while lacking := [name for name in self._lacking_inventory() if name not in faults]:
                tried = zip(lacking, pool.map(self._try_to_store_inventory, lacking), strict=True)
                faults |= {name: fault for name, fault in tried if fault is not None}
        return dict(sorted(faults.items()))

    def _try_to_store_inventory(self, name):
        """Store the inventory in a target; return why that failed, None if it did not."""
        target = self._settings.target(name)
        try:
            # One that is gone is found out at once, and not only when restic has tried for long.
            fault = fault_of(self._settings, target)
            if fault is None:
                self._store_inventory(Repository(self._settings, target), standing.read(self._settings))
        except Exception as found:
            fault = said(found)
            with standing.changing(self._settings) as changed:
                standing.of_target(changed, name)["inventory_fault"] = fault
        return fault

    def _store_inventory(self, repository, known):
        """Store the inventory's files if the target has not got them as they are now."""
        digest, target = self._inventory_now(), repository.target.name
        if digest in {None, known["targets"].get(target, {}).get("inventory")}:
            return
        folder = self._settings.backups / "inventory"
        repository.store(folder, {"kind": INVENTORY}, sets.now(), within=_INVENTORY_S)
        with standing.changing(self._settings) as changed:
            standing.of_target(changed, target)["inventory"] = digest
        self._lacking_inventory()

    def _lacking_inventory(self):
        """Return which targets lack the inventory as it is now; since when they do is noted, whoever finds it."""
        digest, known = self._inventory_now(), standing.read(self._settings)["targets"]
        if digest is None:
            return []
        lacking = sorted(name for name in self._settings.targets if digest != known.get(name, {}).get("inventory"))
        new = [name for name in lacking if not known.get(name, {}).get("inventory_since")]
        over = [name for name in self._settings.targets if name not in lacking and _is_told_to_lack(known[name])]
        if new or over:
            with standing.changing(self._settings) as changed:
                for name in new:
                    standing.of_target(changed, name)["inventory_since"] = sets.iso(sets.now())
                for name in over:
                    standing.of_target(changed, name).update(inventory_since=None, inventory_fault=None)
        return lacking

    def _inventory_now(self):
        """Return what tells the inventory's files from how they were before; None where there are none."""
        folder = self._settings.backups / "inventory"
        # Not what is on its way into its place just now.
        paths = sorted(path for path in folder.glob("*") if _INVENTORY_NAME.fullmatch(path.name))
        digest = hashlib.sha256()
        for path in paths:
            digest.update(f"{path.name}\0{sha256(path)}\n".encode())
        return digest.hexdigest() if paths else None

    def standing(self):
        """Return what is known."""
        return standing.read(self._settings)

    def _image_now(self):
        """Return the image that runs the schools, asked again after a minute: a hundred are written in one."""
        image, asked = self._image
        if asked is None or time.monotonic() - asked > _IMAGE_AGE_S:
            image = images.running(self._settings)
            self._image = image, time.monotonic()
        return image

    def _due(self):
        return [slug for slug in self._settings.declared_slugs() if standing.is_due(self._settings, slug)]

    def _locked(self, slug, doing, patience=None):
        path = self._settings.backups / "locks" / checked_slug(slug)
        who = f"{self._who} ({doing}, since {sets.iso(sets.now())})"
        return locked(path, who, self._patience if patience is None else patience)


def fault_of(settings, target):
    """Return what keeps a target from being used, None if nothing does; it is noted, too."""
    try:
        Repository(settings, target).demand()
        fault = None
    except BackupError as found:
        fault = str(found)
    with standing.changing(settings) as known:
        standing.of_target(known, target.name).update(initialised=fault is None, fault=fault)
    return fault


def _is_told_to_lack(target):
    return target.get("inventory_since") or target.get("inventory_fault")


def _once_more(take):
    """Return what is taken of a school; once more if it was changed meanwhile."""
    try:
        return take()
    except ChangedError:
        return take()


def said(fault):
    """Return what a fault says, in words for people."""
    if isinstance(fault, BackupError):
        return str(fault)
    if isinstance(fault, OSError) and fault.strerror:
        return f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror
    return f"{type(fault).__name__}: {fault}"
