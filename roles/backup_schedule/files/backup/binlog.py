"""Read MariaDB's binary logs, and say again, of one database alone and to another one, what they hold.

A log is read event by event, each with its checksum. What belongs together, from a GTID to its end, is a group: a
transaction, or a statement that changes tables. Groups come in the order in which they were committed, and are said
again whole or not at all. The format is described in MariaDB's manual under "Replication Protocol"; only what servers
write with binlog_format=ROW is understood, and anything else of the database in question is refused, never left out.
"""

import base64
import re
import secrets
import struct
import zlib
from dataclasses import dataclass, field

from backup.errors import BackupError
from backup.files import open_regular

MAGIC = b"\xfebin"

QUERY, STOP, ROTATE, FORMAT, XID, TABLE_MAP, XA_PREPARE = 2, 3, 4, 15, 16, 19, 38
ROWS = (23, 24, 25, 30, 31, 32)  # write, update and delete, in their first and second form
ANNOTATE_ROWS, BINLOG_CHECKPOINT, GTID, GTID_LIST = 160, 161, 162, 163
# Of no group, and without an effect on tables.
_ASIDE = (STOP, ROTATE, FORMAT, BINLOG_CHECKPOINT, GTID_LIST)

_HEADER = struct.Struct("<IBIIIH")  # when, type, server, size, where it ends, flags
_KIND_LIES, _FLAGS_LIE = 4, 17
_IN_USE = 0x1  # the server has not closed the file: it writes to it, or crashed
_IGNORABLE = 0x80
_STANDALONE, _TRANSACTIONAL = 0x1, 0x4  # of a GTID
_STATEMENT_ENDS = 0x1  # of rows
_CHECKSUM_BYTES = 4

# The parts of a session that are written with a statement: their bytes, or None for text with its length before it.
_PARTS = {0: 4, 1: 8, 3: 4, 4: 6, 5: None, 6: None, 7: 2, 8: 2, 9: 8, 10: 4, 128: 3, 129: 8, 130: 2}
_INVOKER = 11
_NO_FOREIGN_KEYS, _RELAXED_UNIQUE = 1 << 26, 1 << 27  # in flags2
_TEXT_IN_UTF8 = (33, 45)  # what clients with utf8mb3 and utf8mb4 say

# Whoever may do what is not written with the tables: it belongs to no school's set.
_ABOUT_PEOPLE = re.compile(
    rb"\s*(GRANT|REVOKE|(CREATE|ALTER|DROP|RENAME)\s+(OR\s+REPLACE\s+)?(USER|ROLE)|SET\s+(PASSWORD|DEFAULT\s+ROLE)|FLUSH)\b",
    re.IGNORECASE,
)
_DROP_DATABASE = re.compile(rb"\s*(DROP|CREATE\s+OR\s+REPLACE)\s+(DATABASE|SCHEMA)\b", re.IGNORECASE)
_CREATE_DATABASE = re.compile(rb"\s*CREATE\s+(DATABASE|SCHEMA)\b", re.IGNORECASE)
_BRACKETS = (b"BEGIN", b"COMMIT", b"ROLLBACK")
# A transaction in two steps: its rows come with the first, and with the second it is one, or never was.
_XA = re.compile(rb"\s*XA\s+(START|END|COMMIT|ROLLBACK)\b", re.IGNORECASE)
_SAVEPOINT = re.compile(rb"(SAVEPOINT|ROLLBACK TO|RELEASE SAVEPOINT) `[^`]*`")
# A name, or what must not be taken for one: text and remarks. MariaDB runs what a remark with `!` holds.
_TOKEN = re.compile(
    rb"""`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|/\*(?!M?!).*?\*/|(?:\#|--\s)[^\n]*|[A-Za-z0-9_$\x80-\xff]+""",
    re.DOTALL,
)


@dataclass(frozen=True)
class Event:
    """One event: where it begins, when (Unix time) and what it is, its body without header and checksum, all of it."""

    at: int
    when: int
    kind: int
    flags: int
    body: bytes
    raw: bytes


@dataclass(frozen=True)
class Statement:
    """A statement as it was run: its text, where, and what of its session matters.

    when: Unix time of its start; ended: of its end. microseconds: of its start.
    """

    when: int
    ended: int
    database: str
    text: bytes
    microseconds: int = 0
    flags: int = 0
    sql_mode: int = 0
    charset: int = 45
    time_zone: bytes = b""

    @property
    def is_of_transaction(self):
        """Whether it is a point in a transaction that the transaction can go back to, or a way back."""
        return _SAVEPOINT.fullmatch(self.text) is not None


@dataclass
class Group:
    """What was committed together: rows and statements that touch the database in question, in their order.

    ended: when it was committed (Unix time). rows: each a list of raw events, a table map or rows. transactional: all
    of it is in tables that can take part in a transaction. in_two_steps: it is one of two steps, and cannot be said
    again.
    """

    at: int
    transactional: bool
    gtid: tuple
    ended: int = 0
    does: list = field(default_factory=list)
    in_two_steps: bool = False

    @property
    def touches(self):
        """Whether anything in it is of the database in question."""
        return self.in_two_steps or any(
            not isinstance(deed, Statement) or not deed.is_of_transaction for deed in self.does
        )


class Log:
    """A file of binary logs; raises BackupError if it is none, or its first event is damaged.

    After it was read to its end: `next` is the file after it as it says itself, `closed` whether the server closed it,
    `last` when its last whole event was written, `gtids` the last number committed in each domain.
    """

    def __init__(self, path):
        self.path = path
        self.next = None
        self.closed = False
        self.gtids = {}
        self.before = None  # what was committed before the file began, as it says itself
        with open_regular(path) as file:
            if file.read(4) != MAGIC:
                raise BackupError(f"{path.name} is no binary log")
            self._checked = True
            first = self._event(file, 4)
        if first is None or first.kind != FORMAT:
            raise BackupError(f"{path.name} is damaged at its beginning")
        self.format = first
        self.begins = self.last = first.when
        self._in_use = bool(first.flags & _IN_USE)

    def events(self, start=4):
        """Yield the whole events from a position on.

        A file that the server did not close, since it crashed, may end in half an event. Anywhere else that, or a
        checksum that is wrong, raises BackupError.
        """
        with open_regular(self.path) as file:
            size = file.seek(0, 2)
            if start > size:
                raise BackupError(f"{self.path.name} ends before position {start}")
            file.seek(start)
            at = start
            while at < size:
                event = self._event(file, at)
                if event is None:
                    if not self._in_use:
                        raise BackupError(f"{self.path.name} is damaged at position {at}")
                    return
                self.last = event.when or self.last
                if event.kind == ROTATE:
                    self.next = event.body[8:].decode()
                self.closed = event.kind in (ROTATE, STOP)
                yield event
                at += len(event.raw)
        if not self.closed and not self._in_use:
            raise BackupError(f"{self.path.name} is cut short: the server closed it, but its end is missing")

    def _event(self, file, at):
        """Return the event at which a file stands, or None if it is not whole."""
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return None
        when, kind, _, size, _, flags = _HEADER.unpack(header)
        if size < _HEADER.size + _CHECKSUM_BYTES:
            return None
        rest = file.read(size - _HEADER.size)
        raw = header + rest
        if len(raw) < size:
            return None
        if kind == FORMAT:
            self._checked = rest[-_CHECKSUM_BYTES - 1] == 1
            if not self._checked:
                raise BackupError(f"{self.path.name} was written without checksums")
            # It was calculated before the file was taken into use.
            raw = with_flags(raw, flags & ~_IN_USE)
        if zlib.crc32(raw[:-_CHECKSUM_BYTES]) != int.from_bytes(raw[-_CHECKSUM_BYTES:], "little"):
            return None
        return Event(at, when, kind, flags, rest[:-_CHECKSUM_BYTES], raw)

    def groups(self, database, start=4):
        """Yield the groups from a position on, with what they do to one database; a half one at a crash is none.

        Raises BackupError for what cannot be said again.
        """
        group, maps, statement = None, {}, []
        for event in self.events(start):
            if event.kind == GTID:
                group, maps, statement = self._begun(event), {}, []
                continue
            if event.kind == GTID_LIST:
                self.before = listed_gtids(event.body)
                continue
            if event.kind in _ASIDE:
                continue
            if group is None:
                raise BackupError(f"{self.path.name} holds something outside of any transaction at position {event.at}")
            alone = group.gtid[2]
            if event.kind in (XID, XA_PREPARE):
                ended, over = event.when, True
                group.in_two_steps = event.kind == XA_PREPARE and group.touches
            elif event.kind == QUERY:
                said = self._statement(event)
                ended, over = said.ended, alone or said.text in _BRACKETS[1:]
                if xa := _XA.match(said.text):
                    word = xa[1].upper()
                    over = word in (b"COMMIT", b"ROLLBACK")
                    # Whose rows the second step is of, only the database that it was said in tells.
                    group.in_two_steps = word == b"COMMIT" and said.database == database
                elif said.is_of_transaction or (said.text not in _BRACKETS and self._concerns(said, database)):
                    group.does.append(said)
            elif event.kind == TABLE_MAP:
                maps[event.body[:6]] = mapped(event.body)[0]
                if mapped(event.body)[0] == database:
                    statement.append(event.raw)
                continue
            elif event.kind in ROWS:
                if maps.get(event.body[:6]) == database:
                    statement.append(event.raw)
                if event.body[6] & _STATEMENT_ENDS:
                    if statement:
                        group.does.append(statement)
                    maps, statement = {}, []
                continue
            elif event.kind == ANNOTATE_ROWS or event.flags & _IGNORABLE:
                continue
            else:
                # Written by a session that chose another format, or by a server that is set otherwise.
                raise BackupError(f"{self.path.name} holds an event of type {event.kind} at position {event.at}")
            if over:
                group.ended = ended
                self.gtids[group.gtid[0]] = group.gtid[1]
                yield group
                group = None

    def _begun(self, event):
        number, domain, flags = struct.unpack_from("<QIB", event.body)
        return Group(event.at, bool(flags & _TRANSACTIONAL), (domain, number, bool(flags & _STANDALONE)))

    def _statement(self, event):
        _, seconds, length, _, parts = struct.unpack_from("<IIBHH", event.body)
        rest = event.body[13:]
        known = self._parts(rest[:parts], event.at)
        database, text = rest[parts : parts + length].decode(), rest[parts + length + 1 :]
        return Statement(
            when=event.when,
            ended=event.when + seconds,
            database=database,
            text=text,
            microseconds=int.from_bytes(known.get(128, b""), "little"),
            flags=int.from_bytes(known.get(0, b""), "little"),
            sql_mode=int.from_bytes(known.get(1, b""), "little"),
            charset=int.from_bytes(known.get(4, b"\x2d\0")[:2], "little"),
            time_zone=known.get(5, b""),
        )

    def _parts(self, data, at):
        found, place = {}, 0
        while place < len(data):
            code, place = data[place], place + 1
            if code == _INVOKER:
                for _ in ("user", "host"):
                    place += 1 + data[place]
                continue
            if code not in _PARTS:
                raise BackupError(f"{self.path.name} says something unknown of a statement at position {at}: {code}")
            size = _PARTS[code]
            if size is None:
                size, place = data[place], place + 1
            found[code] = data[place : place + size]
            place += size
        return found

    def _concerns(self, said, database):
        """Say whether a statement changes something in the database; raises DroppedError where it ends it."""
        inside = said.database == database
        if not inside and database.encode() not in said.text:
            return False
        if _ABOUT_PEOPLE.match(said.text):
            return False
        names = database.encode() in names_in(said.text)
        if names and _DROP_DATABASE.match(said.text):
            raise DroppedError(said.ended)
        # It is there already.
        return (inside or names) and not _CREATE_DATABASE.match(said.text)


class DroppedError(BackupError):
    """Report that a database was removed as a whole; `when`: Unix time."""

    def __init__(self, when):
        super().__init__("the database was removed")
        self.when = when


def with_flags(raw, flags):
    """Return an event with other flags in its header; its checksum stays as it is."""
    return raw[:_FLAGS_LIE] + flags.to_bytes(2, "little") + raw[_FLAGS_LIE + 2 :]


def mapped(body):
    """Return the database and the table that a table map is of."""
    length = body[8]
    database = body[9 : 9 + length]
    place = 10 + length
    return database.decode(), body[place + 1 : place + 1 + body[place]].decode()


def listed_gtids(body):
    """Return the last number of each domain that a list of GTIDs holds."""
    count = int.from_bytes(body[:4], "little") & 0x0FFFFFFF
    found = {}
    for place in range(count):
        domain, _, number = struct.unpack_from("<IIQ", body, 4 + 16 * place)
        found[domain] = max(number, found.get(domain, 0))
    return found


def names_in(text):
    """Return every name in a statement, quoted or not; nothing of its texts and remarks."""
    return {
        match[0].strip(b"`") for match in _TOKEN.finditer(text) if match[0][:1] not in (b"'", b'"', b"/", b"#", b"-")
    }


def renamed(text, old, new):
    """Return a statement in which a name, wherever it stands as one, is another."""

    def put(match):
        token = match[0]
        if token.strip(b"`") != old or token[:1] in (b"'", b'"'):
            return token
        return token.replace(old, new)

    return _TOKEN.sub(put, text)


def moved(raw, old, new):
    """Return a table map's event with another database of the same length."""
    place = _HEADER.size + 9
    if len(old) != len(new) or raw[place : place + len(old)] != old:
        raise BackupError("a table map cannot be led to a database whose name has another length")
    return sealed(raw[:place] + new + raw[place + len(old) : -_CHECKSUM_BYTES])


def closing(raw):
    """Return an event of rows that ends its statement."""
    place = _HEADER.size + 6
    return sealed(raw[:place] + bytes([raw[place] | _STATEMENT_ENDS]) + raw[place + 1 : -_CHECKSUM_BYTES])


def sealed(raw):
    """Return an event with the checksum that it needs."""
    return raw + zlib.crc32(raw).to_bytes(_CHECKSUM_BYTES, "little")


class Speaker:
    """Say groups again as SQL for a client that is the server's administrator, led to another database.

    old, new: databases, with names of the same length. Rows go by BINLOG; they name their table, so none can reach
    another database. Statements are run by a procedure with the rights of the new database's own user and no others,
    so what they name elsewhere is denied them. It has to lie in that database, since statements count from where their
    procedure is; so it is made anew for each group, whatever one before made of it.
    """

    # What a client takes in one piece, with room for its base64: bytes of events.
    PIECE = 4 << 20

    def __init__(self, old, new):
        self.old, self.new = old.encode(), new.encode()
        # By a name that nobody knew when the log was written: what stands there could drop it, or take its place.
        self._procedure = f"schools_replay_{secrets.token_hex(12)}"
        self._sql_mode = None
        self._relaxed = False
        self.statements = 0

    def beginning(self):
        """Return what comes first."""
        return b"SET SESSION sql_log_bin = 0;\nSET NAMES utf8mb4;\nSET GLOBAL slave_exec_mode = 'STRICT';\n"

    def ending(self):
        """Return what comes last."""
        drop = f"DROP PROCEDURE IF EXISTS `{self.new.decode()}`.`{self._procedure}`;\n".encode()
        return b"SET GLOBAL slave_exec_mode = 'STRICT';\n" + drop

    def format(self, event):
        """Yield what a file's first event says of all that follow."""
        yield _binlog([event.raw])

    def group(self, group):
        """Yield what a group did."""
        # What takes part in no transaction was dumped later than the rest of the set, and may hold this already.
        if self._relaxed == group.transactional:
            self._relaxed = not group.transactional
            yield b"SET GLOBAL slave_exec_mode = '%s';\n" % (b"IDEMPOTENT" if self._relaxed else b"STRICT")
        statements = [deed for deed in group.does if isinstance(deed, Statement) and not deed.is_of_transaction]
        if statements:
            # Before it begins: what makes a procedure ends a transaction.
            yield self._create(statements[0].sql_mode)
        yield b"BEGIN;\n"
        for deed in group.does:
            self.statements += 1
            yield from self._statement(deed) if isinstance(deed, Statement) else self._rows(deed)
        yield b"COMMIT;\n"

    def _create(self, sql_mode):
        # A procedure runs in the mode that it was made in.
        self._sql_mode = sql_mode
        return (
            (
                "SET SESSION sql_mode = {2};\nCREATE OR REPLACE DEFINER = `{0}`@`%` PROCEDURE `{0}`.`{1}`"
                "(IN said LONGTEXT CHARACTER SET utf8mb4) SQL SECURITY DEFINER EXECUTE IMMEDIATE said;\n"
            )
            .format(self.new.decode(), self._procedure, sql_mode)
            .encode()
        )

    def _rows(self, raw_events):
        maps = [moved(raw, self.old, self.new) for raw in raw_events if raw[_KIND_LIES] == TABLE_MAP]
        rows = [raw for raw in raw_events if raw[_KIND_LIES] != TABLE_MAP]
        while rows:
            piece, size = [], 0
            while rows and (not piece or size + len(rows[0]) <= self.PIECE):
                size += len(rows[0])
                piece.append(rows.pop(0))
            # Each piece is a whole statement: rows of tables that it does not name would be left out without a word.
            yield _binlog([*maps, *piece[:-1], closing(piece[-1])])

    def _statement(self, said):
        if said.is_of_transaction:
            yield b"EXECUTE IMMEDIATE CONVERT(0x%s USING utf8mb4);\n" % said.text.hex().encode()
            return
        if said.charset not in _TEXT_IN_UTF8 and not said.text.isascii():
            raise BackupError("a statement is in a character set other than UTF-8")
        if said.sql_mode != self._sql_mode:
            yield self._create(said.sql_mode)
        foreign, unique = (int(not said.flags & bit) for bit in (_NO_FOREIGN_KEYS, _RELAXED_UNIQUE))
        yield (
            f"SET SESSION foreign_key_checks = {foreign}, unique_checks = {unique},"
            f" timestamp = {said.when}.{said.microseconds:06d};\n"
        ).encode()
        if said.time_zone:
            yield b"SET SESSION time_zone = CONVERT(0x%s USING utf8mb4);\n" % said.time_zone.hex().encode()
        text = renamed(said.text, self.old, self.new)
        yield b"CALL `%s`.`%s`(CONVERT(0x%s USING utf8mb4));\n" % (
            self.new,
            self._procedure.encode(),
            text.hex().encode(),
        )


def _binlog(raw_events):
    """Return the statement that takes events, in two halves where a client would not take it as one."""
    data = b"\n".join(base64.b64encode(raw) for raw in raw_events)
    if len(data) <= 4 * Speaker.PIECE:
        return b"BINLOG '\n%s\n';\n" % data
    half = len(data) // 2
    return (
        b"SET @binlog_fragment_0 = '%s';\nSET @binlog_fragment_1 = '%s';\n"
        b"BINLOG @binlog_fragment_0, @binlog_fragment_1;\n" % (data[:half], data[half:])
    )
