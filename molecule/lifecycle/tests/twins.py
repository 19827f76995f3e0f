"""Compare two schools that were made with the same parameters in different ways: every table, column, index and row."""

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
# Secrets, by table and column: no two schools may share one.
SECRETS = {"__Auth": "password", "tabUser": "api_secret", "tabUser Social Login": "userid"}

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


def shared_secrets(lab: Journey, one: str, other: str) -> list[str]:
    """Return the name of each secret that two databases share."""
    first, second = contents(lab, one), contents(lab, other)
    found = []
    for table, column in SECRETS.items():
        values = [{row.get(column) for row in tables.get(table, [])} - {None, ""} for tables in (first, second)]
        if values[0] & values[1]:
            found.append(f"{table}.{column}")
    return found


COLUMNS = (
    "SELECT table_name, column_name, column_type, is_nullable, COALESCE(column_default, '-'), collation_name"
    " FROM columns WHERE table_schema = '%s';"
)
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
