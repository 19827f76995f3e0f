"""Compare two schools that were made with the same parameters in different ways: every table, column, index and row."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from journey import Journey

# What two schools may differ in. Columns of every table: when a row was made.
MOMENTS = {"creation", "modified"}
# Columns of single tables: what is drawn at random, what follows the clock, when a school's own minutes are, and what
# is each school's own secret.
OWN = {
    "__Auth": {"password"},
    "tabHas Role": {"idx"},  # Frappe grants the roles of a set, in whatever order
    "tabScheduled Job Type": {"cron_format", "last_execution"},
    "tabUser Social Login": {"userid"},
}
# Tables that tell what happened on a site since it was made; those of a golden site are emptied.
HISTORIES = {
    "tabAccess Log",
    "tabActivity Log",
    "tabDeleted Document",
    "tabEmail Queue",
    "tabEmail Queue Recipient",
    "tabError Log",
    "tabNotification Log",
    "tabRoute History",
    "tabScheduled Job Log",
    "tabSessions",
    "tabVersion",
}
# Fields of single DocTypes that are moments, and where the stand-in bench keeps what the real one has in Redis.
SINGLE_MOMENTS = {"creation", "end_time", "modified", "start_time"}
PASSING = "Stand-in Login Key"
# Secrets, by table and column: no two schools may share one. Hashes have their salts in them.
SECRETS = {
    "__Auth": {"password"},
    "tabAcademy Invitation": {"token_hash"},
    "tabDocument Share Key": {"key"},
    "tabOAuth Authorization Code": {"authorization_code", "code_challenge"},
    "tabOAuth Bearer Token": {"access_token", "refresh_token"},
    "tabOAuth Client": {"client_id", "client_secret"},
    "tabSessions": {"sid"},
    "tabToken Cache": {"access_token", "refresh_token"},
    "tabUser": {"api_key", "api_secret", "reset_password_key"},
    "tabUser Invitation": {"key"},
    "tabUser Social Login": {"userid"},
    "tabWebhook": {"webhook_secret"},
}
# And in its site_config.json; whatever else is there has to be none.
SECRET_SETTINGS = {"db_name", "db_password", "encryption_key"}
SETTINGS = {"db_type", "host_name"}
# What separates the parts of a hash, of which each by itself may tell of a school.
_HASH = "$"

Row = Mapping[str, str | None]
Table = list[Row]


def differences(lab: Journey, one: str, other: str) -> list[str]:
    """Return a line for each difference between two databases that is not declared above."""
    found = [
        f"{what} of {line}"
        for what, question in (("column", COLUMNS), ("index", INDEXES))
        for line in {*lab.sql("information_schema", question % one)}
        ^ {*lab.sql("information_schema", question % other)}
    ]
    first, second = contents(lab, one), contents(lab, other)
    for table in sorted({*first, *second} - HISTORIES):
        found += [f"{table}: {line}" for line in unlike(table, first.get(table, []), second.get(table, []))]
    return found


def secrets_of(lab: Journey, slug: str) -> dict[str, str]:
    """Return each secret of a school, hashes and their salts apart, with where it stands."""
    config = json.loads(lab.on_server("cat", f"/srv/schools/sites/{slug}/site_config.json"))
    unknown = {key for key, value in config.items() if isinstance(value, str)} - SECRET_SETTINGS - SETTINGS
    assert unknown == set(), f"are these secrets of `{slug}`?"
    found = {config[key]: key for key in SECRET_SETTINGS}
    wanted = {(table, column) for table, columns in SECRETS.items() for column in columns}
    names = lab.sql("information_schema", NAMES % (config["db_name"], "', '".join(SECRETS)))
    there = {tuple(line.split("\t")) for line in names} & wanted
    assert ("__Auth", "password") in there
    script = "".join(
        f"SELECT '{table}.{column}', HEX(`{column}`) FROM `{table}` WHERE `{column}` <> '';\n"  # noqa: S608 - the list's
        for table, column in sorted(there)
    )
    for line in lab.sql(config["db_name"], script):
        place, value = line.split("\t")
        text = bytes.fromhex(value).decode()
        # Stars stand where a secret is kept in `__Auth`; what begins as a hash names its kind and its rounds first.
        parts = text.split(_HASH)[3:] if text.startswith(_HASH) else [text]
        found |= {part: place for part in parts if part.strip("*")}
    return found


COLUMNS = (
    "SELECT table_name, column_name, column_type, is_nullable, COALESCE(column_default, '-'), collation_name"
    " FROM columns WHERE table_schema = '%s';"
)
NAMES = "SELECT table_name, column_name FROM columns WHERE table_schema = '%s' AND table_name IN ('%s');"
INDEXES = (
    "SELECT table_name, index_name, seq_in_index, column_name, non_unique, COALESCE(sub_part, '-')"
    " FROM statistics WHERE table_schema = '%s';"
)


def contents(lab: Journey, database: str) -> dict[str, Table]:
    """Return every row of every table, as text."""
    columns: dict[str, list[str]] = {}
    question = "SELECT table_name, column_name FROM columns WHERE table_schema = '%s' ORDER BY 1, ordinal_position;"
    for line in lab.sql("information_schema", question % database):
        table, column = line.split("\t")
        columns.setdefault(table, []).append(column)
    script = ""
    for table, names in columns.items():
        values = ", ".join(f"COALESCE(HEX(CAST(`{name}` AS CHAR)), '-')" for name in names)
        script += f"SELECT 'table', '{table}';\nSELECT {values} FROM `{table}`;\n"  # noqa: S608 - names of the schema
    found: dict[str, Table] = {}
    for line in lab.sql(database, script):
        values = line.split("\t")
        if values[0] == "table":
            rows = found[values[1]] = []
            names = columns[values[1]]
        else:
            texts = [None if value == "-" else bytes.fromhex(value).decode() for value in values]
            rows.append(dict(zip(names, texts, strict=True)))
    return found


def unlike(table: str, one: Table, other: Table) -> Iterator[str]:
    """Yield the rows that only one of two tables has, with names left out where Frappe draws them at random."""
    ignored = MOMENTS | OWN.get(table, set())
    for drawn in (set(), {"name"}):
        only = [_counted(rows, ignored | drawn) for rows in (one, other)]
        if only[0] == only[1]:
            return
        # A name that people or ERPNext chose has to be the same.
        if not all(_is_drawn(row.get("name")) for row in _unmatched(one, other, ignored)):
            break
    for side, (mine, others) in zip("ab", (only, only[::-1]), strict=True):
        for row in mine - others:
            yield f"only {side}: {dict(row)}"


def _unmatched(one: Table, other: Table, ignored: set[str]) -> Iterator[Row]:
    counted = [_counted(rows, ignored) for rows in (one, other)]
    for rows in (counted[0] - counted[1], counted[1] - counted[0]):
        yield from map(dict, rows)


def _counted(
    rows: Sequence[Mapping[str, str | None]], ignored: set[str]
) -> Counter[tuple[tuple[str, str | None], ...]]:
    kept = [row for row in rows if not (row.get("field") in SINGLE_MOMENTS or row.get("doctype") == PASSING)]
    return Counter(tuple((name, value) for name, value in row.items() if name not in ignored) for row in kept)


def _is_drawn(name: str | None) -> bool:
    return name is None or (len(name) == 10 and name.isalnum() and name == name.lower())
