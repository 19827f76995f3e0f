"""What is known of the backups: which sets are where, what failed, how the drills went; and whom to tell."""

import contextlib
import fcntl
import json
import urllib.request
from datetime import timedelta
from pathlib import Path

from backup import programs, sets
from backup.errors import BackupError
from backup.files import put_json, read_json

# Of a school, as many sets are known by their size and image; the repositories know them all.
_KNOWN = 100
_ALARM_AGAIN = timedelta(days=1)
_ALARM_PATIENCE_S = 30
# What is done each quarter of an hour, each hour, each week, or after some days is late after so long, or so many times
# as long.
_LATE_LOGS = timedelta(hours=2)
_LATE_INVENTORY = timedelta(hours=2)
_LATE_CHECK = timedelta(days=15)
_LATE_DRILLS = 2


def _empty():
    return {"schools": {}, "targets": {}, "logs": {"archived": None, "fault": None}}


def read(settings):
    """Return what is known; of a server that has no backup yet, nothing."""
    return {**_empty(), **(read_json(settings.backups / "standing.json") or {})}


@contextlib.contextmanager
def changing(settings):
    """Give what is known to be changed, and put it in place then, one after the other."""
    with (settings.backups / ".standing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = read(settings)
        yield known
        put_json(settings.backups / "standing.json", known)


def of_school(known, slug):
    """Return what is known of a school, to be changed."""
    return known["schools"].setdefault(slug, {"sets": {}, "known": {}, "drill": None, "fault": None})


def of_target(known, name):
    """Return what is known of a target, to be changed."""
    empty = {"checked": None, "fault": None, "damage": None, "kept": None, "initialised": False}
    return known["targets"].setdefault(name, empty)


def wrote(settings, manifest):
    """Note a set that lies in the spool."""
    with changing(settings) as known:
        school = of_school(known, manifest["school"]["slug"])
        school["fault"] = None
        school["known"][manifest["set"]] = {**sets.summary(manifest), "targets": []}
        for name in sorted(school["known"], key=sets.order)[:-_KNOWN]:
            del school["known"][name]


def could_not_write(settings, slug, fault):
    """Note why there is no new set of a school."""
    with changing(settings) as known:
        of_school(known, slug)["fault"] = str(fault)


def stored(settings, manifest, target, done):
    """Note a set that was stored. done: as a repository says it."""
    with changing(settings) as known:
        of_target(known, target).update(initialised=True, fault=None)
        school = of_school(known, manifest["school"]["slug"])
        school["sets"][target] = {
            "newest": manifest["set"],
            "taken": manifest["taken"],
            "stored": sets.iso(sets.now()),
            "added_bytes": done["added_bytes"],
            "snapshot": done["snapshot"],
            "fault": None,
        }
        entry = school["known"].setdefault(manifest["set"], {**sets.summary(manifest), "targets": []})
        entry["targets"] = sorted({*entry["targets"], target})
        entry.setdefault("snapshots", {})[target] = done["snapshot"]


def could_not_store(settings, slug, target, fault):
    """Note why the set of a school is not in a target."""
    with changing(settings) as known:
        place = of_school(known, slug)["sets"].setdefault(
            target, {"newest": None, "taken": None, "stored": None, "added_bytes": None, "snapshot": None}
        )
        place["fault"] = str(fault)


def listed(settings, target, there):
    """Note which sets of each school a target holds, after it was asked.

    there: by slug, by the name of each set, the trees of those of its snapshots that are this server's: by them a copy
    is known again, which has another id.
    """
    with changing(settings) as known:
        of_target(known, target)["initialised"] = True
        for slug, school in known["schools"].items():
            held = there.get(slug, {})
            for name, entry in list(school["known"].items()):
                others = {*entry["targets"]} - {target}
                entry["targets"] = sorted(others | ({target} if name in held else set()))
                if held.get(name):
                    entry["trees"] = sorted({*entry.get("trees", ()), *held[name]})
                if not entry["targets"] and name != max(school["known"], key=sets.order):
                    del school["known"][name]


def damaged(settings):
    """Return the targets in which the last check found damage."""
    return {name for name, target in read(settings)["targets"].items() if target.get("damage")}


def misnamed(settings, target, snapshots):
    """Note which snapshots of a target say to be sets and cannot be any, after all of it was asked."""
    if read(settings)["targets"].get(target, {}).get("misnamed", []) != snapshots:
        with changing(settings) as known:
            of_target(known, target)["misnamed"] = snapshots


def forgotten(settings, slug):
    """Note that nothing is kept of a school any more."""
    with changing(settings) as known:
        known["schools"].pop(slug, None)


# --- alarms ----------------------------------------------------------------------------------------------------------


def reasons(settings, known, moment):
    """Return why somebody has to be told, a sentence by what it is about."""
    found = {}
    late_drill = _LATE_DRILLS * timedelta(days=settings.drill_days)
    for slug in settings.declared_slugs():
        if not is_due(settings, slug):
            continue
        school = known["schools"].get(slug) or {"sets": {}, "drill": None}
        if school.get("fault"):
            found[f"{slug} write"] = f"{slug}: no new set could be taken: {school['fault']}"
        for target in settings.targets:
            place = school["sets"].get(target) or {}
            if place.get("fault"):
                found[f"{slug} {target}"] = f"{slug}: the last set is not in {target}: {place['fault']}"
            elif not place.get("taken"):
                found[f"{slug} {target}"] = f"{slug}: no set was ever stored in {target}"
            elif moment - sets.moment_of(place["taken"]) > timedelta(hours=settings.stale_hours):
                found[f"{slug} {target}"] = f"{slug}: the newest set in {target} is of {place['taken']}"
        drill = school.get("drill")
        if drill and not drill["ok"]:
            found[f"{slug} drill"] = f"{slug}: its backup could not be restored on trial: {drill['fault']}"
        elif _is_late(drill and drill["at"], _first(school), late_drill, moment):
            last = f"it was last restored on trial at {drill['at']}" if drill else "it was never restored on trial"
            found[f"{slug} drill"] = f"{slug}: {last}"
    found |= _about_targets(settings, known, moment)
    return found | _about_logs(settings, known["logs"], moment)


def _about_targets(settings, known, moment):
    found = {}
    for name, target in known["targets"].items():
        if name in settings.targets and target["fault"]:
            found[f"target {name}"] = f"the target {name}: {target['fault']}"
        # That it can be reached says nothing of what is in it: only another check takes this back.
        if name in settings.targets and target.get("damage"):
            found[f"damage {name}"] = f"the target {name} is damaged: {target['damage']}"
        elif name in settings.targets:
            first = min(filter(None, (_first(school, name) for school in known["schools"].values())), default=None)
            if _is_late(target["checked"], first, _LATE_CHECK, moment):
                last = f"was last checked at {target['checked']}" if target["checked"] else "was never checked"
                found[f"check {name}"] = f"the target {name} {last}"
        if name in settings.targets and target.get("kept") and not target["fault"]:
            found[f"kept {name}"] = f"the target {name}: old sets could not be let go of: {target['kept']}"
        if name in settings.targets and target.get("misnamed"):
            odd = ", ".join(target["misnamed"])
            found[f"misnamed {name}"] = f"the target {name} has snapshots that say to be sets and cannot be any: {odd}"
        if name in settings.targets and not target["fault"]:
            fault, since = target.get("inventory_fault"), target.get("inventory_since")
            if fault or _is_late(None, since, _LATE_INVENTORY, moment):
                words = f": {fault}" if fault else f", since {since}"
                found[f"inventory {name}"] = f"the target {name} has not got the inventory as it is now{words}"
    return found


def _about_logs(settings, logs, moment):
    if logs["fault"]:
        return {"logs": f"the database's logs could not be archived: {logs['fault']}"}
    if settings.database.get("logs") and _is_late(logs["archived"], logs.get("since"), _LATE_LOGS, moment):
        last = f"were last put away at {logs['archived']}" if logs["archived"] else "were never put away"
        return {"logs": f"the database's logs {last}"}
    return {}


def _expect_logs(settings, moment):
    """Note from when on logs should have been put away, if none ever was."""
    logs = read(settings)["logs"]
    if not logs["archived"] and not logs.get("since"):
        with changing(settings) as known:
            known["logs"]["since"] = sets.iso(moment)


def _is_late(last, since, limit, moment):
    """Say whether something is too long ago. since: from when on it should have been done, None if that is unknown."""
    at = last or since
    return at is not None and moment - sets.moment_of(at) > limit


def _first(school, target=None):
    """Return when the first set of a school that is known was taken, of those in a target."""
    known = (school.get("known") or {}).values()
    return min((entry["taken"] for entry in known if target is None or target in entry["targets"]), default=None)


def is_due(settings, slug):
    """Say whether a declared school is to be backed up by the schedule; one of whom nobody can tell is.

    One that was never opened has nothing to back up. One whose site is gone, of which sets are known, is due: that no
    new set can be taken of it has to be told.
    """
    try:
        state = settings.declared(slug)["row"].get("state", "active")
    except BackupError:
        return True
    if state not in ("active", "suspended"):
        return False
    return settings.site(slug).exists() or bool(read(settings)["schools"].get(slug, {}).get("known"))


def tell(settings):
    """Tell of what is wrong, each once a day, and of what is no more; return what was told, and raise if nobody heard.

    They are told by the settings' command, which gets JSON on its stdin, by the webhook, or both.
    """
    moment = sets.now()
    if settings.database.get("logs"):
        _expect_logs(settings, moment)
    now_wrong = reasons(settings, read(settings), moment)
    path = settings.backups / "alarms.json"
    told = read_json(path) or {}
    again = {
        key: words
        for key, words in now_wrong.items()
        if key not in told or moment - sets.moment_of(told[key]["told"]) >= _ALARM_AGAIN
    }
    over = {key: entry["words"] for key, entry in told.items() if key not in now_wrong}
    if again or over:
        message = {"at": sets.iso(moment), "wrong": sorted(again.values()), "over": sorted(over.values())}
        faults, heard = _send(settings, message)
        if faults and not heard:
            raise BackupError("; ".join(faults))
        kept = {key: entry for key, entry in told.items() if key in now_wrong}
        put_json(path, kept | {key: {"told": sets.iso(moment), "words": words} for key, words in again.items()})
        if faults:
            # Who heard of it is not told again for the sake of who did not.
            raise BackupError("; ".join(faults))
    return {"wrong": sorted(now_wrong.values()), "told": sorted(again.values()), "over": sorted(over.values())}


def _send(settings, message):
    """Tell by each way there is, whatever becomes of the others; return what failed, and how many heard."""
    text, faults, heard = json.dumps(message), [], 0
    for way, place in ((_run, settings.alarm.get("command")), (_post, settings.alarm.get("webhook_file"))):
        if not place:
            continue
        try:
            way(place, text)
            heard += 1
        except (BackupError, OSError) as fault:
            faults.append(str(fault))
    return faults, heard


def _run(command, text):
    programs.run(command, text=text + "\n", timeout=_ALARM_PATIENCE_S)


def _post(file, text):
    address = Path(file).read_text().strip()
    if not address.startswith(("https://", "http://")):
        raise BackupError(f"{file} does not hold the address of a webhook")
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, text.encode(), headers)  # noqa: S310 (looked at above)
    try:
        urllib.request.urlopen(request, timeout=_ALARM_PATIENCE_S).close()  # noqa: S310 (looked at above)
    except OSError as fault:
        # The address may hold a secret; the reason does not.
        raise BackupError(f"the webhook did not take an alarm: {getattr(fault, 'reason', fault)}") from None
