"""One site: its folder, its configuration, and the few tables that a rehearsal needs."""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from pymysql.cursors import Cursor

BENCH = Path("/home/frappe/frappe-bench")
SITES = BENCH / "sites"
LOGIN_PATH = "/api/method/frappe.www.login.login_via_key"
FOLDERS = ("public/files", "private/files", "private/backups", "locks", "logs")

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,80}")
_ROUNDS = 29_000
_KEYS = "Stand-in Login Key"
_SESSIONS = "Stand-in Session"
_ROW = (
    "name VARCHAR(140) NOT NULL PRIMARY KEY, creation DATETIME(6), modified DATETIME(6), modified_by VARCHAR(140), "
    "owner VARCHAR(140), docstatus TINYINT NOT NULL DEFAULT 0, idx INT NOT NULL DEFAULT 0"
)
_CHILD = f"{_ROW}, parent VARCHAR(140), parentfield VARCHAR(140), parenttype VARCHAR(140)"
# The tables that a bench's users ask for by name, with the columns that they ask for.
TABLES = {
    "tabDefaultValue": f"{_CHILD}, defkey VARCHAR(140), defvalue TEXT",
    "tabUser": (
        f"{_ROW}, enabled TINYINT NOT NULL DEFAULT 1, email VARCHAR(140), first_name VARCHAR(140), "
        "user_type VARCHAR(140) DEFAULT 'System User', last_login DATETIME(6), last_active DATETIME(6)"
    ),
    "tabSingles": "doctype VARCHAR(255), field VARCHAR(255), value LONGTEXT, KEY singles (doctype, field)",
    "__Auth": (
        "doctype VARCHAR(140), name VARCHAR(255), fieldname VARCHAR(140), `password` TEXT NOT NULL, "
        "encrypted TINYINT NOT NULL DEFAULT 0, PRIMARY KEY (doctype, name, fieldname)"
    ),
    "tabFile": f"{_ROW}, file_name VARCHAR(140), file_url LONGTEXT, is_private TINYINT NOT NULL DEFAULT 0",
    "tabInstalled Application": f"{_CHILD}, app_name VARCHAR(140), app_version VARCHAR(140)",
    "tabScheduled Job Type": (
        f"{_ROW}, method VARCHAR(140), frequency VARCHAR(140), stopped TINYINT NOT NULL DEFAULT 0, "
        "last_execution DATETIME(6)"
    ),
}


class UnknownSiteError(Exception):
    """There is no such site in this bench."""


@dataclass(frozen=True)
class Site:
    """A site by the name of its folder."""

    name: str

    @classmethod
    def named(cls, name: str) -> "Site":
        """Return a site of this bench; raises UnknownSiteError when there is none, or none can have that name."""
        site = cls(name)
        if not _NAME.fullmatch(name) or not site.config_file.is_file():
            raise UnknownSiteError(f"{name} does not exist")
        return site

    @property
    def folder(self) -> Path:
        """The site's folder."""
        return SITES / self.name

    @property
    def config_file(self) -> Path:
        """The site's own configuration."""
        return self.folder / "site_config.json"

    def config(self) -> dict[str, Any]:
        """Return the bench's configuration with the site's own laid over it."""
        shared = SITES / "common_site_config.json"
        settings: dict[str, Any] = json.loads(shared.read_text(encoding="utf-8")) if shared.is_file() else {}
        settings.update(json.loads(self.config_file.read_text(encoding="utf-8")))
        return settings

    def make_folders(self) -> None:
        """Make the folders that a site has, whatever of them exists."""
        for folder in FOLDERS:
            (self.folder / folder).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def database(self) -> Iterator[Cursor]:
        """Open the site's database as the site's own user; what is done in it counts when nothing fails."""
        config = self.config()
        connection = pymysql.connect(
            host=config.get("db_host", "db"),
            port=int(config.get("db_port", 3306)),
            user=config.get("db_user", config["db_name"]),
            password=config["db_password"],
            database=config["db_name"],
            charset="utf8mb4",
            connect_timeout=5,
        )
        try:
            with connection.cursor() as cursor:
                yield cursor
            connection.commit()
        finally:
            connection.close()


def make_table(cursor: Cursor, table: str) -> None:
    """Make one table, empty, in place of any of that name."""
    cursor.execute(f"DROP TABLE IF EXISTS `{table}`")
    cursor.execute(f"CREATE TABLE `{table}` ({TABLES[table]}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 ROW_FORMAT=DYNAMIC")


def installed_apps(cursor: Cursor) -> list[str]:
    """Return the apps that a site has, in the order in which they came."""
    cursor.execute("SELECT defvalue FROM `tabDefaultValue` WHERE parent = '__global' AND defkey = 'installed_apps'")
    row = cursor.fetchone()
    return list(json.loads(row[0])) if row else []


def add_app(cursor: Cursor, app: str, version: str) -> None:
    """Note that a site has one more app."""
    apps = [*installed_apps(cursor), app]
    cursor.execute(
        "REPLACE INTO `tabDefaultValue` (name, creation, modified, parent, parenttype, defkey, defvalue) "
        "VALUES ('installed_apps', NOW(), NOW(), '__global', '__default', 'installed_apps', %s)",
        (json.dumps(apps),),
    )
    cursor.execute(
        "REPLACE INTO `tabInstalled Application` (name, creation, modified, idx, parent, app_name, app_version) "
        "VALUES (%s, NOW(), NOW(), %s, 'Installed Applications', %s, %s)",
        (app, len(apps), app, version),
    )


def single(cursor: Cursor, doctype: str, field: str) -> str | None:
    """Return one setting of a site."""
    cursor.execute("SELECT value FROM `tabSingles` WHERE doctype = %s AND field = %s", (doctype, field))
    row = cursor.fetchone()
    return str(row[0]) if row else None


def set_single(cursor: Cursor, doctype: str, field: str, value: str) -> None:
    """Change one setting of a site."""
    cursor.execute("DELETE FROM `tabSingles` WHERE doctype = %s AND field = %s", (doctype, field))
    cursor.execute("INSERT INTO `tabSingles` VALUES (%s, %s, %s)", (doctype, field, value))


def set_password(cursor: Cursor, user: str, password: str) -> None:
    """Store a user's password, salted and hashed as a bench does."""
    cursor.execute("REPLACE INTO `__Auth` VALUES ('User', %s, 'password', %s, 0)", (user, hashed(password)))


def hashed(password: str) -> str:
    """Return what is stored of a password: pbkdf2 with SHA-256 in the form that a bench reads and writes."""
    return _hash(_ROUNDS, secrets.token_bytes(16), password)


def fits(stored: str, password: str) -> bool:
    """Say whether a password is that of which this is stored."""
    try:
        _, kind, rounds, salt, _ = stored.split("$")
        again = _hash(int(rounds), base64.b64decode(f"{salt}{'=' * (-len(salt) % 4)}", altchars=b"./"), password)
    except ValueError:
        return False
    return kind == "pbkdf2-sha256" and hmac.compare_digest(again, stored)


def password_fits(cursor: Cursor, user: str, password: str) -> bool:
    """Say whether this is the user's password."""
    cursor.execute(
        "SELECT `password` FROM `__Auth` WHERE doctype = 'User' AND name = %s AND fieldname = 'password'"
        " AND encrypted = 0",
        (user,),
    )
    row = cursor.fetchone()
    return bool(row) and fits(row[0], password)


def may_log_in(cursor: Cursor, user: str) -> bool:
    """Say whether the site knows the user, and lets him in."""
    cursor.execute("SELECT enabled FROM `tabUser` WHERE name = %s AND name <> 'Guest'", (user,))
    row = cursor.fetchone()
    return bool(row and row[0])


def note_login(cursor: Cursor, user: str) -> None:
    """Note that a user came in just now."""
    cursor.execute("UPDATE `tabUser` SET last_login = NOW(6), last_active = NOW(6) WHERE name = %s", (user,))


def make_login_key(cursor: Cursor, user: str, seconds: int) -> str:
    """Return a key that lets a user in once; only its hash is stored."""
    key = secrets.token_urlsafe(24)
    set_single(cursor, _KEYS, hashlib.sha256(key.encode()).hexdigest(), f"{time.time() + seconds:.0f} {user}")
    return key


def use_login_key(cursor: Cursor, key: str) -> str | None:
    """Return whom a key lets in, and make it useless; nobody if it is used, expired or unknown."""
    field = hashlib.sha256(key.encode()).hexdigest()
    expires, _, user = (single(cursor, _KEYS, field) or "0 ").partition(" ")
    # Of two who come at once, only the one who removed the row may enter.
    removed = cursor.execute("DELETE FROM `tabSingles` WHERE doctype = %s AND field = %s", (_KEYS, field))
    return user if removed and time.time() < float(expires) else None


def begin_session(cursor: Cursor, user: str) -> str:
    """Return what a browser shows from now on to be taken for a user; only its hash is stored."""
    session = secrets.token_urlsafe(24)
    set_single(cursor, _SESSIONS, hashlib.sha256(session.encode()).hexdigest(), user)
    return session


def user_of(cursor: Cursor, session: str) -> str:
    """Return whose session it is; Guest for one that nobody knows."""
    return single(cursor, _SESSIONS, hashlib.sha256(session.encode()).hexdigest()) or "Guest"


def may_read(cursor: Cursor, user: str, url: str) -> bool:
    """Say whether a user may read a private file, which the site has to list."""
    cursor.execute("SELECT name FROM tabFile WHERE file_url = %s AND is_private = 1", (url,))
    return user != "Guest" and cursor.fetchone() is not None


def list_file(cursor: Cursor, url: str) -> None:
    """List a file of the site; those below /private/ are private."""
    name = hashlib.sha256(url.encode()).hexdigest()[:10]
    cursor.execute(
        "REPLACE INTO tabFile (name, creation, modified, owner, file_name, file_url, is_private) "
        "VALUES (%s, NOW(), NOW(), 'Administrator', %s, %s, %s)",
        (name, url.rpartition("/")[2], url, url.startswith("/private/")),
    )


def _hash(rounds: int, salt: bytes, password: str) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    parts = (base64.b64encode(data, altchars=b"./").decode().rstrip("=") for data in (salt, digest))
    return "$".join(("", "pbkdf2-sha256", str(rounds), *parts))


def write_new(path: Path, text: str) -> None:
    """Write a file that only the bench may read, by one rename."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        os.fsync(file.fileno())
    beside.replace(path)
