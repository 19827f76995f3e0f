"""The drill: a set is proven by restoring it to a site of its own, going in there, and taking it all away again.

The site is the school's name with `.drill` behind it. The edge leads nobody to it; no job runs in it, and nothing goes
out of it: what its school keeps for use elsewhere is not in its configuration, and what would call or write to others
is switched off in its database, as is what would keep the Administrator from a password of this hour. All that is made
for it is in a claim before it is made, so that whoever comes after a drill that was killed can clear it away.
"""

import base64
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from backup import fetching, images, programs, redis, sets, standing
from backup.database import Database
from backup.errors import BackupError
from backup.files import locked, put, put_json, read_json
from backup.settings import checked_slug

DRILL = ".drill"
DOING = "verify-backup"
CHECKS = ("hashes", "tables", "rows", "compare", "secrets", "login", "user", "file")

_PATIENCE_S = 300
_TOLD = 3
_PRIVATE = "/private/files/"
# What bench expects in the folder of a site, besides its files.
_FOLDERS = ("private/backups", "locks", "logs")
# In the configuration of its school, these say how its database is to be read; any other may be somebody's account.
_KEPT = ("db_type", "encryption_key", "user_type_doctype_limit")
# What Frappe gives a password by default.
_ROUNDS = 29_000

# What calls or writes to others as documents are made: the value that switches it off, by table and column.
_MUTE = {
    "tabWebhook": {"enabled": 0},
    "tabNotification": {"enabled": 0},
    "tabServer Script": {"disabled": 1},
    "tabEmail Account": {"enable_incoming": 0, "enable_outgoing": 0},
}
# What lets nobody in by name and password alone, or not from here, or not now.
_LOGIN_SETTINGS = (
    "allow_consecutive_login_attempts",
    "allow_login_using_mobile_number",
    "allow_login_using_user_name",
    "deny_multiple_sessions",
    "disable_user_pass_login",
    "enable_two_factor_auth",
    "force_user_to_reset_password",
)
_LOGIN_LIMITS = {"restrict_ip": "NULL", "login_before": "0", "login_after": "0"}

_QUIETLY = "SET SESSION sql_log_bin = 0;\n"
_COLUMNS = (
    "SELECT HEX(table_name), HEX(column_name) FROM information_schema.columns WHERE table_schema = DATABASE()"
    " AND table_name IN ({});\n"
)
_KINDS = "SELECT HEX(table_name), table_type FROM information_schema.tables WHERE table_schema = DATABASE();\n"
# `USE INDEX ()` is what no view takes: one in a table's place could act with the rights of whoever asks it.
_COUNT = "SELECT COUNT(*) FROM `{}` USE INDEX ();\n"
_SWITCH = "UPDATE `{}` USE INDEX () SET {};\n"
_OPEN = "UPDATE tabSingles USE INDEX () SET value = '0' WHERE doctype = 'System Settings' AND field IN ({});\n"
_LIMIT = "UPDATE tabUser USE INDEX () SET {} WHERE name = 'Administrator';\n"
# Nobody else can reach the throw-away database yet, so that what was a table is one still.
_LET_IN = (
    "SELECT 1 FROM `__Auth` USE INDEX () LIMIT 0;\n"
    "REPLACE INTO `__Auth` (doctype, name, fieldname, `password`, encrypted)"
    " VALUES ('User', 'Administrator', 'password', '{}', 0);\n"
)
_SECRETS = (
    "SELECT HEX(doctype), HEX(name), HEX(fieldname), HEX(`password`) FROM `__Auth` USE INDEX ()"
    " WHERE encrypted = 1 AND `password` <> '' ORDER BY doctype, name, fieldname;\n"
)
_PRIVATE_FILES = (
    "SELECT DISTINCT HEX(file_url) FROM tabFile USE INDEX ()"
    " WHERE is_private = 1 AND file_url LIKE '/private/files/%' ORDER BY 1;\n"
)

# Sent to the web container's Python on stdin, with what it shall ask: no password is in an argument or a file.
_VISIT = """
import hashlib, http.client, http.cookies, json, socket, urllib.parse
class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("bench", timeout=120)
        self.path = path
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
def visit(asked):
    connection = Connection(asked["socket"])
    headers = {"Host": asked["site"], "X-Frappe-Site-Name": asked["site"], "Accept": "application/json"}
    def ask(method, path, form=None):
        body = urllib.parse.urlencode(form) if form else None
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        connection.request(method, path, body, {**headers, **kind})
        return connection.getresponse()
    def said(answer):
        text = answer.read(1000000).decode(errors="replace")
        try:
            found = json.loads(text)
        except ValueError:
            found = {}
        message = found.get("message") if isinstance(found, dict) else None
        return {"status": answer.status, "message": message if isinstance(message, str) else None}
    answer = ask("POST", "/api/method/login", {"usr": asked["user"], "pwd": asked["password"]})
    found = {"login": said(answer)}
    cookies = http.cookies.SimpleCookie()
    for line in answer.headers.get_all("Set-Cookie") or []:
        cookies.load(line)
    if "sid" in cookies and found["login"]["status"] == 200:
        headers["Cookie"] = "sid=" + cookies["sid"].value
        found["user"] = said(ask("GET", "/api/method/frappe.auth.get_logged_user"))
        if asked["file"]:
            answer = ask("GET", urllib.parse.quote(asked["file"]))
            digest, size = hashlib.sha256(), 0
            while block := answer.read(1 << 20):
                digest.update(block)
                size += len(block)
            found["file"] = {"status": answer.status, "sha256": digest.hexdigest(), "bytes": size}
    print(json.dumps(found))
"""


def drill(settings, slug, set_id=None, target=None):
    """Prove a set of a school; return how it went.

    set_id: the newest if left out. target: each in turn if left out; never another where one has it damaged. Of the
    answer: slug, set, target, taken, at, ok, fault (a sentence, or None), seconds (all of it), restore_seconds (until
    it could be entered), age_seconds (of what a restore would bring back), checks (ok, said and seconds by name; ok is
    None for what could not be tried). Raises BackupError if another drill of the school is under way.
    """
    checked_slug(slug)
    with _alone(settings, slug):
        clear(settings, slug)
        return _Drill(settings, slug).run(set_id, target)


def not_begun(slug, set_id, target, at, fault):
    """Return the report of a drill that did not come as far as one. at: when (ISO)."""
    nothing = dict.fromkeys(("taken", "restore_seconds", "age_seconds"))
    told = {"slug": slug, "set": set_id, "target": target, "at": at, "ok": False, "fault": fault, **nothing}
    return {**told, "seconds": 0.0, "checks": {}}


def left(settings):
    """Return the schools of which a drill left something when it was killed."""
    names = [path.stem for path in sorted((settings.root / "journal").glob(f"*{DRILL}.json"))]
    return [name.removesuffix(DRILL) for name in names]


def clear(settings, slug):
    """Take away all that a drill of a school made, as its claim says. The caller holds the drill's lock."""
    name = slug + DRILL
    claim = settings.claim(name)
    if not claim.exists():
        return
    # First what the bench sees, last what tells that there is something.
    _remove(settings.site(name))
    redis.forget(settings, "forget_jobs", name)
    if database := (read_json(claim) or {}).get("database"):
        Database(settings).drop(database)
        redis.forget(settings, "forget_cache", database)
    for folder in _beside(settings, slug):
        _remove(folder)
    claim.unlink()


def clear_left(settings):
    """Clear away what drills left that were killed; return why that failed, by school."""
    faults = {}
    for slug in left(settings):
        try:
            with _alone(settings, slug):
                clear(settings, slug)
        except (BackupError, OSError) as fault:  # noqa: PERF203 - one that fails must not keep the others
            faults[slug] = str(fault)
    return faults


def _alone(settings, slug):
    """Hold what no other drill of a school may have; its backups are not in its way, nor it in theirs."""
    doing = f"{DOING}, since {sets.iso(sets.now())} (process {os.getpid()})"
    return locked(settings.backups / "locks" / (slug + DRILL), doing)


class _FailedError(Exception):
    """End a check that did not pass, in a sentence."""


class _Drill:
    """One drill: what it found so far, and what it works on."""

    def __init__(self, settings, slug):
        self._settings = settings
        self._slug = slug
        self._site = slug + DRILL
        self._database = Database(settings)
        self._name = f"sch{secrets.token_hex(6)}"
        self._password = secrets.token_urlsafe(24)
        self._set, self._making = _beside(settings, slug)
        self._target = None
        self._manifest = None
        self._checks = {}

    def run(self, set_id, target):
        """Go through all of it, and leave nothing; return the report."""
        began, at = time.monotonic(), sets.now()
        claim = {"doing": DOING, "database": self._name, "since": sets.iso(at)}
        (self._settings.root / "journal").mkdir(parents=True, exist_ok=True)
        put_json(self._settings.claim(self._site), claim)
        restored = None
        try:
            self._target = target
            self._see("hashes", lambda: self._fetch(set_id, target))
            self._see("tables", self._load)
            self._see("rows", self._count)
            self._see("compare", self._compare, ends=False)
            self._see("secrets", self._decrypt, ends=False)
            compared = sum(self._checks[name]["seconds"] for name in ("rows", "compare", "secrets"))
            self._enter()
            restored = time.monotonic() - began - compared
        except _FailedError:
            pass
        finally:
            cleared = self._clear()
        for name in CHECKS:
            self._checks.setdefault(name, {"ok": None, "said": "not tried", "seconds": 0.0})
        faults = [f"{name}: {check['said']}" for name, check in self._checks.items() if check["ok"] is False]
        # Nothing is proven by what was not tried for want of a cause.
        faults += [] if cleared is None else [f"not all of it could be taken away: {cleared}"]
        taken = sets.moment_of(self._manifest["taken"]) if self._manifest else None
        return {
            "slug": self._slug,
            "set": self._manifest["set"] if self._manifest else set_id,
            "target": self._target,
            "taken": sets.iso(taken) if taken else None,
            "at": sets.iso(at),
            "ok": not faults,
            "fault": "; ".join(faults) or None,
            "seconds": round(time.monotonic() - began, 3),
            "restore_seconds": None if restored is None else round(restored, 3),
            "age_seconds": (at - taken).total_seconds() if taken else None,
            "checks": self._checks,
        }

    def _see(self, name, check, *, ends=True):
        """Make a check and note how it went. ends: without it nothing that follows would mean anything."""
        began, ok = time.monotonic(), False
        try:
            said = check()
            ok = True
        except (_FailedError, BackupError, OSError) as fault:
            said = str(fault)
        except Exception as fault:
            # Whatever a damaged set makes of this program is an answer too.
            said = f"{type(fault).__name__}: {fault}"
        self._checks[name] = {"ok": ok, "said": said, "seconds": round(time.monotonic() - began, 3)}
        if ends and not ok:
            raise _FailedError(said)

    def _clear(self):
        try:
            clear(self._settings, self._slug)
        except (BackupError, OSError) as fault:
            return str(fault)
        return None

    # --- the set -----------------------------------------------------------------------------------------------------

    def _fetch(self, set_id, target):
        name, places = fetching.choose(self._settings, self._slug, set_id, None, target)
        last = (standing.read(self._settings)["schools"].get(self._slug, {}).get("drill") or {}).get("target")
        names = sorted(places)
        self._target = next((place for place in names if last and place > last), names[0])
        # Whole and as its manifest says, or not at all.
        self._manifest = fetching.fetch(self._settings, self._slug, set_id or name, None, self._target, str(self._set))
        number = sets.number_of_files(self._manifest)
        return f"{number} files are as the manifest of {self._manifest['set']} says{self._other_image()}"

    def _load(self):
        self._database.create(self._name, self._password)
        done = self._database.load(self._set, self._manifest, self._name)
        wanted = len(self._manifest["database"]["tables"])
        found = self._database.ask("SHOW FULL TABLES WHERE table_type <> 'VIEW';\n", self._name)
        if len(found) != wanted:
            raise _FailedError(f"{len(found)} of {wanted} tables arrived")
        return f"{wanted} tables, loaded in {done['seconds']:.1f} s"

    def _count(self):
        wanted = {table: entry["rows"] for table, entry in self._manifest["database"]["tables"].items()}
        # A sequence has a row that no dump counts.
        kinds = dict(self._database.ask(_KINDS, self._name))
        tables = [table for table in sorted(wanted) if kinds.get(table.encode().hex().upper()) == "BASE TABLE"]
        sql = "".join(_COUNT.format(table.replace("`", "``")) for table in tables)
        rows = self._database.ask(sql, self._name)
        found = {table: int(row[0]) for table, row in zip(tables, rows, strict=True)}
        wrong = [
            f"`{table}` has {found[table]} of {wanted[table]}" for table in tables if found[table] != wanted[table]
        ]
        if wrong:
            raise _FailedError(f"rows are missing or too many: {_some(wrong)}")
        return f"{sum(found.values())} rows in {len(tables)} tables"

    def _compare(self):
        differs = self._database.differences(self._name, self._manifest)
        if differs:
            raise _FailedError(f"not what the manifest says, byte for byte: {_some(differs)}")
        return "dumped again, every byte is as the manifest says"

    def _decrypt(self):
        if "__Auth" not in self._manifest["database"]["tables"]:
            return "none stored"
        rows = [[bytes.fromhex(text) for text in row] for row in self._database.ask(_SECRETS, self._name)]
        if not rows:
            return "none stored"
        key = self._config().get("encryption_key")
        if not key:
            raise _FailedError(f"0 of {len(rows)} could be read: the set has no encryption key")
        try:
            locksmith = Fernet(key)
        except (TypeError, ValueError):
            raise _FailedError(f"0 of {len(rows)} could be read: the encryption key is none") from None
        closed = []
        for doctype, name, field, secret in rows:
            try:
                locksmith.decrypt(secret)
            except InvalidToken:  # noqa: PERF203 - each is asked for itself
                closed.append(b"/".join((doctype, name, field)).decode(errors="replace"))
        if closed:
            raise _FailedError(f"{len(rows) - len(closed)} of {len(rows)} could be read; not {_some(closed)}")
        return f"{len(rows)} of {len(rows)} could be read"

    def _config(self):
        return read_json(self._set / sets.CONFIG) or {}

    # --- the site ----------------------------------------------------------------------------------------------------

    def _enter(self):
        """Make the site, go in, and look at what it shows."""
        began = time.monotonic()
        url, entry, trouble = None, None, None
        try:
            url, entry = self._private_file()
        except (_FailedError, BackupError) as fault:
            trouble = str(fault)
        try:
            password = secrets.token_urlsafe(24)
            self._make_way(password)
            self._make_site()
            seen = self._visit(password, url)
        except (_FailedError, BackupError, OSError, ValueError) as fault:
            seen = {"login": {"status": None, "message": str(fault)}}
        seconds = round(time.monotonic() - began, 3)
        login, user = seen["login"], seen.get("user")
        self._note(
            "login", login["status"] == 200 and user is not None, _said(login, "Administrator is let in"), seconds
        )
        if not self._checks["login"]["ok"]:
            self._checks["login"]["said"] += self._other_image()
            return
        self._note("user", user["message"] == "Administrator", _said(user, "is known as Administrator"))
        if trouble:
            self._note("file", False, trouble)
        elif url is None:
            self._note("file", True, "none stored")
        else:
            fetched = seen["file"]
            same = fetched["status"] == 200 and fetched["sha256"] == entry["sha256"]
            words = f"{url}: {fetched['bytes']} bytes" + (", as the manifest says" if same else
                     f" came with status {fetched['status']}, which are not those of the manifest")  # fmt: skip
            self._note("file", same, words)

    def _note(self, name, ok, said, seconds=0.0):
        self._checks[name] = {"ok": ok, "said": said, "seconds": seconds}

    def _private_file(self):
        """Return address and entry of a file that only some may read, by chance; None for both where there is none."""
        tables, entries = self._manifest["database"]["tables"], self._manifest["files"]["entries"]
        if "tabFile" not in tables:
            return None, None
        urls = [bytes.fromhex(row[0]).decode() for row in self._database.ask(_PRIVATE_FILES, self._name)]
        if not urls:
            return None, None
        found = [url for url in urls if f"private/{url[len(_PRIVATE) :]}" in entries]
        if not found:
            raise _FailedError(
                f"the school lists {len(urls)} private files, and the set holds none of them: {_some(urls)}"
            )
        url = secrets.choice(found)
        return url, entries[f"private/{url[len(_PRIVATE) :]}"]

    def _make_way(self, password):
        """Let the Administrator in with a password of this hour, and nothing out."""
        tables = {*_MUTE, "tabSingles", "tabUser", "__Auth"}
        names = ", ".join(f"'{table}'" for table in sorted(tables))
        rows = self._database.ask(_COLUMNS.format(names), self._name)
        known = {tuple(bytes.fromhex(text).decode() for text in row) for row in rows}
        if not {("tabUser", "name"), ("__Auth", "password")} <= known:
            raise _FailedError("the school has no users")
        sql = [_QUIETLY]
        for table, columns in _MUTE.items():
            there = [f"`{column}` = {value}" for column, value in columns.items() if (table, column) in known]
            sql += [_SWITCH.format(table, ", ".join(there))] if there else []
        if ("tabSingles", "value") in known:
            sql.append(_OPEN.format(", ".join(f"'{field}'" for field in _LOGIN_SETTINGS)))
        limits = [f"`{column}` = {value}" for column, value in _LOGIN_LIMITS.items() if ("tabUser", column) in known]
        sql += [_LIMIT.format(", ".join(limits))] if limits else []
        sql.append(_LET_IN.format(hashed(password)))
        self._database.ask("".join(sql), self._name)

    def _make_site(self):
        """Put the site in its place by one rename: until then only root can reach what becomes of it."""
        making, files = self._making, self._set / "files"
        _remove(making)
        for folder in ("public", "private", *_FOLDERS):
            (making / folder).mkdir(parents=True, exist_ok=True)
        for kind in ("public", "private"):
            place = making / kind / "files"
            if (files / kind).exists():
                (files / kind).rename(place)
            else:
                place.mkdir()
        config = {key: value for key, value in self._config().items() if key in _KEPT}
        config |= {"db_name": self._name, "db_password": self._password, "pause_scheduler": 1, "mute_emails": 1}
        put(making / sets.CONFIG, json.dumps({"db_type": "mariadb", **config}, indent=1, sort_keys=True) + "\n")
        owner = self._settings.frappe_uid
        for inside, folders, names in os.walk(making):
            for path in (inside, *(os.path.join(inside, name) for name in (*folders, *names))):  # noqa: PTH118
                os.chown(path, owner, owner, follow_symlinks=False)
        for inside, _, _ in os.walk(making):
            Path(inside).chmod(0o750)
        making.rename(self._settings.site(self._site))

    def _visit(self, password, url):
        asked = {"site": self._site, "user": "Administrator", "password": password, "file": url}
        asked["socket"] = self._settings.web.get("socket", "/run/web/gunicorn.sock")
        text = f"{_VISIT}\nvisit(json.loads({json.dumps(asked)!r}))\n"
        done = programs.run(self._settings.web["argv"], text=text, timeout=_PATIENCE_S)
        lines = done.stdout.decode(errors="replace").splitlines()
        return json.loads(lines[-1]) if lines else {"login": {"status": None, "message": "the bench said nothing"}}

    def _other_image(self):
        now = images.running(self._settings)
        deeds = {
            images.OTHER: "a restore brings it to that",
            images.NEWER: "that is older, and a restore refuses it unless --newer-image is said",
        }
        if deed := deeds.get(images.relation(self._manifest, now)):
            return f" (the set is of {self._manifest['image']}, the bench runs {now['image']}: {deed})"
        return ""


def hashed(password):
    """Return what Frappe keeps of a password: pbkdf2_sha256 in the form of passlib."""
    salt = secrets.token_bytes(16)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    parts = (base64.b64encode(data, altchars=b"./").decode().rstrip("=") for data in (salt, digest))
    return "$".join(("$pbkdf2-sha256", str(_ROUNDS), *parts))


def _beside(settings, slug):
    """Return where a drill has the set, and where it makes the site."""
    return tuple(settings.backups / "fetched" / f"{slug}{DRILL}{end}" for end in ("", ".site"))


def _remove(folder):
    """Remove a folder of which the bench may still change what is in it; nothing that a link leads to."""
    for again in (False, False, True):
        with contextlib.suppress(FileNotFoundError):
            if folder.is_symlink():
                folder.unlink()
            else:
                shutil.rmtree(folder, ignore_errors=not again)
        if not os.path.lexists(folder):
            return


def _said(answer, well):
    """Return how an answer of the bench is told."""
    if answer["status"] == 200 and answer["message"] != "Password Reset":
        return well
    return (
        f"status {answer['status']}, {answer['message'] or 'without a word'}" if answer["status"] else answer["message"]
    )


def _some(names):
    more = f", and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
