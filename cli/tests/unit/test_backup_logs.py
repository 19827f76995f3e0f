"""Binary logs: kept and stored by stream, and one school's part of them replayed to a second into another database."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ..support.backup_server import KEY, restic
from ..support.mariadb_here import IS_HERE, MariaDBHere

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "backup_schedule" / "files"
sys.path.insert(0, str(PROGRAM))

from backup import binlog, logs, sets  # noqa: E402
from backup.calls import Calls  # noqa: E402
from backup.database import Database  # noqa: E402
from backup.errors import BackupError  # noqa: E402
from backup.repository import Repository  # noqa: E402
from backup.settings import Settings, Target, read  # noqa: E402

needs_server = pytest.mark.skipif(not IS_HERE, reason="MariaDB is not installed (apt install mariadb-server)")
SCHOOL, NEIGHBOUR, SIDE = "sch0123456789ab", "sch0123456789ac", "schffffffffffff"

TABLES = """
CREATE TABLE tabUser (name VARCHAR(140) PRIMARY KEY, n INT, t LONGTEXT);
INSERT INTO tabUser VALUES ('a', 1, 'x'), ('b', 2, 'y');
CREATE TABLE __global_search (name VARCHAR(10) PRIMARY KEY, n INT) ENGINE=MyISAM;
INSERT INTO __global_search VALUES ('x', 1);
CREATE TABLE nokey (a INT, b VARCHAR(20));
INSERT INTO nokey VALUES (1, 'é'), (1, 'é');
CREATE SEQUENCE hash_seq;
"""

ALL_OF = "SELECT * FROM `{}`"
ADD_USER = "INSERT INTO tabUser VALUES ('in {0}', {0}, 'x'); FLUSH BINARY LOGS"


@dataclass
class World:
    """A database server with two schools, and where their logs are kept."""

    folder: Path
    server: MariaDBHere
    settings: Settings
    school: str = SCHOOL
    neighbour: str = NEIGHBOUR
    side: str = SIDE
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def set(self) -> Path:
        return self.folder / "set"

    def make_schools(self) -> None:
        for name in (self.school, self.neighbour):
            Database(self.settings).drop(name)
            Database(self.settings).create(name, "a-password-of-it")
            self.server.run(TABLES, name)

    def take(self, *, settled: bool = False) -> None:
        """Take a set of the school, as far as a replay looks at it, and have it in the side database."""
        if not settled:
            self.settle()
        position = self.server.run("SHOW MASTER STATUS").split("\t")
        self.manifest = {
            "version": 1,
            "set": "20260101T000000Z",
            "taken": now(),
            "site": "tech-school",
            "contents": {},
            "files": {"entries": {}},
            "database": {
                "tables": {},
                "name": self.school,
                "log": {
                    "stream": logs.stream_of(self.settings),
                    "file": position[0],
                    "position": int(position[1]),
                },
            },
        }
        self.write()
        self.copy()

    def write(self) -> None:
        self.set.mkdir(exist_ok=True)
        sets.write(self.set, self.manifest)

    def copy(self) -> None:
        """Make the side database what the school is now."""
        Database(self.settings).drop(self.side)
        Database(self.settings).create(self.side, "a-password-of-it")
        dump = subprocess.run(
            [*self.server.settings()["definitions"], self.school], capture_output=True, check=True
        ).stdout  # type: ignore[misc]
        self.server.run("SET SESSION sql_log_bin=0;\n" + dump.decode(), self.side)

    def begin_again(self) -> None:
        """Make the side database what the schools were at first."""
        Database(self.settings).drop(self.side)
        Database(self.settings).create(self.side, "a-password-of-it")
        self.server.run("SET SESSION sql_log_bin = 0;" + TABLES, self.side)

    def settle(self) -> str:
        """Wait until another second has begun, which is returned."""
        before = now()
        while now() == before:
            time.sleep(0.02)
        return now()

    def replay(self, until: str, target: str | None = None, *, or_before: bool = False) -> dict[str, Any]:
        return dict(logs.replay(self.settings, self.set, self.side, until, target, or_before))

    def content(self, name: str) -> dict[str, tuple[str, str]]:
        """Return each table of a database: how it is made, and its rows."""
        tables = self.server.run("SHOW TABLES", name).split("\n")[:-1]
        made = {table: self.server.run(f"SHOW CREATE TABLE `{table}`", name) for table in tables}
        rows = {table: self.server.run(ALL_OF.format(table), name) for table in tables}
        return {table: (made[table], "\n".join(sorted(rows[table].split("\n")))) for table in tables}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, mariadb_data: Path) -> Iterator[MariaDBHere]:
    running = MariaDBHere(tmp_path_factory.mktemp("mariadb"))
    running.take(mariadb_data)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def world(tmp_path: Path, server: MariaDBHere) -> World:
    """Schools on a server that they share with those of other tests."""
    found = World(tmp_path, server, settings_for(tmp_path, server))
    found.make_schools()
    return found


@pytest.fixture
def lonely(tmp_path: Path, mariadb_data: Path) -> Iterator[World]:
    """Schools on a server of their own, which may be killed."""
    running = MariaDBHere(tmp_path)
    running.take(mariadb_data)
    running.start()
    found = World(tmp_path, running, settings_for(tmp_path, running))
    found.make_schools()
    yield found
    running.stop()


def settings_for(folder: Path, server: MariaDBHere) -> Settings:
    (folder / "srv" / "backups").mkdir(parents=True, exist_ok=True)
    (folder / "key").write_text(f"{KEY}\n")
    given = {
        "root": str(folder / "srv"),
        "restic": "restic",
        "cache": str(folder / "cache"),
        "key_file": str(folder / "key"),
        "targets": {},
        "keep": {},
        "database": server.settings(),
    }
    (folder / "settings.json").write_text(json.dumps(given))
    return read(folder / "settings.json")


# --- what is said again ----------------------------------------------------------------------------------------------

OF_A_DAY = {
    "rows": "UPDATE tabUser SET n = 3; DELETE FROM tabUser WHERE name = 'a'; INSERT INTO tabUser VALUES ('ü', 4, NULL)",
    "rows without a key": "DELETE FROM nokey LIMIT 1; INSERT INTO nokey VALUES (NULL, '日本')",
    "sequences": "SELECT NEXT VALUE FOR hash_seq; SELECT SETVAL(hash_seq, 50); CREATE SEQUENCE s2 START WITH 7",
    "tables without transactions": (
        "UPDATE __global_search SET n = n + 1; TRUNCATE TABLE __global_search;"
        " INSERT INTO __global_search VALUES ('n', 9) ON DUPLICATE KEY UPDATE n = 4"
    ),
    "temporary tables": (
        "CREATE TEMPORARY TABLE tt (a INT); INSERT INTO tt VALUES (1);"
        " INSERT INTO tabUser SELECT a, a, 'tmp' FROM tt; DROP TEMPORARY TABLE tt"
    ),
    "tables made of others": "CREATE TABLE c2 AS SELECT * FROM tabUser; CREATE TABLE c3 LIKE c2; DROP TABLE c2",
    "points in a transaction": (
        "BEGIN; DELETE FROM tabUser WHERE name = 'a'; SAVEPOINT q; INSERT INTO __global_search VALUES ('y', 1);"
        " DELETE FROM tabUser; ROLLBACK TO q; COMMIT"
    ),
    "a migration": (
        "ALTER TABLE tabUser ADD z INT DEFAULT 5, ADD y VARCHAR(40) DEFAULT 'it''s' COMMENT 'naïve; /*!*/;';"
        " CREATE INDEX i ON tabUser (n); RENAME TABLE nokey TO stillnokey;"
        " OPTIMIZE TABLE tabUser; ANALYZE TABLE tabUser"
    ),
    "names with the database before": "ALTER TABLE {school}.tabUser ADD z INT; CREATE TABLE `{school}`.`t` (a INT)",
    "a session of its own": (
        "SET sql_mode = ''; CREATE TABLE odd (d DATETIME NOT NULL DEFAULT '0000-00-00', e VARCHAR(3));"
        " INSERT INTO odd VALUES ('0000-00-00', 'abcd'); SET foreign_key_checks = 0;"
        " CREATE TABLE child (a INT, p VARCHAR(140), FOREIGN KEY (p) REFERENCES parent (name));"
        " CREATE TABLE parent (name VARCHAR(140) PRIMARY KEY); INSERT INTO child VALUES (1, 'nobody')"
    ),
    "a time zone of its own": (
        "SET time_zone = '+05:00'; CREATE TABLE ts (a INT, t TIMESTAMP DEFAULT '2026-01-01 00:00:00');"
        " INSERT INTO ts (a) VALUES (1)"
    ),
    "what is larger than one piece": (
        "INSERT INTO tabUser (name, t) VALUES ('big', REPEAT('ab', 7000000));"
        " INSERT INTO nokey SELECT seq, REPEAT('z', 18) FROM seq_1_to_300000"
    ),
    "what touches a neighbour too": (
        "BEGIN; INSERT INTO nokey VALUES (5, 'both'); INSERT INTO {neighbour}.nokey VALUES (5, 'both'); COMMIT;"
        " UPDATE tabUser own, {neighbour}.tabUser other SET own.n = 77, other.n = 78 WHERE own.name = other.name"
    ),
}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, server: MariaDBHere) -> dict[str, tuple[World, dict[str, Any]]]:
    """Replay what schools did on one day, each something else; return each one's world, and what was found of it."""
    worlds = {}
    for number, deeds in enumerate(OF_A_DAY):
        folder = tmp_path_factory.mktemp("world")
        world = World(folder, server, settings_for(folder, server), *(f"sch{kind}{number:011x}" for kind in "123"))
        world.make_schools()
        worlds[deeds] = world
    world.settle()
    for world in worlds.values():
        world.take(settled=True)
    for deeds, world in worlds.items():
        server.run(OF_A_DAY[deeds].format(school=world.school, neighbour=world.neighbour), world.school)
    until = world.settle()
    found = {}
    for deeds, world in worlds.items():
        before = {name: world.content(name) for name in (world.school, world.neighbour)}
        found[deeds] = world, {"before": before, "done": world.replay(until)}
    return found


@needs_server
@pytest.mark.parametrize("deeds", OF_A_DAY)
def test_a_school_is_brought_to_what_it_became(
    day: dict[str, tuple[World, dict[str, Any]]], server: MariaDBHere, deeds: str
) -> None:
    world, found = day[deeds]
    assert world.content(world.side) == found["before"][world.school]
    assert found["done"]["groups"] > 0
    assert found["done"]["events_until"] <= now()
    # Nothing was said again where it had been said.
    assert {name: world.content(name) for name in found["before"]} == found["before"]
    assert server.run("SELECT @@global.slave_exec_mode") == "STRICT\n"
    assert server.run("SHOW PROCEDURE STATUS WHERE db LIKE 'sch%'") == ""


@needs_server
def test_no_statement_can_prepare_what_the_administrator_calls_for_the_next(world: World) -> None:
    world.take()
    world.server.run("CREATE TABLE one (a INT); CREATE TABLE two (a INT)", SCHOOL)
    world.server.run("SET GLOBAL log_output = 'TABLE', general_log = 1; TRUNCATE mysql.general_log")
    try:
        world.replay(world.settle())
    finally:
        world.server.run("SET GLOBAL general_log = 0")
    said = world.server.run("SELECT LEFT(argument, 17) FROM mysql.general_log WHERE argument LIKE '%`schools_replay%'")
    made_anew = ["CREATE OR REPLACE", "CALL `schffffffff"]
    assert said.splitlines() == [*made_anew, *made_anew, "DROP PROCEDURE IF"]
    assert {"one", "two"} <= {*world.content(SIDE)}


@needs_server
def test_what_the_neighbours_did_is_not_said_again_whatever_they_name(world: World) -> None:
    world.take()
    was = world.content(SCHOOL)
    world.server.run("DELETE FROM tabUser; DROP TABLE nokey", NEIGHBOUR)
    world.server.run(f"CREATE TABLE {SCHOOL}x (a INT)", NEIGHBOUR)
    world.server.run("DROP TABLE nokey; CREATE TABLE note (a TEXT DEFAULT 'sch0123456789ab')", SCHOOL)
    Database(world.settings).create("schcccccccccccc", "a-password-of-it")
    world.server.run(f"GRANT SELECT ON `{SCHOOL}`.* TO 'schcccccccccccc'@'%'; DROP USER 'schcccccccccccc'@'%'")
    gone = world.content(NEIGHBOUR)
    done = world.replay(world.settle())
    assert done["groups"] == 2
    assert world.content(SIDE) == {
        **{name: was[name] for name in was if name != "nokey"},
        "note": world.content(SCHOOL)["note"],
    }
    assert world.content(NEIGHBOUR) == gone


@needs_server
def test_a_row_deleted_at_a_second_is_there_at_that_second_and_gone_in_the_next(world: World) -> None:
    world.take()
    world.settle()
    world.server.run("UPDATE tabUser SET n = 5", SCHOOL)
    deleted = world.settle()
    world.server.run("DELETE FROM tabUser", SCHOOL)
    assert now() == deleted
    after = world.settle()
    world.replay(deleted)
    # A moment is the beginning of its second.
    assert world.server.run("SELECT name, n FROM tabUser", SIDE) == "a\t5\nb\t5\n"
    world.server.run("INSERT INTO tabUser VALUES ('later', 1, 'x')", SCHOOL)
    neighbour = world.content(NEIGHBOUR)
    world.begin_again()
    world.replay(after)
    assert world.server.run("SELECT COUNT(*) FROM tabUser", SIDE) == "0\n"
    assert world.content(NEIGHBOUR) == neighbour


@needs_server
def test_a_transaction_belongs_to_the_second_of_its_commit(world: World) -> None:
    world.take()
    world.server.run("BEGIN; UPDATE tabUser SET n = 8; SELECT SLEEP(2.1); COMMIT", SCHOOL)
    began = world.manifest["taken"]
    between = datetime.strptime(began, "%Y-%m-%dT%H:%M:%SZ").timestamp() + 1
    world.replay(datetime.fromtimestamp(between).strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert world.server.run("SELECT n FROM tabUser WHERE name = 'a'", SIDE) == "1\n"


@needs_server
def test_a_statement_that_ran_for_long_belongs_to_its_end_as_the_order_of_the_log_tells(world: World) -> None:
    world.take()
    slow = [*world.server.client, SCHOOL, "--execute", "UPDATE tabUser SET n = 8 WHERE name = 'a' AND SLEEP(2.5) = 0"]
    began = world.settle()
    with subprocess.Popen(slow) as running:
        # Somebody else's, which was done before it was: whatever follows in the log was done still later.
        between = world.settle()
        world.server.run("INSERT INTO tabUser VALUES ('meanwhile', 1, 'x')", NEIGHBOUR)
        assert running.wait() == 0
    after = world.settle()
    world.replay(between)
    assert world.server.run("SELECT n FROM tabUser WHERE name = 'a'", SIDE) == "1\n"
    world.begin_again()
    world.replay(after)
    assert world.server.run("SELECT n FROM tabUser WHERE name = 'a'", SIDE) == "8\n"
    assert began < between


@needs_server
def test_what_a_table_without_transactions_held_already_when_it_was_dumped_is_no_obstacle(world: World) -> None:
    world.take()
    world.server.run(
        "INSERT INTO __global_search VALUES ('late', 1); DELETE FROM __global_search WHERE name = 'x'", SCHOOL
    )
    world.server.run("SET SESSION sql_log_bin = 0; INSERT INTO __global_search VALUES ('late', 1)", SIDE)
    world.server.run("SET SESSION sql_log_bin = 0; DELETE FROM __global_search WHERE name = 'x'", SIDE)
    world.replay(world.settle())
    assert world.content(SIDE) == world.content(SCHOOL)


@needs_server
def test_a_database_that_is_not_what_the_logs_expect_is_refused(world: World) -> None:
    world.take()
    world.server.run("SET SESSION sql_log_bin = 0; INSERT INTO tabUser VALUES ('clash', 0, '')", SIDE)
    world.server.run("INSERT INTO tabUser VALUES ('clash', 1, 'x')", SCHOOL)
    with pytest.raises(BackupError, match="Duplicate entry"):
        world.replay(world.settle())


IN_TWO_STEPS = (
    "XA START 'x'; INSERT INTO tabUser VALUES ('two steps', 1, 'x'); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x';"
    "XA START 'y'; INSERT INTO tabUser VALUES ('no step', 1, 'x'); XA END 'y'; XA PREPARE 'y'; XA ROLLBACK 'y';"
    "XA START 'z'; INSERT INTO tabUser VALUES ('one step', 1, 'x'); XA END 'z'; XA COMMIT 'z' ONE PHASE;"
)


@needs_server
def test_a_transaction_in_two_steps_of_a_neighbour_stops_no_replay(world: World) -> None:
    world.take()
    world.server.run("INSERT INTO tabUser VALUES ('before', 1, 'x')", SCHOOL)
    world.server.run(IN_TWO_STEPS, NEIGHBOUR)
    world.server.run("INSERT INTO tabUser VALUES ('after', 1, 'x')", SCHOOL)
    neighbour = world.content(NEIGHBOUR)
    world.replay(world.settle())
    assert world.content(SIDE) == world.content(SCHOOL)
    assert world.content(NEIGHBOUR) == neighbour


@needs_server
def test_a_transaction_in_two_steps_of_the_school_itself_is_told_with_the_moment_before(world: World) -> None:
    world.take()
    world.server.run("INSERT INTO tabUser VALUES ('before', 1, 'x')", SCHOOL)
    before = world.settle()
    world.server.run(IN_TWO_STEPS, SCHOOL)
    with pytest.raises(BackupError, match=rf"in two steps \(XA\) at {before}, .*: `--at {before}` is as far"):
        world.replay(world.settle())
    world.begin_again()
    world.replay(before)
    assert world.server.run("SELECT name FROM tabUser", SIDE) == "a\nb\nbefore\n"


@needs_server
def test_the_second_step_alone_is_told_too_and_its_taking_back_is_nothing(world: World) -> None:
    steps = IN_TWO_STEPS.split(";")
    # The server forgets nothing that is prepared when its client goes.
    world.server.run(";".join(steps[:4]), SCHOOL)
    world.server.run(";".join(steps[5:9]), SCHOOL)
    world.take()
    world.server.run("XA ROLLBACK 'y'", SCHOOL)
    world.replay(world.settle())
    assert world.content(SIDE) == world.content(SCHOOL)
    world.server.run("XA COMMIT 'x'", SCHOOL)
    with pytest.raises(BackupError, match=r"in two steps \(XA\)"):
        world.replay(world.settle())


@needs_server
def test_the_end_of_the_whole_database_is_never_said_again(world: World) -> None:
    world.take()
    world.server.run("UPDATE tabUser SET n = 6", SCHOOL)
    before = world.settle()
    world.server.run(f"DROP DATABASE `{SCHOOL}`")
    world.server.run(f"CREATE DATABASE `{SCHOOL}`; CREATE TABLE `{SCHOOL}`.tabOther (a INT)")
    after = world.settle()
    with pytest.raises(BackupError, match=r"the school's database was removed at .*; choose a moment before"):
        world.replay(after)
    world.begin_again()
    world.replay(before)
    assert world.server.run("SELECT n FROM tabUser", SIDE) == "6\n6\n"
    assert world.server.run("SHOW TABLES", SCHOOL) == "tabOther\n"


@needs_server
@pytest.mark.parametrize(
    "deed",
    [
        f"RENAME TABLE nokey TO {NEIGHBOUR}.moved",
        f"CREATE TABLE {NEIGHBOUR}.made (a INT)",
        f"DROP TABLE tabUser, {NEIGHBOUR}.tabUser",
        f"CREATE DEFINER = `{NEIGHBOUR}`@`%` VIEW v AS SELECT 1",
    ],
)
def test_a_statement_that_reaches_for_a_neighbour_is_denied_and_told(world: World, deed: str) -> None:
    world.take()
    world.server.run(deed, SCHOOL)
    neighbour = world.content(NEIGHBOUR)
    with pytest.raises(BackupError, match=r"denied"):
        world.replay(world.settle())
    assert world.content(NEIGHBOUR) == neighbour
    assert world.server.run("SHOW PROCEDURE STATUS WHERE db LIKE 'sch%'") == ""


@needs_server
@pytest.mark.parametrize(
    ("until", "words"),
    [
        ("2001-01-01T00:00:00Z", "was taken after"),
        ("2999-01-01T00:00:00Z", "has not come yet"),
        ("yesterday", "is no moment"),
    ],
)
def test_a_moment_that_no_log_can_have_is_refused(world: World, until: str, words: str) -> None:
    world.take()
    with pytest.raises(BackupError, match=words):
        world.replay(until)


@needs_server
def test_a_moment_before_what_the_dump_already_holds_is_refused(world: World) -> None:
    world.settle()
    began = now()
    world.settle()
    world.server.run("UPDATE tabUser SET n = 9", SCHOOL)
    world.take()
    world.manifest["taken"] = began
    world.write()
    with pytest.raises(BackupError, match="the set already holds what happened at"):
        world.replay(began)


@needs_server
def test_a_set_without_a_position_says_why_nothing_can_be_replayed(world: World) -> None:
    world.take()
    world.manifest["database"]["log"] = None
    world.write()
    with pytest.raises(BackupError, match="was taken without binary logs"):
        world.replay(world.settle())


@needs_server
def test_a_pipe_in_place_of_a_sites_configuration_holds_nobody_up(world: World) -> None:
    world.take()
    site = world.settings.root / "sites" / "tech-school"
    site.mkdir(parents=True)
    os.mkfifo(site / "site_config.json")
    with pytest.raises(BackupError, match="is no regular file"):
        world.replay(world.settle())


@needs_server
def test_a_school_that_was_restored_meanwhile_is_not_sought_in_its_old_database(world: World) -> None:
    world.take()
    world.server.run("UPDATE tabUser SET n = 4", SCHOOL)
    before = world.settle()
    world.settle()
    site = world.settings.root / "sites" / "tech-school"
    site.mkdir(parents=True)
    (site / "site_config.json").write_text(json.dumps({"db_name": NEIGHBOUR}))
    world.server.run("CREATE OR REPLACE TABLE tabUser (a INT); DROP TABLE nokey, __global_search, hash_seq", NEIGHBOUR)
    after = world.settle()
    with pytest.raises(BackupError, match="the school was restored at about"):
        world.replay(after)
    world.replay(before)
    assert world.server.run("SELECT n FROM tabUser", SIDE) == "4\n4\n"


# --- gaps and crashes ------------------------------------------------------------------------------------------------


def three_logs(world: World) -> list[Path]:
    """Take a set and let three logs follow, the school changed in each; return them, kept."""
    world.take()
    for number in range(3):
        world.server.run(ADD_USER.format(number), SCHOOL)
    logs.archive(world.settings)
    kept = sorted((world.settings.backups / "logs" / str(logs.stream_of(world.settings))).glob("schools-bin.*"))
    return [path for path in kept if path.name >= world.manifest["database"]["log"]["file"]]


@needs_server
def test_logs_that_follow_on_each_other_are_replayed_as_one(world: World) -> None:
    three_logs(world)
    world.server.run("INSERT INTO tabUser VALUES ('in hand', 9, 'x')", SCHOOL)
    world.replay(world.settle())
    assert world.content(SIDE) == world.content(SCHOOL)


@needs_server
def test_a_missing_log_is_told_and_never_skipped(world: World) -> None:
    kept = three_logs(world)
    kept[1].unlink()
    with pytest.raises(BackupError, match=rf"the binary logs reach until .*, and {kept[1].name} is not there"):
        world.replay(world.settle())


@needs_server
def test_a_log_in_the_place_of_another_does_not_follow_on_and_is_refused(world: World) -> None:
    kept = three_logs(world)
    kept[1].unlink()
    shutil.copy(kept[2], kept[1])
    with pytest.raises(BackupError, match="does not follow on the log before it"):
        world.replay(world.settle())


@needs_server
@pytest.mark.parametrize("place", [-40, -1, 300])
def test_a_flipped_byte_in_a_log_is_found(world: World, place: int) -> None:
    kept = three_logs(world)
    data = bytearray(kept[1].read_bytes())
    data[place] ^= 1
    kept[1].unlink()
    kept[1].write_bytes(data)
    with pytest.raises(BackupError, match=rf"{kept[1].name} is damaged at position"):
        world.replay(world.settle())


@needs_server
@pytest.mark.parametrize(("bytes_lost", "words"), [(48, "is cut short"), (20, "is damaged at position")])
def test_a_log_that_was_closed_and_ends_too_early_is_refused(world: World, bytes_lost: int, words: str) -> None:
    kept = three_logs(world)
    data = kept[1].read_bytes()
    kept[1].unlink()
    # Its last event leads to the log after it.
    kept[1].write_bytes(data[: -len_of_last(kept[2].name) if bytes_lost == 48 else -bytes_lost])
    with pytest.raises(BackupError, match=words):
        world.replay(world.settle())


def len_of_last(name: str) -> int:
    return 19 + 8 + len(name) + 4


@needs_server
def test_after_a_crash_a_log_is_read_to_its_last_whole_transaction(lonely: World) -> None:
    lonely.take()
    lonely.server.run("INSERT INTO tabUser VALUES ('whole', 1, 'x')", SCHOOL)
    lonely.server.stop(kill=True)
    open_one = lonely.server.data / lonely.manifest["database"]["log"]["file"]
    whole = open_one.read_bytes()
    # Half of a transaction, as it is when the machine fails while it is written.
    begun = whole[lonely.manifest["database"]["log"]["position"] :]
    open_one.write_bytes(whole + begun[: len(begun) // 2])
    lonely.server.start()
    lonely.server.run("INSERT INTO tabUser VALUES ('later', 1, 'x')", SCHOOL)
    lonely.replay(lonely.settle())
    assert lonely.content(SIDE) == lonely.content(SCHOOL)


@needs_server
def test_the_last_log_of_a_server_that_is_no_more_reaches_to_its_last_event(lonely: World) -> None:
    lonely.take()
    lonely.server.run("INSERT INTO tabUser VALUES ('whole', 1, 'x')", SCHOOL)
    last = lonely.settle()
    lonely.server.run("INSERT INTO tabUser VALUES ('last', 1, 'x')", SCHOOL)
    stream = logs.stream_of(lonely.settings)
    kept = lonely.settings.backups / "logs" / str(stream)
    kept.mkdir(parents=True)
    open_one = lonely.manifest["database"]["log"]["file"]
    shutil.copy(lonely.server.data / open_one, kept / open_one)
    (lonely.server.data / "schools-stream").write_text("0" * 16 + "\n")
    lonely.settle()
    with pytest.raises(BackupError, match=r"the binary logs reach until"):
        lonely.replay(now())
    lonely.begin_again()
    lonely.replay(last)
    assert lonely.server.run("SELECT name FROM tabUser", SIDE) == "a\nb\nwhole\n"


# --- streams ---------------------------------------------------------------------------------------------------------


@needs_server
def test_a_stream_keeps_its_name_over_a_restart_and_gets_another_where_logs_begin_anew(lonely: World) -> None:
    first = logs.stream_of(lonely.settings)
    lonely.server.run("FLUSH BINARY LOGS; FLUSH BINARY LOGS")
    logs.archive(lonely.settings)
    lonely.server.stop()
    lonely.server.start()
    assert logs.stream_of(lonely.settings) == first
    lonely.server.run("RESET MASTER")
    second = logs.stream_of(lonely.settings)
    assert second != first
    assert logs.stream_of(lonely.settings) == second


@needs_server
def test_data_that_was_set_back_writes_another_stream(lonely: World) -> None:
    first = logs.stream_of(lonely.settings)
    lonely.server.stop()
    aside = lonely.folder / "aside"
    shutil.copytree(lonely.server.data, aside)
    lonely.server.start()
    lonely.server.run("UPDATE tabUser SET n = 1; FLUSH BINARY LOGS", SCHOOL)
    logs.archive(lonely.settings)
    lonely.server.stop()
    shutil.rmtree(lonely.server.data)
    aside.rename(lonely.server.data)
    lonely.server.start()
    lonely.server.run("UPDATE tabUser SET n = 2; FLUSH BINARY LOGS; FLUSH BINARY LOGS", SCHOOL)
    assert logs.stream_of(lonely.settings) not in (None, first)


def test_without_binary_logs_there_is_no_stream_and_nothing_to_archive(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "", tmp_path, tmp_path, {}, {}, {"logs": None})
    assert logs.stream_of(settings) is None
    assert logs.archive(settings) == {"files": 0, "bytes": 0}


@needs_server
def test_a_link_in_the_place_of_the_streams_name_leads_nowhere(lonely: World, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("a" * 16)
    (lonely.server.data / "schools-stream").unlink(missing_ok=True)
    (lonely.server.data / "schools-stream").symlink_to(victim)
    with pytest.raises((BackupError, OSError)):
        logs.stream_of(lonely.settings)
    assert victim.read_text() == "a" * 16


@pytest.fixture
def targets(lonely: World, repository: Path, other_repository: Path) -> dict[str, Target]:
    object.__setattr__(lonely.settings, "restic", restic())
    for name, empty in (("local", repository), ("vault", other_repository)):
        lonely.settings.targets[name] = Target(name, str(lonely.folder / name))
        shutil.copytree(empty, lonely.folder / name)
    return lonely.settings.targets


@needs_server
@pytest.mark.usefixtures("targets")
def test_logs_are_stored_once_in_every_target_and_come_back_from_there(lonely: World) -> None:
    lonely.take()
    for number in range(2):
        lonely.server.run(ADD_USER.format(number), SCHOOL)
    lonely.server.run("INSERT INTO tabUser VALUES ('in hand', 9, 'x')", SCHOOL)
    until = lonely.settle()
    done = logs.archive(lonely.settings)
    assert done["files"] >= 3
    assert done["bytes"] > 0
    assert logs.archive(lonely.settings) == {"files": 0, "bytes": 0}
    # The server is lost with all that it kept; the set and the targets are elsewhere.
    wanted = lonely.content(SCHOOL)
    shutil.rmtree(lonely.settings.backups / "logs")
    shutil.rmtree(lonely.folder / "local" / "data")
    shutil.rmtree(lonely.folder / "local")
    (lonely.server.data / "schools-stream").write_text("f" * 16 + "\n")
    lonely.server.run("RESET MASTER")
    lonely.settings.targets["vault"] = Target("vault", str(lonely.folder / "nowhere"))
    with pytest.raises(BackupError, match="not every target could be asked"):
        lonely.replay(until)
    lonely.settings.targets["vault"] = Target("vault", str(lonely.folder / "vault"))
    lonely.replay(until)
    assert lonely.content(SIDE) == wanted
    assert list((lonely.settings.backups / "fetched").glob("*")) == []


@needs_server
@pytest.mark.usefixtures("targets")
def test_out_of_one_target_alone_it_goes_as_far_as_that_target_has_logs(lonely: World) -> None:
    lonely.take()
    lonely.server.run(ADD_USER.format(1), SCHOOL)
    lonely.server.run(ADD_USER.format(2), SCHOOL)
    reached = lonely.settle()
    logs.archive(lonely.settings)
    wanted = lonely.content(SCHOOL)
    # The last ones never got there.
    vault = lonely.settings.targets.pop("vault")
    lonely.settle()
    lonely.server.run(ADD_USER.format(3), SCHOOL)
    until = lonely.settle()
    logs.archive(lonely.settings)
    lonely.settings.targets["vault"] = vault
    with pytest.raises(
        BackupError, match=r"in vault reach until (.*Z), and .* is not there: `--at \1` is as far.*`--or-before` goes"
    ) as said:
        lonely.replay(until, "vault")
    offered = str(said.value).partition("--at ")[2].partition("`")[0]
    assert offered <= reached
    lonely.begin_again()
    lonely.replay(offered, "vault")
    lonely.begin_again()
    done = lonely.replay(until, "vault", or_before=True)
    assert lonely.content(SIDE) == wanted
    assert done["reaches_until"] == offered
    lonely.begin_again()
    assert lonely.replay(until)["reaches_until"] is None
    assert lonely.content(SIDE) == lonely.content(SCHOOL)


@needs_server
@pytest.mark.usefixtures("targets")
def test_of_two_logs_of_one_name_that_are_not_the_same_a_new_server_takes_neither(lonely: World) -> None:
    lonely.take()
    lonely.server.run(ADD_USER.format(1), SCHOOL)
    until = lonely.settle()
    logs.archive(lonely.settings)
    wanted = lonely.content(SCHOOL)
    vault = Repository(lonely.settings, lonely.settings.target("vault"))
    [stored] = vault.snapshots("logs")
    copy = lonely.folder / "copy"
    vault.fetch(stored, copy)
    tags = {key: stored["tags"][key] for key in ("kind", "stream", "first", "last")}
    # The same once more, as by a run that was killed before it knew that it had stored it, is no matter.
    vault.store(copy, tags, sets.now())
    lonely.replay(until, "vault", or_before=True)
    assert lonely.content(SIDE) == wanted
    with (copy / tags["first"]).open("ab") as file:
        file.write(b"of somebody else")
    vault.store(copy, tags, sets.now() + timedelta(days=1))
    lonely.begin_again()
    with pytest.raises(
        BackupError,
        match=rf"vault has the log {tags['first']} more than once, not the same each time: as [0-9a-f]{{8}}, ",
    ) as told:
        lonely.replay(until, "vault", or_before=True)
    assert stored["snapshot"][:8] in str(told.value)
    assert list((lonely.settings.backups / "fetched").glob("*")) == []
    # The server that kept its own knows which is true.
    lonely.begin_again()
    lonely.replay(until)
    assert lonely.content(SIDE) == wanted


@needs_server
@pytest.mark.usefixtures("targets")
def test_what_a_snapshot_cannot_hold_of_logs_is_told_and_left_out(lonely: World) -> None:
    lonely.take()
    stream = lonely.manifest["database"]["log"]["stream"]
    vault = Repository(lonely.settings, lonely.settings.target("vault"))
    (lonely.folder / "some").mkdir()
    (lonely.folder / "some/file").write_text("x")
    said = [
        ("schools-bin.000001", "schools-bin.9999999999"),
        ("schools-bin.000001", "schools-bin.000000"),
        ("schools-bin.000001", "schools-bin.1"),
        ("schools-bin.000001", "other-bin.000002"),
        ("schools-bin.000001", "schools-bin.last"),
        ("schools-bin.first", "schools-bin.000001"),
        ("schools-bin.000001", "9" * 5000),
        ("../../schools-bin.000001", "../../schools-bin.000001"),
        ("schools-bin.000001", ""),
        ("", ""),
    ]
    forged = []
    for first, last in said:
        tags = {"kind": "logs", "stream": stream, "first": first, "last": last}
        forged.append(vault.store(lonely.folder / "some", tags, sets.now()))
    lonely.server.run(ADD_USER.format(1), SCHOOL)
    until = lonely.settle()
    with pytest.raises(BackupError) as told:
        logs.archive(lonely.settings)
    for snapshot in forged:
        assert f"the snapshot {snapshot['snapshot'][:8]} in vault" in str(told.value)
    assert len(str(told.value)) < 10_000
    wanted = lonely.content(SCHOOL)
    # What is true is there all the same, and is enough for a server that has nothing else.
    shutil.rmtree(lonely.settings.backups / "logs")
    lonely.server.run("RESET MASTER")
    lonely.replay(until, "vault", or_before=True)
    assert lonely.content(SIDE) == wanted
    lonely.begin_again()
    with pytest.raises(BackupError, match=rf"`--or-before` goes .* {forged[0]['snapshot'][:8]} in vault"):
        lonely.replay(lonely.settle(), "vault")


@needs_server
@pytest.mark.usefixtures("targets")
def test_more_logs_than_one_snapshot_may_hold_are_stored_as_several(
    lonely: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_AT_ONCE", 2)
    for number in range(5):
        lonely.server.run(ADD_USER.format(number), SCHOOL)
    assert logs.archive(lonely.settings)["files"] >= 5
    assert logs.archive(lonely.settings) == {"files": 0, "bytes": 0}
    assert len(Repository(lonely.settings, lonely.settings.target("vault")).snapshots("logs")) >= 3


@needs_server
@pytest.mark.usefixtures("targets")
def test_a_target_that_has_no_log_of_a_set_has_the_set_alone(lonely: World) -> None:
    lonely.take()
    was = lonely.content(SIDE)
    lonely.server.run("INSERT INTO tabUser VALUES ('late', 9, 'x')", SCHOOL)
    until = lonely.settle()
    with pytest.raises(BackupError, match=r"no binary log in vault goes on from the set .* `--or-before` takes"):
        lonely.replay(until, "vault")
    lonely.begin_again()
    done = lonely.replay(until, "vault", or_before=True)
    assert (done["reaches_until"], done["groups"]) == (lonely.manifest["taken"], 0)
    assert lonely.content(SIDE) == was


@needs_server
@pytest.mark.usefixtures("targets")
def test_a_target_that_fails_is_told_and_keeps_no_other_from_its_logs(lonely: World) -> None:
    lonely.take()
    shutil.rmtree(lonely.folder / "local")
    lonely.server.run("UPDATE tabUser SET n = 3", SCHOOL)
    with pytest.raises(BackupError, match="local: "):
        logs.archive(lonely.settings)
    del lonely.settings.targets["local"]
    assert logs.archive(lonely.settings) == {"files": 0, "bytes": 0}


@needs_server
@pytest.mark.usefixtures("targets")
def test_a_kept_log_stays_until_every_target_has_it_whatever_the_server_removes(lonely: World) -> None:
    lonely.take()
    lonely.server.run("UPDATE tabUser SET n = 3; FLUSH BINARY LOGS; FLUSH BINARY LOGS", SCHOOL)
    vault = lonely.folder / "vault"
    vault.rename(lonely.folder / "away")
    with pytest.raises(BackupError, match="vault: "):
        logs.archive(lonely.settings)
    lonely.server.run("FLUSH BINARY LOGS; PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY", SCHOOL)
    kept = sorted((lonely.settings.backups / "logs").glob("*/schools-bin.*"))
    for path in kept:
        os.utime(path, (1, 1))
    with pytest.raises(BackupError, match="vault: "):
        logs.archive(lonely.settings)
    assert all(path.exists() for path in kept)
    (lonely.folder / "away").rename(vault)
    logs.archive(lonely.settings)
    assert not any(path.exists() for path in kept[:-1])
    # The newest stays, to count on from.
    assert list((lonely.settings.backups / "logs").glob("*/schools-bin.*"))


@needs_server
@pytest.mark.usefixtures("targets")
def test_logs_from_before_the_oldest_set_go_and_no_others(lonely: World) -> None:
    declared = lonely.settings.backups / "declared"
    declared.mkdir()
    (declared / "tech-school.json").write_text(json.dumps({"row": {"title": "Tech School"}, "site": "tech-school"}))
    object.__setattr__(lonely.settings, "keep", {"last": 1})
    (lonely.folder / "some").mkdir()
    (lonely.folder / "some/file").write_text("x")
    repositories = [Repository(lonely.settings, target) for target in lonely.settings.targets.values()]

    def put(kind: str, year: int, **tags: str) -> None:
        for repository in repositories:
            repository.store(lonely.folder / "some", {"kind": kind, **tags}, datetime(year, 1, 1, tzinfo=UTC))

    def years() -> set[str]:
        return {row["time"][:4] for repository in repositories for row in repository.snapshots("logs")}

    # On a new server a school may be declared, and wait to be restored with the help of the logs.
    waiting = declared / "waiting-school.json"
    waiting.write_text(json.dumps({"row": {"title": "Waiting"}, "site": "waiting-school"}))
    put("set", 2003, school="waiting-school", set="20030101T000000Z")
    put("logs", 2005, stream="a" * 16, first="schools-bin.000001", last="schools-bin.000001")
    Calls(lonely.settings).forget(["tech-school"])
    assert years() == {"2005"}
    waiting.unlink()
    # A school that is no more keeps its sets, and is no reason to keep the logs of all.
    put("set", 2001, school="old-school", set="20010101T000000Z")
    for year in (2002, 2004, 2006):
        put("logs", year, stream="a" * 16, first="schools-bin.000001", last="schools-bin.000001")
        put("set", year + 1, school="tech-school", set=f"{year + 1}0101T000000Z")
    vault = lonely.settings.targets["vault"]
    lonely.settings.targets["vault"] = Target("vault", str(lonely.folder / "nowhere"))
    Calls(lonely.settings).forget(["tech-school"])
    assert years() == {"2002", "2004", "2005", "2006"}, "who cannot be asked may have older sets"
    lonely.settings.targets["vault"] = vault
    Calls(lonely.settings).forget(["tech-school"])
    assert years() == set()
    put("logs", 2008, stream="a" * 16, first="schools-bin.000002", last="schools-bin.000002")
    Calls(lonely.settings).forget(["tech-school"])
    assert years() == {"2008"}


@needs_server
@pytest.mark.usefixtures("targets")
def test_logs_that_were_let_go_of_are_not_stored_again(lonely: World) -> None:
    declared = lonely.settings.backups / "declared"
    declared.mkdir()
    (declared / "tech-school.json").write_text(json.dumps({"row": {"title": "Tech School"}, "site": "tech-school"}))
    object.__setattr__(lonely.settings, "keep", {"last": 1})
    lonely.server.run("UPDATE tabUser SET n = 3; FLUSH BINARY LOGS", SCHOOL)
    logs.archive(lonely.settings)
    kept = sorted((lonely.settings.backups / "logs").glob("*/schools-bin.*"))
    repositories = [Repository(lonely.settings, target) for target in lonely.settings.targets.values()]
    (lonely.folder / "some").mkdir()
    (lonely.folder / "some/file").write_text("x")
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    for repository in repositories:
        tags = {"kind": "set", "school": "tech-school", "set": sets.name_for(later)}
        repository.store(lonely.folder / "some", tags, later)
    Calls(lonely.settings).forget(["tech-school"])
    assert [repository.snapshots("logs") for repository in repositories] == [[], []]
    assert logs.archive(lonely.settings) == {"files": 0, "bytes": 0}
    assert [repository.snapshots("logs") for repository in repositories] == [[], []]
    # They are as good as stored: here, too, they go when their time is over.
    for path in kept:
        os.utime(path, (1, 1))
    logs.archive(lonely.settings)
    assert not any(path.exists() for path in kept[:-1])


@needs_server
@pytest.mark.usefixtures("targets")
def test_the_folder_of_an_old_stream_goes_when_its_time_is_over_and_every_target_has_it(lonely: World) -> None:
    old, fresh = (lonely.settings.backups / "logs" / (letter * 16) for letter in "ab")
    for folder in (old, fresh):
        folder.mkdir(parents=True)
        (folder / "schools-bin.000001").write_bytes(b"some")
    os.utime(old / "schools-bin.000001", (1, 1))
    vault = lonely.settings.targets["vault"]
    lonely.settings.targets["vault"] = Target("vault", str(lonely.folder / "nowhere"))
    with pytest.raises(BackupError, match="vault: "):
        logs.archive(lonely.settings)
    assert old.exists()
    lonely.settings.targets["vault"] = vault
    logs.archive(lonely.settings)
    assert not old.exists()
    assert fresh.exists()
    for target in lonely.settings.targets.values():
        assert [row["tags"]["first"] for row in Repository(lonely.settings, target).snapshots("logs", stream="a" * 16)]


@needs_server
def test_logs_that_were_removed_before_they_could_be_kept_are_told(lonely: World) -> None:
    logs.archive(lonely.settings)
    lonely.server.run("FLUSH BINARY LOGS; FLUSH BINARY LOGS; FLUSH BINARY LOGS")
    open_one = lonely.server.run("SHOW MASTER STATUS").split()[0]
    # It parts with those that it needs after a crash a little later.
    while len(lonely.server.run("SHOW BINARY LOGS").splitlines()) > 1:
        lonely.server.run(f"PURGE BINARY LOGS TO '{open_one}'")
    lonely.server.run("FLUSH BINARY LOGS")
    with pytest.raises(BackupError, match="were removed by the database server before they were kept"):
        logs.archive(lonely.settings)


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        (f"ALTER TABLE {SCHOOL}.`tabUser` ADD a INT", f"ALTER TABLE {SIDE}.`tabUser` ADD a INT"),
        (f"DROP TABLE `{SCHOOL}`.`t`", f"DROP TABLE `{SIDE}`.`t`"),
        (f"CREATE TABLE t (a TEXT DEFAULT '{SCHOOL}')", None),
        (f"CREATE TABLE t (a TEXT DEFAULT 'it''s {SCHOOL}')", None),
        (f"CREATE TABLE t (a TEXT DEFAULT '\\'{SCHOOL}')", None),
        (f"CREATE TABLE {SCHOOL}x (a INT) /* {SCHOOL} */ -- {SCHOOL}", None),
        (f"/*!100 ALTER TABLE {SCHOOL}.t */", f"/*!100 ALTER TABLE {SIDE}.t */"),
        (f"CREATE TABLE t (`a ``{SCHOOL}` INT)", None),
    ],
)
def test_a_name_is_another_where_it_is_a_name_and_nowhere_else(text: str, becomes: str | None) -> None:
    assert binlog.renamed(text.encode(), SCHOOL.encode(), SIDE.encode()).decode() == (becomes or text)


@pytest.mark.parametrize(("name", "number"), [("schools-bin.000012", 12), ("schools-bin.1000000", 1_000_000)])
def test_a_log_has_a_number_of_any_length(name: str, number: int) -> None:
    assert logs.number_of(name) == number


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "schools-bin.000001").write_bytes(b"\xfebin")
    with pytest.raises(BackupError, match="damaged at its beginning"):
        binlog.Log(tmp_path / "schools-bin.000001")
    (tmp_path / "schools-bin.000001").write_bytes(b"nothing")
    with pytest.raises(BackupError, match="is no binary log"):
        binlog.Log(tmp_path / "schools-bin.000001")
