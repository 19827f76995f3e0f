"""A school's database as plain files, one a table, and back: byte for byte the same.

What a school's own people may put into a database must not become words to the server when its dump is loaded by the
administrator. So a dump is taken apart by what it must look like; anything else in it is refused.
"""

import hashlib
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from backup import programs
from backup.errors import BackupError, ChangedError, EndedError
from backup.files import BLOCK

HEAD = "_head.sql"
REST = "_rest.sql"

_NAME = re.compile(r"sch[0-9a-f]{12}")
_PASSWORD = re.compile(r"[A-Za-z0-9_-]{16,64}")
_FILE_NAME_LIMIT = 180
# Larger ones are written as they come; until then nothing is, since most are as they were.
_HELD = 4 * BLOCK
# Rows that are looked at one by one before whole blocks of them are.
_ONE_BY_ONE = 64
# As many are loaded at once; a table costs as much as this many bytes of rows before its first one.
_LOADERS = 4
_COST_OF_A_TABLE = 40_000

# The dump, from its first line on. A name has no line break, or it is refused.
_NAMED = rb"(`(?:[^`\n]|``)+`)"
_DUMP_HEAD = re.compile(rb"(?:(?:/\*|--)[^\n]*\n|\n)*?/\*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 \*/;\n")
_POSITION = re.compile(
    rb"\n--\n(?:-- [^\n]*\n)+--\n\n-- CHANGE MASTER TO MASTER_LOG_FILE='([^'\n]+)', MASTER_LOG_POS=(\d+);\n"
    rb"(?:\n-- A corresponding [^\n]*\n)?"
)
_SEQUENCE = re.compile(
    rb"\n--\n-- Sequence structure for " + _NAMED + rb"\n--\n\nCREATE SEQUENCE \1 [^;'\"`\n]*;\n"
    rb"(?:DO|SELECT) SETVAL\(\1, -?\d+, [01]\);\n"
)
_TABLE = re.compile(
    rb"\n--\n-- Table structure for table " + _NAMED + rb"\n--\n\n(?:/\*!\d+ SET [^;'\"`\n]* \*/;\n)*CREATE TABLE \1 \("
)
_AFTER_TABLE = re.compile(rb"(?:/\*!\d+ SET [^;'\"`\n]* \*/;\n)*")
_ROWS = re.compile(rb"\n--\n-- Dumping data for table " + _NAMED + rb"\n--\n(?:-- ORDER BY:  [^\n]*\n)?\n")
_ROW = re.compile(rb"INSERT INTO " + _NAMED + rb" (?:\(`(?:[^`\n]|``)+`(?:, ?`(?:[^`\n]|``)+`)*\) )?VALUES \(")
_VIEW = re.compile(rb"\n--\n-- (?:Temporary table|Final view) structure for view " + _NAMED + rb"\n--\n\n")
_LAST_WORDS = b"-- Dump completed\n"
_LINE_BREAK = re.compile(rb"\n")
# More than any of these is long, but for the columns of a table.
_LOOKAHEAD = 256 * 1024
_LAST_LINES = re.compile(
    rb"(?:\n-- The deferred [^\n]*\n\n-- [^\n]*\n\n-- SET GLOBAL gtid_slave_pos='[^'\n]*';\n)?"
    rb"/\*!40103 SET TIME_ZONE=@OLD_TIME_ZONE \*/;\n(?:/\*![^;'\"`\n]*;\n|\n)*-- Dump completed\n\Z"
)
_VIEW_STATEMENT = re.compile(rb"/\*!500\d\d |SET ")
# A statement ends at the first semicolon outside of what is quoted.
_PIECE = re.compile(rb"""[^`'";]*(?:`[^`]*`|'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"|(;))""", re.DOTALL)
_DELIMITER = re.compile(rb"delimiter\s", re.IGNORECASE)
# How often the dump says `;;` for each trigger, routine and event, besides what its author wrote.
_ENDS = {"triggers": 2, "routines": 2, "events": 17}

# Where definitions name the database that they are of.
_NAMING = (
    b"DEFINER=`%b`@`%%`",
    b"-- Dumping events for database '%b'\n",
    b"-- Dumping routines for database '%b'\n",
)

# The first line keeps the client from obeying words that are not the server's.
_LOAD_HEAD = (
    b"/*M!999999\\- enable the sandbox mode */ \n"
    b"SET SESSION sql_log_bin=0, foreign_key_checks=0, unique_checks=0, check_constraint_checks=0,"
    b" innodb_strict_mode=0, sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00', sql_notes=0;\n"
    b"SET NAMES utf8mb4;\n"
)
_ONLY_DEFINITIONS = ("--no-data", "--no-create-info", "--triggers", "--routines", "--events")


# The administrator asks no view: what a school's user made of it would act in the administrator's name. `USE INDEX ()`
# is what no view takes. A dump asks in words of its own, so that a user who may read this one database makes it.
_FACTS = """\
SET @versions = (SELECT IF(COUNT(*), 'SELECT ''version'', CONCAT(app_name, '' '', app_version)
 FROM `{0}`.`tabInstalled Application` USE INDEX ()', 'DO 0') FROM information_schema.tables
 WHERE table_schema = '{0}' AND table_name = 'tabInstalled Application');
EXECUTE IMMEDIATE @versions;
SELECT 'database', COUNT(*) FROM information_schema.schemata WHERE schema_name = '{0}';
SELECT 'log_bin', @@log_bin;
SELECT 'triggers', COUNT(*) FROM information_schema.triggers WHERE trigger_schema = '{0}';
SELECT 'routines', COUNT(*) FROM mysql.proc WHERE db = '{0}';
SELECT 'events', COUNT(*) FROM mysql.event WHERE db = '{0}';
"""
# Says something else if there is such a database.
_IF_THERE = """\
SET @said = IF((SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '{0}'), "{1}", "DO 0");
EXECUTE IMMEDIATE @said;
"""
# What the server says of a view that is given an index to use.
_IS_VIEW = re.compile(r"\b1176\b.* in table '([^']*)'")
# What mariadb-dump says where a table was changed or removed since its transaction began.
_CHANGED = re.compile(r"\b(1412|1146)\b")


@dataclass
class Dump:
    """What a dump came to.

    tables: rows, bytes and sha256 of each table and sequence, by name. head, rest: bytes and sha256. position: file and
    position of the server's log that belong to it; None where it keeps none. versions: of each app, by its name.
    """

    tables: dict = field(default_factory=dict)
    head: dict = field(default_factory=dict)
    rest: dict = field(default_factory=dict)
    position: dict = None
    versions: dict = field(default_factory=dict)

    @property
    def as_manifest(self):
        """The part of a manifest that says it."""
        return {"tables": self.tables, "head": self.head, "rest": self.rest}


def file_of(table):
    """Return the name of a table's file in the folder `database` of a set."""
    name = quote(table, safe=" ")
    # No table's file begins with a line, so none is taken for the head or the rest.
    name = "%5F" + name[1:] if name.startswith("_") else name
    if len(name) > _FILE_NAME_LIMIT:
        name = f"{name[:_FILE_NAME_LIMIT]}+{hashlib.sha256(table.encode()).hexdigest()[:16]}"
    return f"{name}.sql"


def checked_name(name):
    """Return a database's name; raises BackupError unless it is of those that schoolctl makes."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BackupError(f"{name!r} is no database of a school")
    return name


class Database:
    """The server of all schools' databases, reached by the argv that the settings have."""

    def __init__(self, settings):
        words = settings.database
        self._client = list(words["client"])
        self._dump = list(words["dump"])
        self._dump_definitions = list(words["definitions"])
        self._sql = {key: words[key] for key in ("create", "create_user", "create_reader", "drop")}

    # --- questions ---------------------------------------------------------------------------------------------------

    def ask(self, sql, database=None):
        """Run SQL as the administrator; return its rows, each a list of texts as the client prints them."""
        into = [checked_name(database)] if database else []
        try:
            said = programs.run([*self._client, *into], text=sql).stdout.decode(errors="surrogateescape")
        except BackupError as fault:
            if view := _IS_VIEW.search(str(fault)):
                raise BackupError(
                    f"`{view[1]}` is a view, which could act in the administrator's name; Frappe makes a table"
                ) from None
            raise
        return [line.split("\t") for line in said.split("\n")[:-1]]

    def exists(self, name):
        """Say whether there is such a database."""
        return bool(self.ask(f"SHOW DATABASES LIKE '{checked_name(name)}';\n"))

    def tables(self, name):
        """Return the names of a database's tables, sequences and views."""
        query = "SELECT HEX(table_name) FROM information_schema.tables WHERE table_schema = '{}';\n"
        return sorted(bytes.fromhex(row[0]).decode() for row in self.ask(query.format(checked_name(name))))

    def create(self, name, password=None):
        """Make an empty database; with a password, also its user, who may do everything in it and nothing elsewhere."""
        sql = self._sql["create"].format(checked_name(name))
        if password is not None:
            if not _PASSWORD.fullmatch(password):
                raise ValueError("the password has characters that SQL would have to escape")
            sql += self._sql["create_user"].format(name, password)
        self.ask("SET SESSION sql_log_bin=0;\n" + sql)

    def drop(self, name):
        """Remove a database and its user, whatever of them exists."""
        self.ask("SET SESSION sql_log_bin=0;\n" + self._sql["drop"].format(checked_name(name)))

    # --- out ---------------------------------------------------------------------------------------------------------

    def dump(self, name, folder=None, known=None, owner=None):
        """Write a consistent dump of a database, a file a table; return what it came to.

        folder: gets what is not as `known` says, a mapping like a manifest's `database`; None writes nothing. owner:
        the database whose user shall be the definer where this one's is. Raises ChangedError if tables were made or
        changed meanwhile, BackupError if the dump ends early or holds what could do harm when it is loaded.
        """
        known = known or {}
        password = secrets.token_hex(16)
        answered = self.ask(_FACTS.format(checked_name(name)) + self._reader(name, password))
        facts = {row[0]: int(row[1]) for row in answered if row[0] != "version"}
        if not facts.pop("database"):
            raise BackupError(f"there is no database {name}")
        logged = ["--master-data=2"] if facts.pop("log_bin") else []
        found = Dump(versions=dict(row[1].partition(" ")[::2] for row in answered if row[0] == "version"))
        try:
            dump = [*self._dump, *logged, "--skip-triggers", name]
            with programs.running(dump, text=f"{password}\n") as pipe:
                views = _keep_tables(_Text(pipe), folder, known, found)
            definitions = self._definitions(name, facts)
        except BackupError as fault:
            if _CHANGED.search(str(fault)):
                raise ChangedError(f"a table was changed while it was dumped: {fault}") from None
            raise
        all_of_it = views + definitions
        if owner:
            all_of_it = _redefined(all_of_it, name, owner)
        found.rest = _kept(folder, REST, all_of_it, known.get("rest"))
        return found

    def _reader(self, name, password):
        """Return what gives a database that is there a user who may read it."""
        made = self._sql["create_reader"].format(name, password).split("\n")[:-1]
        return "".join(_IF_THERE.format(name, words) for words in made)

    def _definitions(self, name, numbers):
        """Return what makes triggers, routines and events, as the dump says it; there are so many of each."""
        if not any(numbers.values()):
            return b""
        with programs.running([*self._dump_definitions, *_ONLY_DEFINITIONS, name]) as pipe:
            text = _Text(pipe)
            text.take(_DUMP_HEAD)
            body = text.up_to_last_lines()
        # The client splits by `;;` and obeys `delimiter`, wherever a body has them: there must be no more than our own.
        ends = sum(_ENDS[kind] * number for kind, number in numbers.items())
        # Each of them changes the delimiter and changes it back, but for events, which do so together.
        changes = 2 * sum(numbers.values()) - max(0, numbers["events"] - 1)
        if body.count(b";;") != ends or len(_DELIMITER.findall(body)) != changes:
            raise BackupError(
                "a trigger, routine or event of it holds `;;` or the word `delimiter`, which no dump carries safely"
            )
        return body

    # --- in ----------------------------------------------------------------------------------------------------------

    def load(self, folder, manifest, name):
        """Load the files of a set into an empty database; return tables, rows and seconds.

        folder: the set's, with the files in `database`. manifest: has been compared with them.
        """
        began = time.monotonic()
        if self.tables(name):
            raise BackupError(f"the database {name} is not empty")
        source, tables = Path(folder) / "database", manifest["database"]["tables"]
        lanes = [[0, []] for _ in range(_LOADERS)]
        for table in sorted(tables, key=lambda one: tables[one]["bytes"], reverse=True):
            lane = min(lanes, key=lambda one: one[0])
            lane[0] += tables[table]["bytes"] + _COST_OF_A_TABLE
            lane[1].append(table)
        faults = []
        threads = [
            threading.Thread(target=self._load_lane, args=(source, lane, name, faults)) for _, lane in lanes if lane
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if faults:
            raise faults[0]
        rest = (source / REST).read_bytes()
        if rest:
            with self._loading(name) as pipe:
                pipe.write(_LOAD_HEAD + _redefined(rest, manifest["database"]["name"], name))
        rows = sum(entry["rows"] for entry in tables.values())
        return {"tables": len(tables), "rows": rows, "seconds": round(time.monotonic() - began, 3)}

    def _load_lane(self, source, tables, name, faults):
        try:
            with self._loading(name) as pipe:
                pipe.write(_LOAD_HEAD + b"SET autocommit=0;\n")
                for table in tables:
                    if faults:
                        return
                    with (source / file_of(table)).open("rb") as file:
                        _feed(file, pipe)
        except BackupError as fault:
            faults.append(fault)
        except Exception as fault:
            faults.append(BackupError(f"could not load: {type(fault).__name__}: {fault}"))

    def _loading(self, name):
        return programs.running([*self._client, "--binary-mode", checked_name(name)], reads=True)

    def differences(self, name, manifest):
        """Return the names of tables in which a database is not what a manifest says, `_rest.sql` for what is no table.

        It is dumped again and compared by every byte.
        """
        said = manifest["database"]
        found = self.dump(name, owner=said["name"])
        tables = {table for table, entry in found.tables.items() if entry != said["tables"].get(table)}
        tables |= said["tables"].keys() - found.tables.keys()
        return sorted(tables) + ([REST] if found.rest != said["rest"] else [])


class _Text:
    """The words of a dump, read as they come and taken apart by what they must look like."""

    def __init__(self, stream):
        self._stream = stream
        self._held = b""
        self._at = 0
        self._ended = False

    def match(self, pattern):
        """Return how a pattern fits the text here, or None. What is looked for is never longer than what is held."""
        while len(self._held) - self._at < _LOOKAHEAD and self._more():
            pass
        return pattern.match(self._held, self._at)

    def skip(self, match):
        """Go on after what was matched; return it."""
        self._at = match.end()
        return match[0]

    def take(self, pattern):
        """Return what fits a pattern here, and go on after it; raises BackupError if nothing does."""
        return self.skip(self.demand(pattern))

    def demand(self, pattern):
        """Return how a pattern fits the text here; raises BackupError if it does not, EndedError at the end."""
        found = self.match(pattern)
        if found:
            return found
        if self._ended and not self._held.endswith(_LAST_WORDS):
            raise EndedError("the dump ends too early")
        words = self._held[self._at : self._at + 120].decode(errors="replace")
        raise BackupError(f"the dump says something that no dump of a school should: {words!r}")

    def statement(self):
        """Return the text up to the end of the statement that begins here, and go on after it."""
        end = self._at
        while True:
            piece = _PIECE.match(self._held, end)
            if piece is None:
                done = end - self._at
                if not self._more():
                    raise EndedError("the dump ends too early")
                end = self._at + done
                continue
            end = piece.end()
            if piece[1]:
                break
        words, self._at = self._held[self._at : end], end
        return words + self.take(_LINE_BREAK)

    def rows(self, named, sink):
        """Hand over the rows of a table, in pieces of whole lines with what each begins with; return their number."""
        first = self.match(_ROW)
        if not first or first[1] != named:
            return 0
        start, number = first[0], 0
        between = b"\n" + start
        while True:
            while len(self._held) - self._at < BLOCK and self._more():
                pass
            held, at = self._held, self._at
            end = held.rfind(b"\n", at, at + BLOCK) + 1 if number >= _ONE_BY_ONE else 0
            lines = held.count(b"\n", at, end) if end else 0
            if not lines or not held.startswith(start, at) or held.count(between, at, end) != lines - 1:
                # A few, or the last ones, or one that is longer than a block.
                end, lines = at, 0
                while held.startswith(start, end) and (lines < _ONE_BY_ONE or number):
                    after = held.find(b"\n", end) + 1
                    if not after or (lines and after - at > BLOCK):
                        break
                    end, lines = after, lines + 1
            if lines:
                sink.rows(held[at:end], start)
                self._at, number = end, number + lines
            elif not held.startswith(start, at):
                return number
            elif not self._more():
                raise EndedError("the dump ends too early")

    def up_to_last_lines(self):
        """Return all that comes before the last lines of the dump."""
        while self._more():
            pass
        end = _LAST_LINES.search(self._held, self._at)
        if not end:
            raise EndedError("the dump ends too early")
        return self._held[self._at : end.start()]

    def to_end(self):
        """Go to the end; raises BackupError unless the dump's last lines are all that is left."""
        self.take(_LAST_LINES)
        if self._more():
            raise BackupError("the dump goes on after its last line")

    def _more(self):
        block = b"" if self._ended else self._stream.read(BLOCK)
        self._ended = not block
        self._held, self._at = self._held[self._at :] + block, 0
        return bool(block)


class _Part:
    """One file of a dump, which is not written if it is as known."""

    def __init__(self, folder, name):
        self._path = Path(folder) / name if folder else None
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._held = []
        self._file = None

    def write(self, words):
        """Add some words."""
        self._digest.update(words)
        self._bytes += len(words)
        if self._path is None:
            return
        self._held.append(words)
        if self._bytes > _HELD:
            self._put()

    def rows(self, piece, _start):
        """Add rows."""
        self.write(piece)

    def end(self, known):
        """Return bytes and sha256; the file is there, unless they are as known."""
        entry = {"bytes": self._bytes, "sha256": self._digest.hexdigest()}
        is_known = known is not None and all(known.get(key) == value for key, value in entry.items())
        if self._path is not None and not is_known:
            self._put()
        if self._file:
            self._file.close()
            if is_known:
                self._path.unlink()
        return entry

    def _put(self):
        self._file = self._file or self._path.open("xb")
        self._file.writelines(self._held)
        self._held = []


class _Loader:
    """Hands rows on to a client, many in one statement."""

    def __init__(self, pipe):
        self._pipe = pipe
        self.write = pipe.write

    def rows(self, piece, start):
        """Hand on rows that all begin alike."""
        self._pipe.write(piece.replace(b");\n" + start, b"),("))


def _keep_tables(text, folder, known, found):
    """Take the dump of all tables apart, into files and into what was found; return what makes the views."""
    found.head = _kept(folder, HEAD, text.take(_DUMP_HEAD), known.get("head"))
    if position := text.match(_POSITION):
        found.position = {"file": position[1].decode(), "position": int(position[2])}
        text.skip(position)
    views = []
    while not text.match(_LAST_LINES):
        if view := text.match(_VIEW):
            views.append(text.skip(view))
            while text.match(_VIEW_STATEMENT):
                views.append(text.statement())
            continue
        begun = text.match(_SEQUENCE) or text.demand(_TABLE)
        table = begun[1][1:-1].replace(b"``", b"`").decode()
        if table in found.tables:
            raise BackupError(f"the dump has the table `{table}` twice")
        part = _Part(folder, file_of(table))
        rows = _copy_table(text, begun, part)
        found.tables[table] = {"rows": rows, **part.end(known.get("tables", {}).get(table))}
    text.to_end()
    return b"".join(views)


def _copy_table(text, begun, sink):
    """Hand a table or sequence over, from where it begins to its last row; return the number of its rows."""
    if begun.re is _SEQUENCE:
        sink.write(text.skip(begun))
        return 0
    sink.write(text.skip(begun))
    sink.write(text.statement())
    sink.write(text.take(_AFTER_TABLE))
    heading = text.match(_ROWS)
    if not heading or heading[1] != begun[1]:
        return 0
    sink.write(text.skip(heading))
    return text.rows(begun[1], sink)


def _feed(file, pipe):
    """Hand the file of one table or sequence to a client."""
    text = _Text(file)
    _copy_table(text, text.match(_SEQUENCE) or text.demand(_TABLE), _Loader(pipe))
    pipe.write(b"COMMIT;\n")


def _kept(folder, name, words, known):
    part = _Part(folder, name)
    part.write(words)
    return part.end(known)


def _redefined(words, old, new):
    """Return definitions as of another database: its user as the one who made them, its name in the headings."""
    for form in _NAMING:
        words = words.replace(form % old.encode(), form % new.encode())
    return words
