"""Do single operations on the server, as root, for one run of schoolctl.

This program is sent over SSH and leaves nothing behind. It needs Python 3.10 and its standard library alone. It reads
one JSON request a line from stdin and writes one JSON answer a line to stdout. When the client vanishes, the operation
in hand is finished, the audit log gets its line, and the lock falls with this process: never before the work has ended.
"""

import fcntl
import gzip
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import zlib
from typing import IO, Any, cast

OUTPUT_LIMIT = 200_000
LOCK_NAME = "lock"
LOCK_INFO_NAME = "lock.json"
AUDIT_NAME = "audit.log"


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
        self.holder: dict[str, Any] = {}

    # --- the session -------------------------------------------------------------------------------------------------

    def do_hello(self, root: str | None = None) -> dict[str, Any]:
        """Bind every later path to `root`."""
        if root is not None:
            self.root = os.path.realpath(root)
        return {"python": list(sys.version_info[:2])}

    def do_lock(self, who: str, what: str, since: str) -> None:
        """Take the server's lock or say who holds it; `since` is the client's ISO time."""
        if not os.path.isdir(self.root):
            raise Fault("unprovisioned", f"{self.root} does not exist on the server")
        lock = os.open(self.inside(f"{self.root}/{LOCK_NAME}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            try:
                with open(f"{self.root}/{LOCK_INFO_NAME}", encoding="utf-8") as file:
                    holder = json.load(file)
                message = f"{holder['who']} has held the lock since {holder['since']}, doing: {holder['what']}"
            except (OSError, ValueError, KeyError):
                message = "another command holds the lock"
            raise Fault("locked", message) from None
        self.lock = lock
        self.holder = {"who": who, "what": what, "since": since, "started": time.time()}
        self.do_write(f"{self.root}/{LOCK_INFO_NAME}", json.dumps(self.holder), "0600", "root", "root")

    def do_release(self, result: str) -> None:
        """Write the audit line and let go of the lock."""
        if self.lock is None:
            return
        line = {
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.holder["started"])),
            "who": self.holder["who"],
            "what": self.holder["what"],
            "result": result,
            "seconds": round(time.time() - self.holder["started"], 1),
        }
        try:
            log = os.open(f"{self.root}/{AUDIT_NAME}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            try:
                os.write(log, (json.dumps(line) + "\n").encode())
            finally:
                os.close(log)
            self.do_remove(f"{self.root}/{LOCK_INFO_NAME}")
        finally:
            # A full disk must not keep the lock.
            os.close(self.lock)
            self.lock = None

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

    # --- files -------------------------------------------------------------------------------------------------------

    def inside(self, path: str) -> str:
        """Return the path if it lies below the root; links on the way count as where they lead."""
        parent = os.path.realpath(os.path.dirname(path))
        name = os.path.basename(path)
        if not self.root or name in {"", ".", ".."} or os.path.commonpath([self.root, parent]) != self.root:
            raise Fault("outside", f"{path} is not below {self.root}")
        return os.path.join(parent, name)

    def open_file(self, path: str) -> IO[bytes]:
        """Open a file for reading; a link in its place is refused, since a site's folder belongs to the bench."""
        return os.fdopen(os.open(self.inside(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")

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
        self, source: str, target: str, changes: dict[str, Any], mode: str, owner: str, group: str
    ) -> None:
        """Write `source`'s JSON object with `changes` to `target`; a change to null removes the key.

        Secrets that stay on the server need not travel for it.
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
        claims = {}
        for file in sorted(pathlib.Path(self.root, "journal").glob("*.json")):
            claims[file.stem] = self.do_read_json(str(file), ["doing", "database", "set", "since"]) or {}
        backups = {
            folder.name: sorted(entry.name for entry in folder.iterdir() if entry.suffix != ".partial")
            for folder in sorted(pathlib.Path(self.root, "backups").glob("*"))
        }
        conf = pathlib.Path(self.root, "edge", "conf")
        files = {
            str(path): self.do_hash(str(path))
            for kind in ("hosts", "schools", "pages")
            for path in conf.glob(f"{kind}/*")
        }
        names, users = self.database_facts(database_argv, [*sites.values(), *closed.values()])
        return {
            "sites": sites,
            "closed": closed,
            "kept": [config["db_name"] for config in kept if config and "db_name" in config],
            "claims": claims,
            "backups": backups,
            "files": files,
            "edge_is_current": self.edge_is_current(),
            "containers": self.containers(),
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
        values = self.do_read_json(config, ["db_name", "host_name", *keys]) or {}
        return {
            "database": values.get("db_name"),
            "host_name": values.get("host_name"),
            "config": {key: values[key] for key in keys if key in values},
        }

    def containers(self) -> dict[str, dict[str, str]]:
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
            sys.stdout.write(json.dumps(answer(agent, line)) + "\n")
            sys.stdout.flush()
    except BrokenPipeError:
        # Nobody listens any more; do not let the interpreter try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        agent.do_release(result)


if __name__ == "__main__":
    main()
