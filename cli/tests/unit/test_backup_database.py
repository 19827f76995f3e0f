"""A dump taken apart into files, and put together again: only what a dump looks like goes through."""

import hashlib
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from backup.database import REST, Database, checked_name, file_of
from backup.errors import BackupError, ChangedError, EndedError

from tests.support.backup_server import MODEL, NAME, BackupServer

OTHER = "sch000000000002"
HEAD = "-- MariaDB dump 10.19\n\n/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;\n"
TAIL = "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n\n-- Dump completed\n"
POSITION = (
    "\n--\n-- Alternately, following is the position of the binary logging.\n-- Use it.\n--\n\n"
    "-- CHANGE MASTER TO MASTER_LOG_FILE='schools-bin.000012', MASTER_LOG_POS=4711;\n"
    "\n-- A corresponding to the above master-data CHANGE-MASTER settings.\n"
)
SEQUENCE = (
    "\n--\n-- Sequence structure for `my seq`\n--\n\nCREATE SEQUENCE `my seq` start with 1 ENGINE=InnoDB;\n"
    "DO SETVAL(`my seq`, 25, 0);\n"
)
VIEW = (
    "\n--\n-- Temporary table structure for view `a view`\n--\n\n"
    "SET @saved_cs_client     = @@character_set_client;\nSET character_set_client = utf8mb4;\n"
    "/*!50001 CREATE VIEW `a view` AS SELECT\n NULL AS `x;\n--\n-- Table structure for table `*/;\n"
    "SET character_set_client = @saved_cs_client;\n"
)
FINAL_VIEW = (
    "\n--\n-- Final view structure for view `a view`\n--\n\n/*!50001 DROP VIEW IF EXISTS `a view`*/;\n"
    "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`sch000000000001`@`%` SQL SECURITY DEFINER */\n"
    "/*!50001 VIEW `a view` AS select ';\n' AS `x` */;\n"
)
ROUTINE = "DELIMITER ;;\nCREATE DEFINER=`sch000000000001`@`%` PROCEDURE `p`()\nSELECT 1 ;;\nDELIMITER ;\n"


ROW = "INSERT INTO `tabFile` VALUES ('%s',%d);\n"


def table(name: str, *rows: str, create: str = "\n  `a` text\n) COMMENT='it''s; \\'so\\''", columns: str = "") -> str:
    text = (
        f"\n--\n-- Table structure for table `{name}`\n--\n\n/*!40101 SET character_set_client = utf8mb4 */;\n"
        f"CREATE TABLE `{name}` ({create};\n/*!40101 SET character_set_client = @saved_cs_client */;\n"
        f"\n--\n-- Dumping data for table `{name}`\n--\n-- ORDER BY:  `a`\n\n"
    )
    return text + "".join(f"INSERT INTO `{name}` {columns}VALUES ({row});\n" for row in rows)


@pytest.fixture
def server(tmp_path: Path) -> BackupServer:
    server = BackupServer(tmp_path / "schools", restic="/bin/false")
    server.open_school()
    return server


@pytest.fixture
def database(server: BackupServer) -> Any:
    from backup import settings

    return Database(settings.read(server.root / "backups.json"))


@pytest.fixture
def dumped(tmp_path: Path, server: BackupServer) -> Callable[..., Any]:
    """Take a dump apart whose text is given."""

    def take_apart(text: str | bytes, **more: Any) -> Any:
        source, folder = tmp_path / "dump.sql", tmp_path / "database"
        source.write_bytes(text.encode() if isinstance(text, str) else text)
        folder.mkdir(exist_ok=True)
        client = [sys.executable, "-I", str(MODEL), str(server.root / "database"), "client"]
        words = {"client": client, "dump": ["sh", "-c", 'cat "$0"', str(source)]}
        words["definitions"] = words["dump"]
        words |= dict.fromkeys(("create", "create_user", "create_reader", "drop"), "")
        return Database(SimpleNamespace(database=words)).dump(NAME, folder, **more)

    return take_apart


def test_a_dump_becomes_a_file_for_each_table_and_the_files_together_are_the_dump(
    dumped: Callable[..., Any], tmp_path: Path
) -> None:
    rows = ("'one\\nline',1", "'emoji 😀 \\'q\\' --',NULL", "0x00FF,2")
    tables = (table("tab/slash.."), table("tabUser", *rows), table("ünï 学校", "1"))
    found = dumped(HEAD + SEQUENCE + VIEW + "".join(tables) + FINAL_VIEW + TAIL)
    assert {name: entry["rows"] for name, entry in found.tables.items()} == {
        "my seq": 0,
        "tab/slash..": 0,
        "tabUser": 3,
        "ünï 学校": 1,
    }
    texts = {name: (tmp_path / "database" / file_of(name)).read_text() for name in found.tables}
    assert list(texts.values()) == [SEQUENCE, *tables]
    assert (tmp_path / "database" / REST).read_text() == VIEW + FINAL_VIEW
    for name, entry in found.tables.items():
        assert entry["sha256"] == hashlib.sha256(texts[name].encode()).hexdigest()
        assert entry["bytes"] == len(texts[name].encode())


def test_the_position_in_the_servers_log_is_told_and_kept_out_of_the_files(
    dumped: Callable[..., Any], tmp_path: Path
) -> None:
    gtid = "\n-- The deferred gtid setting\n\n-- Preferably use GTID:\n\n-- SET GLOBAL gtid_slave_pos='0-1-14';\n"
    found = dumped(HEAD + POSITION + table("tabUser", "1") + gtid + TAIL)
    assert found.position == {"file": "schools-bin.000012", "position": 4711}
    assert not [path for path in (tmp_path / "database").iterdir() if "4711" in path.read_text()]


def test_what_is_as_known_is_not_written(dumped: Callable[..., Any], tmp_path: Path) -> None:
    first = dumped(HEAD + table("tabOne", "1") + table("tabTwo", "1") + TAIL)
    for path in (tmp_path / "database").iterdir():
        path.unlink()
    second = dumped(HEAD + table("tabOne", "1") + table("tabTwo", "2") + TAIL, known=first.as_manifest)
    assert [path.name for path in (tmp_path / "database").iterdir()] == ["tabTwo.sql"]
    assert second.tables["tabOne"] == first.tables["tabOne"]


def test_a_large_table_that_is_as_known_leaves_no_file(dumped: Callable[..., Any], tmp_path: Path) -> None:
    text = HEAD + table("tabFile", *(f"'{'x' * 9000}',{number}" for number in range(1000))) + TAIL
    first = dumped(text)
    (tmp_path / "database/tabFile.sql").unlink()
    assert dumped(text, known=first.as_manifest).tables == first.tables
    assert not (tmp_path / "database/tabFile.sql").exists()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(table("tabOne") + "DROP DATABASE other;\n" + table("tabTwo"), id="a statement between tables"),
        pytest.param(table("tabOne", "1") + "DROP DATABASE other;\n", id="a statement after rows"),
        pytest.param(table("a\nDROP DATABASE other;\n-- b"), id="a table's name with a line break"),
        pytest.param(table("a` (b int); DROP DATABASE other; -- "), id="a name that ends its quotes"),
        pytest.param(table("tabOne", "1") + ROW % ("x", 1), id="rows of another table"),
        pytest.param(
            table("tabOne") + ROW.replace("`tabFile`", "`mysql`.`user`") % ("x", 1), id="rows of another database"
        ),
        pytest.param(
            table("tabOne", "1", columns="(`x\nDROP DATABASE other;\n--`) "), id="a column's name with a line break"
        ),
        pytest.param(
            table("tabOne", "1").replace("-- ORDER BY:  `a`", "-- ORDER BY:  `a\nDROP DATABASE other;\n--`"),
            id="a key's name with a line break",
        ),
        pytest.param(
            table("tabOne", create="a int); DROP DATABASE other; SELECT (1)"), id="two statements where a table is made"
        ),
        pytest.param(table("tabOne") + table("tabOne"), id="the same table twice"),
        pytest.param(SEQUENCE.replace("DO SETVAL", "DROP DATABASE other;\nDO SETVAL"), id="a sequence that does more"),
    ],
)
def test_words_that_are_no_dump_are_refused(dumped: Callable[..., Any], text: str) -> None:
    with pytest.raises(BackupError):
        dumped(HEAD + text + TAIL)


def test_a_line_break_within_a_columns_name_ends_no_statement(dumped: Callable[..., Any], tmp_path: Path) -> None:
    text = table("tabOne", "1", create="\n  `x;\n--\n-- Table structure for table ``y```  text\n)")
    assert list(dumped(HEAD + text + TAIL).tables) == ["tabOne"]
    assert (tmp_path / "database/tabOne.sql").read_text() == text


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_dump_that_ends_early_is_none(dumped: Callable[..., Any], share: float) -> None:
    text = HEAD + table("tabOne", *(f"'row {number}'" for number in range(300))) + table("tabTwo", "1") + TAIL
    with pytest.raises(EndedError):
        dumped(text[: int(len(text) * share)])


def test_a_dump_that_goes_on_after_its_last_line_is_refused(dumped: Callable[..., Any]) -> None:
    with pytest.raises(BackupError):
        dumped(HEAD + table("tabOne") + TAIL + "DROP DATABASE other;\n")


def test_a_dump_that_fails_tells_why(server: BackupServer, database: Any) -> None:
    server.trouble(cut=300, code=3, words="Got error: 2013: Lost connection")
    with pytest.raises(BackupError, match=r"exited with 3.*Lost connection"):
        database.dump(NAME)
    server.trouble(code=2, words="Error 1412: Table definition has changed, please retry transaction")
    with pytest.raises(ChangedError):
        database.dump(NAME)


def test_no_database_but_a_schools_is_touched(database: Any) -> None:
    for name in ("mysql", "sch00000000000g", "sch000000000001; DROP", "", None, ["sch000000000001"]):
        with pytest.raises(BackupError):
            checked_name(name)
        with pytest.raises(BackupError):
            database.drop(name)
    with pytest.raises(BackupError, match="no database sch0000000000ff"):
        database.dump("sch0000000000ff")


def test_a_database_that_was_loaded_is_the_same_by_every_byte(
    server: BackupServer, database: Any, tmp_path: Path
) -> None:
    rows = [f"'it''s {number} ),( (x); \\n',{number}" for number in range(5000)]
    server.put_tables({"tabUser": rows, "tabEmpty": [], "tabOne": ["'a',1"]}, rest=ROUTINE)
    (tmp_path / "set/database").mkdir(parents=True)
    found = database.dump(NAME, tmp_path / "set/database")
    manifest = {"database": {"name": NAME, **found.as_manifest}}
    database.create(OTHER)
    done = database.load(tmp_path / "set", manifest, OTHER)
    assert (done["tables"], done["rows"]) == (3, 5001)
    assert database.differences(OTHER, manifest) == []
    # The one who made it is the new database's own user, as the dump of the new one shows.
    assert f"DEFINER=`{OTHER}`" in (server.root / "database" / f"{OTHER}.json").read_text()


def test_what_differs_is_named(server: BackupServer, database: Any) -> None:
    manifest = {"database": {"name": NAME, **database.dump(NAME).as_manifest}}
    server.put_tables({"tabUser": ["'a',1", "'b',3"], "tabNew": []}, rest=ROUTINE)
    assert database.differences(NAME, manifest) == ["tabEmpty", "tabNew", "tabUser", REST]


def test_nothing_is_loaded_into_a_database_that_holds_something(database: Any, tmp_path: Path) -> None:
    manifest = {"database": {"name": NAME, **database.dump(NAME).as_manifest}}
    with pytest.raises(BackupError, match="not empty"):
        database.load(tmp_path, manifest, NAME)


def test_a_client_that_fails_fails_the_load(server: BackupServer, database: Any, tmp_path: Path) -> None:
    (tmp_path / "set/database").mkdir(parents=True)
    manifest = {"database": {"name": NAME, **database.dump(NAME, tmp_path / "set/database").as_manifest}}
    database.create(OTHER)
    (tmp_path / "set/database" / file_of("tabUser")).unlink()
    with pytest.raises(BackupError, match="tabUser"):
        database.load(tmp_path / "set", manifest, OTHER)
    server.trouble(client="Access denied")
    with pytest.raises(BackupError, match="Access denied"):
        database.load(tmp_path / "set", manifest, OTHER)


@pytest.mark.parametrize(
    "body",
    [
        "SELECT ';;'",
        "BEGIN /*!99999 ;;\nDROP DATABASE other;; */ END",
        "BEGIN /*!99999 \nDELIMITER ;\nDROP DATABASE other;\n */ END",
        "BEGIN /* Delimiter ;*/ END",
    ],
)
def test_a_routine_that_the_client_would_take_for_more_is_refused(
    server: BackupServer, database: Any, body: str
) -> None:
    server.put_tables({}, rest=ROUTINE.replace("SELECT 1", body))
    with pytest.raises(BackupError, match="no dump carries"):
        database.dump(NAME)


def test_every_table_has_a_file_of_its_own_that_any_disk_takes() -> None:
    names = ["_head", "_rest", ".", "..", "a/b", "tabUser", "tabuser", "学" * 64, "学" * 63 + "生", "%5Fhead", "a b"]
    files = [file_of(name) for name in names]
    assert len(set(files)) == len(names)
    assert not {"_head.sql", "_rest.sql"} & set(files)
    assert all(len(file.encode()) < 255 and "/" not in file for file in files)


def test_memory_stays_flat_however_large_a_table_is(dumped: Callable[..., Any]) -> None:
    rows = "".join(ROW % ("x" * 900, number) for number in range(60_000))
    text = (HEAD + table("tabFile") + rows + TAIL).encode()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = dumped(text)
    assert found.tables["tabFile"]["rows"] == 60_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 * 1024
