"""A connection to the server in memory: records every call, and breaks where a test wants it to."""

import base64
import copy
import fnmatch
import hashlib
import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from schoolctl.errors import UnreachableError
from schoolctl.schools.platform import FRAPPE_UID
from schoolctl.transport.session import ServerFaultError
from tests.support.server_model import BENCH, ROOT, Answer, ServerModel

# Whatever of the schools' files a survey compares.
READ_BY_SURVEY = (f"{ROOT}/edge/conf/", f"{ROOT}/backups/declared/")


# The number by which the backup program is asked.
BACKUPS = 1


class Break(Enum):
    """How one call goes wrong."""

    FAILS = "the server could not do it"
    FAILS_AFTER = "the server did it, then could not say so"
    VANISHES = "the connection is lost on the way there"
    VANISHES_AFTER = "the connection is lost on the way back"
    INTERRUPTED = "Ctrl-C, before it is sent"
    INTERRUPTED_AFTER = "Ctrl-C, while the server does it"


AFTER = {Break.FAILS_AFTER, Break.VANISHES_AFTER, Break.INTERRUPTED_AFTER}


@dataclass(frozen=True)
class Call:
    """One operation as it was asked for."""

    operation: str
    arguments: dict[str, Any]

    @property
    def words(self) -> str:
        """The program and its arguments, or the operation with its paths."""
        argv = self.arguments.get("argv")
        return " ".join(argv) if argv else f"{self.operation} {self.arguments.get('path', '')}".strip()


class RecordingTransport:
    """Carry calls to a `ServerModel`.

    at: break the call of this number, counted from 0 over everything. word: make every program whose line contains it
    end with 1. broken_from: from this call on every operation fails, undos too. before_each: told of each call.
    """

    def __init__(
        self,
        server: ServerModel,
        *,
        at: int | None = None,
        how: Break = Break.FAILS,
        word: str | None = None,
        broken_from: int | None = None,
        before_each: Callable[[Call], None] | None = None,
    ) -> None:
        self.server = server
        self.calls: list[Call] = []
        self.told: list[Call] = []
        self.attached: list[tuple[tuple[str, ...], bool]] = []
        self.attach_code = 0
        self._at, self._how, self._word, self._broken_from = at, how, word, broken_from
        self._before_each = before_each
        self._gone = False
        # Commands speak to one server through several transports; a dict of it may not grow while another reads it.
        self._one_at_a_time = threading.Lock()
        self._holds: dict[str, Any] | None = None
        self._printed: list[bytes] = []
        self._digests: dict[int, str] = {}

    # --- the transport's promises ------------------------------------------------------------------------------------

    def call(self, operation: str, **arguments: Any) -> Any:
        json.dumps(arguments)  # what cannot travel must not be sent
        if self._gone:
            raise UnreachableError("Lost the connection to vps1", because="the connection ended")
        number, call = len(self.calls), Call(operation, arguments)
        self.calls.append(call)
        if self._before_each:
            self._before_each(call)
        breaks = number == self._at
        if breaks and self._how not in AFTER:
            self._break()
        if self._broken_from is not None and number >= self._broken_from and operation != "release":
            raise ServerFaultError("os", "No space left on device")
        with self._one_at_a_time:
            answer = getattr(self, f"_do_{operation}")(**arguments)
        if breaks and self._how in AFTER:
            self._break()
        return answer

    def tell(self, operation: str, **arguments: Any) -> None:
        json.dumps(arguments)
        if self._gone:
            raise UnreachableError("Lost the connection to vps1", because="the connection ended")
        self.told.append(Call(operation, arguments))
        getattr(self, f"_do_{operation}")(**arguments)

    def another(self) -> "RecordingTransport":
        """Return one that records into the same lists and breaks at the same call."""
        beside = copy.copy(self)
        beside._holds = None
        return beside

    def attach(self, argv: Sequence[str], *, tty: bool) -> int:
        self.attached.append((tuple(argv), tty))
        return self.attach_code

    def close(self) -> None:
        if self._holds is not None:
            self._do_release("client gone")
        self._gone = True

    # --- what a test asks --------------------------------------------------------------------------------------------

    @property
    def programs(self) -> list[tuple[str, ...]]:
        """Every argv that was run, dumped from or loaded into."""
        return [tuple(call.arguments["argv"]) for call in self.calls if "argv" in call.arguments]

    def leaks(self) -> list[str]:
        """Return each secret that was seen in an argv, a claim or the audit log."""
        seen = [word for argv in self.programs for word in argv]
        seen += self.server.journal_texts + [json.dumps(line) for line in self.server.audit]
        seen += [json.dumps(call.arguments) for call in self.calls if call.operation in {"lock", "record"}]
        seen += [json.dumps(lines) for lines in self.server.operations.values()]
        return [secret for secret in self.server.secrets for text in seen if secret in text]

    def _break(self) -> None:
        if self._how in {Break.FAILS, Break.FAILS_AFTER}:
            raise ServerFaultError("os", "No space left on device")
        if self._how in {Break.INTERRUPTED, Break.INTERRUPTED_AFTER}:
            raise KeyboardInterrupt
        self.close()
        raise UnreachableError("Lost the connection to vps1", because="the connection ended")

    # --- the agent's operations --------------------------------------------------------------------------------------

    def _do_hello(self, root: str | None = None) -> dict[str, Any]:
        return {"python": [3, 11]}

    def _do_lock(self, who: str, what: str, since: str) -> str:
        if ROOT not in self.server.folders:
            raise ServerFaultError("unprovisioned", f"{ROOT} does not exist on the server")
        if self.server.locked_by is not None:
            raise ServerFaultError("locked", self.server.locked_by)
        operation = f"20260131T020000Z-{len(self.server.operations):06x}"
        self.server.locked_by = f"{who} has held the lock since {since}, doing: {what}"
        self.server.holder = {"who": who, "what": what, "since": since, "operation": operation}
        self._holds = {"who": who, "what": what, "operation": operation}
        self.server.operations[operation] = [{"when": since, "who": who, "what": what}]
        return operation

    def _do_join(self, name: str) -> None:
        if (self.server.holder or {}).get("operation") != name:
            raise ServerFaultError("locked", f"the operation {name} does not hold the lock any more")

    def _do_record(self, who: str, what: str, since: str) -> None:
        if ROOT not in self.server.folders:
            raise ServerFaultError("unprovisioned", f"{ROOT} does not exist on the server")
        self._holds = {"who": who, "what": what}

    def _do_note(self, step: str, outcome: str, seconds: float) -> None:
        if self._holds is not None:
            lines = self.server.operations[self._holds["operation"]]
            lines.append({"when": "2026-01-31T02:00:01Z", "step": step, "outcome": outcome, "seconds": seconds})

    def _do_release(self, result: str) -> None:
        if self._holds is None:
            return
        self.server.audit.append({"when": "2026-01-31T02:00:00Z", "seconds": 1.5, **self._holds, "result": result})
        if operation := self._holds.get("operation"):
            self.server.operations[operation].append({"when": "2026-01-31T02:00:02Z", "result": result, "seconds": 1.5})
            self.server.locked_by, self.server.holder = None, None
        self._holds = None

    def _do_state(self) -> dict[str, Any]:
        if ROOT not in self.server.folders:
            raise ServerFaultError("unprovisioned", f"{ROOT} does not exist on the server")
        last: dict[str, Any] | None = None
        for name in sorted(self.server.operations)[-1:]:
            last = {"operation": name}
            for line in self.server.operations[name]:
                last.update(line)
        return {
            "holder": self.server.holder,
            "working": self.server.working,
            "claims": self._claims(),
            "last": last,
            "free": self._do_free(ROOT),
            "refill": self.server.refilled,
            "unserviceable": self.server.unserviceable(),
            "backups": self._do_backups(),
            "uncertified": [row for row in self.server.standing() if row["alarm"] or row["fault"]],
        }

    def _do_backups(self) -> dict[str, Any] | None:
        return self.server.backups.facts() if self.server.backups.targets else None

    def _do_containers(self) -> dict[str, Any]:
        if self.server.docker_is_down:
            raise ServerFaultError("docker", "Cannot connect to the Docker daemon")
        return dict(self.server.containers)

    def _do_history(self, word: str | None, limit: int) -> list[dict[str, Any]]:
        return [line for line in self.server.audit if word is None or word in line["what"].split()][-limit:]

    def _do_operation(self, name: str) -> list[dict[str, Any]] | None:
        return self.server.operations.get(name)

    def _do_edge_log(self, slug: str, lines: int, since: str | None) -> dict[str, Any]:
        requests = [request for request in self.server.requests if request["school"] == slug]
        new = requests[int(since or 0) :] if since else requests
        return {"requests": new[-lines:], "seen": str(len(requests))}

    def _do_site_logs(
        self, site: str, names: list[str], lines: int, seen: dict[str, list[int]] | None
    ) -> dict[str, Any]:
        folder = f"{ROOT}/sites/{site}/logs"
        found = {}
        for name in self.server.names_in(folder):
            if any(fnmatch.fnmatchcase(name, wanted) for wanted in names):
                text = self.server.files[f"{folder}/{name}"].splitlines()
                start = (seen or {}).get(name, [1, 0])[1]
                found[name] = {"lines": text[start:][-lines:], "seen": [1, len(text)]}
        return found

    def _claims(self) -> dict[str, Any]:
        return {
            name.removesuffix(".json"): json.loads(self.server.files[f"{ROOT}/journal/{name}"])
            for name in self.server.names_in(f"{ROOT}/journal")
            if name.endswith(".json")
        }

    def _do_run(self, argv: list[str], stdin: str = "", timeout: float | None = None) -> dict[str, Any]:
        if self._word is not None and self._word in " ".join(argv) + stdin:
            return Answer(1, stderr=f"first line\n{self._word} does not work today").as_dict()
        return self.server.run(tuple(argv), stdin).as_dict()

    def _do_start(self, argv: list[str]) -> int:
        if argv[-1] == "answer-calls":
            return 0
        assert argv == ["/usr/local/sbin/schools-backup", "serve"]
        if not self.server.backups.targets:
            raise ServerFaultError("no-program", f"{argv[0]} is not installed on the server")
        return BACKUPS

    def _do_ask(self, program: int, line: str, within: float | None = None) -> str:
        request = json.loads(line)
        number = {"id": request["id"]}
        if self._word is not None and self._word in line:
            return json.dumps({**number, "fault": f"{self._word} does not work today"})
        if program == BACKUPS:
            return json.dumps(self.server.backups.answer(request))
        argv = ("--site", request["site"], "execute", request["function"], "--kwargs", repr(request["arguments"]))
        answer = self.server.run((*BENCH, *argv), request["stdin"])
        if answer.code:
            return json.dumps({**number, "fault": answer.stderr})
        result = json.loads(answer.stdout.splitlines()[-1]) if answer.stdout else None
        return json.dumps({**number, "result": result})

    def _do_load(self, argv: list[str], path: str, preface: str) -> dict[str, Any]:
        return self.server.load(argv, path, preface).as_dict()

    def _do_begin_reading(self, argv: list[str]) -> int:
        self._printed.append(self.server.printed(argv))
        return len(self._printed) - 1

    def _do_read_on(self, reader: int) -> dict[str, Any]:
        # In two pieces, so that one can be lost between them.
        data = self._printed[reader]
        half = data[: len(data) // 2 + 1]
        self._printed[reader] = data[len(half) :]
        self._digests.setdefault(reader, hashlib.sha256(data).hexdigest())
        whole = None if self._printed[reader] else self._digests[reader]
        return {"piece": base64.b64encode(half).decode(), "sha256": whole}

    def _do_dump_parts(self, parts: list[tuple[list[str], str]]) -> list[dict[str, Any]]:
        return [self.server.dump_of(argv, path) for argv, path in parts]

    def _do_load_parts(self, argv: list[str], parts: list[list[str]]) -> dict[str, Any]:
        return self.server.load_parts(argv[-1], parts).as_dict()

    def _do_pool(self) -> dict[str, Any]:
        return {"databases": self.server.pool(), "filling": self.server.filling, "last": self.server.refilled}

    def _do_take(self, golden: str, claim: str, note: dict[str, Any]) -> str | None:
        return self.server.take(golden, claim, note)

    def _do_fill(
        self, client: list[str], sql: dict[str, str], wanted: list[dict[str, Any]], most: int | None, trim: bool
    ) -> dict[str, Any]:
        return self.server.fill(wanted, most, trim=trim)

    def _do_refill(self, client: list[str], sql: dict[str, str], wanted: list[dict[str, Any]]) -> bool:
        if self.server.filling:
            return False
        return self.server.fill(wanted, None, trim=False)["loaded"] > 0

    def _do_exists(self, paths: list[str]) -> list[bool]:
        return [bool(self.server.below(self.server.inside(path))) for path in paths]

    def _do_read(self, path: str) -> str | None:
        return self.server.files.get(self.server.inside(path))

    def _do_read_all(self, paths: list[str]) -> list[str | None]:
        return [self._do_read(path) for path in paths]

    def _do_read_json(self, path: str, keys: list[str]) -> dict[str, Any] | None:
        text = self._do_read(path)
        try:
            document = json.loads(text or "")
        except ValueError:
            return None
        return {key: document[key] for key in keys if key in document}

    def _do_write(self, path: str, text: str, mode: str, owner: str, group: str) -> str | None:
        assert re.fullmatch(r"0[0-7]{3}", mode), mode
        return self.server.put(path, text)

    def _do_append(self, path: str, offset: int, piece: str) -> None:
        self.server.append(self.server.inside(path), offset, base64.b64decode(piece))

    def _do_hand_over(self, path: str, owner: str, group: str) -> int:
        assert (owner, group) == (str(FRAPPE_UID), str(FRAPPE_UID))
        return self.server.hand_over(path)

    def _do_key_opens(self, config: str, tokens: list[str]) -> int:
        return self.server.key_opens(self.server.inside(config), tokens)

    def _do_merge_json(
        self,
        source: str,
        target: str,
        changes: dict[str, Any],
        mode: str,
        owner: str,
        group: str,
        keep: list[str] | None = None,
    ) -> None:
        known = json.loads(self.server.files[self.server.inside(source)])
        document = {**{key: known[key] for key in known if keep is None or key in keep}, **changes}
        document = {key: value for key, value in document.items() if value is not None}
        self._do_write(target, json.dumps(document), mode, owner, group)

    def _do_make_folder(self, path: str, mode: str, owner: str, group: str) -> bool:
        return self.server.make_folder(path)

    def _do_make_folders(self, paths: list[str], mode: str, owner: str, group: str) -> None:
        for path in paths:
            self.server.make_folder(path)

    def _do_remove(self, path: str) -> None:
        self.server.remove(path)

    def _do_rename(self, source: str, target: str) -> None:
        self.server.rename(source, target)

    def _do_exchange(self, one: str, other: str) -> None:
        self.server.exchange(one, other)

    def _do_copy(self, source: str, target: str, mode: str, owner: str, group: str) -> None:
        self.server.put(target, self.server.files[self.server.inside(source)])

    def _do_list(self, path: str) -> list[str]:
        return self.server.names_in(path)

    def _do_hash(self, path: str) -> str | None:
        return self.server.sha256(path)

    def _do_pack(self, folder: str, names: list[str], path: str, owner: str, group: str) -> dict[str, Any]:
        assert (owner, group) == (str(FRAPPE_UID), str(FRAPPE_UID)), "files are read as the bench, not as root"
        return self.server.pack(folder, names, path)

    def _do_free(self, path: str) -> dict[str, int]:
        return {"bytes": self.server.free, "inodes": 1_000_000}

    def _do_sync_latency(self, count: int, within: float) -> list[float]:
        return [self.server.sync_ms] * (count - 1) + [10 * self.server.sync_ms]

    def _do_survey(self, database_argv: list[str], config_keys: list[str], usage: bool) -> dict[str, Any]:
        files, databases = self.server.files, self.server.databases

        def fact(path: str) -> dict[str, Any]:
            config = json.loads(files[path])
            database = databases.get(config["db_name"])
            return {
                "database": config["db_name"],
                "host_name": config.get("host_name"),
                "config": {key: config[key] for key in config_keys if key in config},
                "title": database.title if database else None,
                "connections": database.connections if database and database.user else None,
            }

        sites = {name: f"{ROOT}/sites/{name}/site_config.json" for name in sorted(self.server.sites())}
        closed = {
            path.split("/")[4].removesuffix(".closed"): path
            for path in sorted(files)
            if re.fullmatch(rf"{ROOT}/archive/[^/]+\.closed/site_config.json", path)
        }
        kept = [path for path in files if re.fullmatch(rf"{ROOT}/archive/[^/]+/[^/]+/site_config.json", path)]
        return {
            "sites": {name: fact(path) for name, path in sites.items()},
            "closed": {name: fact(path) for name, path in closed.items()},
            "kept": [json.loads(files[path])["db_name"] for path in sorted(kept)],
            "claims": self._claims(),
            "backups": self.server.backups.standing(),
            "files": {path: self.server.sha256(path) for path in files if path.startswith(READ_BY_SURVEY)},
            "edge_is_current": self.server.edge_is_current(),
            "containers": dict(self.server.containers),
            "databases": sorted(databases),
            "users": sorted(name for name, database in databases.items() if database.user),
            "pool": [row["database"] for row in self.server.pool()],
            "usage": {name: self._used(path) for name, path in {**closed, **sites}.items()} if usage else None,
        }

    def _used(self, config: str) -> dict[str, Any]:
        there = json.loads(self.server.files[config])["db_name"] in self.server.databases
        folder = config.rpartition("/")[0]
        texts = [self.server.files[path] for path in self.server.below(folder) if path in self.server.files]
        return {
            "database_bytes": 20_000_000 if there else None,
            "files_bytes": sum(map(len, texts)),
            "users": 3 if there else None,
            "last_login": "2026-01-31 08:00:00.123456" if there else None,
            "last_active": "2026-01-31 09:30:00.000000" if there else None,
            "last_tick": "2026-01-31 10:00:00.000000" if there else None,
            "time_zone": "Europe/Paris",
        }

    def _do_probe(self, host: str, port: int, path: str, wanted: list[int], within: float) -> int | None:
        return self.server.visit(host)


class CutAtStep(RecordingTransport):
    """Lose the connection when a command has begun a step of that title."""

    def __init__(self, server: ServerModel, step: str) -> None:
        super().__init__(server)
        self._step = step

    def tell(self, operation: str, **arguments: Any) -> None:
        super().tell(operation, **arguments)
        if arguments.get("step") == self._step:
            self.close()
