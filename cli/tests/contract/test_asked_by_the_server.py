"""What the server asks of a school's tables with an administrator's rights: no view is ever what answers."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schoolctl.bench import database
from schoolctl.remote import agent

from ..support.mariadb_here import IS_HERE, MariaDBHere

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "roles" / "backup_schedule" / "files"
sys.path.insert(0, str(PROGRAM))

from backup.database import Database  # noqa: E402
from backup.errors import BackupError  # noqa: E402
from backup.settings import read  # noqa: E402

needs_server = pytest.mark.skipif(not IS_HERE, reason="MariaDB is not installed (apt install mariadb-server)")
SCHOOL = "sch0123456789ab"
SOURCES = (
    *(ROOT / "cli" / "schoolctl" / "bench").glob("*.py"),
    *(ROOT / "cli" / "schoolctl" / "remote").glob("*.py"),
    *(PROGRAM / "backup").glob("*.py"),
)
# A table of a site, asked or changed: by its name, or by one that is filled in.
_OF_A_SITE = re.compile(
    r"\b(?:FROM|UPDATE|JOIN) (?:`\{0\}`\.)?(?:`tab[^`]+`|tab[A-Z]\w*|`?__Auth`?|`\{\}`)([^\n\"]{0,14})"
)

# The mildest of deeds that the school's own user may not do.
HOSTILE = """
CREATE TABLE rows_of (doctype TEXT, name TEXT, fieldname TEXT, field TEXT, value TEXT, `password` TEXT, encrypted INT,
 app_name TEXT, app_version TEXT, idx INT, enabled INT, last_login TEXT, last_active TEXT, last_execution TEXT,
 file_url TEXT, is_private INT);
INSERT INTO rows_of VALUES ('User', 'x', 'y', 'school_name', 'v', 'p', 1, 'frappe', '15', 1, 1, '', '', '', '', 1);
DELIMITER //
CREATE DEFINER=`{0}`@`%` FUNCTION act() RETURNS int SQL SECURITY INVOKER
 BEGIN INSERT INTO neighbour.seen VALUES (CURRENT_USER()); RETURN 1; END//
DELIMITER ;
"""
VIEW = "CREATE DEFINER=`{0}`@`%` SQL SECURITY INVOKER VIEW `{1}` AS SELECT * FROM rows_of WHERE act() = 1;\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, mariadb_data: Path) -> Iterator[MariaDBHere]:
    running = MariaDBHere(tmp_path_factory.mktemp("mariadb"))
    running.take(mariadb_data)
    running.start("--log-bin-trust-function-creators=ON")
    yield running
    running.stop()


@pytest.fixture
def school(tmp_path: Path, server: MariaDBHere) -> Iterator[Database]:
    """Give the databases of a server on which one school has views in the place of all tables that are asked."""
    (tmp_path / "settings.json").write_text(
        json.dumps(
            {
                "root": str(tmp_path),
                "restic": "restic",
                "cache": str(tmp_path),
                "key_file": str(tmp_path / "key"),
                "targets": {},
                "keep": {},
                "database": {**server.settings(), "logs": None},
            }
        )
    )
    found = Database(read(tmp_path / "settings.json"))
    found.create(SCHOOL, "a-password-of-it")
    server.run("CREATE DATABASE neighbour; CREATE TABLE neighbour.seen (a TEXT)")
    server.run(HOSTILE.format(SCHOOL), SCHOOL)
    server.run("".join(VIEW.format(SCHOOL, table) for table in sorted(database.ASKED_BY_THE_SERVER)), SCHOOL)
    yield found
    found.drop(SCHOOL)
    server.run("DROP DATABASE neighbour")


def seen(server: MariaDBHere) -> str:
    return server.run("SELECT a FROM neighbour.seen")


@needs_server
def test_such_a_view_does_act_with_the_rights_of_whoever_reads_it(server: MariaDBHere, school: Database) -> None:
    school.ask("SELECT * FROM tabUser", SCHOOL)
    assert seen(server) != ""


@needs_server
@pytest.mark.parametrize(
    "sql",
    [
        agent.USAGE.format(SCHOOL),
        agent.TITLE.format(SCHOOL, "Academy Settings", "school_name"),
        database.versions(SCHOOL).stdin,
        database.stored_secrets(SCHOOL).stdin,
    ],
)
def test_what_is_asked_of_a_table_is_not_asked_of_a_view_in_its_place(
    server: MariaDBHere, school: Database, sql: str
) -> None:
    with pytest.raises(BackupError, match="is a view"):
        school.ask(sql)
    assert seen(server) == ""
    tables = "".join(f"DROP VIEW `{table}`; CREATE TABLE `{table}` LIKE rows_of;\n" for table in
                     sorted(database.ASKED_BY_THE_SERVER))  # fmt: skip
    server.run(tables, SCHOOL)
    school.ask(sql)


@needs_server
def test_a_dump_refuses_a_view_in_the_place_of_what_it_asks(server: MariaDBHere, school: Database) -> None:
    with pytest.raises(BackupError, match="`tabInstalled Application` is a view"):
        school.dump(SCHOOL)
    assert seen(server) == ""


@needs_server
def test_a_dump_reads_all_rows_as_a_user_who_may_read_this_one_database_and_nothing_else(
    server: MariaDBHere, school: Database
) -> None:
    server.run("DROP VIEW `tabInstalled Application`", SCHOOL)
    server.run("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = 1")
    try:
        assert "rows_of" in school.dump(SCHOOL).tables
    finally:
        server.run("SET GLOBAL general_log = 0")
    read_by = "SELECT DISTINCT user_host FROM mysql.general_log WHERE argument LIKE 'SELECT /*!40001 SQL_NO_CACHE%'"
    readers = server.run(read_by).splitlines()
    assert [reader.partition(" ")[0] for reader in readers] == [f"{SCHOOL}[{SCHOOL}]"]
    assert all("localhost" in reader for reader in readers)
    grants = server.run(f"SHOW GRANTS FOR '{SCHOOL}'@'localhost'").splitlines()
    assert [re.sub(" TO .*", "", grant) for grant in grants] == [
        "GRANT USAGE ON *.*",
        f"GRANT SELECT, EXECUTE, SHOW VIEW ON `{SCHOOL}`.*",
    ]
    # What else a dump came by was a view, and those are not read but told.
    assert seen(server) == ""
    school.drop(SCHOOL)
    assert server.run("SELECT user FROM mysql.user WHERE user LIKE 'sch%'") == ""
    school.create(SCHOOL, "a-password-of-it")


def test_each_question_to_a_table_of_a_site_is_one_that_no_view_can_answer() -> None:
    asked = [(path.name, found[0], found[1]) for path in SOURCES for found in _OF_A_SITE.finditer(path.read_text())]
    assert len(asked) >= 8
    assert [(name, words) for name, words, after in asked if "USE INDEX ()" not in after] == []
