"""One server: what is on it, and the few things that workflows may do to it."""

import base64
import copy
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schoolctl.errors import RefusedError, SchoolctlError, UnreachableError
from schoolctl.remote.standing import BackupFacts, Standing, facts_of, standing_of
from schoolctl.schools import settings
from schoolctl.transport.base import Command, Result, Transport
from schoolctl.transport.session import ServerFaultError

# A school that is being made, beside its final place; one that is being restored, in the archive.
MAKING = ".new"
RESTORING = ".restored"
# A throw-away site that proves a set.
DRILL = ".drill"
# A school that was closed and can still be reopened, in the archive.
CLOSED = ".closed"

_CERTS = "/usr/local/sbin/schools-certs"
# For how long a command waits for certificates; the server gets them by itself later.
_CERTIFYING_S = 420.0


@dataclass(frozen=True, slots=True)
class SiteFact:
    """One site as found.

    name: of its folder. config: the settings that were asked for, as far as they are there. title: what its own
    settings call it. connections: the limit of its database user, 0 for none; None when there is no such user.
    """

    name: str
    database: str | None
    host_name: str | None
    config: Mapping[str, Any] = field(default_factory=dict)
    title: str | None = None
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What was on the server at one moment.

    claims: notes of commands under way or interrupted, by slug. closed: sites put away in the archive, by slug.
    backups: what is written down of sets and drills.
    kept: databases of sites that a restore replaced. pool: loaded ones that no school has yet. files: SHA-256 of each
    file that the edge shall read, and of what backups know of a school, by path. edge_is_current: whether the edge runs
    on them; None when it cannot be asked. databases, users: None when the database does not answer.
    """

    sites: Mapping[str, SiteFact]
    closed: Mapping[str, SiteFact]
    kept: Sequence[str]
    files: Mapping[str, str]
    edge_is_current: bool | None
    claims: Mapping[str, Mapping[str, Any]]
    backups: Standing
    containers: Mapping[str, Mapping[str, str]]
    databases: Sequence[str] | None
    users: Sequence[str] | None
    pool: Sequence[str] = ()

    @property
    def image(self) -> str | None:
        """The image that serves the schools now."""
        web = self.containers.get("schools-web")
        return web["image"] if web else None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a school takes and how it is used; None for what cannot be known. Times are ISO, UTC.

    users: enabled ones, without the guest and the administrator. last_tick: when a scheduled job was last begun.
    """

    database_bytes: int | None = None
    files_bytes: int | None = None
    users: int | None = None
    last_login: str | None = None
    last_active: str | None = None
    last_tick: str | None = None

    @property
    def bytes(self) -> int | None:
        """Both sizes together, as far as they are known."""
        known = [size for size in (self.database_bytes, self.files_bytes) if size is not None]
        return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class PoolFact:
    """The pool as found.

    ready: how many loaded databases there are of each golden site, by the hash of its manifest. unready: how many are
    being loaded or dropped. filling: somebody fills it now. refilled: when the last filling in the background ended
    (ISO, UTC), fault: what it failed at; None each if there was none.
    """

    ready: Mapping[str, int]
    unready: int
    filling: bool
    refilled: str | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class State:
    """What goes on at one moment, and what was left.

    holder: who, what, since and operation of the command that has the lock, as far as known; None when it is free.
    working: agents of a command are at work whose own holder may be gone. claims: as in a survey. last: the newest
    operation, with who, what, its last step and outcome, and its result; what is missing was never written down.
    refill_fault: what the last filling of the pool in the background failed at, if it did. unserviceable: the golden
    sites that no school begins from any more, with profile, since and because. uncertified: how the certificates stand
    that something is wrong with. backups: None where the server makes none.
    """

    holder: Mapping[str, Any] | None
    working: bool
    claims: Mapping[str, Mapping[str, Any]]
    last: Mapping[str, Any] | None
    free_bytes: int
    free_inodes: int
    refill_fault: str | None = None
    unserviceable: Sequence[Mapping[str, Any]] = ()
    uncertified: Sequence[Mapping[str, Any]] = ()
    backups: BackupFacts | None = None


class CommandFailedError(SchoolctlError):
    """Report a program that ended with another exit code than 0."""

    def __init__(self, command: Command, result: Result, host: str) -> None:
        words = command.mask(result.stderr.strip() or result.stdout.strip())
        lines = words.splitlines()
        last = f": {lines[-1]}" if lines else ""
        super().__init__(
            "A command failed on the server",
            because=f"`{command.shown()}` exited with {result.code} on {host}{last}",
            details="\n".join([f"$ {command.shown()}", *lines[-20:]]),
        )
        self.result = result
        # For what is kept on the server: without the arguments.
        self.in_short = f"{command.argv[0]} exited with {result.code}{last}"


class CallFailedError(SchoolctlError):
    """Report a call that a program on the server did not answer with a result."""

    def __init__(self, command: Command, because: str, host: str, details: str = "") -> None:
        super().__init__(
            "A call failed on the server",
            because=f"{command.mask(because)}, says `{command.shown()}` on {host}",
            details=command.mask(details),
        )
        self._said = command.mask(because)

    @property
    def reason(self) -> str:
        """The fact in the program's own words."""
        return self._said


class UnprovisionedError(RefusedError):
    """Report a server that `schoolctl provision` has not made ready yet."""


class Server:
    """The server behind a transport; every path handed in lies below its root."""

    def __init__(
        self,
        transport: Transport,
        *,
        name: str,
        root: str,
        frappe_uid: int,
        database_client: Sequence[str],
        https_port: int = 443,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self.root = root
        self._owner = str(frappe_uid)
        self._database_client = list(database_client)
        self._https_port = https_port
        self._transport = transport
        self._now = now
        self._bound = False
        # What holds the lock through this connection, by the name of its journal.
        self._operation: str | None = None
        # Programs that wait for calls, by what they were started with.
        self._programs: dict[tuple[str, ...], int] = {}
        self._asked = 0

    # --- the session -------------------------------------------------------------------------------------------------

    @contextmanager
    def locked(self, who: str, what: str) -> Iterator[None]:
        """Hold the server's lock; the audit log gets one line at the end, whatever happens.

        Raises RefusedError if another command holds it, naming who, since when and doing what.
        """
        try:
            self._operation = self._call("lock", who=who, what=what, since=self._stamp())
        except ServerFaultError as fault:
            if fault.kind == "locked":
                raise RefusedError(
                    f"Could not begin on {self.name}",
                    because=fault.because,
                    hint="wait for it to end, then run this again; `schoolctl status` shows how far it is",
                ) from None
            raise
        try:
            with self._released():
                yield
        finally:
            self._operation = None

    @contextmanager
    def recorded(self, who: str, what: str) -> Iterator[None]:
        """Leave a line in the audit log for something that needs no lock."""
        self._call("record", who=who, what=what, since=self._stamp())
        with self._released():
            yield

    @contextmanager
    def _released(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self._release_after("interrupted")
            raise
        except UnreachableError:
            raise  # the agent writes its line by itself when it finds that nobody listens
        except SchoolctlError as fault:
            self._release_after(f"failed: {fault.in_short if isinstance(fault, CommandFailedError) else fault}")
            raise
        except BaseException as fault:
            self._release_after(f"failed: {type(fault).__name__}")
            raise
        self._call("release", result="done")

    def _release_after(self, result: str) -> None:
        # What went wrong first is the one to report; the lock falls with the connection in any case.
        with suppress(SchoolctlError):
            self._call("release", result=result)

    def note(self, step: str, outcome: str, seconds: float) -> None:
        """Write down what became of a step of the operation that holds the lock; waits for no answer.

        A line that was cut is found out by the step itself.
        """
        if self._operation is not None:
            with suppress(UnreachableError):
                self._transport.tell("note", step=step, outcome=outcome, seconds=seconds)

    def another(self) -> "Server":
        """Return this server through a further agent; it works for the operation that holds the lock, if one does.

        Raises UnreachableError if the server lets no more in.
        """
        beside = copy.copy(self)
        beside._transport, beside._bound, beside._operation = self._transport.another(), False, None
        beside._programs, beside._asked = {}, 0
        if self._operation is None:
            beside._call("hello")
        else:
            beside._call("join", name=self._operation)
        return beside

    def state(self) -> State:
        """Return what goes on there and what was left, without asking Docker."""
        found = self._call("state")
        return State(
            holder=found["holder"],
            working=found["working"],
            claims=found["claims"],
            last=found["last"],
            free_bytes=found["free"]["bytes"],
            free_inodes=found["free"]["inodes"],
            refill_fault=(found["refill"] or {}).get("fault"),
            unserviceable=found["unserviceable"],
            uncertified=found["uncertified"],
            backups=facts_of(found["backups"]),
        )

    def backup_facts(self) -> BackupFacts | None:
        """Return how the server backs up and what it has written down of that; None if it was never told to."""
        return facts_of(self._call("backups"))

    def containers(self) -> Mapping[str, Mapping[str, str]]:
        """Return image, state and status of each of the platform's containers, by name."""
        found: Mapping[str, Mapping[str, str]] = self._call("containers")
        return found

    def history(self, word: str | None, limit: int) -> list[dict[str, Any]]:
        """Return the audit log's last lines, newest last: all, or those whose command has a certain word."""
        lines: list[dict[str, Any]] = self._call("history", word=word, limit=limit)
        return lines

    def operation(self, name: str) -> list[dict[str, Any]] | None:
        """Return the lines of an operation's journal, or None when it is not kept (any more)."""
        lines: list[dict[str, Any]] | None = self._call("operation", name=name)
        return lines

    def edge_log(self, slug: str, lines: int, since: str | None = None) -> tuple[list[dict[str, str]], str | None]:
        """Return the edge's last requests for one school, and the moment to hand in for those after them."""
        found = self._call("edge_log", slug=slug, lines=lines, since=since)
        return found["requests"], found["seen"]

    def site_logs(
        self, site: str, names: Sequence[str], lines: int, seen: Mapping[str, Sequence[int]] | None = None
    ) -> dict[str, dict[str, Any]]:
        """Return for each log file of a site whose name fits its last lines, and the position for those after them."""
        found: dict[str, dict[str, Any]] = self._call(
            "site_logs", site=site, names=list(names), lines=lines, seen=None if seen is None else dict(seen)
        )
        return found

    def survey(self) -> Survey:
        """Return what is on the server now, in one round trip."""
        return self._survey(usage=False)[0]

    def survey_with_usage(self) -> tuple[Survey, dict[str, Usage]]:
        """Return what is on the server now, and by slug what each site takes, closed ones too, in one round trip."""
        survey, used = self._survey(usage=True)
        return survey, {name: _usage(**facts) for name, facts in used.items()}

    def _survey(self, *, usage: bool) -> tuple[Survey, Mapping[str, Any]]:
        found = self._call(
            "survey", database_argv=self._database_client, config_keys=list(settings.MANAGED), usage=usage
        )
        survey = Survey(
            sites={name: SiteFact(name, **site) for name, site in found["sites"].items()},
            closed={name: SiteFact(name, **site) for name, site in found["closed"].items()},
            kept=found["kept"],
            files=found["files"],
            edge_is_current=found["edge_is_current"],
            claims=found["claims"],
            backups=standing_of(found["backups"]),
            containers=found["containers"],
            databases=found["databases"],
            users=found["users"],
            pool=found["pool"],
        )
        return survey, found["usage"] or {}

    # --- programs ----------------------------------------------------------------------------------------------------

    def run(self, command: Command, *, timeout: float | None = None) -> Result:
        """Run a program; raises CommandFailedError unless it exits with 0."""
        answer = self._call("run", argv=list(command.argv), stdin=command.stdin, timeout=timeout)
        return self._good(command, Result(answer["code"], answer["stdout"], answer["stderr"]))

    def start(self, command: Command) -> None:
        """Start a program that answers calls, without waiting for it; it ends with the connection."""
        if command.argv not in self._programs:
            self._programs[command.argv] = self._call("start", argv=list(command.argv))

    def ask(self, command: Command, request: Mapping[str, Any], *, within: float | None = None) -> Any:
        """Return what a program answers to one call; it is started if it does not wait yet.

        request: travels as one line of JSON. within: seconds after which the program is ended. Raises CallFailedError
        if the program ends, or answers with a fault.
        """
        self.start(command)
        self._asked += 1
        line = json.dumps({"id": self._asked, **request})
        try:
            text = self._call("ask", program=self._programs[command.argv], line=line, within=within)
        except ServerFaultError as fault:
            del self._programs[command.argv]
            raise CallFailedError(command, fault.because, self.name, fault.details) from None
        answer = json_object(text) or {}
        if answer.get("id") != self._asked:
            # It is not asked again: what it says next would be taken for the answer to something else.
            del self._programs[command.argv]
            raise CallFailedError(command, "it answered another question than was asked", self.name)
        if "fault" in answer:
            raise CallFailedError(command, str(answer["fault"]), self.name)
        return answer.get("result")

    def attach(self, argv: Sequence[str], *, tty: bool, who: str, what: str) -> int:
        """Run a program with this terminal's own streams; return its exit code, which the audit log gets too."""
        self._call("record", who=who, what=what, since=self._stamp())
        try:
            code = self._transport.attach(argv, tty=tty)
        except BaseException:
            self._release_after("interrupted")
            raise
        self._call("release", result=f"exit code {code}")
        return code

    def load(self, command: Command, path: str) -> None:
        """Feed a gzipped file to a program, after what the command has for its stdin."""
        answer = self._call("load", argv=list(command.argv), path=path, preface=command.stdin)
        self._good(command, Result(answer["code"], answer["stdout"], answer["stderr"]))

    def read_from(self, command: Command) -> Iterator[bytes]:
        """Yield what a program prints, piece by piece; raises SchoolctlError if it ends badly, or a piece is lost."""
        reader, digest, whole = self._call("begin_reading", argv=list(command.argv)), hashlib.sha256(), None
        while whole is None:
            answer = self._call("read_on", reader=reader)
            piece, whole = base64.b64decode(answer["piece"]), answer["sha256"]
            digest.update(piece)
            yield piece
        if digest.hexdigest() != whole:
            raise SchoolctlError(
                "Could not read from the server", because=f"what `{command.shown()}` printed there arrived otherwise"
            )

    def dump_parts(self, parts: Sequence[tuple[Sequence[str], str]]) -> list[Mapping[str, Any]]:
        """Write several SQL dumps at once, gzipped, each by its argv to its path.

        Return of each its tables (count), sha256 and bytes.
        """
        written: list[Mapping[str, Any]] = self._call("dump_parts", parts=[[list(argv), path] for argv, path in parts])
        return written

    def load_parts(self, argv: Sequence[str], parts: Sequence[tuple[str, str]]) -> None:
        """Feed several gzipped files to a program at once; parts: the path and the SHA-256 of each."""
        answer = self._call("load_parts", argv=list(argv), parts=[list(part) for part in parts])
        self._good(Command(tuple(argv)), Result(answer["code"], answer["stdout"], answer["stderr"]))

    # --- the pool ----------------------------------------------------------------------------------------------------

    def pool(self) -> PoolFact:
        """Return what is in the pool of loaded databases."""
        found = self._call("pool")
        ready = Counter(row.get("golden", "") for row in found["databases"] if row["state"] == "ready")
        last = found["last"] or {}
        return PoolFact(
            ready,
            len(found["databases"]) - ready.total(),
            found["filling"],
            last.get("when"),
            last.get("fault"),
        )

    def take_from_pool(self, golden: str, slug: str, note: Mapping[str, Any]) -> str | None:
        """Claim a school's name together with a loaded database; return its name, None if there is none.

        golden: the hash of the manifest that it was loaded from. Without one nothing is claimed either.
        """
        noted = {**note, "since": self._stamp()}
        name: str | None = self._call("take", golden=golden, claim=self._claim_path(slug), note=noted)
        return name

    def fill_pool(
        self, sql: Mapping[str, str], wanted: Sequence[Mapping[str, Any]], *, most: int, trim: bool
    ) -> Mapping[str, int]:
        """Load databases for the pool, at most so many; see `do_fill` of the agent. Return loaded, dropped, missing."""
        done: Mapping[str, int] = self._call(
            "fill", client=self._database_client, sql=dict(sql), wanted=list(wanted), most=most, trim=trim
        )
        return done

    def refill_pool(self, sql: Mapping[str, str], wanted: Sequence[Mapping[str, Any]]) -> bool:
        """Let the server fill the pool by itself, in the background; say whether that begins now."""
        begun: bool = self._call("refill", client=self._database_client, sql=dict(sql), wanted=list(wanted))
        return begun

    def activate_edge(self) -> None:
        """Let Nginx take up what edge/conf says; a tree that it refuses changes nothing and raises."""
        self.run(Command(("/usr/local/sbin/schools-edge-activate",)))

    def edge_is_current(self) -> bool:
        """Say whether Nginx runs on what edge/conf says."""
        said = self.run(Command(("/usr/local/sbin/schools-edge-activate", "--check"))).stdout
        return said.strip() == "unchanged"

    def certificates(self) -> list[dict[str, Any]]:
        """Return how the certificate of each school that the edge knows stands; see `schools-certs`."""
        rows: list[dict[str, Any]] = json.loads(self.run(Command((_CERTS, "status"))).stdout)
        return rows

    def certify(self, slugs: Sequence[str], *, force: bool = False) -> list[dict[str, Any]]:
        """Get what the certificates of these schools lack, and return how they stand then.

        force: replace also those that lack nothing; raises CommandFailedError where that cannot be done.
        """
        argv = (_CERTS, "get", *(["--force"] if force else []), *slugs)
        rows: list[dict[str, Any]] = json.loads(self.run(Command(argv), timeout=_CERTIFYING_S + 30 * len(slugs)).stdout)
        return rows

    def begin(self, service: str) -> None:
        """Let the server begin what it does by itself at its time, without waiting for it. service: its unit's name."""
        self.run(Command(("systemctl", "start", "--no-block", f"{service}.service")))

    def begin_certifying(self) -> None:
        """Let the server see to all certificates by itself, without waiting for it."""
        self.begin("schools-certs")

    def keep_certificate(self, slug: str, bundle: str) -> dict[str, Any]:
        """Hand over a school's own certificate with its key (PEM); return names, issuer, expires, trusted, missing."""
        row: dict[str, Any] = json.loads(self.run(Command((_CERTS, "own", slug), stdin=bundle)).stdout)
        return row

    def answers(self, host: str, *, wanted: Sequence[int] = (200,), within: float = 0.0) -> int | None:
        """Return the status of the login page for a visitor of `host`, or None.

        Asks until it is a wanted one, for at most `within` seconds: Nginx follows a reload a moment later.
        """
        status: int | None = self._call(
            "probe", host=host, port=self._https_port, path="/login", wanted=list(wanted), within=within
        )
        return status

    # --- files -------------------------------------------------------------------------------------------------------

    def path(self, *parts: str) -> str:
        """Return a path below the server's root."""
        return "/".join([self.root, *parts])

    def exists(self, path: str) -> bool:
        """Say whether a path is there."""
        [found] = self._call("exists", paths=[path])
        return bool(found)

    def read(self, path: str) -> str | None:
        """Return a file's text, or None when there is none."""
        text: str | None = self._call("read", path=path)
        return text

    def read_all(self, paths: Sequence[str]) -> list[str | None]:
        """Return the text of each file, or None where there is none; in one round trip."""
        texts: list[str | None] = self._call("read_all", paths=list(paths))
        return texts

    def read_json(self, path: str) -> dict[str, Any] | None:
        """Return a file's JSON object, or None when there is none or it is not one."""
        return json_object(self.read(path))

    def database_of(self, site_folder: str) -> str | None:
        """Return the database that a site's configuration names, or None; its secrets stay on the server."""
        config = self._call("read_json", path=f"{site_folder}/site_config.json", keys=["db_name"])
        return str(config["db_name"]) if config and "db_name" in config else None

    def write(
        self, path: str, text: str, *, mode: str = "0600", owner: str = "root", group: str = "root"
    ) -> str | None:
        """Put a file in place by one rename; return the text that it replaced, or None."""
        before: str | None = self._call("write", path=path, text=text, mode=mode, owner=owner, group=group)
        return before

    def append(self, path: str, offset: int, piece: bytes) -> None:
        """Add a piece to a file of root's that has `offset` bytes so far; the first one makes it."""
        self._call("append", path=path, offset=offset, piece=base64.b64encode(piece).decode())

    def write_site_config(self, folder: str, values: Mapping[str, Any]) -> None:
        """Write a site's configuration, readable to the bench alone."""
        text = json.dumps(dict(values), indent=1, sort_keys=True) + "\n"
        self.write(self.path("sites", folder, "site_config.json"), text, owner=self._owner, group=self._owner)

    def merge_site_config(
        self, source: str, folder: str, changes: Mapping[str, Any], keep: Sequence[str] | None = None
    ) -> None:
        """Write `source` with changes as the configuration in a site's folder; its secrets never leave the server.

        keep: only these keys of the source go along.
        """
        self._call(
            "merge_json",
            source=source,
            target=f"{folder}/site_config.json",
            changes=dict(changes),
            mode="0600",
            owner=self._owner,
            group=self._owner,
            keep=None if keep is None else list(keep),
        )

    def make_folder(self, path: str, *, mode: str = "0700") -> bool:
        """Make a folder of root's; say whether it is new."""
        new: bool = self._call("make_folder", path=path, mode=mode, owner="root", group="root")
        return new

    def make_site_folder(self, path: str) -> bool:
        """Make a folder of the bench's own; say whether it is new."""
        new: bool = self._call("make_folder", path=path, mode="0750", owner=self._owner, group=self._owner)
        return new

    def make_site_folders(self, paths: Sequence[str]) -> None:
        """Make folders of the bench's own, in order, in one round trip."""
        self._call("make_folders", paths=list(paths), mode="0750", owner=self._owner, group=self._owner)

    def hand_over(self, path: str) -> int:
        """Give a folder with all that is in it to the bench; return how many files that are."""
        count: int = self._call("hand_over", path=path, owner=self._owner, group=self._owner)
        return count

    def key_opens(self, folder: str, tokens: Sequence[str]) -> int:
        """Return how many encrypted values the key in a site's folder opens; the key stays on the server."""
        count: int = self._call("key_opens", config=f"{folder}/site_config.json", tokens=list(tokens))
        return count

    def remove(self, path: str) -> None:
        """Remove a file or a whole folder, if it is there."""
        self._call("remove", path=path)

    def rename(self, source: str, target: str) -> None:
        """Rename in one step; what is already at the target stays and the call fails."""
        self._call("rename", source=source, target=target)

    def exchange(self, one: str, other: str) -> None:
        """Let two paths change places in one step."""
        self._call("exchange", one=one, other=other)

    def copy(self, source: str, target: str) -> None:
        """Copy one file, readable to root alone."""
        self._call("copy", source=source, target=target, mode="0600", owner="root", group="root")

    def names_in(self, path: str) -> list[str]:
        """Return the names in a folder, sorted."""
        names: list[str] = self._call("list", path=path)
        return names

    def sha256(self, path: str) -> str | None:
        """Return a file's hash as hex, or None when there is none."""
        digest: str | None = self._call("hash", path=path)
        return digest

    def pack(self, folder: str, names: Sequence[str], path: str) -> Mapping[str, Any]:
        """Write subfolders to a tar; return its files (count), sha256 and bytes."""
        answer: Mapping[str, Any] = self._call(
            "pack", folder=folder, names=list(names), path=path, owner=self._owner, group=self._owner
        )
        return answer

    def free_bytes(self) -> int:
        """Return the free space, in bytes, where the schools lie."""
        return int(self._call("free", path=self.root)["bytes"])

    def sync_latency(self) -> list[float]:
        """Return how long single small writes wait for the disk that holds the schools, in ms, at least one."""
        waits: list[float] = self._call("sync_latency", count=200, within=3.0)
        return waits

    # --- claims ------------------------------------------------------------------------------------------------------

    def claim(self, slug: str) -> dict[str, Any] | None:
        """Return the note that a command under way, or interrupted, left about a school."""
        return self.read_json(self._claim_path(slug))

    def write_claim(self, slug: str, note: Mapping[str, Any]) -> None:
        """Note what a command is about to make for a school: it is what a later run may clear away."""
        self.write(self._claim_path(slug), json.dumps({**note, "since": self._stamp()}, sort_keys=True) + "\n")

    def remove_claim(self, slug: str) -> None:
        """Forget the note."""
        self.remove(self._claim_path(slug))

    def _claim_path(self, slug: str) -> str:
        return self.path("journal", f"{slug}.json")

    # --- inside ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    def _call(self, operation: str, **arguments: Any) -> Any:
        self._bind()
        try:
            return self._transport.call(operation, **arguments)
        except UnreachableError:
            # The next one would be another agent, which knows no root.
            self._bound = False
            raise
        except ServerFaultError as fault:
            if fault.kind == "unprovisioned":
                raise UnprovisionedError(
                    f"{self.name} is not provisioned", because=fault.because, hint="run `schoolctl provision`"
                ) from None
            raise

    def _bind(self) -> None:
        if not self._bound:
            # Its answer says nothing that the next one does not.
            self._transport.tell("hello", root=self.root)
            self._bound = True

    def _good(self, command: Command, result: Result) -> Result:
        if result.code != 0:
            raise CommandFailedError(command, result, self.name)
        return result

    def stamp(self) -> datetime:
        """Return the time now, in UTC."""
        return self._now()

    def _stamp(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")


def json_object(text: str | None) -> dict[str, Any] | None:
    """Return the JSON object that a text holds; None when there is no text or it is not one."""
    try:
        document = json.loads(text) if text is not None else None
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _usage(time_zone: str | None, **facts: Any) -> Usage:
    for name in ("last_login", "last_active", "last_tick"):
        facts[name] = _in_utc(facts[name], time_zone)
    return Usage(**facts)


def _in_utc(told: str | None, time_zone: str | None) -> str | None:
    """Return a school's own time as ISO time in UTC, None where it is none."""
    from zoneinfo import ZoneInfo

    try:
        # Frappe takes this zone where none is set yet.
        moment = datetime.fromisoformat(told or "").replace(tzinfo=ZoneInfo(time_zone or "Asia/Kolkata"))
    except (ValueError, LookupError, OSError):
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
