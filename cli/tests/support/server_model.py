"""A server in memory: folders, files, databases and an edge, as far as the workflows can see them."""

import ast
import gzip
import hashlib
import io
import json
import re
import secrets
import tarfile
import zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from schoolctl.render import context
from schoolctl.render.environment import render
from schoolctl.schools.platform import CONTAINERS, load
from schoolctl.transport.session import ServerFaultError
from tests.support.backup_model import BackupModel, digest

CHECKOUT = Path(__file__).resolve().parents[3]
ROOT = "/srv/schools"
FRAPPE_TABLES = ("tabDocType", "tabSingles", "tabUser")
FOLDERS = (
    *("sites", "journal", "backups", "archive", "golden", "pool", "edge/auth"),
    *(
        "backups/declared",
        "edge/conf",
        "edge/conf/certificates",
        "edge/conf/hosts",
        "edge/conf/schools",
        "edge/conf/pages",
    ),
    *("backups/spool", "backups/fetched", "backups/locks"),
)
ADMIN_SQL = (
    *("docker", "exec", "-i", "schools-db", "mariadb", "--batch", "--skip-column-names"),
    "--init-command=SET SESSION sql_log_bin = 0",
)
BENCH = ("docker", "exec", "-i", "schools-tools", "bench")


@cache
def edge_files() -> dict[str, str]:
    """Return what Ansible has written for the edge itself, by path."""
    platform = context.platform_context(load(CHECKOUT / "inventories/example/group_vars/all/platform.yml"))
    templates = CHECKOUT / "templates"
    files = context.edge_context(platform, templates=templates)["files"]
    return {file["path"]: render(templates, file["template"], {"platform": platform}) for file in files}


@dataclass
class Database:
    """One schema with the user of its name."""

    password: str
    tables: list[str] = field(default_factory=list)
    user: bool = True
    connections: int = 0
    title: str | None = None
    muted: bool = False
    # What tells the key that its secrets are stored with; versions: of the apps that made it, None for those of today.
    seal: str = ""
    versions: dict[str, str] | None = None
    # Those of `tables` that are none.
    views: set[str] = field(default_factory=set)


@dataclass
class Answer:
    """What a program left behind."""

    code: int = 0
    stdout: str = ""
    stderr: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"code": self.code, "stdout": self.stdout, "stderr": self.stderr}


class ServerModel:
    """The lasting state of one server; connections come and go."""

    def __init__(self, *, provisioned: bool = True) -> None:
        self.folders: set[str] = set()
        self.files: dict[str, str] = {}
        self.databases: dict[str, Database] = {}
        self.edge_live: dict[str, str] = {}
        self.edge_refuses: str | None = None
        self.damaged: set[str] = set()
        # Parts of golden sites that are what they were, and of which MariaDB takes only the first table.
        self.indigestible: set[str] = set()
        self.free = 50 * 1024**3
        self.sync_ms = 0.5
        self.backups = BackupModel(self, ROOT)
        self.versions = {"frappe": "15.55.1", "erpnext": "15.53.0", "lms_app": "1.0.0"}
        self.audit: list[dict[str, Any]] = []
        self.locked_by: str | None = None
        self.holder: dict[str, Any] | None = None
        self.working = False
        self.filling = False
        self.refilled: dict[str, Any] | None = None
        # Schools whose certificate browsers trust; why the authority gives none; bundles that schools brought.
        self.trusted: set[str] = set()
        self.authority_refuses: str | None = None
        self.expiring: set[str] = set()
        self.own_certificates: dict[str, str] = {}
        self.certifying = 0
        self.replaced: list[str] = []
        self.operations: dict[str, list[dict[str, Any]]] = {}
        self.requests: list[dict[str, str]] = []
        self.docker_is_down = False
        self.users = {"Administrator", "ann@tech-school.com"}
        self.secrets: set[str] = set()
        self.journal_texts: list[str] = []
        self.personalised: dict[str, dict[str, str]] = {}
        self.scheduled: set[str] = set()
        self.cache: set[str] = set()
        # What stands in the image's list of scripts and styles, and which of them the edge has not.
        self.bundles = {"desk.bundle.js": "/assets/frappe/dist/js/desk.bundle.ABCDEFGH.js"}
        self.gone: set[str] = set()
        # What is said of a site that is not as well as the others, by its name; True of one that says nothing.
        self.health: dict[str, dict[str, Any] | None] = {}
        self.queues: dict[str, Any] = {"now": "1769824800", "queues": {}, "failed": {}}
        # What keeps visitors from the edge, and by name and path what they get instead of what they should.
        self.unreachable = ""
        self.astray: dict[tuple[str, str], Any] = {}
        self.jobs: dict[str, str] = {}
        self.containers = {
            name: {"image": "schools/bench:test", "state": "running", "status": "Up 2 hours (healthy)"}
            for name in CONTAINERS
        }
        self.reloads = 0
        if provisioned:
            self.folders |= {ROOT, *(f"{ROOT}/{name}" for name in FOLDERS)}
            self.files |= edge_files()
            self.edge_live |= edge_files()

    # --- what a test asks --------------------------------------------------------------------------------------------

    def site_config(self, slug: str) -> dict[str, Any]:
        return dict(json.loads(self.files[f"{ROOT}/sites/{slug}/site_config.json"]))

    def claims(self) -> list[str]:
        return [name for name in self.names_in(f"{ROOT}/journal") if name.endswith(".json")]

    def sites(self) -> set[str]:
        return {
            path.split("/")[4] for path in self.files if re.fullmatch(rf"{ROOT}/sites/[^/]+/site_config.json", path)
        }

    def closed(self) -> set[str]:
        form = rf"{ROOT}/archive/([^/]+)\.closed/site_config.json"
        return {found[1] for path in self.files if (found := re.fullmatch(form, path))}

    def owned_by(self, slug: str) -> dict[str, Any]:
        """Return everything of one school, to compare before with after."""
        mine = [f"{ROOT}/{place}/{slug}" for place in ("sites", "backups/spool", "archive", "journal")]
        mine += [f"{ROOT}/edge/conf/hosts/{slug}.map", f"{ROOT}/edge/conf/schools/{slug}.conf"]
        mine += [f"{ROOT}/edge/conf/certificates/{slug}.json", f"{ROOT}/edge/auth/{slug}"]
        mine += [f"{ROOT}/backups/declared/{slug}.json"]
        files = {
            path: text
            for path, text in self.files.items()
            if any(path == own or path.startswith(f"{own}/") for own in mine)
        }
        name = self.site_config(slug)["db_name"]
        database = self.databases[name]
        live = {path: text for path, text in self.edge_live.items() if f"/{slug}." in path}
        cached = {key for key in self.cache if key.startswith(f"{name}|")}
        jobs = {job for job in self.jobs if _site_of(job) == slug}
        database_facts = (name, database.password, tuple(database.tables))
        stored = {name: sorted(target.sets) for name, target in self.backups.targets.items()}
        sets = {(name, *key) for name, keys in stored.items() for key in keys if key[0] == slug}
        return {"files": files, "database": database_facts, "live": live, "cached": cached, "jobs": jobs, "sets": sets}

    def orphans(self) -> list[str]:
        """Return what no school owns: databases, half-made folders, claims, unfinished sets, edge files, Redis keys."""
        named = set()
        for path, text in self.files.items():
            if re.fullmatch(rf"{ROOT}/(sites/[^/]+|archive/[^/]+\.closed|archive/[^/]+/[^/]+)/site_config.json", path):
                named.add(json.loads(text)["db_name"])
        named |= {row["database"] for row in self.pool() if row["state"] == "ready"}
        left = [f"database {name}" for name in self.databases if name not in named]
        left += [f"missing database {name}" for name in named if name not in self.databases]
        for path in sorted(self.folders | set(self.files)):
            top, _, rest = path.removeprefix(f"{ROOT}/").partition("/")
            if top == "journal" and rest:
                left.append(f"claim {path}")
            if top == "backups" and rest.startswith("fetched/"):
                left.append(path)
            if top in {"sites", "archive"} and rest.partition("/")[0].endswith((".new", ".restored")):
                left.append(path)
            if ".partial" in path or ".candidate" in path:
                left.append(path)
        conf = self._edge_conf()
        if conf != self.edge_live:
            left.append("edge/conf is not in force")
        slugs = self.sites() | self.closed()
        edge = [path for path in conf if path not in edge_files()]
        edge += [path for path in self.files if path.startswith((f"{ROOT}/edge/auth/", f"{ROOT}/backups/declared/"))]
        left += [f"file {path}" for path in edge if path.rpartition("/")[2].partition(".")[0] not in slugs]
        left += [f"cached {key}" for key in sorted(self.cache) if key.partition("|")[0] not in named]
        left += [f"job {job}" for job in sorted(self.jobs) if _site_of(job).removesuffix(".new") not in slugs]
        if self.locked_by is not None:
            left.append(f"lock of {self.locked_by}")
        return left

    def visit(self, host: str) -> int | None:
        """Return what a visitor of this host gets at /login, or None: no answer."""
        for path, text in self.edge_live.items():
            if path.endswith(".map") and re.search(rf"^{re.escape(host)} ", text, re.MULTILINE):
                slug = path.rpartition("/")[2].removesuffix(".map")
                conf = self.edge_live.get(f"{ROOT}/edge/conf/schools/{slug}.conf", "")
                redirects = re.search(r"server_name ([^;]*);[^#]*?location / \{\s*return 308", conf)
                if stopped := re.search(r"location / \{\s*return (\d+);", conf):
                    return int(stopped[1])
                if redirects and host in redirects[1].split():
                    return 308
                if "auth_basic_user_file" in conf:
                    return 401 if f"{ROOT}/edge/auth/{slug}" in self.files else 403
                return 200 if self._serves(slug) else 502
        return None

    def _serves(self, slug: str) -> bool:
        config = json.loads(self.files.get(f"{ROOT}/sites/{slug}/site_config.json", "{}"))
        database = self.databases.get(config.get("db_name", ""))
        return bool(
            database and database.user and database.tables and database.password == config["db_password"]
        ) and not config.get("pause_scheduler")

    # --- files -------------------------------------------------------------------------------------------------------

    def inside(self, path: str) -> str:
        if not path.startswith(f"{ROOT}/") or "/../" in f"{path}/" or "//" in path:
            raise ServerFaultError("outside", f"{path} is not below {ROOT}")
        return path

    def parent_there(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent not in self.folders:
            raise ServerFaultError("os", f"{path}: No such file or directory")

    def below(self, path: str) -> list[str]:
        return [name for name in (*self.files, *self.folders) if name == path or name.startswith(f"{path}/")]

    def put(self, path: str, text: str) -> str | None:
        self.parent_there(self.inside(path))
        before = self.files.get(path)
        self.files[path] = text
        if path.startswith(f"{ROOT}/journal/"):
            self.journal_texts.append(text)
        if path.endswith("/site_config.json"):
            config = json.loads(text)
            self.secrets |= {config[key] for key in ("db_password", "encryption_key") if key in config}
        return before

    def make_folder(self, path: str) -> bool:
        self.parent_there(self.inside(path))
        new = path not in self.folders
        self.folders.add(path)
        return new

    def remove(self, path: str) -> None:
        for name in self.below(self.inside(path)):
            self.files.pop(name, None)
            self.folders.discard(name)

    def rename(self, source: str, target: str) -> None:
        if self.below(self.inside(target)):
            raise ServerFaultError("exists", f"{target} is already there")
        if not self.below(self.inside(source)):
            raise ServerFaultError("os", f"{source}: No such file or directory")
        self.parent_there(target)
        for name in self.below(source):
            moved = target + name.removeprefix(source)
            if name in self.files:
                self.files[moved] = self.files.pop(name)
            if name in self.folders:
                self.folders.remove(name)
                self.folders.add(moved)

    def exchange(self, one: str, other: str) -> None:
        between = f"{one}.between"
        for path in (one, other):
            if not self.below(self.inside(path)):
                raise ServerFaultError("os", f"{path}: No such file or directory")
        self.rename(one, between)
        self.rename(other, one)
        self.rename(between, other)

    def names_in(self, path: str) -> list[str]:
        start = f"{self.inside(path)}/"
        return sorted(
            {name.removeprefix(start).partition("/")[0] for name in self.below(path) if name.startswith(start)}
        )

    def sha256(self, path: str) -> str | None:
        text = self.files.get(self.inside(path))
        return None if text is None else digest(text + ("!" if path in self.damaged else ""))

    def read_json(self, path: str) -> dict[str, Any] | None:
        text = self.files.get(path)
        return None if text is None else dict(json.loads(text))

    def hand_over(self, path: str) -> int:
        if not self.below(self.inside(path)):
            raise ServerFaultError("os", f"{path}: No such file or directory")
        return sum(name in self.files for name in self.below(path))

    def key_opens(self, config: str, tokens: list[str]) -> int:
        key = (self.read_json(config) or {}).get("encryption_key")
        return sum(token == seal_of(key) for token in tokens) if key else 0

    def append(self, path: str, offset: int, piece: bytes) -> None:
        before = as_bytes(self.files.get(path, ""))
        if len(before) != offset:
            raise ServerFaultError("damaged", f"{path} does not have the {offset} bytes that were sent")
        self.put(path, as_text(before + piece))

    def printed(self, argv: list[str]) -> bytes:
        """Return what a program prints that is read piece by piece."""
        if argv[0] == "tar":
            options = dict(part.removeprefix("--").partition("=")[::2] for part in argv if part.startswith("--"))
            _, old, new, _ = options["transform"].split(",")
            top = f"{options['directory']}/"
            names = [name for name in sorted(self.files) if name.startswith(top + argv[-1] + "/")]
            if not names:
                raise ServerFaultError("ended", f"it ended with 2: tar: {argv[-1]}: Cannot stat: No such file")
            return a_tar({name.removeprefix(top).replace(old[1:], new, 1): self.files[name] for name in names})
        assert argv[:2] == ["sh", "-c"], argv
        assert "gzip" in argv[2], argv
        top = f"{argv[-1]}/"
        tables = [name for name in sorted(self.files) if name.startswith(top) and not name.startswith(f"{top}_")]
        texts = {unquote(name.removeprefix(top).removesuffix(".sql")): self.files[name] for name in tables}
        return gzip.compress(json.dumps(texts).encode(), mtime=0)

    # --- programs ----------------------------------------------------------------------------------------------------

    def run(self, argv: tuple[str, ...], stdin: str) -> Answer:
        if argv == ADMIN_SQL:
            return self._sql(stdin)
        if argv[:3] == ("docker", "exec", "-i") and argv[3] in {"schools-cache", "schools-queue"}:
            return self._redis(argv, stdin)
        if argv[: len(BENCH)] == BENCH:
            return self._bench(argv[len(BENCH) :], stdin)
        if argv[0] == "/usr/local/sbin/schools-edge-activate":
            return self._activate(check="--check" in argv)
        if argv[0] == "/usr/local/sbin/schools-certs":
            return self._certs(argv[1], argv[2:], stdin)
        if argv == ("systemctl", "start", "--no-block", "schools-certs.service"):
            self.certifying += 1
            return Answer()
        if argv == ("systemctl", "start", "--no-block", "schools-backup-inventory.service"):
            self.backups.store_inventory()
            return Answer()
        if argv[:2] == ("gzip", "--test"):
            bad = argv[2] in self.damaged or argv[2] not in self.files
            return Answer(1, stderr="gzip: crc error") if bad else Answer()
        if argv[0] == "flock":
            return self.run(argv[3:], stdin)
        if argv[0] == "cp":
            return self._copy(argv[-2], argv[-1])
        if argv[0] == "tar":
            options = dict(part.removeprefix("--").partition("=")[::2] for part in argv[1:])
            if "strip-components" in options:
                return self._untar_stripped(options["file"], options["directory"], int(options["strip-components"]))
            return self._untar(options["file"], options["directory"])
        if argv[:2] == ("docker", "inspect"):
            container = self.containers.get(argv[-1])
            known = hashlib.sha256(container["image"].encode()).hexdigest() if container else ""
            return Answer(stdout=f"sha256:{known}\n") if known else Answer(1, stderr="Error: No such object")
        if argv[:5] == ("docker", "exec", "-i", "schools-tools", "cat"):
            return Answer(stdout=json.dumps(self.bundles))
        if argv[:2] == ("docker", "start"):
            self.containers[argv[2]]["state"] = "running"
            return Answer(stdout=f"{argv[2]}\n")
        return Answer(127, stderr=f"{argv[0]}: not found")

    def load(self, argv: list[str], path: str, preface: str) -> Answer:
        name = argv[-1]
        if path in self.damaged:
            raise ServerFaultError("damaged", f"{path}: CRC check failed")
        database = self.databases[name]
        if "--sandbox" in " ".join(argv):
            if preface != f"{database.password}\n":
                return Answer(1, stderr=f"ERROR 1045 (28000): Access denied for user '{name}'")
            return self._load_as_owner(database, path)
        raise AssertionError(f"{path} was loaded by the administrator")

    def _load_as_owner(self, database: Database, path: str) -> Answer:
        try:
            text = gzip.decompress(as_bytes(self.files[path])).decode()
        except (OSError, EOFError, zlib.error) as fault:
            raise ServerFaultError("damaged", f"{path}: {fault}") from None
        if "USE " in text or "\\!" in text:
            return Answer(1, stderr="ERROR at line 1: not allowed to it")
        if text.startswith("{"):
            texts = json.loads(text)
        else:  # a dump as another bench makes it
            texts = dict.fromkeys(re.findall(r"CREATE (?:TABLE|VIEW) `([^`]+)`", text), "")
            database.views = set(re.findall(r"CREATE VIEW `([^`]+)`", text))
            seals = re.findall(r"sealed by (\w+)", text)
            texts |= {"tabSingles": "\n" + seals[0]} if seals else {}
            database.versions = dict(re.findall(r"-- (\w+) ([0-9.]+)$", text, re.MULTILINE))
        for table, words in texts.items():
            database.tables.append(table)
            database.seal = words.partition("\n")[2] or database.seal
        return Answer()

    def dump_of(self, argv: list[str], path: str) -> dict[str, Any]:
        """Write a dump of the tables that follow the database's name."""
        name = next(word for word in argv if re.fullmatch(r"sch[0-9a-f]{12}", word))
        tables = argv[argv.index(name) + 1 :]
        assert set(tables) <= set(self.databases[name].tables)
        self.put(path, json.dumps(tables))
        return {"tables": len(tables), "sha256": self.sha256(path), "bytes": len(self.files[path])}

    def load_parts(self, name: str, parts: list[list[str]]) -> Answer:
        for path, wanted in parts:
            if self.sha256(path) != wanted:
                raise ServerFaultError("damaged", f"{path} is not what it was when it was made")
        for path, _ in parts:
            tables = json.loads(self.files[path])
            self.databases[name].tables += tables[:1] if path in self.indigestible else tables
        if self.indigestible.intersection(path for path, _ in parts):
            return Answer(1, stderr="CREATE TABLE a\nERROR 1273 (HY000) at line 7: Unknown collation: 'no_ci'")
        return Answer()

    def unserviceable(self) -> list[dict[str, Any]]:
        """Return the golden sites that were put out of service, as the agent tells them."""
        texts = [self.files[path] for path in sorted(self.files) if re.search("/golden/.*/manifest.json$", path)]
        manifests = [json.loads(text) for text in texts]
        return [
            {"profile": manifest["profile"], **manifest["out_of_service"]}
            for manifest in manifests
            if "out_of_service" in manifest
        ]

    # --- the pool ----------------------------------------------------------------------------------------------------

    def pool(self) -> list[dict[str, Any]]:
        """Return the databases that wait for a school, by name."""
        names = [name for name in self.names_in(f"{ROOT}/pool") if name.startswith("sch")]
        return [
            {"database": stem, "state": state, **json.loads(self.files[f"{ROOT}/pool/{name}"])}
            for name in names
            for stem, _, state in [name.partition(".")]
        ]

    def take(self, golden: str, claim: str, note: dict[str, Any]) -> str | None:
        for row in self.pool():
            if row["state"] == "ready" and row["golden"] == golden:
                self.put(claim, json.dumps({**note, "database": row["database"]}))
                self.remove(f"{ROOT}/pool/{row['database']}.ready")
                return str(row["database"])
        return None

    def fill(self, wanted: list[dict[str, Any]], most: int | None, *, trim: bool) -> dict[str, Any]:
        if self.filling:
            raise ServerFaultError("busy", "the pool is being filled")
        self.refilled = None
        done = {"loaded": 0, "dropped": 0, "missing": 0}
        known = {self.sha256(path) for path in self.files if path.endswith("/manifest.json")}
        for row in self.pool():
            if row["state"] != "ready" or row["golden"] not in known:
                self._drop_of_pool(row)
                done["dropped"] += 1
        goldens = {golden["golden"] for golden in wanted}
        for row in [row for row in self.pool() if trim and row["golden"] not in goldens]:
            self._drop_of_pool(row)
            done["dropped"] += 1
        for golden in wanted:
            ready = [row for row in self.pool() if row["golden"] == golden["golden"]]
            for row in ready[golden["size"] :] if trim else []:
                self._drop_of_pool(row)
                done["dropped"] += 1
            for _ in range(golden["size"] - len(ready)):
                if most is not None and done["loaded"] >= most:
                    done["missing"] += 1
                    continue
                name = f"sch{secrets.token_hex(6)}"
                self.databases[name] = Database("", user=False)
                note = json.dumps({"golden": golden["golden"], "profile": golden["profile"]})
                self.put(f"{ROOT}/pool/{name}.loading", note)
                self.load_parts(name, golden["parts"])
                self.rename(f"{ROOT}/pool/{name}.loading", f"{ROOT}/pool/{name}.ready")
                done["loaded"] += 1
        return done

    def _drop_of_pool(self, row: dict[str, Any]) -> None:
        self.databases.pop(row["database"], None)
        self.remove(f"{ROOT}/pool/{row['database']}.{row['state']}")

    def pack(self, folder: str, names: list[str], path: str) -> dict[str, Any]:
        kept = {
            file.removeprefix(f"{folder}/"): text
            for file, text in self.files.items()
            if any(file.startswith(f"{folder}/{name}/") for name in names)
        }
        self.put(path, json.dumps(kept, sort_keys=True))
        return {"files": len(kept), "sha256": self.sha256(path), "bytes": len(self.files[path])}

    def _untar(self, file: str, folder: str) -> Answer:
        for name, text in json.loads(self.files[file]).items():
            path = f"{folder}/{name}"
            parts = path.removeprefix(f"{folder}/").split("/")[:-1]
            self.folders |= {"/".join([folder, *parts[: end + 1]]) for end in range(len(parts))}
            self.put(path, text)
        return Answer()

    def _untar_stripped(self, file: str, folder: str, strip: int) -> Answer:
        with tarfile.open(fileobj=io.BytesIO(as_bytes(self.files[file])), mode="r:*") as archive:
            for member in archive:
                parts = member.name.split("/")[strip:]
                if not parts:
                    continue
                self.folders |= {"/".join([folder, *parts[:end]]) for end in range(len(parts))}
                content = archive.extractfile(member)
                if content is not None:
                    self.put("/".join([folder, *parts]), as_text(content.read()))
        return Answer()

    def _copy(self, source: str, target: str) -> Answer:
        if not self.below(source):
            return Answer(1, stderr=f"cp: cannot stat '{source}': No such file or directory")
        for name in self.below(source):
            moved = target + name.removeprefix(source)
            if name in self.files:
                self.files[moved] = self.files[name]
            else:
                self.folders.add(moved)
        return Answer()

    def _edge_conf(self) -> dict[str, str]:
        return {path: text for path, text in self.files.items() if path.startswith(f"{ROOT}/edge/conf/")}

    def edge_is_current(self) -> bool:
        return self._edge_conf() == self.edge_live

    def _activate(self, *, check: bool) -> Answer:
        conf = self._edge_conf()
        if conf == self.edge_live:
            return Answer(stdout="unchanged\n")
        if check:
            return Answer(stdout="would change\n")
        if self.edge_refuses is not None and any(self.edge_refuses in text for text in conf.values()):
            return Answer(1, stderr="nginx: [emerg] unexpected end of file")
        self.edge_live = conf
        self.reloads += 1
        return Answer(stdout="changed\n")

    # --- certificates ------------------------------------------------------------------------------------------------

    def standing(self) -> list[dict[str, Any]]:
        """Return how the certificates stand, as schools-certs tells it."""
        folder = f"{ROOT}/edge/conf/certificates/"
        declared = {
            path.removeprefix(folder)[:-5]: json.loads(self.files[path]) for path in self.files if folder in path
        }
        return [self._stands(slug, row) for slug, row in sorted(declared.items())]

    def _stands(self, slug: str, row: dict[str, Any]) -> dict[str, Any]:
        trusted = slug in self.trusted
        state, issuer = ("trusted", "An Authority") if trusted else ("self-signed", "Schoolctl, signed by itself")
        return {
            "slug": slug, "domain": row["domain"], "way": row["certificate"], "state": state, "issuer": issuer,
            "expires": "2026-04-30T00:00:00Z", "renews": None, "missing": [], "alarm": slug in self.expiring,
            "ends": "2026-02-09T00:00:00Z" if slug in self.expiring else None,
            "fault": None if trusted else self.authority_refuses, "retry": None, "budget": 50,
        }  # fmt: skip

    def _certs(self, verb: str, slugs: tuple[str, ...], stdin: str) -> Answer:
        rows = {row["slug"]: row for row in self.standing()}
        is_forced, slugs = "--force" in slugs, tuple(word for word in slugs if word != "--force")
        if unknown := set(slugs) - set(rows):
            return Answer(1, stderr=f"schools-certs: the edge knows no school {unknown.pop()}")
        if verb == "own":
            if "PRIVATE KEY" not in stdin:
                return Answer(1, stderr="schools-certs: it holds 0 private keys and 1 certificates")
            self.own_certificates[slugs[0]] = stdin
            kept = {"slug": slugs[0], "names": [], "issuer": "Its own", "expires": "2026-04-30T00:00:00Z"}
            return Answer(stdout=json.dumps({**kept, "trusted": True, "missing": []}))
        if is_forced and self.authority_refuses is not None:
            return Answer(1, stderr=f"schools-certs: not replaced: {slugs[0]}: {self.authority_refuses}")
        self.replaced += slugs if is_forced else ()
        if verb == "get" and self.authority_refuses is None:
            self.trusted |= {slug for slug in slugs or rows if rows[slug]["way"] != "self-signed"}
        return Answer(stdout=json.dumps([row for row in self.standing() if row["slug"] in (slugs or rows)]))

    def _sql(self, script: str) -> Answer:
        out = ""
        for statement in filter(None, (line.strip().removesuffix(";") for line in script.splitlines())):
            if found := re.fullmatch(r"CREATE DATABASE `(\w+)` .*", statement):
                if found[1] in self.databases:
                    return Answer(1, stderr="ERROR 1007: database exists")
                self.databases[found[1]] = Database("", user=False)
            elif found := re.fullmatch(
                r"(CREATE|ALTER) USER '(\w+)'@'%' IDENTIFIED BY '([^']+)'(?: WITH MAX_USER_CONNECTIONS (\d+))?",
                statement,
            ):
                if found[2] not in self.databases:
                    return Answer(1, stderr="ERROR 1396: Operation ALTER USER failed")
                self.databases[found[2]].user, self.databases[found[2]].password = True, found[3]
                self.databases[found[2]].connections = int(found[4] or self.databases[found[2]].connections)
                self.secrets.add(found[3])
            elif found := re.fullmatch(r"DROP DATABASE IF EXISTS `(\w+)`", statement):
                self.databases.pop(found[1], None)
            elif found := re.fullmatch(r"SHOW DATABASES LIKE '(\w+)%?'", statement):
                out += "".join(f"{name}\n" for name in sorted(self.databases) if name.startswith(found[1]))
            elif found := re.fullmatch(r"SHOW FULL TABLES FROM `(\w+)` WHERE .*", statement):
                kept = self.databases[found[1]]
                out += "".join(f"{table}\tBASE TABLE\n" for table in kept.tables if table not in kept.views)
            elif found := re.fullmatch(r"SHOW TABLES FROM `(\w+)`", statement):
                if found[1] not in self.databases:
                    return Answer(1, stderr=f"ERROR 1049: Unknown database '{found[1]}'")
                out += "".join(f"{table}\n" for table in self.databases[found[1]].tables)
            elif found := re.fullmatch(r"SHOW TABLE STATUS FROM `(\w+)`", statement):
                facts = "\tInnoDB\t10\tDynamic\t1\t16384\t16384\t0\t32768\n"
                out += "".join(table + facts for table in self.databases[found[1]].tables)
            elif found := re.fullmatch(r"SELECT app_name, app_version FROM `(\w+)`\..*", statement):
                if not self.databases[found[1]].tables:
                    return Answer(1, stderr="ERROR 1146 (42S02): Table 'tabInstalled Application' doesn't exist")
                out += "".join(f"{app}\t{version}\n" for app, version in self._versions_in(found[1]).items())
            elif found := re.fullmatch(r"SELECT `password` FROM `(\w+)`\..*", statement):
                out += f"{self.databases[found[1]].seal}\n" if self.databases[found[1]].seal else ""
            elif found := re.fullmatch(r"ALTER USER '(\w+)'@'%' WITH MAX_USER_CONNECTIONS (\d+)", statement):
                self.databases[found[1]].connections = int(found[2])
            elif not re.fullmatch(
                r"DROP USER IF EXISTS '\w+'@'(%|localhost)'|GRANT ALL PRIVILEGES ON `\w+`\.\* TO '\w+'@'%'", statement
            ):
                return Answer(1, stdout=out, stderr=f"ERROR 1064 (42000): You have an error near '{statement}'")
        return Answer(stdout=out)

    def _redis(self, argv: tuple[str, ...], script: str) -> Answer:
        if argv[3] == "schools-queue" and "cjson" in script:
            return Answer(stdout=json.dumps(self.queues))
        assert argv[-6:-1] == ("-X", "script", "EVAL", "script", "0"), argv
        name = argv[-1]
        if argv[3] == "schools-cache":
            self.cache = {key for key in self.cache if not key.startswith(f"{name}|")}
        elif "UNLINK" in script:
            self.jobs = {job: status for job, status in self.jobs.items() if _site_of(job) != name}
        else:
            pending = [job for job, status in self.jobs.items() if status in {"queued", "started"}]
            return Answer(stdout=f"{sum(_site_of(job) == name for job in pending)}\n")
        return Answer(stdout="0\n")

    def _bench(self, argv: tuple[str, ...], stdin: str) -> Answer:
        if argv[0] == "new-site":
            site = argv[1]
            first, second = stdin.splitlines()
            if first != second:
                return Answer(1, stderr="passwords do not match")
            self.secrets.add(first)
            config = self.site_config(site)
            database = self.databases[config["db_name"]]
            if "--no-setup-db" not in argv or argv[argv.index("--db-name") + 1] != config["db_name"]:
                return Answer(1, stderr="would make a database of its own")
            if database.password != config["db_password"]:
                return Answer(1, stderr="Access denied")
            database.tables = list(FRAPPE_TABLES)
            for folder in ("public", "public/files", "private", "private/files"):
                self.folders.add(f"{ROOT}/sites/{site}/{folder}")
            self._work_on(site)
            return Answer()
        if argv == ("version",):
            return Answer(stdout="".join(f"{app} {version}\n" for app, version in self.versions.items()))
        site, verb = argv[1], argv[2]
        if f"{ROOT}/sites/{site}/site_config.json" not in self.files:
            return Answer(1, stderr=f"{site} does not exist")
        database = self.databases[self.site_config(site)["db_name"]]
        self._work_on(site)
        if verb == "install-app":
            database.tables.append(f"tab {argv[3]}")
            if database.versions is not None:
                database.versions[argv[3]] = self.versions[argv[3]]
        elif verb == "migrate":
            database.versions = {
                app: self.versions[app] for app in self._versions_in(self.site_config(site)["db_name"])
            }
        elif verb == "execute" and argv[3:] == ("lms_app.staging.mute",):
            database.muted = True
            return Answer(stdout='a word of the bench\n{"webhooks": 2}\n')
        elif verb == "execute" and argv[3] in {"lms_app.health.examine", "lms_app.printing.print_picture"}:
            return self._tell_health(site, argv[3].rpartition(".")[2])
        elif verb == "execute" and argv[3].startswith("lms_app.access."):
            return self._access(argv[3].rpartition(".")[2], ast.literal_eval(argv[5]) if len(argv) > 5 else {})
        elif verb == "execute" and argv[3] == "lms_app.golden.prepare":
            until = "2026-12-31" if len(argv) > 5 else None
            return Answer(stdout=f"a word of the bench\n{json.dumps({'serves_until': until})}\n")
        elif verb == "execute":
            if ast.literal_eval(argv[5]).get("password_on_stdin"):
                self.secrets.add(stdin.removesuffix("\n"))
                self.scheduled.add(self.site_config(site)["db_name"])
            self.personalised[site] = {"function": argv[3], "arguments": argv[5]}
            arguments = ast.literal_eval(argv[5])
            database.title = arguments.get("title", database.title)
            database.seal = database.seal or seal_of(self.site_config(site)["encryption_key"])
            if minutes := arguments.get("login_minutes"):
                return Answer(stdout=json.dumps({"login": self._link("Administrator", minutes)["path"]}) + "\n")
        elif verb == "enable-scheduler":
            self.scheduled.add(self.site_config(site)["db_name"])
        elif verb != "clear-cache":
            return Answer(2, stderr=f"No such command '{verb}'")
        return Answer()

    def _versions_in(self, name: str) -> dict[str, str]:
        found = self.databases[name].versions
        return self.versions if found is None else found

    def _tell_health(self, site: str, function: str) -> Answer:
        ill = self.health.get(site, {})
        if ill is None:
            return Answer(1, stderr="OperationalError: no such table")
        if function == "print_picture":
            return Answer(stdout=json.dumps({"pages": 1, "picture": "/assets/a.png", "found": True, **ill}) + "\n")
        told = {
            "scheduler": {"enabled": True, "paused": None, "dormant": False, "last_tick": 60},
            "mail": {"muted": False, "sender": "office@example.com", "failed": 0, "waiting": 0},
            "printing": {"heads_lost": False},
        }
        facts = {part: {**value, **{key: ill[key] for key in value if key in ill}} for part, value in told.items()}
        return Answer(stdout=json.dumps(facts) + "\n")

    def _work_on(self, site: str) -> None:
        """Leave behind what every command of a bench does: something cached, and a job that is over."""
        self.cache.add(f"{self.site_config(site)['db_name']}|bootinfo")
        self.jobs[f"{site}::{len(self.jobs)}"] = "finished"

    def _access(self, function: str, arguments: dict[str, Any]) -> Answer:
        user = arguments.get("user", "Administrator")
        if user not in self.users:
            return Answer(1, stderr=f"frappe.exceptions.DoesNotExistError: User {user} not found")
        if function == "login_link":
            told = self._link(user, arguments.get("minutes", 10))
        else:
            told = {"user": user, "password": self._secret(f"new-password-of-{user}")}
        return Answer(stdout=f"a word of the bench\n{json.dumps(told)}\n")

    def _link(self, user: str, minutes: int) -> dict[str, Any]:
        key = self._secret(f"login-link-of-{user}")
        return {"user": user, "path": f"/login?key={key}", "expires_in": 60 * minutes}

    def _secret(self, name: str) -> str:
        secret = f"{name}-{len(self.secrets)}"
        self.secrets.add(secret)
        return secret


def seal_of(key: str) -> str:
    """Return what is stored with a key, and tells nothing of it."""
    return hashlib.sha256(f"sealed by {key}".encode()).hexdigest()[:16]


def as_bytes(text: str) -> bytes:
    """Return the bytes of a file of the model."""
    return text.encode("utf-8", "surrogateescape")


def as_text(data: bytes) -> str:
    """Return bytes as the model keeps a file."""
    return data.decode("utf-8", "surrogateescape")


def a_tar(files: dict[str, str]) -> bytes:
    """Return a tar of some files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(as_bytes(text))
            archive.addfile(member, io.BytesIO(as_bytes(text)))
    return data.getvalue()


def _site_of(job: str) -> str:
    return job.partition("::")[0]
