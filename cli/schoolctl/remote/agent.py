"""Do single operations on the server, as root, for one run of schoolctl.

This program is sent over SSH and leaves nothing behind. It needs Python 3.10 and its standard library alone. It reads
one JSON request a line from stdin and writes one JSON answer a line to stdout. When the client vanishes, the operation
in hand is finished, the audit log gets its line, and the lock falls with this process: never before the work has ended.
"""

import collections
import concurrent.futures
import errno
import fcntl
import fnmatch
import gzip
import hashlib
import http.client
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import zlib
from typing import IO, Any, cast

OUTPUT_LIMIT = 200_000
LINE_LIMIT = 4_000
LOCK_NAME = "lock"
LOCK_INFO_NAME = "lock.json"
# Held together by the further agents of a command, as long as they work.
WORKERS_NAME = "lock.workers"
# A glance at a lock holds it for an instant, and an agent that was let go needs one to end.
PATIENCE = 0.5
AUDIT_NAME = "audit.log"
OPERATIONS_FOLDER = "journal/operations"
OPERATIONS_KEPT = 500
# What of a claim may be told; it holds no secrets, but it is a file like any other.
CLAIM_KEYS = ("doing", "database", "set", "of", "options", "since")
# Edge lines that are looked through for new ones of a school, at most, each time somebody who follows asks.
EDGE_LINES = 5000


class Fault(Exception):  # noqa: N818 - the word of the protocol
    """Tell the client that an operation failed; `kind` is for programs, the message for people."""

    def __init__(self, kind: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.details = details


class Agent:
    """Hold what lives as long as the connection: the root folder, the lock, and what the audit log will say."""

    def __init__(self) -> None:
        self.root = ""
        self.lock: int | None = None
        self.workers: int | None = None
        self.journal: int | None = None
        self.holder: dict[str, Any] = {}

    # --- the session -------------------------------------------------------------------------------------------------

    def do_hello(self, root: str | None = None) -> dict[str, Any]:
        """Bind every later path to `root`."""
        if root is not None:
            self.root = os.path.realpath(root)
        return {"python": list(sys.version_info[:2])}

    def do_lock(self, who: str, what: str, since: str) -> str:
        """Take the server's lock or say who holds it; return the operation's name. `since` is the client's ISO time."""
        self.demand_provisioned()
        lock = self.take(LOCK_NAME, fcntl.LOCK_EX)
        if lock is None:
            raise Fault("locked", self.said_holder("has held the lock since") or "another command holds the lock")
        workers = self.take(WORKERS_NAME, fcntl.LOCK_EX)
        if workers is None:
            os.close(lock)
            told = self.said_holder("began at") or "its holder is gone"
            raise Fault("locked", f"the work of a command that was cut off is not over yet: {told}")
        self.lock = lock
        self.begin(who, what, since)
        self.holder["operation"] = operation_name(self.holder["started"])
        try:
            self.do_write(f"{self.root}/{LOCK_INFO_NAME}", json.dumps(self.holder), "0600", "root", "root")
        except OSError:
            # On a full disk it must be possible to make room. What an earlier holder left would be a lie.
            self.do_remove(f"{self.root}/{LOCK_INFO_NAME}")
        finally:
            os.close(workers)
        self.open_journal()
        return str(self.holder["operation"])

    def do_join(self, name: str) -> None:
        """Work for the operation of another agent: until this one ends too, nobody else gets the lock."""
        workers = self.take(WORKERS_NAME, fcntl.LOCK_SH)
        holder = self.do_read_json(f"{self.root}/{LOCK_INFO_NAME}", ["operation"]) or {}
        if workers is None or holder.get("operation") != name:
            if workers is not None:
                os.close(workers)
            raise Fault("locked", f"the operation {name} does not hold the lock any more")
        self.workers = workers

    def do_record(self, who: str, what: str, since: str) -> None:
        """Begin what needs no lock, but a line in the audit log when it is released."""
        self.demand_provisioned()
        self.begin(who, what, since)

    def do_note(self, step: str, outcome: str, seconds: float) -> None:
        """Write down what became of a step, if there is a journal."""
        self.write_journal({"step": step, "outcome": outcome, "seconds": round(seconds, 1)})

    def do_release(self, result: str) -> None:
        """Write the audit line and the journal's last one, and let go of the lock."""
        if not self.holder:
            return
        seconds = round(time.time() - self.holder["started"], 1)
        line = {
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.holder["started"])),
            "who": self.holder["who"],
            "what": self.holder["what"],
            "result": result,
            "seconds": seconds,
        }
        if "operation" in self.holder:
            line["operation"] = self.holder["operation"]
        self.write_journal({"result": result, "seconds": seconds})
        try:
            self.append(f"{self.root}/{AUDIT_NAME}", line)
            # While another agent of this operation is at work, people shall be told whose work that is.
            if self.lock is not None and not self.is_held(WORKERS_NAME):
                self.do_remove(f"{self.root}/{LOCK_INFO_NAME}")
        finally:
            # A full disk must not keep the lock.
            for descriptor in (self.journal, self.lock):
                if descriptor is not None:
                    os.close(descriptor)
            self.journal = self.lock = None
            self.holder = {}

    def demand_provisioned(self) -> None:
        """Raise a fault if the server was never made ready."""
        if not os.path.isdir(self.root):
            raise Fault("unprovisioned", f"{self.root} does not exist on the server")

    def begin(self, who: str, what: str, since: str) -> None:
        """Remember what the audit log will say."""
        self.holder = {"who": who, "what": what, "since": since, "started": time.time()}

    def take(self, name: str, kind: int) -> int | None:
        """Return a descriptor that holds a lock, or None if somebody else holds it for longer than a moment."""
        lock = os.open(self.inside(f"{self.root}/{name}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    os.close(lock)
                    return None
                time.sleep(0.02)
            else:
                return lock

    def is_held(self, name: str) -> bool:
        """Say whether somebody holds a lock now."""
        try:
            lock = os.open(self.inside(f"{self.root}/{name}"), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def said_holder(self, between: str) -> str:
        """Return who took the lock last, when and what for, as words; nothing if that is not known."""
        holder = self.do_read_json(f"{self.root}/{LOCK_INFO_NAME}", ["who", "since", "what"]) or {}
        return f"{holder['who']} {between} {holder['since']}, doing: {holder['what']}" if len(holder) == 3 else ""

    # --- what is written down ----------------------------------------------------------------------------------------

    def open_journal(self) -> None:
        """Begin the operation's journal and drop the oldest ones; where it cannot be written, work goes on without."""
        folder = f"{self.root}/{OPERATIONS_FOLDER}"
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            for name in sorted(os.listdir(folder))[: -OPERATIONS_KEPT + 1]:
                os.unlink(f"{folder}/{name}")
            path = self.operation_path(self.holder["operation"])
            self.journal = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            self.journal = None
        self.write_journal({"who": self.holder["who"], "what": self.holder["what"]})

    def write_journal(self, line: dict[str, Any]) -> None:
        """Add a line to the journal, if there is one and room for it."""
        if self.journal is None:
            return
        try:
            append_line(self.journal, {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **line})
        except OSError:
            return

    def append(self, path: str, line: dict[str, Any]) -> None:
        """Add a line to a file of root's."""
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            append_line(file, line)
        finally:
            os.close(file)

    def operation_path(self, name: str) -> str:
        """Return where the journal of an operation lies."""
        return self.inside(f"{self.root}/{OPERATIONS_FOLDER}/{name}.jsonl")

    def do_operation(self, name: str) -> list[dict[str, Any]] | None:
        """Return the lines of an operation's journal, or null when there is none."""
        return self.read_lines(self.operation_path(name))

    def do_history(self, word: str | None, limit: int) -> list[dict[str, Any]]:
        """Return the last lines of the audit log, oldest first: all, or those whose command has a certain word."""
        return self.read_lines(f"{self.root}/{AUDIT_NAME}", word, limit) or []

    def read_lines(self, path: str, word: str | None = None, limit: int = 10_000) -> list[dict[str, Any]] | None:
        """Return the last JSON objects of a file of lines, or None when there is no file; half a line is no line."""
        found: collections.deque[dict[str, Any]] = collections.deque(maxlen=limit)
        try:
            with self.open_file(path) as file:
                for line in file:
                    try:
                        entry = json.loads(line)
                    except ValueError:
                        continue
                    if isinstance(entry, dict) and (word is None or word in str(entry.get("what")).split()):
                        found.append(entry)
        except FileNotFoundError:
            return None
        return list(found)

    def do_state(self) -> dict[str, Any]:
        """Return what goes on and what was left: lock, claims, how far the last operation came, free space.

        holder: who has the lock, or null. working: further agents are at work, for a holder that may be gone already.
        last: its name, what its journal began with, its last step and its result, as far as there are such.
        """
        self.demand_provisioned()
        held, working = self.is_held(LOCK_NAME), self.is_held(WORKERS_NAME)
        info = self.do_read_json(f"{self.root}/{LOCK_INFO_NAME}", ["who", "what", "since", "operation"])
        names = self.do_list(f"{self.root}/{OPERATIONS_FOLDER}")
        last = None
        if names:
            last = {"operation": names[-1][: -len(".jsonl")]}
            for line in self.do_operation(last["operation"]) or []:
                last.update(line)
        return {
            "holder": info or {} if held or working else None,
            "working": working,
            "claims": self.claims(),
            "last": last,
            "free": self.do_free(self.root),
        }

    def claims(self) -> dict[str, dict[str, Any]]:
        """Return what commands under way, or interrupted, noted about schools, by slug."""
        files = sorted(pathlib.Path(self.root, "journal").glob("*.json"))
        return {file.stem: self.do_read_json(str(file), list(CLAIM_KEYS)) or {} for file in files}

    # --- programs ----------------------------------------------------------------------------------------------------

    def do_run(self, argv: list[str], stdin: str = "", timeout: float | None = None) -> dict[str, Any]:
        """Run a program and return its code and output, each kept to its last 200,000 characters."""
        try:
            # A session of its own: what ends the client's connection must not end the program.
            done = subprocess.run(
                argv, input=stdin.encode(), capture_output=True, timeout=timeout, start_new_session=True
            )
        except FileNotFoundError:
            raise Fault("no-program", f"{argv[0]} is not installed on the server") from None
        except subprocess.TimeoutExpired:
            raise Fault("timeout", f"{argv[0]} did not end within {timeout:g} s") from None
        return {
            "code": done.returncode,
            "stdout": done.stdout.decode(errors="replace")[-OUTPUT_LIMIT:],
            "stderr": done.stderr.decode(errors="replace")[-OUTPUT_LIMIT:],
        }

    def do_hold(self, argv: list[str]) -> str:
        """Hold a program's words for one that shall become it; return the place where root can read them.

        They lie in memory alone, and are gone when this process ends.
        """
        words = os.memfd_create("words")
        os.write(words, json.dumps(argv).encode())
        return f"/proc/{os.getpid()}/fd/{words}"

    def do_dump(self, argv: list[str], path: str) -> dict[str, Any]:
        """Write a program's output gzipped to `path`; count its tables; refuse a dump that does not end as one."""
        tables, tail = 0, b""
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
            # mtime 0 and no name: the same rows give the same bytes.
            with open(self.inside(path), "wb") as file, gzip.GzipFile("", "wb", 4, file, mtime=0) as packed:
                for line in cast(IO[bytes], process.stdout):
                    tables += line.startswith(b"CREATE TABLE ")
                    tail = line if line.strip() else tail
                    packed.write(line)
            code = process.wait()
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip()
        if code != 0 or not tail.startswith(b"-- Dump completed"):
            os.unlink(path)
            raise Fault("dump", f"the dump ended with {code}: {words or 'without its last line'}")
        return {"tables": tables, "sha256": self.do_hash(path), "bytes": os.path.getsize(path)}

    def do_load(self, argv: list[str], path: str) -> dict[str, Any]:
        """Feed a gzipped file to a program's stdin; return its code and stderr."""
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
            )
            to_program = cast(IO[bytes], process.stdin)
            try:
                with gzip.open(self.inside(path), "rb") as packed:
                    shutil.copyfileobj(packed, to_program, 1 << 20)
                to_program.close()
            except BrokenPipeError:
                pass  # its exit code and words say why it stopped listening
            except (OSError, EOFError, zlib.error) as fault:
                process.kill()
                process.wait()
                raise Fault("damaged", f"{path}: {fault}") from None
            code = process.wait()
            errors.seek(0)
            return {"code": code, "stdout": "", "stderr": errors.read().decode(errors="replace")[-OUTPUT_LIMIT:]}

    def do_dump_parts(self, parts: list[list[Any]]) -> list[dict[str, Any]]:
        """Write several dumps at once, each as `dump` does; parts: argv and path of each."""
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            return list(pool.map(lambda part: self.do_dump(*part), parts))

    def do_load_parts(self, argv: list[str], parts: list[list[str]]) -> dict[str, Any]:
        """Feed several gzipped files to one program each, at once; return the worst code, with what was said of it.

        parts: path and SHA-256 of each. None is loaded unless all of them are what they were.
        """
        for path, digest in parts:
            if self.do_hash(path) != digest:
                raise Fault("damaged", f"{path} is not what it was when it was made")
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            answers = list(pool.map(lambda part: self.do_load(argv, part[0]), parts))
        return max(answers, key=lambda answer: abs(int(answer["code"])))

    # --- files -------------------------------------------------------------------------------------------------------

    def inside(self, path: str) -> str:
        """Return the path if it lies below the root; links on the way count as where they lead."""
        parent = os.path.realpath(os.path.dirname(path))
        name = os.path.basename(path)
        if not self.root or name in {"", ".", ".."} or os.path.commonpath([self.root, parent]) != self.root:
            raise Fault("outside", f"{path} is not below {self.root}")
        return os.path.join(parent, name)

    def open_file(self, path: str) -> IO[bytes]:
        """Open a file for reading; a link or a pipe in its place is refused: a site's folder belongs to the bench."""
        # Without O_NONBLOCK a pipe that nobody writes to would hold this program, and the lock, for ever.
        file = os.open(self.inside(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise Fault("damaged", f"{path} is no regular file")
        return os.fdopen(file, "rb")

    def do_exists(self, paths: list[str]) -> list[bool]:
        """Say for each path whether it is there."""
        return [os.path.lexists(self.inside(path)) for path in paths]

    def do_read(self, path: str) -> str | None:
        """Return a file's text, or null when there is none."""
        try:
            with self.open_file(path) as file:
                return file.read().decode()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as fault:
            raise Fault("damaged", f"{path} is not text: {fault}") from None

    def do_read_json(self, path: str, keys: list[str]) -> dict[str, Any] | None:
        """Return only the named keys of a file's JSON object, or null when there is none or it is not one."""
        try:
            with self.open_file(path) as file:
                document = json.loads(file.read())
        except (FileNotFoundError, ValueError):
            return None
        return {key: document[key] for key in keys if key in document} if isinstance(document, dict) else None

    def do_write(self, path: str, text: str, mode: str, owner: str, group: str) -> str | None:
        """Put a file in place by one rename and return the text that it replaced, or null."""
        path = self.inside(path)
        before = self.do_read(path)
        descriptor, candidate = tempfile.mkstemp(prefix=".candidate-", dir=os.path.dirname(path))
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(descriptor, int(mode, 8))
                os.fchown(descriptor, *self.identity(owner, group))
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            os.rename(candidate, path)
        except BaseException:
            os.unlink(candidate)
            raise
        self.sync_folder(path)
        return before

    def do_merge_json(
        self,
        source: str,
        target: str,
        changes: dict[str, Any],
        mode: str,
        owner: str,
        group: str,
        keep: list[str] | None = None,
    ) -> None:
        """Write `source`'s JSON object with `changes` to `target`; a change to null removes the key.

        keep: only these keys of the source go along; null takes all. Secrets that stay on the server need not travel
        for it.
        """
        text = self.do_read(source)
        if text is None:
            raise Fault("missing", f"{source} does not exist")
        try:
            document = json.loads(text)
        except ValueError as fault:
            raise Fault("damaged", f"{source}: {fault}") from None
        if not isinstance(document, dict):
            raise Fault("damaged", f"{source} holds no JSON object")
        if keep is not None:
            document = {key: document[key] for key in keep if key in document}
        document.update(changes)
        document = {key: value for key, value in document.items() if value is not None}
        self.do_write(target, json.dumps(document, indent=1, sort_keys=True) + "\n", mode, owner, group)

    def do_make_folder(self, path: str, mode: str, owner: str, group: str) -> bool:
        """Make a folder; say whether it is new."""
        path = self.inside(path)
        try:
            os.mkdir(path)
        except FileExistsError:
            return False
        # By descriptor: whoever owns the parent may have put a link in its place meanwhile.
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(folder, int(mode, 8))
            os.fchown(folder, *self.identity(owner, group))
        finally:
            os.close(folder)
        return True

    def do_remove(self, path: str) -> None:
        """Remove a file or a whole folder, if it is there."""
        path = self.inside(path)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)

    def do_rename(self, source: str, target: str) -> None:
        """Rename in one step; refuses to replace what is already at the target."""
        source, target = self.inside(source), self.inside(target)
        if os.path.lexists(target):
            raise Fault("exists", f"{target} is already there")
        os.rename(source, target)
        self.sync_folder(target)

    def do_exchange(self, one: str, other: str) -> None:
        """Let two paths change places in one step that no crash can divide (renameat2, Linux 3.15)."""
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        exchange, here = 2, -100
        one, other = self.inside(one), self.inside(other)
        if libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), f"{one} <-> {other}")
        self.sync_folder(one)

    def do_copy(self, source: str, target: str, mode: str, owner: str, group: str) -> None:
        """Copy one file."""
        target = self.inside(target)
        with self.open_file(source) as file, open(target, "wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
        os.chmod(target, int(mode, 8))
        os.chown(target, *self.identity(owner, group))

    def do_list(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; an absent folder has none."""
        try:
            return sorted(os.listdir(self.inside(path)))
        except FileNotFoundError:
            return []

    def do_hash(self, path: str) -> str | None:
        """Return a file's SHA-256 as hex, or null when there is none."""
        digest = hashlib.sha256()
        try:
            with self.open_file(path) as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except FileNotFoundError:
            return None
        return digest.hexdigest()

    def do_pack(self, folder: str, names: list[str], path: str, owner: str, group: str) -> dict[str, Any]:
        """Write the named subfolders to a tar, sorted; return how many files it holds, its size and hash.

        Read as the folder's owner: what he may lead a reader to by a link, he may read anyway.
        """
        uid, gid = self.identity(owner, group)
        folder = self.inside(folder)
        for name in names:
            if os.path.islink(self.inside(os.path.join(folder, name))):
                raise Fault("outside", f"{folder}/{name} is a link")
        there = [name for name in names if os.path.isdir(os.path.join(folder, name))]
        # Tar makes no empty archive unless it is given an empty list.
        argv = ["tar", "--create", "--sort=name", "--numeric-owner", f"--directory={folder}", "--files-from=/dev/null"]
        argv += ["--", *there]
        as_owner: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 else {}
        with open(self.inside(path), "wb") as archive:
            done = subprocess.run(argv, stdout=archive, stderr=subprocess.PIPE, start_new_session=True, **as_owner)
        # 1: a file changed, or vanished, while it was read. That is a visitor at work, not a fault.
        if done.returncode not in (0, 1):
            os.unlink(path)
            raise Fault("pack", f"tar ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
        with tarfile.open(path) as written:
            count = sum(member.isfile() for member in written)
        return {"files": count, "sha256": self.do_hash(path), "bytes": os.path.getsize(path)}

    def do_free(self, path: str) -> dict[str, int]:
        """Return the free bytes and free inodes of the file system that holds a folder."""
        facts = os.statvfs(path)
        return {"bytes": facts.f_bavail * facts.f_frsize, "inodes": facts.f_favail}

    def identity(self, owner: str, group: str) -> tuple[int, int]:
        """Return uid and gid for names or numbers."""
        import grp
        import pwd

        uid = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
        gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
        return uid, gid

    def sync_folder(self, path: str) -> None:
        """Make a rename survive a power cut."""
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    # --- facts -------------------------------------------------------------------------------------------------------

    def do_survey(self, database_argv: list[str], config_keys: list[str]) -> dict[str, Any]:
        """Return what is on the server, in one answer: sites, claims, backups, databases, files, containers.

        Of a site's configuration only the named keys leave the server, no secrets.
        """
        sites = {}
        for config in sorted(pathlib.Path(self.root, "sites").glob("*/site_config.json")):
            sites[config.parent.name] = self.site_fact(str(config), config_keys)
        archive = pathlib.Path(self.root, "archive")
        closed = {
            config.parent.name.removesuffix(".closed"): self.site_fact(str(config), config_keys)
            for config in sorted(archive.glob("*.closed/site_config.json"))
        }
        kept = [self.do_read_json(str(config), ["db_name"]) for config in sorted(archive.glob("*/*/site_config.json"))]
        backups = {
            folder.name: sorted(entry.name for entry in folder.iterdir() if entry.suffix != ".partial")
            for folder in sorted(pathlib.Path(self.root, "backups").glob("*"))
        }
        conf = pathlib.Path(self.root, "edge", "conf")
        files = {
            str(path): self.do_hash(str(path)) for path in conf.rglob("*") if path.is_file() and not path.is_symlink()
        }
        names, users = self.database_facts(database_argv, [*sites.values(), *closed.values()])
        return {
            "sites": sites,
            "closed": closed,
            "kept": [config["db_name"] for config in kept if config and isinstance(config.get("db_name"), str)],
            "claims": self.claims(),
            "backups": backups,
            "files": files,
            "edge_is_current": self.edge_is_current(),
            "containers": self.do_containers(),
            "databases": names,
            "users": users,
        }

    def edge_is_current(self) -> bool | None:
        """Say whether Nginx runs on what edge/conf says; None where nobody can tell."""
        try:
            said = self.do_run(["/usr/local/sbin/schools-edge-activate", "--check"])
        except Fault:
            return None  # not provisioned yet
        return said["stdout"].strip() == "unchanged" if said["code"] == 0 else None

    def site_fact(self, config: str, keys: list[str]) -> dict[str, Any]:
        """Return what a site's configuration says, as far as it may be told."""
        try:
            values = self.do_read_json(config, ["db_name", "host_name", *keys]) or {}
        except (Fault, OSError, RecursionError):
            values = {}  # one damaged site must not hide the others
        name = values.get("db_name")
        return {
            # The bench may write anything there.
            "database": name if isinstance(name, str) else None,
            "host_name": values.get("host_name"),
            "config": {key: values[key] for key in keys if key in values},
        }

    def do_containers(self) -> dict[str, dict[str, str]]:
        """Return image, state and status of each of the platform's containers."""
        listed = self.do_run(["docker", "ps", "--all", "--filter", "name=^schools-", "--format", "{{json .}}"])
        if listed["code"] != 0:
            raise Fault("docker", listed["stderr"].strip())
        rows = [json.loads(line) for line in listed["stdout"].splitlines()]
        return {row["Names"]: {"image": row["Image"], "state": row["State"], "status": row["Status"]} for row in rows}

    def database_facts(self, argv: list[str], sites: list[dict[str, Any]]) -> tuple[list[str] | None, list[str] | None]:
        """Return the schools' databases and database users, None when the database is silent; complete the sites.

        One client for all of them: it goes on after a statement that fails, as one about a damaged school does.
        """
        own = [site for site in sites if re.fullmatch(r"sch[0-9a-f]{12}", str(site["database"]))]
        script = "SELECT 'up';\n"
        script += "SELECT 'database', schema_name FROM information_schema.schemata WHERE schema_name LIKE 'sch%';\n"
        script += "SELECT 'user', user, max_user_connections FROM mysql.user WHERE user LIKE 'sch%';\n"
        title = "SELECT 'title', '{0}', HEX(value) FROM `{0}`.tabSingles WHERE doctype = '{1}' AND field = '{2}';\n"
        for site in own:
            script += title.format(site["database"], "Academy Settings", "school_name")
        answer = self.do_run([*argv, "--force"], script)["stdout"].splitlines()
        if "up" not in answer:
            return None, None
        rows = [line.split("\t") for line in answer]
        limits = {row[1]: int(row[2]) for row in rows if row[0] == "user"}
        titles = {row[1]: bytes.fromhex(row[2]).decode(errors="replace") for row in rows if row[0] == "title"}
        for site in own:
            site["connections"] = limits.get(site["database"])
            site["title"] = titles.get(site["database"])
        return sorted(row[1] for row in rows if row[0] == "database"), sorted(limits)

    def do_usage(
        self, database_argv: list[str], databases: dict[str, str | None], folders: dict[str, str]
    ) -> dict[str, dict[str, Any]]:
        """Return what each school takes of the disk, and who was in it when, in the school's own time.

        Blocks on the disk, not lengths: what would be free without it. One `du` for all folders and one client for all
        databases; what cannot be asked is null. No question goes over all tables of all schools.
        """
        own = {slug: str(name) for slug, name in databases.items() if re.fullmatch(r"sch[0-9a-f]{12}", str(name))}
        stores = {slug: f"{self.root}/db/{name}" for slug, name in own.items()}
        places = {slug: self.inside(folder) for slug, folder in folders.items()}
        argv = ["du", "--summarize", "--block-size=1", "--", *stores.values(), *places.values()]
        lines = [line.partition("\t") for line in self.do_run(argv)["stdout"].splitlines()]
        sizes = {path: size for size, _, path in lines}
        statement = (
            "SELECT 'usage', '{0}', SUM(enabled), MAX(last_login), MAX(last_active),"
            " (SELECT MAX(last_execution) FROM `{0}`.`tabScheduled Job Type`),"
            " (SELECT MAX(value) FROM `{0}`.tabSingles WHERE doctype = 'System Settings' AND field = 'time_zone')"
            " FROM `{0}`.tabUser WHERE name NOT IN ('Guest', 'Administrator');\n"
        )
        answer = self.do_run([*database_argv, "--force"], "".join(map(statement.format, sorted({*own.values()}))))
        said = [line.split("\t") for line in answer["stdout"].splitlines()]
        rows = {row[1]: [None if value == "NULL" else value for value in row[2:]] for row in said if len(row) == 7}
        usage: dict[str, dict[str, Any]] = {}
        for slug, folder in places.items():
            name = own.get(slug, "")
            users, login, active, tick, zone = rows.get(name, [None] * 5)
            usage[slug] = {
                "database_bytes": int(sizes[stores[slug]]) if stores.get(slug) in sizes else None,
                "files_bytes": int(sizes[folder]) if folder in sizes else None,
                "users": int(users or 0) if name in rows else None,
                "last_login": login,
                "last_active": active,
                "last_tick": tick,
                "time_zone": zone,
            }
        return usage

    def do_edge_log(self, slug: str, lines: int, since: str | None) -> dict[str, Any]:
        """Return the edge's last requests for one school; `since` an earlier answer's `seen`: those after it.

        What is no request of this school is never told: words of Nginx about itself name no school.
        """
        argv = ["docker", "logs", "--timestamps"]
        if since is not None:
            argv += ["--since", since, "--tail", str(EDGE_LINES)]
        found: collections.deque[dict[str, Any]] = collections.deque(maxlen=lines)
        process = subprocess.Popen(
            [*argv, "schools-edge"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        seen = since or ""
        for line in cast(IO[bytes], process.stdout):
            stamp, _, text = line.decode(errors="replace").partition(" ")
            if stamp <= seen or not stamp[:1].isdigit():
                continue
            seen = stamp
            try:
                request = json.loads(text) if f'"{slug}"' in text else None
            except ValueError:
                continue
            if isinstance(request, dict) and request.get("school") == slug:
                found.append({key: str(value)[:LINE_LIMIT] for key, value in request.items()})
        if process.wait() != 0:
            raise Fault("docker", "`docker logs schools-edge` failed")
        return {"requests": list(found), "seen": seen or None}

    def do_site_logs(
        self, site: str, names: list[str], lines: int, seen: dict[str, list[int]] | None
    ) -> dict[str, dict[str, Any]]:
        """Return the last lines of those log files of a site whose names fit; `seen` by an earlier answer: those after.

        Each file comes with a position to hand in again: inode and bytes. No link is followed: it may lead to another
        school.
        """
        folder = f"{self.root}/sites/{site}/logs"
        if os.path.realpath(folder) != folder:
            raise Fault("outside", f"{folder} leads elsewhere")
        found = {}
        for name in self.do_list(folder):
            if not any(fnmatch.fnmatchcase(name, wanted) for wanted in names):
                continue
            try:
                # A pipe in a file's place must not keep the agent waiting.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                with os.fdopen(os.open(f"{folder}/{name}", flags), "rb") as file:
                    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                        found[name] = self.new_lines(file, lines, (seen or {}).get(name))
            except OSError:
                continue  # rotated away meanwhile, or a link
        return found

    def new_lines(self, file: IO[bytes], lines: int, seen: list[int] | None) -> dict[str, Any]:
        """Return the last whole lines of a file after a position, and the position after them."""
        facts = os.fstat(file.fileno())
        inode, at = seen or (facts.st_ino, 0)
        if inode != facts.st_ino or at > facts.st_size:
            at = 0  # a new file in its place
        start = max(at, facts.st_size - OUTPUT_LIMIT)
        file.seek(start)
        data = file.read(facts.st_size - start)
        data = data[: data.rfind(b"\n") + 1]  # half a line comes with the next answer
        text = data.decode(errors="replace").split("\n")[:-1]
        # Where the reading begins in the middle, so does the first line.
        whole = text[1:] if start > at else text
        return {"lines": [line[:LINE_LIMIT] for line in whole[-lines:]], "seen": [facts.st_ino, start + len(data)]}

    def do_probe(self, host: str, port: int, path: str, wanted: list[int], within: float) -> int | None:
        """Ask the edge for a page as a visitor of `host` would, until it gives a wanted status or `within` s are over.

        Return the last status, or null if nothing answered.
        """
        end = time.monotonic() + within
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("GET", path, headers={"Host": host})
                status = connection.getresponse().status
            except (OSError, http.client.HTTPException):
                status = None
            finally:
                connection.close()
            if status in wanted or time.monotonic() >= end:
                return status
            time.sleep(0.1)


def operation_name(started: float) -> str:
    """Return a name for what begins now: names sort by time, within a second too, and none comes twice."""
    fraction = int(started % 1 * 0x1000)
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(started))}-{fraction:03x}{secrets.token_hex(2)[:3]}"


def append_line(file: int, line: dict[str, Any]) -> None:
    """Write one JSON line to the end of an open file, whole or not at all."""
    data = (json.dumps(line) + "\n").encode()
    written = os.write(file, data)
    if written < len(data):
        # Half a line would swallow the next one.
        os.ftruncate(file, os.fstat(file).st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def answer(agent: Agent, line: bytes) -> dict[str, Any]:
    """Return the answer to one request line as a dict, with the request's own number."""
    try:
        request = json.loads(line)
        number = request.pop("id")
    except (ValueError, KeyError):
        return {"id": None, "fault": {"kind": "garbled", "message": "half a request arrived"}}
    try:
        operation: Any = getattr(agent, "do_" + request.pop("do"))
        return {"id": number, "result": operation(**request)}
    except Fault as fault:
        return {"id": number, "fault": {"kind": fault.kind, "message": str(fault), "details": fault.details}}
    except OSError as fault:
        words = f"{fault.filename or ''}: {fault.strerror or fault}".lstrip(": ")
        return {"id": number, "fault": {"kind": "os", "message": words}}
    except Exception as fault:
        # A bug must not end the agent: what was begun has to be taken back.
        words = f"{type(fault).__name__}: {fault}"
        return {"id": number, "fault": {"kind": "bug", "message": words, "details": traceback.format_exc()}}


def main() -> None:
    """Serve one client until it says goodbye or vanishes."""
    for name in ("SIGHUP", "SIGTERM", "SIGINT", "SIGPIPE"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    os.umask(0o077)
    agent = Agent()
    result = "client gone"
    try:
        for line in sys.stdin.buffer:
            answered = answer(agent, line)
            # Who sent no number does not wait.
            if answered["id"] is not None:
                sys.stdout.write(json.dumps(answered) + "\n")
                sys.stdout.flush()
    except BrokenPipeError:
        # Nobody listens any more; do not let the interpreter try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        agent.do_release(result)


if __name__ == "__main__":
    main()
