"""The program for backups against a real MariaDB: whatever a school may hold comes back by every byte."""

import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from backup.database import REST, Database
from backup.errors import BackupError

from schoolctl.bench.database import BACKUP, CONTAINER

ONE, OTHER = "sch0000000000a1", "sch0000000000a2"
IMAGES = ("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "schools-lab/mariadb")
INIT = """
CREATE OR REPLACE USER mysql@localhost IDENTIFIED VIA unix_socket;
GRANT ALL PRIVILEGES ON *.* TO mysql@localhost WITH GRANT OPTION;
"""
AWKWARD = r"""
CREATE TABLE tabUser (name varchar(140) PRIMARY KEY, bio longtext, photo longblob, at datetime(6),
 n int NOT NULL AUTO_INCREMENT UNIQUE);
INSERT INTO tabUser (name, bio, photo, at, n) VALUES
 ('b', 'line one\nline two;\nINSERT INTO `tabUser` VALUES (1);\n),(', 0x00ff0a27, '2026-01-31 12:00:00.000001', 5),
 ('a', NULL, NULL, NULL, 2), ('emoji 😀 "q" ''s\\', '-- Table structure for table `evil`\n--\r\n\0x', '', 0, 9);
CREATE TABLE `tab Space "q" 'x'; -- /*!` (`a b` int PRIMARY KEY, `c``d` text) ENGINE=MyISAM;
INSERT INTO `tab Space "q" 'x'; -- /*!` VALUES (2, 'x'), (1, 'y');
CREATE TABLE `back``tick` (a int);
INSERT INTO `back``tick` VALUES (3), (1), (2), (1);
CREATE TABLE `tab/slash..` (a bit(8), b json, c double, d decimal(30,10), e time(3), f year, g set('x','y'),
 h enum('a','b''c'), p point);
INSERT INTO `tab/slash..` VALUES (b'1010', '{"a": "\\u00e9"}', 0.1+0.2, 1.5, '12:00:00.123', 2020, 'x,y', 'b''c',
 POINT(1, 2));
CREATE TABLE _head (a int PRIMARY KEY);
CREATE TABLE `ünïcödé 学校` (a int PRIMARY KEY, b text, `x;
--
-- Table structure for table ``y``
--x` int) COMMENT='many
-- lines
';
INSERT INTO `ünïcödé 学校` VALUES (1, 'é学😀', 1);
CREATE TABLE made (a int PRIMARY KEY, b int AS (a + 1) VIRTUAL, c int AS (a * 2) STORED, d char(36) DEFAULT (uuid()));
INSERT INTO made (a) VALUES (1), (2);
CREATE TABLE hidden (a int PRIMARY KEY, b int INVISIBLE DEFAULT 7);
INSERT INTO hidden (a, b) VALUES (1, 2), (2, 3);
CREATE TABLE parts (a int PRIMARY KEY) PARTITION BY RANGE (a)
 (PARTITION one VALUES LESS THAN (10), PARTITION two VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (5), (50);
CREATE SEQUENCE `my seq` START WITH 10 INCREMENT BY 3 CACHE 5;
SELECT NEXT VALUE FOR `my seq`;
CREATE TABLE child (id int PRIMARY KEY, u varchar(140), CONSTRAINT fk FOREIGN KEY (u) REFERENCES tabUser (name));
INSERT INTO child VALUES (1, 'a');
CREATE TABLE many (a int PRIMARY KEY, b text);
INSERT INTO many SELECT seq, REPEAT('x', seq % 900) FROM seq_1_to_20000;
CREATE VIEW `a view` AS SELECT name, '-- x;\n' AS y FROM tabUser;
CREATE VIEW zview AS SELECT * FROM `a view`;
CREATE DEFINER=`sch0000000000a1`@`%` VIEW mine AS SELECT 1;
DELIMITER //
CREATE TRIGGER before_head BEFORE INSERT ON _head FOR EACH ROW BEGIN SET NEW.a = NEW.a + 1; END//
CREATE TRIGGER after_user AFTER INSERT ON tabUser FOR EACH ROW BEGIN INSERT INTO _head VALUES (7); END//
CREATE DEFINER=`sch0000000000a1`@`%` PROCEDURE p() BEGIN SELECT 'x;
-- Table structure for table `evil`
'; END//
CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1//
CREATE EVENT one ON SCHEDULE EVERY 1 DAY DO DELETE FROM _head//
CREATE EVENT two ON SCHEDULE EVERY 2 DAY DO DELETE FROM _head//
DELIMITER ;
"""


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a throw-away MariaDB; give its container's name."""
    try:
        images = subprocess.run(IMAGES, capture_output=True, text=True, check=True, timeout=30).stdout.split()
    except (OSError, subprocess.SubprocessError):
        pytest.skip("no Docker engine answers")
    if not images:
        pytest.skip("a lab's image of MariaDB is not built here")
    folder = tmp_path_factory.mktemp("mariadb")
    (folder / "init.sql").write_text(INIT)
    (folder / "log.cnf").write_text("[mariadbd]\nlog_bin = schools-bin\nbinlog_format = ROW\n")
    (folder / "log.cnf").chmod(0o644)
    name = f"schools-test-{uuid.uuid4().hex[:12]}"
    options = ("--detach", "--rm", "--name", name, "--user", "999:999", "--env", "MARIADB_RANDOM_ROOT_PASSWORD=1")
    volumes = ("--volume", f"{folder}/init.sql:/docker-entrypoint-initdb.d/init.sql:ro")
    volumes += ("--volume", f"{folder}/log.cnf:/etc/mysql/mariadb.conf.d/zz-log.cnf:ro")
    socket = ("--tmpfs", "/run/mysqld:uid=999,gid=999,mode=0755,size=1m")
    subprocess.run(["docker", "run", *options, *volumes, *socket, images[0]], capture_output=True, check=True)
    try:
        asks = [
            "docker",
            "exec",
            name,
            "mariadb",
            "--batch",
            "--skip-column-names",
            "--execute",
            "SELECT @@skip_networking",
        ]
        end = time.monotonic() + 120
        while subprocess.run(asks, capture_output=True, text=True, check=False).stdout.strip() != "0":
            assert time.monotonic() < end
            time.sleep(0.3)
        yield name
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=True)


@pytest.fixture(scope="module")
def database(container: str) -> Any:
    """Give the server's databases, one with all that is awkward."""
    words = {
        key: value if isinstance(value, str) else [container if word == CONTAINER else word for word in value]
        for key, value in BACKUP.items()
    }
    database = Database(SimpleNamespace(database=words))
    database.create(ONE, "x" * 20)
    client = [*words["client"], "--default-character-set=utf8mb4", ONE]
    made = subprocess.run(client, input=AWKWARD.encode(), capture_output=True, check=False)
    assert made.returncode == 0, made.stderr.decode()
    return database


def set_of(database: Any, folder: Path) -> dict[str, Any]:
    (folder / "database").mkdir()
    return {"database": {"name": ONE, **database.dump(ONE, folder / "database").as_manifest}}


def test_whatever_a_school_may_hold_comes_back_by_every_byte(database: Any, tmp_path: Path) -> None:
    manifest = set_of(database, tmp_path)
    tables = manifest["database"]["tables"]
    assert len(tables) == 12
    assert tables["tabUser"]["rows"] == 3
    assert tables["many"]["rows"] == 20_000
    database.create(OTHER)
    try:
        assert database.load(tmp_path, manifest, OTHER)["tables"] == 12
        assert database.differences(OTHER, manifest) == []
        assert database.ask("SELECT COUNT(*) FROM zview", OTHER) == [["3"]]
        database.ask("UPDATE tabUser SET bio = 'another' WHERE name = 'a'; DROP PROCEDURE p;", OTHER)
        assert database.differences(OTHER, manifest) == ["tabUser", REST]
    finally:
        database.drop(OTHER)


def test_a_load_leaves_no_word_in_the_servers_log(database: Any, tmp_path: Path) -> None:
    manifest = set_of(database, tmp_path)
    before = database.ask("SHOW MASTER STATUS")
    database.create(OTHER)
    database.load(tmp_path, manifest, OTHER)
    database.drop(OTHER)
    assert database.ask("SHOW MASTER STATUS") == before


def test_a_dump_tells_its_position_in_the_servers_log(database: Any) -> None:
    [[file, position, *_]] = database.ask("SHOW MASTER STATUS")
    assert database.dump(ONE).position == {"file": file, "position": int(position)}


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE `a\nDROP DATABASE other;\n-- b` (a int)",
        "CREATE TABLE t (`x\nDROP DATABASE other;\n--` int PRIMARY KEY)",
        "CREATE PROCEDURE q() SELECT ';;'",
    ],
)
def test_names_and_bodies_made_to_be_taken_for_statements_are_refused(database: Any, sql: str) -> None:
    database.create(OTHER)
    try:
        database.ask(sql, OTHER)
        with pytest.raises(BackupError):
            database.dump(OTHER)
    finally:
        database.drop(OTHER)


def test_a_load_obeys_no_word_of_the_client(database: Any, container: str, tmp_path: Path) -> None:
    manifest = set_of(database, tmp_path)
    with (tmp_path / "database" / REST).open("a") as rest:
        rest.write("\n\\! touch /tmp/was-here\nsystem touch /tmp/was-here\nSELECT 1 \\g\n")
    database.create(OTHER)
    try:
        with pytest.raises(BackupError):
            database.load(tmp_path, manifest, OTHER)
    finally:
        database.drop(OTHER)
    looked = subprocess.run(["docker", "exec", container, "test", "-e", "/tmp/was-here"], check=False)
    assert looked.returncode == 1
