"""Take, store, try and keep the schools' backups.

Usage: schools-backup run         takes a set of every open school, stores it in every target, lets go of old ones
       schools-backup drill-due   restores on trial what was not for some days
       schools-backup logs        stores what the database logged
       schools-backup inventory   stores the inventory's files where they are not as they are now
       schools-backup check       checks the repositories, and gives back the room of what was let go
       schools-backup alarm       tells whom the settings name of what is wrong
       schools-backup serve       answers a line of JSON with a line of JSON, until its stdin ends

A request has id, call and arguments; an answer id, and result or fault. Each of the others prints a report as JSON,
and exits with 1 if anything failed. What failed with one school keeps no other from its backup.
"""

import argparse
import concurrent.futures
import inspect
import json
import os
import sys
import traceback
from datetime import timedelta

from backup import files, settings, standing
from backup.calls import Calls, fault_of, said
from backup.errors import BackupError, ChangedError
from backup.sets import moment_of, now

_AT_A_TIME = 2
# A command of schoolctl has a school for as long as one of its steps takes.
_PATIENCE_S = 900
_READ_PERCENT = 5
# Somebody waits for it, so that it is before what the timers do.
_BEHIND = 5


class Timers:
    """What is done by itself, at its time."""

    def __init__(self, given):
        self._settings = given
        self._calls = Calls(given, "the schedule", _PATIENCE_S)

    def run(self):
        """Back up every open school; return what became of each, and of the targets."""
        schools = [slug for slug in self._settings.declared_slugs() if standing.is_due(self._settings, slug)]
        with files.locked(self._settings.backups / "locks" / ".run", f"another run (process {os.getpid()})"):
            targets = {row["name"]: row["fault"] for row in self._calls.targets()}
            with concurrent.futures.ThreadPoolExecutor(_AT_A_TIME) as pool:
                done = dict(zip(schools, pool.map(lambda slug: self._back_up(slug, targets), schools), strict=True))
            forgotten = self._calls.forget(schools)
            if any(not fault for fault in targets.values()):
                self._calls.sets()  # what is known of each is what is still there
        failed = [slug for slug, report in done.items() if report["faults"]]
        failed += [name for name, report in forgotten.items() if report["fault"]]
        return {"schools": done, "targets": targets, "forgotten": forgotten, "failed": failed}

    def _back_up(self, slug, targets):
        """Back up one school, whatever becomes of it. targets: what is wrong with each, to be added to."""
        report = {"faults": [], "targets": {}}
        try:
            report |= self._calls.write(slug)
        except Exception as fault:
            report["faults"].append(said(fault))
            return report
        for name in targets:
            done, fault = self._try_to_store(slug, name, targets)
            if fault:
                report["faults"].append(fault)
                continue
            report["targets"][name] = done
            self._note_others(done.pop("others"), report, targets)
        if not report["faults"]:
            self._let_go_of_kept(slug, report)
        return report

    def _note_others(self, others, report, targets):
        """Note what came of targets that had a set which was taken once more for another one."""
        for name, done in others.items():
            fault = done.pop("fault")
            if fault:
                report["targets"].pop(name, None)
                report["faults"].append(fault)
                targets[name] = fault_of(self._settings, self._settings.target(name))
            else:
                report["targets"][name] = done

    def _let_go_of_kept(self, slug, report):
        # Only now that there is a set of what took its place, wherever sets shall be.
        try:
            self._calls.let_go_of_kept(slug)
        except Exception as fault:
            report["faults"].append(said(fault))

    def _try_to_store(self, slug, name, targets):
        if targets[name]:
            standing.could_not_store(self._settings, slug, name, targets[name])
            return None, targets[name]
        try:
            return self._calls.store(slug, name), None
        except Exception as fault:
            if not isinstance(fault, ChangedError):
                # Is it the school or the target? One that is gone is not waited for again and again.
                targets[name] = fault_of(self._settings, self._settings.target(name))
            return None, said(fault)

    def drill_due(self):
        """Restore on trial every open school whose last trial failed or is too long ago, the longest first."""
        known = standing.read(self._settings)["schools"]
        since = {}
        for slug in self._settings.declared_slugs():
            last = known.get(slug, {}).get("drill")
            if standing.is_due(self._settings, slug):
                since[slug] = moment_of(last["at"]) if last and last["ok"] else None
        due = [slug for slug, last in since.items() if not last or now() - last >= self._age]
        due.sort(key=lambda slug: (since[slug] is not None, since[slug] or now()))
        from backup import drill

        # Also of schools that are not due, or no more: a drill that was killed left a site and a database.
        left = drill.clear_left(self._settings)
        done = {slug: self._try_out(slug) for slug in due}
        failed = [slug for slug, report in done.items() if not report["ok"]]
        return {"schools": done, "left": left, "failed": sorted({*failed, *left})}

    def _try_out(self, slug):
        try:
            return self._calls.drill(slug)
        except Exception as fault:
            return {"ok": False, "fault": said(fault)}

    @property
    def _age(self):
        # A timer that comes every few hours is not to miss its day by minutes.
        return timedelta(days=self._settings.drill_days) - timedelta(hours=1)

    def logs(self):
        """Store what the database logged."""
        return {**self._calls.archive_logs(), "failed": []}

    def inventory(self):
        """Store the inventory in every target that lacks it as it is now."""
        faults = self._calls.store_inventory() if self._settings.key_file.exists() else {}
        return {"faults": faults, "failed": sorted(faults)}

    def check(self):
        """Check every repository, and give back the room of what was let go."""
        done = {name: self._calls.check(name, _READ_PERCENT) for name in self._settings.targets}
        forgotten = self._calls.forget(prune=True)
        failed = [name for name in done if not done[name]["ok"] or forgotten[name]["fault"]]
        return {"targets": done, "forgotten": forgotten, "failed": failed}

    def alarm(self):
        """Tell of what is wrong, and of what is no more."""
        return {**standing.tell(self._settings), "failed": []}


def serve(calls):
    """Answer calls from stdin on stdout, one line each, until there are no more."""
    # What programs and libraries print is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            request = json.loads(line)
            number = request["id"]
        except (ValueError, KeyError, TypeError):
            sys.exit("schools-backup: this is no call")
        print(json.dumps({"id": number, **answer(calls, request)}), file=answers, flush=True)


def answer(calls, request):
    """Return result or fault of one call."""
    name, arguments = request.get("call"), request.get("arguments") or {}
    call = getattr(calls, name, None) if isinstance(name, str) and not name.startswith("_") else None
    if call is None or not isinstance(arguments, dict):
        return {"fault": f"there is no call {name!r}"}
    try:
        inspect.signature(call).bind(**arguments)
    except TypeError as fault:
        return {"fault": f"{name}: {fault}"}
    try:
        return {"result": call(**arguments)}
    except Exception as fault:
        if not isinstance(fault, BackupError | OSError):
            traceback.print_exc()
        return {"fault": said(fault)}


def main():
    """Do as the arguments say."""
    parser = argparse.ArgumentParser(prog="schools-backup", description="Take, store, try and keep backups.")
    verbs = ("run", "drill-due", "logs", "inventory", "check", "alarm", "serve")
    parser.add_argument("verb", choices=verbs)
    verb = parser.parse_args().verb
    os.umask(0o077)
    given = settings.read()
    if verb == "serve":
        # As the timers' units do: behind what people wait for. The disk's scheduler goes by it as well.
        os.nice(_BEHIND)
        serve(Calls(given))
        return
    try:
        report = getattr(Timers(given), verb.replace("-", "_"))()
    except BackupError as fault:
        sys.exit(f"schools-backup: {fault}")
    print(json.dumps(report))
    if report["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
