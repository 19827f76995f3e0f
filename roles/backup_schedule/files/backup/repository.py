"""The repository of one target, by restic: encrypted, each block of data kept once."""

import json
import os
import re
import time
from pathlib import Path

from backup import programs
from backup.errors import BackupError, LockedError, VainError

# Always the same, so that restic finds what it stored before; a server's name may change.
HOST = "schools"
SET, INVENTORY, LOGS = "set", "inventory", "logs"

# What it exits with.
_PARTLY, _ABSENT, _LOCKED, _WRONG_KEY = 3, 10, 11, 12
# For how long somebody else who works on the repository is waited for.
_PATIENCE_S = 600
_PATIENCE = f"{_PATIENCE_S // 60}m"
# restic itself tries for a quarter of an hour to reach a target that is gone.
_REACH_S = 45
_LIST_S = 600
# So it does where an object storage knows no such bucket, or refuses what it is logged in to with: in S3's own words,
# those of other makers, and the codes of those that have no words. Only at the beginning of a line of restic's, since
# the name of somebody's file may say anything.
_NO_BUCKET = re.compile("bucket does not exist|NoSuchBucket")
_VAIN = re.compile(
    rb"^\w+\([^)]*\) returned error, retrying after \S+ (?:Stat: )?(.*(?:bucket does not exist|NoSuchBucket"
    rb"|request signature we calculated does not match|SignatureDoesNotMatch|Signature validation failed"
    rb"|Access Key Id you provided does not exist|InvalidAccessKeyId|Malformed Access Key Id"
    rb"|between the request time and the server's time is too large|RequestTimeTooSkewed).*)$",
    re.MULTILINE,
)
# What an operating system lets one program be told, roughly, in snapshots.
_AT_ONCE = 500


class AbsentError(BackupError):
    """Report a repository that nobody has made yet."""


class Repository:
    """One target's repository. Whoever asks restic pays for its start: ask once for many things."""

    def __init__(self, settings, target):
        self.target = target
        self._settings = settings

    # --- its life ----------------------------------------------------------------------------------------------------

    def demand(self):
        """Raise AbsentError if there is no repository, BackupError if it cannot be reached or the key opens it not."""
        self._restic("cat", "config", "--no-lock", timeout=_REACH_S)

    def init(self):
        """Make the repository if there is none; say whether it is new."""
        try:
            self.demand()
        except AbsentError:
            self._restic("init", timeout=_LIST_S)
            return True
        return False

    def unlock(self):
        """Remove locks of programs that are no more."""
        self._restic("unlock", timeout=_REACH_S)

    def check(self, percent=0):
        """Check its structure, and read so many percent of the data; raises BackupError for any damage."""
        share = [f"--read-data-subset={percent:g}%"] if percent else []
        # Who may only add cannot take a lock away again, and one that is for a check alone would stop every backup.
        alone = ["--no-lock"] if self.target.append_only else []
        self._restic("check", *share, *alone)

    def prune(self):
        """Give back the room of what was forgotten, and put together what came in small pieces."""
        self._demand_removing()
        self._restic("prune", "--repack-small")

    # --- in and out --------------------------------------------------------------------------------------------------

    def store(self, folder, tags, taken, parent=None, within=None):
        """Store a folder; return snapshot, files, added_bytes, bytes and seconds.

        tags: texts by name, such as kind, school and set. taken: a moment, kept as the snapshot's own. parent: the
        snapshot that it is compared with, if known. within: seconds that it may take, None for any. Raises BackupError
        unless all of it was stored.
        """
        began = time.monotonic()
        argv = ["backup", "--json", "--no-scan", "--host", HOST, "--ignore-ctime"]
        argv += ["--time", f"{taken:%Y-%m-%d %H:%M:%S}"]
        for name, value in tags.items():
            argv += ["--tag", f"{name}={value}"]
        if tags["kind"] != SET:
            # There is little to read, and nothing of it is as it was: no snapshot has to be looked for.
            argv.append("--force")
        argv.append(str(folder))
        try:
            # It saves restic from reading every snapshot there is.
            done = self._restic(*argv, *(["--parent", parent] if parent else []), timeout=within, also=(_PARTLY,))
        except BackupError:
            if not parent:
                raise
            self.demand()
            done = self._restic(
                *argv, timeout=within, also=(_PARTLY,)
            )  # the parent may be gone, and then restic stores nothing
        said = [line for line in map(_object, done.stdout.splitlines()) if line.get("message_type") == "summary"]
        if len(said) != 1 or not said[0].get("snapshot_id"):
            raise BackupError(f"{self.target.name}: restic did not say that it has stored {folder}")
        if done.returncode == _PARTLY:
            if not self.target.append_only:
                self.forget([said[0]["snapshot_id"]])
            raise BackupError(f"{self.target.name}: restic could not read all of {folder}")
        return {
            "snapshot": said[0]["snapshot_id"],
            "files": said[0]["total_files_processed"],
            "added_bytes": said[0].get("data_added_packed", said[0]["data_added"]),
            "bytes": said[0]["total_bytes_processed"],
            "seconds": round(time.monotonic() - began, 3),
        }

    def snapshots(self, kind=SET, **tags):
        """Return the snapshots of a kind, oldest first; tags: more that they must have, such as school.

        Of each: snapshot, tree (what it holds, as a hash), path, time, bytes (None where restic does not know), and its
        tags by name, which are whatever somebody with the key called it.
        """
        wanted = ",".join(f"{name}={value}" for name, value in {"kind": kind, **tags}.items())
        done = self._restic("snapshots", "--json", "--no-lock", "--tag", wanted, timeout=_LIST_S)
        try:
            rows = json.loads(done.stdout or "[]") or []
        except ValueError:
            raise BackupError("restic's list of snapshots cannot be read") from None
        found = [
            {
                "snapshot": row["id"],
                "tree": row["tree"],
                "path": (row.get("paths") or [""])[0],
                "time": row["time"],
                "bytes": (row.get("summary") or {}).get("total_bytes_processed"),
                "tags": dict(tag.partition("=")[::2] for tag in row.get("tags") or []),
            }
            for row in rows
        ]
        return sorted(found, key=lambda one: (one["time"], len(name := one["tags"].get("set", "")), name))

    def fetch(self, snapshot, folder):
        """Bring back what a snapshot holds into a new folder. snapshot: one of `snapshots`."""
        Path(folder).mkdir(parents=True, mode=0o700)
        inside = f"{snapshot['snapshot']}:{snapshot['path']}"
        self._restic("restore", "--quiet", "--target", str(folder), inside)

    def read(self, snapshot, name):
        """Return the text of a file that a snapshot holds. snapshot: one of `snapshots`."""
        inside = f"{snapshot['snapshot']}:{snapshot['path']}"
        return self._restic("dump", inside, name, "--no-lock", timeout=_LIST_S).stdout.decode()

    def forget(self, snapshots):
        """Remove snapshots by their ids; raises BackupError for those that stay."""
        self._demand_removing()
        for start in range(0, len(snapshots), _AT_ONCE):
            self._restic("forget", "--quiet", *snapshots[start : start + _AT_ONCE])
        self._demand_gone(snapshots)

    def keep(self, slugs, policy):
        """Remove those sets of schools that a policy does not keep, each school for itself; return how many.

        policy: numbers of sets to keep by last, daily, weekly and monthly.
        """
        return self._keep([f"kind={SET},school={slug}" for slug in slugs], policy)

    def keep_inventory(self, policy):
        """Remove those states of the inventory that a policy does not keep."""
        self._keep([f"kind={INVENTORY}"], policy)

    def _keep(self, tags, policy):
        self._demand_removing()
        removed = []
        options = [option for name, number in policy.items() if number for option in (f"--keep-{name}", str(number))]
        for start in range(0, len(tags), _AT_ONCE):
            # A school's sets all have one path, which no other school's have.
            argv = ["forget", "--json", "--host", HOST, "--group-by", "paths", *options]
            for tag in tags[start : start + _AT_ONCE]:
                argv += ["--tag", tag]
            groups = json.loads(self._restic(*argv).stdout or "[]") or []
            removed += [one["id"] for group in groups for one in group.get("remove") or []]
        self._demand_gone(removed)
        return len(removed)

    def _demand_gone(self, snapshots):
        """Raise BackupError if any of these is still there: to restic it is no failure where a target keeps it."""
        if not snapshots:
            return
        left = {*snapshots} & {*self._restic("list", "snapshots", "--no-lock", timeout=_LIST_S).stdout.decode().split()}
        if left:
            raise BackupError(
                f"{self.target.name}: {len(left)} of {len(snapshots)} snapshots are still there, though they were to go"
            )

    # --- restic ------------------------------------------------------------------------------------------------------

    def _demand_removing(self):
        if self.target.append_only:
            raise BackupError(f"nothing can be removed from {self.target.name}: it is append-only")

    def _restic(self, *argv, timeout=None, also=()):
        options = ["-o", f"sftp.args=-F {self.target.ssh_config}"] if self.target.ssh_config else []
        limits = {"--limit-upload": self.target.upload_kib, "--limit-download": self.target.download_kib}
        told = [word for name, kib in limits.items() if kib for word in (name, str(kib))]
        command = [self._settings.restic, *options, *argv, *told]
        if not self._settings.key_file.exists():
            raise BackupError("this server has no key for backups: `schoolctl backup-targets init` makes one")
        environment = self._environment()
        good = (0, _ABSENT, _LOCKED, _WRONG_KEY, *also)
        waits = timeout is None or timeout > _PATIENCE_S
        more = {"environment": environment, "timeout": timeout, "good": good, "vain": _VAIN}
        try:
            done = programs.run(command, **more)
            if done.returncode == _LOCKED and argv[0] != "unlock" and waits:
                # Perhaps by one that was killed: restic knows which of its kind are no more.
                self.unlock()
                command += ["--retry-lock", _PATIENCE]
                done = programs.run(command, **more)
        except VainError as fault:
            if _NO_BUCKET.search(str(fault)):
                raise self._absent() from None
            words = "what it is logged in to with (`backup_credentials`) is refused"
            raise BackupError(f"{self.target.name}: {words}: {fault}") from None
        except BackupError as fault:
            raise BackupError(f"{self.target.name}: {fault}") from None
        if done.returncode == _ABSENT:
            raise self._absent()
        if done.returncode == _LOCKED:
            waited = _PATIENCE if waits else "a while"
            raise LockedError(f"{self.target.name}: somebody else has been at work on the repository for {waited}")
        if done.returncode == _WRONG_KEY:
            raise BackupError(f"{self.target.name}: the key of this server does not open the repository")
        return done

    def _absent(self):
        return AbsentError(f"{self.target.name}: there is no repository at {self.target.repository} yet")

    def _environment(self):
        own = {name: os.environ[name] for name in ("PATH", "HOME", "SSH_AUTH_SOCK") if name in os.environ}
        if self.target.environment_file:
            lines = Path(self.target.environment_file).read_text().splitlines()
            own |= dict(line.partition("=")[::2] for line in lines if "=" in line and not line.startswith("#"))
        return {
            **own,
            "RESTIC_REPOSITORY": self.target.repository,
            "RESTIC_PASSWORD_FILE": str(self._settings.key_file),
            "RESTIC_CACHE_DIR": str(self._settings.cache),
            "TZ": "UTC",
        }


def _object(line):
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
