"""A server in memory: folders, files, databases and an edge, as far as the workflows can see them."""

import ast
import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from schoolctl.render import context
from schoolctl.render.environment import render
from schoolctl.schools.platform import CONTAINERS, load
from schoolctl.transport.session import ServerFaultError

CHECKOUT = Path(__file__).resolve().parents[3]
ROOT = "/srv/schools"
FRAPPE_TABLES = ("tabDocType", "tabSingles", "tabUser")
FOLDERS = (
    *("sites", "journal", "backups", "archive", "golden", "edge/auth"),
    *("edge/conf", "edge/conf/hosts", "edge/conf/schools", "edge/conf/pages"),
)
ADMIN_SQL = ("docker", "exec", "-i", "schools-db", "mariadb", "--batch", "--skip-column-names")
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
        self.free = 50 * 1024**3
        self.audit: list[dict[str, Any]] = []
        self.locked_by: str | None = None
        self.holder: dict[str, Any] | None = None
        self.working = False
        self.operations: dict[str, list[dict[str, Any]]] = {}
        self.requests: list[dict[str, str]] = []
        self.docker_is_down = False
        self.users = {"Administrator", "ann@tech-school.com"}
        self.secrets: set[str] = set()
        self.journal_texts: list[str] = []
        self.personalised: dict[str, dict[str, str]] = {}
        self.scheduled: set[str] = set()
        self.cache: set[str] = set()
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

    def sites(self) -> set[str]:
        return {
            path.split("/")[4] for path in self.files if re.fullmatch(rf"{ROOT}/sites/[^/]+/site_config.json", path)
        }

    def closed(self) -> set[str]:
        form = rf"{ROOT}/archive/([^/]+)\.closed/site_config.json"
        return {found[1] for path in self.files if (found := re.fullmatch(form, path))}

    def owned_by(self, slug: str) -> dict[str, Any]:
        """Return everything of one school, to compare before with after."""
        mine = [f"{ROOT}/{place}/{slug}" for place in ("sites", "backups", "archive", "journal")]
        mine += [f"{ROOT}/edge/conf/hosts/{slug}.map", f"{ROOT}/edge/conf/schools/{slug}.conf"]
        mine += [f"{ROOT}/edge/auth/{slug}"]
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
        return {"files": files, "database": database_facts, "live": live, "cached": cached, "jobs": jobs}

    def orphans(self) -> list[str]:
        """Return what no school owns: databases, half-made folders, claims, unfinished sets, edge files, Redis keys."""
        named = set()
        for path, text in self.files.items():
            if re.fullmatch(rf"{ROOT}/(sites/[^/]+|archive/[^/]+\.closed|archive/[^/]+/[^/]+)/site_config.json", path):
                named.add(json.loads(text)["db_name"])
        left = [f"database {name}" for name in self.databases if name not in named]
        left += [f"missing database {name}" for name in named if name not in self.databases]
        for path in sorted(self.folders | set(self.files)):
            top, _, rest = path.removeprefix(f"{ROOT}/").partition("/")
            if top == "journal" and rest:
                left.append(f"claim {path}")
            if top in {"sites", "archive"} and rest.partition("/")[0].endswith((".new", ".restored")):
                left.append(path)
            if ".partial" in path or ".candidate" in path:
                left.append(path)
        conf = self._edge_conf()
        if conf != self.edge_live:
            left.append("edge/conf is not in force")
        slugs = self.sites() | self.closed()
        edge = [path for path in conf if path not in edge_files()]
        edge += [path for path in self.files if path.startswith(f"{ROOT}/edge/auth/")]
        left += [f"edge file {path}" for path in edge if path.rpartition("/")[2].partition(".")[0] not in slugs]
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
                redirects = re.search(r"server_name ([^;]*);\s*include[^;]*;\s*return 308", conf)
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
        return (
            None
            if text is None
            else hashlib.sha256((text + ("!" if path in self.damaged else "")).encode()).hexdigest()
        )

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
        if argv[:2] == ("gzip", "--test"):
            bad = argv[2] in self.damaged or argv[2] not in self.files
            return Answer(1, stderr="gzip: crc error") if bad else Answer()
        if argv[0] == "tar":
            options = dict(part.removeprefix("--").partition("=")[::2] for part in argv[1:])
            return self._untar(options["file"], options["directory"])
        if argv[:2] == ("docker", "inspect"):
            container = self.containers.get(argv[-1])
            known = hashlib.sha256(container["image"].encode()).hexdigest() if container else ""
            return Answer(stdout=f"sha256:{known}\n") if known else Answer(1, stderr="Error: No such object")
        if argv[:2] == ("docker", "start"):
            self.containers[argv[2]]["state"] = "running"
            return Answer(stdout=f"{argv[2]}\n")
        return Answer(127, stderr=f"{argv[0]}: not found")

    def dump(self, name: str, path: str) -> dict[str, Any]:
        if name not in self.databases:
            raise ServerFaultError("dump", f"the dump ended with 2: Unknown database '{name}'")
        text = json.dumps(self.databases[name].tables)
        self.put(path, text)
        return {"tables": len(self.databases[name].tables), "sha256": self.sha256(path), "bytes": len(text)}

    def load(self, name: str, path: str) -> Answer:
        if path in self.damaged:
            raise ServerFaultError("damaged", f"{path}: CRC check failed")
        self.databases[name].tables = json.loads(self.files[path])
        return Answer()

    def dump_of(self, argv: list[str], path: str) -> dict[str, Any]:
        """Write a dump of the tables that follow the database's name."""
        name = next(word for word in argv if re.fullmatch(r"sch[0-9a-f]{12}", word))
        tables = argv[argv.index(name) + 1 :]
        assert set(tables) <= set(self.databases[name].tables)
        self.put(path, json.dumps(tables))
        return {"tables": len(tables), "sha256": self.sha256(path), "bytes": len(self.files[path])}

    def load_parts(self, name: str, parts: list[list[str]]) -> Answer:
        for path, digest in parts:
            if self.sha256(path) != digest:
                raise ServerFaultError("damaged", f"{path} is not what it was when it was made")
        for path, _ in parts:
            self.databases[name].tables += json.loads(self.files[path])
        return Answer()

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
                out += "".join(f"{table}\tBASE TABLE\n" for table in self.databases[found[1]].tables)
            elif found := re.fullmatch(r"SHOW TABLE STATUS FROM `(\w+)`", statement):
                facts = "\tInnoDB\t10\tDynamic\t1\t16384\t16384\t0\t32768\n"
                out += "".join(table + facts for table in self.databases[found[1]].tables)
            elif found := re.fullmatch(r"ALTER USER '(\w+)'@'%' WITH MAX_USER_CONNECTIONS (\d+)", statement):
                self.databases[found[1]].connections = int(found[2])
            elif not re.fullmatch(
                r"DROP USER IF EXISTS '\w+'@'%'|GRANT ALL PRIVILEGES ON `\w+`\.\* TO '\w+'@'%'", statement
            ):
                return Answer(1, stdout=out, stderr=f"ERROR 1064 (42000): You have an error near '{statement}'")
        return Answer(stdout=out)

    def _redis(self, argv: tuple[str, ...], script: str) -> Answer:
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
        site, verb = argv[1], argv[2]
        if f"{ROOT}/sites/{site}/site_config.json" not in self.files:
            return Answer(1, stderr=f"{site} does not exist")
        database = self.databases[self.site_config(site)["db_name"]]
        self._work_on(site)
        if verb == "install-app":
            database.tables.append(f"tab {argv[3]}")
        elif verb == "execute" and argv[3:] == ("lms_app.staging.mute",):
            database.muted = True
            return Answer(stdout='a word of the bench\n{"webhooks": 2}\n')
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
            if minutes := arguments.get("login_minutes"):
                return Answer(stdout=json.dumps({"login": self._link("Administrator", minutes)["path"]}) + "\n")
        elif verb == "enable-scheduler":
            self.scheduled.add(self.site_config(site)["db_name"])
        elif verb != "clear-cache":
            return Answer(2, stderr=f"No such command '{verb}'")
        return Answer()

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


def _site_of(job: str) -> str:
    return job.partition("::")[0]
