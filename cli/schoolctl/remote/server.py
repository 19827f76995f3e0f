"""One server: what is on it, and the few things that workflows may do to it."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schoolctl.errors import RefusedError, SchoolctlError, UnreachableError
from schoolctl.schools import settings
from schoolctl.transport.base import Command, Result, Transport
from schoolctl.transport.session import ServerFaultError

# A school that is being made, beside its final place; one that is being restored, in the archive.
MAKING = ".new"
RESTORING = ".restored"
# A school that was closed and can still be reopened, in the archive.
CLOSED = ".closed"


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
    kept: databases of sites that a restore replaced. files: SHA-256 of each file that the edge shall read,
    by path. edge_is_current: whether it runs on them; None when it cannot be asked. databases, users: None when the
    database does not answer.
    """

    sites: Mapping[str, SiteFact]
    closed: Mapping[str, SiteFact]
    kept: Sequence[str]
    files: Mapping[str, str]
    edge_is_current: bool | None
    claims: Mapping[str, Mapping[str, Any]]
    backups: Mapping[str, Sequence[str]]
    containers: Mapping[str, Mapping[str, str]]
    databases: Sequence[str] | None
    users: Sequence[str] | None

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
class State:
    """What goes on at one moment, and what was left.

    holder: who, what, since and operation of the command that has the lock, as far as known; None when it is free.
    working: agents of a command are at work whose own holder may be gone. claims: as in a survey. last: the newest
    operation, with who, what, its last step and outcome, and its result; what is missing was never written down.
    """

    holder: Mapping[str, Any] | None
    working: bool
    claims: Mapping[str, Mapping[str, Any]]
    last: Mapping[str, Any] | None
    free_bytes: int
    free_inodes: int


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
        http_port: int = 80,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self.root = root
        self._owner = str(frappe_uid)
        self._database_client = list(database_client)
        self._http_port = http_port
        self._transport = transport
        self._now = now
        self._bound = False
        # What holds the lock through this connection, by the name of its journal.
        self._operation: str | None = None

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
        beside._bind()
        if self._operation is not None:
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
        )

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
        found = self._call("survey", database_argv=self._database_client, config_keys=list(settings.MANAGED))
        return Survey(
            sites={name: SiteFact(name, **site) for name, site in found["sites"].items()},
            closed={name: SiteFact(name, **site) for name, site in found["closed"].items()},
            kept=found["kept"],
            files=found["files"],
            edge_is_current=found["edge_is_current"],
            claims=found["claims"],
            backups=found["backups"],
            containers=found["containers"],
            databases=found["databases"],
            users=found["users"],
        )

    def usage(self, survey: Survey) -> dict[str, Usage]:
        """Return by slug what each site of a survey takes, closed ones too, in one round trip."""
        sites = {name: (site, self.path("sites", name)) for name, site in survey.sites.items()}
        for name, site in survey.closed.items():
            sites.setdefault(name, (site, self.path("archive", name + CLOSED)))
        found = self._call(
            "usage",
            database_argv=self._database_client,
            databases={name: site.database for name, (site, _) in sites.items()},
            folders={name: folder for name, (_, folder) in sites.items()},
        )
        return {name: _usage(**usage) for name, usage in found.items()}

    # --- programs ----------------------------------------------------------------------------------------------------

    def run(self, command: Command, *, timeout: float | None = None) -> Result:
        """Run a program; raises CommandFailedError unless it exits with 0."""
        answer = self._call("run", argv=list(command.argv), stdin=command.stdin, timeout=timeout)
        return self._good(command, Result(answer["code"], answer["stdout"], answer["stderr"]))

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

    def dump(self, argv: Sequence[str], path: str) -> Mapping[str, Any]:
        """Write a program's SQL dump to a file, gzipped; return its tables (count), sha256 and bytes."""
        answer: Mapping[str, Any] = self._call("dump", argv=list(argv), path=path)
        return answer

    def load(self, argv: Sequence[str], path: str) -> None:
        """Feed a gzipped file to a program."""
        answer = self._call("load", argv=list(argv), path=path)
        self._good(Command(tuple(argv)), Result(answer["code"], answer["stdout"], answer["stderr"]))

    def dump_parts(self, parts: Sequence[tuple[Sequence[str], str]]) -> list[Mapping[str, Any]]:
        """Write several dumps at once, each by its argv to its path; return what `dump` does of each."""
        written: list[Mapping[str, Any]] = self._call("dump_parts", parts=[[list(argv), path] for argv, path in parts])
        return written

    def load_parts(self, argv: Sequence[str], parts: Sequence[tuple[str, str]]) -> None:
        """Feed several gzipped files to a program at once; parts: the path and the SHA-256 of each."""
        answer = self._call("load_parts", argv=list(argv), parts=[list(part) for part in parts])
        self._good(Command(tuple(argv)), Result(answer["code"], answer["stdout"], answer["stderr"]))

    def activate_edge(self) -> None:
        """Let Nginx take up what edge/conf says; a tree that it refuses changes nothing and raises."""
        self.run(Command(("/usr/local/sbin/schools-edge-activate",)))

    def edge_is_current(self) -> bool:
        """Say whether Nginx runs on what edge/conf says."""
        said = self.run(Command(("/usr/local/sbin/schools-edge-activate", "--check"))).stdout
        return said.strip() == "unchanged"

    def answers(self, host: str, *, wanted: Sequence[int] = (200,), within: float = 0.0) -> int | None:
        """Return the status of the login page for a visitor of `host`, or None.

        Asks until it is a wanted one, for at most `within` seconds: Nginx follows a reload a moment later.
        """
        status: int | None = self._call(
            "probe", host=host, port=self._http_port, path="/login", wanted=list(wanted), within=within
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

    def read_json(self, path: str) -> dict[str, Any] | None:
        """Return a file's JSON object, or None when there is none or it is not one."""
        text = self.read(path)
        try:
            document = json.loads(text) if text is not None else None
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

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
        except ServerFaultError as fault:
            if fault.kind == "unprovisioned":
                raise UnprovisionedError(
                    f"{self.name} is not provisioned", because=fault.because, hint="run `schoolctl provision`"
                ) from None
            raise

    def _bind(self) -> None:
        if not self._bound:
            self._transport.call("hello", root=self.root)
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
