"""Database commands: as the server's own socket user, inside the database container, with SQL on stdin.

No password of an administrator exists. Names are checked here once more, because SQL cannot bind them.
"""

import re
from collections.abc import Sequence

from schoolctl.errors import SchoolctlError
from schoolctl.transport.base import Command

CONTAINER = "schools-db"
# What the administrator does is no change that a school's people made: it is kept out of the log by which a school is
# put back to a moment. Loads of hundreds of tables would fill it, and passwords would stand in it.
CLIENT = (
    "docker", "exec", "-i", CONTAINER, "mariadb", "--batch", "--skip-column-names",
    "--init-command=SET SESSION sql_log_bin = 0",
)  # fmt: skip

_DUMP = (
    "docker", "exec", "-i", CONTAINER, "mariadb-dump", "--single-transaction", "--quick", "--order-by-primary",
    "--skip-dump-date", "--hex-blob",
)  # fmt: skip

# What comes from outside is loaded so: the owner of a database may do nothing elsewhere, and a client in its sandbox
# neither runs programs nor, as it is told besides, sends files, of which it could read every school's. The password
# comes first on stdin, and goes on through a pipe of the client's.
_AS_OWNER = (
    'IFS= read -r password; exec 3<<END\n[client]\npassword="$password"\nEND\n'
    "exec mariadb --defaults-extra-file=/dev/fd/3 --sandbox --local-infile=0 --batch --default-character-set=utf8mb4"
    ' --user="$1" "$1"'
)
# A dump asks in words of its own, so that whoever puts a view in a table's place at the right moment is read by it: it
# logs in as a user who may read that one database and nothing else. Its name comes last, the password first on stdin.
_AS_READER = (
    'IFS= read -r password; for name; do :; done; exec 3<<END\n[client]\npassword="$password"\nEND\n'
    'exec mariadb-dump --defaults-extra-file=/dev/fd/3 --user="$name" "$@"'
)
_DUMP_READING = ("docker", "exec", "-i", CONTAINER, "sh", "-c", _AS_READER, "sh")
_CONSISTENTLY = _DUMP[5:]
# A row a line, so that a row more is a line more, and nothing that a load would have to undo.
_BY_ROWS = ("--skip-extended-insert", "--skip-add-locks", "--skip-disable-keys", "--skip-add-drop-table")

_CREATE = "CREATE DATABASE `{0}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;\n"
_DROP = (
    "DROP DATABASE IF EXISTS `{0}`;\nDROP USER IF EXISTS '{0}'@'%';\n"
    "DROP USER IF EXISTS '{0}'@'localhost';\n"
)  # fmt: skip
# `USE INDEX ()` is what no view takes. One that a school's user put in a table's place could act with the rights of
# whoever reads it, so each question to a school's table has these words: here, in the agent, in the backups' program.
_VERSIONS = "SELECT app_name, app_version FROM `{0}`.`tabInstalled Application` USE INDEX () ORDER BY idx;\n"
_SECRETS = "SELECT `password` FROM `{0}`.`__Auth` USE INDEX () WHERE encrypted = 1 LIMIT {1};\n"
# Tables of a site that are read with an administrator's rights: here, by the agent, and by the program for backups.
ASKED_BY_THE_SERVER = frozenset(
    {"tabInstalled Application", "__Auth", "tabUser", "tabSingles", "tabScheduled Job Type", "tabFile"}
)
# With sequences, as a golden site's manifest counts them; nothing is looked at but names, so it takes no time.
_NAMES_OF_TABLES = "SHOW TABLES FROM `{0}`;\n"
# What the agent does by itself, with names that it makes.
POOL = {"create": _CREATE, "drop": _DROP, "tables": _NAMES_OF_TABLES}

_CREATE_USER = (
    "CREATE USER '{0}'@'%' IDENTIFIED BY '{1}';\n"
    "GRANT ALL PRIVILEGES ON `{0}`.* TO '{0}'@'%';\n"
)  # fmt: skip
# Only the server's own socket is this host; the bench comes from another one.
_CREATE_READER = (
    "CREATE OR REPLACE USER '{0}'@'localhost' IDENTIFIED BY '{1}';\n"
    "GRANT SELECT, EXECUTE, SHOW VIEW ON `{0}`.* TO '{0}'@'localhost';\n"
)
# What the server's own program for backups does by itself, with names of schoolctl's form. definitions: dumps what
# makes tables and routines, and reads no table; dump: the rest, by the reader's password on stdin.
BACKUP = {
    "client": CLIENT,
    "dump": (*_DUMP_READING, *_CONSISTENTLY, *_BY_ROWS),
    "definitions": (*_DUMP, *_BY_ROWS),
    "create": _CREATE, "create_user": _CREATE_USER, "create_reader": _CREATE_READER, "drop": _DROP,
}  # fmt: skip

# What the server says of a statement. The client's own errors, such as that it lost the server, are from 2000 on.
_REFUSED = re.compile(r"ERROR (1[0-9]{3}) \(")
# What it says where the statement may have been good: no room on the disk or in memory, too many connections, shutting
# down, killed, read-only. A full disk has many names; some of them say so by the number of the system.
_OWN_FAULTS = frozenset(
    (
        *(1004, 1005, 1016, 1021, 1023, 1026, 1030, 1037, 1038, 1040, 1041, 1053),
        *(1114, 1203, 1205, 1213, 1290, 1317, 1836, 1927),
    )
)
_NAME = re.compile(r"sch[0-9a-f]{12}")
_PASSWORD = re.compile(r"[A-Za-z0-9_-]{16,64}")


def database_name(random_hex: str) -> str:
    """Return the name for a new database: letters and digits only, because `_` is a wildcard in GRANT."""
    return _checked(f"sch{random_hex}")


def is_name(text: str) -> bool:
    """Say whether a text has the form of the databases that schoolctl makes."""
    return _NAME.fullmatch(text) is not None


def create(name: str, password: str) -> Command:
    """Make an empty database and its user, who may do everything in it and nothing elsewhere."""
    text = _CREATE.format(_checked(name)) + create_user(name, password).stdin
    return _sql(text, password)


def create_user(name: str, password: str) -> Command:
    """Make the user of a database, who may do everything in it and nothing elsewhere."""
    _checked(name)
    return _sql(_CREATE_USER.format(name, _checked_password(password)), password)


def set_password(name: str, password: str) -> Command:
    """Give a database user another password."""
    return _sql(f"ALTER USER '{_checked(name)}'@'%' IDENTIFIED BY '{_checked_password(password)}';\n", password)


def limit_connections(name: str, number: int) -> Command:
    """Let a database user have this many connections at once; 0 sets no limit."""
    return _sql(f"ALTER USER '{_checked(name)}'@'%' WITH MAX_USER_CONNECTIONS {int(number)};\n")


def drop(name: str) -> Command:
    """Remove a database and its user, whatever of them exists."""
    return _sql(_DROP.format(_checked(name)))


def exists(name: str) -> Command:
    """Print the name if there is such a database."""
    return _sql(f"SHOW DATABASES LIKE '{_checked(name)}';\n")


def tables(name: str) -> Command:
    """Print one line for each table of a database."""
    return _sql(f"SHOW FULL TABLES FROM `{_checked(name)}` WHERE table_type = 'BASE TABLE';\n")


def names_of_tables(name: str) -> Command:
    """Print the name of each table and sequence of a database, one a line."""
    return _sql(_NAMES_OF_TABLES.format(_checked(name)))


def sizes(name: str) -> Command:
    """Print a line for each table and sequence of a database, as SHOW TABLE STATUS does; read by `bytes_by_table`."""
    return _sql(f"SHOW TABLE STATUS FROM `{_checked(name)}`;\n")


def bytes_by_table(printed: str) -> dict[str, int]:
    """Return the bytes of each table, rows and indexes together, from what `sizes` printed."""
    rows = [line.split("\t") for line in printed.splitlines()]
    data, indexes = 6, 8
    return {row[0]: sum(int(row[place]) for place in (data, indexes) if row[place] != "NULL") for row in rows}


def dump_of(name: str, tables: Sequence[str]) -> tuple[str, ...]:
    """Return argv that prints a dump of some tables alone, for an empty database."""
    # To drop what is not there makes MariaDB wait six times for the disk, and all loads behind one another.
    return (*_DUMP, "--skip-add-drop-table", _checked(name), *tables)


def load(name: str) -> Command:
    """Read a dump that no school's people had a hand in, as of a golden site, from stdin into an empty database."""
    return Command((*CLIENT, _checked(name)))


def refusal(said: str) -> str | None:
    """Return the words with which MariaDB refused what it was to load; None if it was itself what failed."""
    refused = [
        line for line in said.splitlines() if (found := _REFUSED.match(line)) and int(found[1]) not in _OWN_FAULTS
    ]
    return refused[-1] if refused else None


def load_as_owner(name: str, password: str) -> Command:
    """Read a dump that may say anything from stdin into a database, with no more rights than its own user has."""
    argv = ("docker", "exec", "-i", CONTAINER, "sh", "-c", _AS_OWNER, "sh", _checked(name))
    return Command(argv, f"{_checked_password(password)}\n", (password,))


def versions(name: str) -> Command:
    """Print each app that is installed in a site, with its version; read by `versions_of`."""
    return _sql(_VERSIONS.format(_checked(name)))


def versions_of(printed: str) -> dict[str, str]:
    """Return the version of each app from what `versions` printed, or a bench of its image."""
    rows = [line.split() for line in printed.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) >= 2}


def stored_secrets(name: str, limit: int = 1000) -> Command:
    """Print values that a site stores encrypted, at most so many, one a line."""
    return _sql(_SECRETS.format(_checked(name), int(limit)))


def _sql(text: str, *secrets: str) -> Command:
    return Command(CLIENT, text, secrets)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SchoolctlError(
            f"Will not touch the database {name!r}",
            because="schoolctl names its databases `sch` and 12 hexadecimal digits",
            hint="look at db_name in the site's site_config.json",
        )
    return name


def _checked_password(password: str) -> str:
    if not _PASSWORD.fullmatch(password):
        raise ValueError("the password has characters that SQL would have to escape")
    return password
