"""A connection to the server in memory: records every call, and breaks where a test wants it to."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from schoolctl.errors import UnreachableError
from schoolctl.schools.platform import FRAPPE_UID
from schoolctl.transport.session import ServerFaultError
from tests.support.server_model import ROOT, Answer, ServerModel


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
        self.attached: list[tuple[tuple[str, ...], bool]] = []
        self.attach_code = 0
        self._at, self._how, self._word, self._broken_from = at, how, word, broken_from
        self._before_each = before_each
        self._gone = False
        self._holds: dict[str, str] | None = None

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
        answer = getattr(self, f"_do_{operation}")(**arguments)
        if breaks and self._how in AFTER:
            self._break()
        return answer

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
        seen += [json.dumps(call.arguments) for call in self.calls if call.operation == "lock"]
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

    def _do_lock(self, who: str, what: str, since: str) -> None:
        if ROOT not in self.server.folders:
            raise ServerFaultError("unprovisioned", f"{ROOT} does not exist on the server")
        if self.server.locked_by is not None:
            raise ServerFaultError("locked", self.server.locked_by)
        self.server.locked_by = f"{who} has held the lock since {since}, doing: {what}"
        self._holds = {"who": who, "what": what}

    def _do_release(self, result: str) -> None:
        if self._holds is None:
            return
        self.server.audit.append({**self._holds, "result": result})
        self.server.locked_by, self._holds = None, None

    def _do_run(self, argv: list[str], stdin: str = "", timeout: float | None = None) -> dict[str, Any]:
        if self._word is not None and self._word in " ".join(argv) + stdin:
            return Answer(1, stderr=f"first line\n{self._word} does not work today").as_dict()
        return self.server.run(tuple(argv), stdin).as_dict()

    def _do_dump(self, argv: list[str], path: str) -> dict[str, Any]:
        return self.server.dump(argv[-1], path)

    def _do_load(self, argv: list[str], path: str) -> dict[str, Any]:
        return self.server.load(argv[-1], path).as_dict()

    def _do_exists(self, paths: list[str]) -> list[bool]:
        return [bool(self.server.below(self.server.inside(path))) for path in paths]

    def _do_read(self, path: str) -> str | None:
        return self.server.files.get(self.server.inside(path))

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

    def _do_merge_json(
        self, source: str, target: str, changes: dict[str, Any], mode: str, owner: str, group: str
    ) -> None:
        document = {**json.loads(self.server.files[self.server.inside(source)]), **changes}
        document = {key: value for key, value in document.items() if value is not None}
        self._do_write(target, json.dumps(document), mode, owner, group)

    def _do_make_folder(self, path: str, mode: str, owner: str, group: str) -> bool:
        return self.server.make_folder(path)

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

    def _do_survey(self, database_argv: list[str], config_keys: list[str]) -> dict[str, Any]:
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

        closed = [path for path in files if re.fullmatch(rf"{ROOT}/archive/[^/]+\.closed/site_config.json", path)]
        kept = [path for path in files if re.fullmatch(rf"{ROOT}/archive/[^/]+/[^/]+/site_config.json", path)]
        return {
            "sites": {name: fact(f"{ROOT}/sites/{name}/site_config.json") for name in sorted(self.server.sites())},
            "closed": {path.split("/")[4].removesuffix(".closed"): fact(path) for path in sorted(closed)},
            "kept": [json.loads(files[path])["db_name"] for path in sorted(kept)],
            "claims": {
                name.removesuffix(".json"): json.loads(files[f"{ROOT}/journal/{name}"])
                for name in self.server.names_in(f"{ROOT}/journal")
                if name.endswith(".json")
            },
            "backups": {
                slug: [name for name in self.server.names_in(f"{ROOT}/backups/{slug}") if not name.endswith(".partial")]
                for slug in self.server.names_in(f"{ROOT}/backups")
            },
            "files": {
                path: self.server.sha256(path)
                for path in files
                if path.startswith(tuple(f"{ROOT}/edge/conf/{kind}/" for kind in ("hosts", "schools", "pages")))
            },
            "edge_is_current": self.server.edge_is_current(),
            "containers": dict(self.server.containers),
            "databases": sorted(databases),
            "users": sorted(name for name, database in databases.items() if database.user),
        }

    def _do_probe(self, host: str, port: int, path: str, wanted: list[int], within: float) -> int | None:
        return self.server.visit(host)
