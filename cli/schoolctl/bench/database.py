"""Database commands: as the server's own socket user, inside the database container, with SQL on stdin.

No password of an administrator exists. Names are checked here once more, because SQL cannot bind them.
"""

import re
from collections.abc import Sequence

from schoolctl.errors import SchoolctlError
from schoolctl.transport.base import Command

CONTAINER = "schools-db"
CLIENT = ("docker", "exec", "-i", CONTAINER, "mariadb", "--batch", "--skip-column-names")

_DUMP = (
    "docker", "exec", "-i", CONTAINER, "mariadb-dump", "--single-transaction", "--quick", "--order-by-primary",
    "--skip-dump-date", "--hex-blob",
)  # fmt: skip

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
    _checked(name)
    return _sql(
        f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;\n"
        f"CREATE USER '{name}'@'%' IDENTIFIED BY '{_checked_password(password)}';\n"
        f"GRANT ALL PRIVILEGES ON `{name}`.* TO '{name}'@'%';\n",
        password,
    )


def set_password(name: str, password: str) -> Command:
    """Give a database user another password."""
    return _sql(f"ALTER USER '{_checked(name)}'@'%' IDENTIFIED BY '{_checked_password(password)}';\n", password)


def limit_connections(name: str, number: int) -> Command:
    """Let a database user have this many connections at once; 0 sets no limit."""
    return _sql(f"ALTER USER '{_checked(name)}'@'%' WITH MAX_USER_CONNECTIONS {int(number)};\n")


def drop(name: str) -> Command:
    """Remove a database and its user, whatever of them exists."""
    _checked(name)
    return _sql(f"DROP DATABASE IF EXISTS `{name}`;\nDROP USER IF EXISTS '{name}'@'%';\n")


def exists(name: str) -> Command:
    """Print the name if there is such a database."""
    return _sql(f"SHOW DATABASES LIKE '{_checked(name)}';\n")


def tables(name: str) -> Command:
    """Print one line for each table of a database."""
    return _sql(f"SHOW FULL TABLES FROM `{_checked(name)}` WHERE table_type = 'BASE TABLE';\n")


def sizes(name: str) -> Command:
    """Print a line for each table and sequence of a database, as SHOW TABLE STATUS does; read by `bytes_by_table`."""
    return _sql(f"SHOW TABLE STATUS FROM `{_checked(name)}`;\n")


def bytes_by_table(printed: str) -> dict[str, int]:
    """Return the bytes of each table, rows and indexes together, from what `sizes` printed."""
    rows = [line.split("\t") for line in printed.splitlines()]
    data, indexes = 6, 8
    return {row[0]: sum(int(row[place]) for place in (data, indexes) if row[place] != "NULL") for row in rows}


def dump(name: str) -> tuple[str, ...]:
    """Return argv that prints a consistent dump: rows in the order of their keys, no date, so like gives like."""
    return (*_DUMP, "--routines", "--triggers", "--events", _checked(name))


def dump_of(name: str, tables: Sequence[str]) -> tuple[str, ...]:
    """Return argv that prints a dump of some tables alone."""
    return (*_DUMP, _checked(name), *tables)


def load(name: str) -> tuple[str, ...]:
    """Return argv that reads a dump from stdin into an empty database."""
    return (*CLIENT, _checked(name))


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
