"""A model of the database's client and dump, as programs: they speak the few words that the program for backups does.

Usage: database_model FOLDER client|dump ARGUMENTS... A database is a file of the folder, NAME.json, with its
tables (the text after `CREATE TABLE name (`, and rows) and the rest. `trouble` there says what goes amiss:
  cut     the dump ends after so many bytes, and with exit code 0
  code    the dump ends with an exit code, after it said `words`
  hold    the dump waits after its first line until the file of that name is gone
  swap    the dump, when it is done, writes that text into the file of that name: [name, text]
  client  the client ends with 1 and these words
"""

import json
import re
import sys
import time
from pathlib import Path

HEAD = """/*M!999999\\- enable the sandbox mode */
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: {name}
-- ------------------------------------------------------

/*!40101 SET NAMES utf8mb4 */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
"""
TABLE = """
--
-- Table structure for table `{table}`
--

/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `{table}` ({create};
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `{table}`
--
-- ORDER BY:  `a`

"""
ROW = "INSERT INTO `{table}` VALUES ({row});\n"
TAIL = "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n\n-- Dump completed\n"

_LOADED_TABLE = re.compile(r"CREATE TABLE `((?:[^`]|``)+)` \((.*?)(?<=\));\n", re.DOTALL)
_LOADED_ROWS = re.compile(r"INSERT INTO `((?:[^`]|``)+)` VALUES (.*);\n")
_LOADED_ROW = re.compile(r"\(((?:[^()']|'(?:[^'\\]|\\.)*')*)\)")


def main() -> None:
    """Be the program that the arguments name."""
    folder, program, *arguments = sys.argv[1:]
    home = Path(folder)
    trouble = json.loads((home / "trouble").read_text()) if (home / "trouble").exists() else {}
    if program == "dump":
        dump(home, arguments, trouble)
    else:
        client(home, arguments, trouble)


def dump(home: Path, arguments: list[str], trouble: dict[str, object]) -> None:
    """Print a database as the real one does."""
    kept = json.loads((home / f"{arguments[-1]}.json").read_text())
    text = HEAD.format(name=arguments[-1])
    sys.stdout.write(text[:20])
    sys.stdout.flush()
    while "hold" in trouble and Path(str(trouble["hold"])).exists():
        time.sleep(0.02)
    if "--no-data" in arguments:
        text += kept["rest"]
    else:
        for table, entry in sorted(kept["tables"].items()):
            text += TABLE.format(table=table, create=entry["create"])
            text += "".join(ROW.format(table=table, row=row) for row in entry["rows"])
    text += TAIL
    sys.stdout.write(text[20 : int(str(trouble.get("cut", len(text))))])
    sys.stdout.flush()
    if "swap" in trouble:
        path, words = trouble["swap"]  # type: ignore[misc]
        Path(path).write_text(words)
    if "code" in trouble:
        sys.stderr.write(f"mariadb-dump: {trouble['words']}\n")
        sys.exit(int(str(trouble["code"])))


def client(home: Path, arguments: list[str], trouble: dict[str, object]) -> None:
    """Do what is said on stdin."""
    said = sys.stdin.read()
    if "client" in trouble:
        sys.exit(f"ERROR 1045 (28000): {trouble['client']}")
    if "--binary-mode" in arguments:
        load(home / f"{arguments[-1]}.json", said)
    for name in re.findall(r"CREATE DATABASE `(\w+)`", said):
        (home / f"{name}.json").write_text('{"tables": {}, "rest": ""}')
    for name in re.findall(r"DROP DATABASE IF EXISTS `(\w+)`", said):
        (home / f"{name}.json").unlink(missing_ok=True)
    if asked := re.search(r"SELECT HEX\(table_name\) .* table_schema = '(\w+)'", said):
        kept = json.loads((home / f"{asked[1]}.json").read_text())
        print("".join(f"{table.encode().hex()}\n" for table in kept["tables"]), end="")
    if asked := re.search(r"information_schema.schemata WHERE schema_name = '(\w+)'", said):
        there = (home / f"{asked[1]}.json").exists()
        rest = json.loads((home / f"{asked[1]}.json").read_text())["rest"] if there else ""
        procedures = rest.count("` PROCEDURE `")
        print(f"version\tfrappe 15.1.0\ndatabase\t{int(there)}\nlog_bin\t0")
        print(f"triggers\t0\nroutines\t{procedures}\nevents\t0")


def load(file: Path, said: str) -> None:
    """Take up tables, rows and the rest; several clients do at once, so each adds to what is there."""
    tables = {match[1]: {"create": match[2], "rows": []} for match in _LOADED_TABLE.finditer(said)}
    for match in _LOADED_ROWS.finditer(said):
        tables[match[1]]["rows"] += _LOADED_ROW.findall(match[2])
    rest = said[said.index("\nDELIMITER") + 1 :] if "\nDELIMITER" in said else ""
    lock = file.with_suffix(".lock")
    while True:
        try:
            lock.touch(exist_ok=False)
            break
        except FileExistsError:
            time.sleep(0.01)
    kept = json.loads(file.read_text())
    kept["tables"] |= tables
    kept["rest"] += rest
    file.write_text(json.dumps(kept))
    lock.unlink()


if __name__ == "__main__":
    main()
