"""The binary logs of the database server: kept as long as a moment of them may be asked for, and replayed up to it.

A log that the server has closed gets a second name beside the sets at once, so that it is there until every target has
it, whatever the server itself throws away. What one data folder of a server has written, and no other, is a stream: its
logs are numbered one after the other, and a position in one of them means something.

A moment is the beginning of a second: what was committed within that second or later does not belong to it.
"""

import contextlib
import os
import re
import secrets
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path

from backup import fetching, programs, sets, sites, standing
from backup.binlog import DroppedError, Log, Speaker
from backup.database import Database, checked_name
from backup.errors import BackupError, DisputedError
from backup.files import locked, open_regular, sha256
from backup.repository import LOGS, Repository

_STREAM_FILE = "schools-stream"
_STREAM = re.compile(r"[0-9a-f]{16}")
_LOG = re.compile(r"([A-Za-z0-9_-]{1,64})\.([0-9]{6,10})")
# So many are stored as one snapshot at most: one that says to hold more is nobody's who is honest.
_AT_ONCE = 10_000
_HEAD_BYTES = 4096
_MARK_LIES = 21
_PATIENCE_S = 60
# A set's position is that of its dump's beginning, which follows on what is said to be when it was taken.
_LONG_DUMP_S = 3600
# A server that is stopped and started leaves logs that hold nothing.
_QUIET = 400


def stream_of(settings):
    """Return which stream the database server writes now, None where it keeps no binary logs; a new one gets a name.

    It lies with the server's data, so that what is written after a restore to an empty folder is another stream.
    """
    if not settings.database.get("logs"):
        return None
    with _alone(settings):
        return _Stream(settings).name


def archive(settings):
    """Close the log in hand, keep every closed one, store those that a target lacks; return files and bytes stored.

    Raises BackupError at the end if a target has not all of them, or some were gone before they could be kept.
    """
    if not settings.database.get("logs"):
        return {"files": 0, "bytes": 0}
    with locked(settings.backups / "locks" / ".archive-logs", _who("archive the binary logs")):
        with _alone(settings):
            stream = _Stream(settings)
            stream.close()
            faults = stream.keep()
        stored, everywhere = set(), set(stream.kept())
        for target in settings.targets.values():
            try:
                there, forged = stream.stored(target)
                faults += forged
                if any(number_of(name) >= number_of(stream.open) for name in there):
                    # Set back as a whole, backups and all: what it writes from now on is another story.
                    with _alone(settings):
                        stream.begin()
                        faults += stream.keep()
                    there, stored, everywhere = {}, set(), set()
                needless = stream.needless(target)
                lacking = [name for name in stream.kept() if name not in there and name not in needless]
                stream.store(target, lacking)
                stored |= set(lacking)
                everywhere &= {*there, *lacking, *needless}
            except BackupError as fault:  # noqa: PERF203 - one that fails must not keep the others from theirs
                faults.append(str(fault))
                everywhere = set()
        size = sum(path.stat().st_size for name, path in stream.kept().items() if name in stored)
        stream.expire(everywhere)
        faults += _clear_old(settings, stream.name)
    if faults:
        raise BackupError("; ".join(faults))
    return {"files": len(stored), "bytes": size}


def replay(settings, folder, database, until, target=None, or_before=False):
    """Bring a database that was loaded from a set on to a moment; return how far it came.

    folder: the set's. database: has the user that Database.create makes. until: ISO, in UTC. target: the one whose logs
    are taken, and no others; None for all that there are. or_before: go as far as the logs do where they end before.
    Only what concerned the set's own database is said again. Of the answer: events_until, the last one said again;
    reaches_until, where the logs ended, None if they did not; groups, statements and seconds. Raises BackupError where
    the logs do not reach from the set to that moment without a gap, and for what cannot be said again.
    """
    began = time.monotonic()
    manifest = sets.read(Path(folder))
    position, old = manifest["database"].get("log"), manifest["database"]["name"]
    if not position:
        raise BackupError(
            f"the set {manifest['set']} was taken without binary logs, so nothing is known of the time after"
        )
    moment = sets.moment_of(until).timestamp()
    taken = sets.moment_of(manifest["taken"]).timestamp()
    if moment < taken:
        raise BackupError(f"the set {manifest['set']} was taken after {until}")
    if moment > time.time():
        raise BackupError(f"{until} has not come yet")
    _demand_same_database(settings, manifest, moment, until)
    # One at a time: how strictly rows are taken is a setting of the whole server.
    with (
        locked(settings.backups / "locks" / ".replay", _who(f"replay {old}"), _PATIENCE_S),
        contextlib.ExitStack() as closing,
    ):
        found = _Found(settings, position["stream"], closing, target)
        _demand_older(found, position, old, moment, taken)
        speaker = Speaker(checked_name(old), checked_name(database))
        try:
            played = _play(settings, found, position, speaker, moment, or_before)
        except _EndedError as end:
            raise BackupError("; ".join([_said_of(end, manifest, target), *found.forged])) from None
    reached = played["reached"]
    return {
        "events_until": _iso(played["last"]) if played["last"] else None,
        "reaches_until": None if reached is None else _iso(max(reached, taken)),
        "groups": played["groups"],
        "statements": speaker.statements,
        "seconds": round(time.monotonic() - began, 3),
    }


def _alone(settings):
    """Wait for whoever counts the logs just now, which takes a moment."""
    return locked(settings.backups / "locks" / ".logs", _who("count the binary logs"), _PATIENCE_S)


def _who(doing):
    return f"another run ({doing}, since {sets.iso(sets.now())}, process {os.getpid()})"


# --- keeping ---------------------------------------------------------------------------------------------------------


class _Kept:
    """What is kept on this server of the logs of a stream."""

    def __init__(self, settings, name):
        self._settings = settings
        self._words = settings.database["logs"]
        self.name = name

    @property
    def folder(self):
        """Where its logs are kept beside the sets."""
        return self._settings.backups / "logs" / self.name

    def kept(self):
        """Return the logs that are kept on this server: paths by name, in order."""
        return _kept(self.folder)

    def stored(self, target):
        """Return where a target has which log, and which snapshots are no true ones; see `_stored`."""
        return _stored(self._settings, target, self.name)

    def needless(self, target):
        """Return the logs kept here that end before the oldest set that a target's logs were let go of for."""
        since = standing.read(self._settings)["targets"].get(target.name, {}).get("logs_since")
        if since is None:
            return set()
        moment = sets.moment_of(since).timestamp()
        return {name for name, path in self.kept().items() if path.stat().st_mtime < moment}

    def store(self, target, names):
        """Store logs that are kept here at a target, those that follow on each other as one snapshot."""
        batch = self.folder.with_name(f"{self.name}.batch")
        for run in _runs(names):
            shutil.rmtree(batch, ignore_errors=True)
            batch.mkdir(mode=0o700)
            for name in run:
                os.link(self.folder / name, batch / name)
            tags = {"kind": LOGS, "stream": self.name, "first": run[0], "last": run[-1]}
            Repository(self._settings, target).store(batch, tags, sets.now())
            shutil.rmtree(batch)

    def is_over(self, path):
        """Say whether the time of a log on this server is over."""
        return path.stat().st_mtime < time.time() - self._words["keep_days"] * 86_400


class _Stream(_Kept):
    """The logs of the database server as it runs now, and what is kept of them. The caller is alone with them."""

    def __init__(self, settings):
        super().__init__(settings, None)
        self._source = Path(self._words["folder"])
        self._database = Database(settings)
        self.name = self._named()
        self._list()
        if self.name is None or self._counts_anew():
            self.begin()

    def _list(self):
        listed = [row[0] for row in self._database.ask("SHOW BINARY LOGS;\n")]
        self.closed, self.open = listed[:-1], listed[-1]

    def _named(self):
        try:
            with open_regular(str(self._source / _STREAM_FILE)) as file:
                name = file.read(100).decode(errors="replace").strip()
        except FileNotFoundError:
            return None
        return name if _STREAM.fullmatch(name) else None

    def begin(self):
        """Give what the server writes a new name."""
        self.name = secrets.token_hex(8)
        # The folder is the database's, which may put a link in the way: it is replaced, never followed.
        beside = self._source / f".{_STREAM_FILE}.new"
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(self.name + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._source / _STREAM_FILE)

    def _counts_anew(self):
        """Say whether the server begins again at low numbers, or writes other logs by the names of those we keep."""
        kept = self.kept()
        if kept and number_of(self.open) <= max(map(number_of, kept)):
            return True
        return any(_beginning(kept[name]) != _beginning(self._source / name) for name in self.closed if name in kept)

    def close(self, *, even_quiet=False):
        """Let the server begin another log; even_quiet: also where the one in hand holds nothing of note."""
        if even_quiet or (self._source / self.open).stat().st_size > _QUIET:
            self._database.ask("FLUSH BINARY LOGS;\n")
            self._list()

    def keep(self):
        """Give every closed log a name beside the sets; return what is missing, in sentences."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = self.kept()
        faults = []
        newest = max(map(number_of, kept), default=None)
        if newest is not None and self.closed and number_of(self.closed[0]) > newest + 1:
            gone = f"{newest + 1} to {number_of(self.closed[0]) - 1}"
            faults.append(f"the logs {gone} were removed by the database server before they were kept")
        for name in self.closed:
            if name not in kept and (newest is None or number_of(name) > newest):
                _link(self._source / name, self.folder / name)
        return faults

    def expire(self, everywhere):
        """Let go of logs that every target has and whose time here is over; the newest stays, to count on from."""
        for name, path in list(self.kept().items())[:-1]:
            if name in everywhere and self.is_over(path):
                path.unlink()


def _clear_old(settings, current):
    """Let go of the streams of former times whose time here is over, once every target has them; return what failed."""
    faults = []
    for folder in sorted((settings.backups / "logs").iterdir()):
        if folder.name == current or not _STREAM.fullmatch(folder.name):
            continue
        old = _Kept(settings, folder.name)
        if not all(map(old.is_over, old.kept().values())):
            continue
        try:
            for target in settings.targets.values():
                there, forged = old.stored(target)
                faults += forged
                there = {*there, *old.needless(target)}
                old.store(target, [name for name in old.kept() if name not in there])
        except BackupError as fault:
            faults.append(str(fault))
        else:
            shutil.rmtree(folder)
    return faults


def forget(settings, slugs):
    """Remove the logs of targets that no set of a school needs: those stored before the oldest of them was taken.

    slugs: schools that are backed up now. Those that are declared count as well, though they may wait to be restored.

    A set may be brought on by the logs of another target, so that all of them are asked first: where one does not
    answer, nothing goes. Return by target why its logs could not be let go of.
    """
    try:
        found, silent = fetching.copies(settings)
    except BackupError:
        return {}  # none of them answers, which is told where their sets are
    ours = {*slugs, *settings.declared_slugs()}
    moments = [sets.moment_of_name(name) for slug, name in found if slug in ours]
    faults = {}
    for target in settings.targets.values() if moments and not silent else ():
        if target.append_only or target.name in standing.damaged(settings):
            continue
        repository, oldest = Repository(settings, target), f"{min(moments):%Y-%m-%dT%H:%M:%S}"
        try:
            late = [row["snapshot"] for row in repository.snapshots(LOGS) if row["time"] < oldest]
            repository.forget(late)
            with standing.changing(settings) as known:
                standing.of_target(known, target.name)["logs_since"] = sets.iso(min(moments))
        except BackupError as fault:
            faults[target.name] = str(fault)
    return faults


def _kept(folder):
    """Return the logs in a folder: paths by name, in order."""
    names = [path.name for path in folder.glob("*.*") if path.suffix[1:].isdigit()]
    return {name: folder / name for name in sorted(names, key=number_of)}


def _stored(settings, target, stream):
    """Return the snapshots that a target has a log of a stream in, by the log's name; and which are no true ones.

    Whoever got the server's key can let a snapshot say what they like. One that says what cannot be is left out, with a
    sentence that tells of it.
    """
    found, forged = {}, []
    for row in Repository(settings, target).snapshots(LOGS, stream=stream):
        names = _from_to(row["tags"].get("first", ""), row["tags"].get("last", ""))
        for name in names:
            found.setdefault(name, []).append(row)
        if not names:
            forged.append(
                f"the snapshot {row['snapshot'][:8]} in {target.name} is left out, which says to hold logs that no"
                " snapshot can hold: somebody with the key has stored it"
            )
    return found, forged


def _from_to(first, last):
    """Return the names of the logs from one to another; none where they cannot be of one snapshot."""
    ends = _LOG.fullmatch(first), _LOG.fullmatch(last)
    if not all(ends) or number_of(last) - number_of(first) >= _AT_ONCE:
        return []
    names = [f"{ends[0][1]}.{number:06d}" for number in range(number_of(first), number_of(last) + 1)]
    return names if [first, last] == [*names[:1], *names[-1:]] else []


def _runs(names):
    """Return names in lists, in each those that follow on each other, and not too many."""
    runs = []
    for name in names:
        if runs and len(runs[-1]) < _AT_ONCE and _after(runs[-1][-1]) == name:
            runs[-1].append(name)
        else:
            runs.append([name])
    return runs


def number_of(name):
    """Return the place of a log in its stream."""
    return int(name.rpartition(".")[2])


def _after(name):
    base, _, number = name.rpartition(".")
    return f"{base}.{int(number) + 1:06d}"


def _beginning(path):
    with open_regular(str(path)) as file:
        head = file.read(_HEAD_BYTES)
    # Without the mark that the server has not closed it.
    return head[:_MARK_LIES] + head[_MARK_LIES + 2 :]


def _link(source, destination):
    """Give a closed log another name, or copy it where it lies on another disk."""
    with open_regular(str(source)) as file:
        try:
            # By its number, so that it is the file that was looked at.
            os.link(f"/proc/self/fd/{file.fileno()}", destination, follow_symlinks=True)
        except OSError:
            beside = destination.with_name(f".{destination.name}.new")
            with beside.open("wb") as output:
                shutil.copyfileobj(file, output)
                output.flush()
                os.fsync(output.fileno())
            facts = os.fstat(file.fileno())
            os.utime(beside, ns=(facts.st_atime_ns, facts.st_mtime_ns))
            beside.replace(destination)


# --- replaying -------------------------------------------------------------------------------------------------------


class _EndedError(Exception):
    """Report the log that would have to come next and is not there. reached: Unix time until which there are some."""

    def __init__(self, name, reached):
        super().__init__(name)
        self.reached = reached


def _said_of(end, manifest, target):
    """Return what to tell of logs that end too early, with the nearest that can be had."""
    there = f" in {target}" if target else ""
    if end.reached is None:
        return (
            f"no binary log{there} goes on from the set {manifest['set']}, which is as of {manifest['taken']}:"
            f" {end} is not there. `--or-before` takes the set alone"
        )
    reached = _iso(max(end.reached, sets.moment_of(manifest["taken"]).timestamp()))
    return (
        f"the binary logs{there} reach until {reached}, and {end} is not there: `--at {reached}` is as far as they go;"
        " `--or-before` goes as far by itself"
    )


class _Found:
    """The logs of one stream, wherever they are: on this server, or at a target; of one target that is named, there.

    forged: what is told of snapshots that were left out, once targets were asked.
    """

    def __init__(self, settings, stream, closing, target):
        if not isinstance(stream, str) or not _STREAM.fullmatch(stream):
            raise BackupError(f"{stream!r} cannot be the name of a stream of logs")
        self._settings = settings
        self._stream = stream
        self._targets = [settings.target(target)] if target else list(settings.targets.values())
        self._kept = [] if target else [settings.backups / "logs" / stream]
        self._fetched = settings.backups / "fetched" / f"logs-{stream}"
        self._known, self._faults, self.forged = None, [], []
        shutil.rmtree(self._fetched, ignore_errors=True)  # of a run that was killed
        closing.callback(shutil.rmtree, self._fetched, ignore_errors=True)
        if settings.database.get("logs") and not target:
            with _alone(settings):
                live = _Stream(settings)
                if live.name == stream:
                    # So that it reaches to this very moment, though nothing may have happened for long.
                    live.close(even_quiet=True)
                    live.keep()

    def log(self, name):
        """Return a log by its name, or None where nobody has it; what comes from a target is gone in the end."""
        if not isinstance(name, str) or not _LOG.fullmatch(name):
            raise BackupError(f"{name!r} cannot be the name of a log")
        for folder in (*self._kept, self._fetched):
            with contextlib.suppress(FileNotFoundError):
                return Log(folder / name)
        if self._known is None:
            self._known, self._faults = {}, []
            for target in self._targets:
                self._ask(target)
        if name in self._known:
            target, rows = self._known[name]
            if len(rows) > 1 and len({self._sum_of(name, target, row) for row in rows}) > 1:
                ids = ", ".join(row["snapshot"][:8] for row in rows)
                raise DisputedError(
                    f"{target.name} has the log {name} more than once, not the same each time: as {ids}. What a"
                    " snapshot says of itself can be forged; when its file came to the target, the target's own"
                    " machine knows. Remove the false one there, or restore the set alone, without a moment"
                )
            self._bring(target, rows[0])
            return Log(self._fetched / name)
        if self._faults:
            silent = "; ".join(self._faults)
            raise BackupError(f"{name} is nowhere else, and not every target could be asked: {silent}")
        return None

    def _bring(self, target, row):
        # Never more at once than what came at once.
        shutil.rmtree(self._fetched, ignore_errors=True)
        Repository(self._settings, target).fetch(row, self._fetched)

    def _sum_of(self, name, target, row):
        self._bring(target, row)
        path = self._fetched / name
        return sha256(str(path)) if path.exists() else None

    def _ask(self, target):
        try:
            rows, forged = _stored(self._settings, target, self._stream)
        except BackupError as fault:
            self._faults.append(str(fault))
        else:
            self.forged += forged
            self._known = {**{log: (target, some) for log, some in rows.items()}, **self._known}


def _play(settings, found, position, speaker, moment, or_before):
    played = {"groups": 0, "last": None, "reached": None}
    client = [*settings.database["client"], "--binary-mode", "--max-allowed-packet=1G", speaker.new.decode()]
    try:
        with programs.running(client, reads=True) as pipe:
            pipe.write(speaker.beginning())
            try:
                for log, group in _groups_until(found, position, speaker.old.decode(), moment):
                    if group is None:
                        parts = speaker.format(log.format)
                    else:
                        parts = speaker.group(group)
                        played["groups"] += 1
                        played["last"] = group.ended
                    for part in parts:
                        pipe.write(part)
            except _EndedError as end:
                if not or_before:
                    raise
                played["reached"] = end.reached or 0
            pipe.write(speaker.ending())
    except BaseException:
        with contextlib.suppress(BackupError):
            Database(settings).ask(speaker.ending().decode())
        raise
    return played


def _groups_until(found, position, database, moment):
    """Yield log and group of what happened to a database before a moment; of each log first itself, without a group.

    Raises _EndedError where the logs end before.
    """
    name, start, gtids = position["file"], position["position"], {}
    reached = None
    while True:
        log = found.log(name)
        if log is None:
            raise _EndedError(name, reached)
        if log.begins >= moment:
            return
        yield log, None
        try:
            for group in log.groups(database, start):
                _demand_following(log, gtids)
                # Whoever's it is: the log is in the order in which they were committed, and tells when only of what is
                # short. A statement that ran for long is written down with the moment at which it began.
                if group.ended >= moment:
                    return
                if group.in_two_steps:
                    at = _iso(group.ended)
                    raise BackupError(
                        f"the school's database had a transaction in two steps (XA) at {at}, which cannot be said"
                        f" again: `--at {at}` is as far as it goes"
                    )
                if group.touches:
                    yield log, group
        except DroppedError as fault:
            if fault.when >= moment:
                return
            raise BackupError(
                f"the school's database was removed at {_iso(fault.when)}; choose a moment before"
            ) from None
        _demand_following(log, gtids)
        reached = log.last
        if reached >= moment:
            return
        gtids = {**gtids, **log.gtids}
        name, start = log.next or _after(name), 4


def _demand_older(found, position, database, moment, taken):
    """Raise BackupError if the set holds what happened at or after a moment that is little later than its beginning."""
    if moment - taken >= _LONG_DUMP_S:
        return
    log = found.log(position["file"])
    for group in log.groups(database) if log else ():
        if group.at >= position["position"]:
            return
        if group.touches and group.ended >= moment:
            raise BackupError(
                f"the set already holds what happened at {_iso(group.ended)}; choose the set before, or a later moment"
            )


def _demand_following(log, gtids):
    """Raise BackupError unless a log says of itself that it begins where those before it ended."""
    for domain, number in gtids.items():
        if (log.before or {}).get(domain) != number:
            raise BackupError(f"{log.path.name} does not follow on the log before it: what lies between is missing")


def _demand_same_database(settings, manifest, moment, until):
    """Raise BackupError if the school had been restored before that moment, and so lived in another database."""
    current = sites.config(settings.root / "sites", manifest["site"]).get("db_name")
    if current in (None, manifest["database"]["name"]):
        return
    query = "SELECT FLOOR(UNIX_TIMESTAMP(MIN(create_time))) FROM information_schema.tables WHERE table_schema = '{}';\n"
    rows = Database(settings).ask(query.format(checked_name(current)))
    if rows and rows[0][0].isdigit() and moment > int(rows[0][0]):
        raise BackupError(
            f"the school was restored at about {_iso(int(rows[0][0]))}, and the set {manifest['set']} is"
            f" older: what happened between then and {until} is not in its logs"
        )


def _iso(seconds):
    return sets.iso(datetime.fromtimestamp(seconds, timezone.utc))
