"""A server's files, a model of its database, and the real program for backups on them, with the real restic."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import pytest

from tests.support.restic_keys import cheapen

PROGRAMS = Path(__file__).resolve().parents[3] / "roles" / "backup_schedule" / "files"
MODEL = Path(__file__).with_name("database_model.py")
SLUG = "tech-school"
NAME = "sch000000000001"
KEY = "a key of this test"

_OLDEST_RESTIC = (0, 17)


def restic() -> str:
    """Return the path of restic; skips the test where there is none that is of use."""
    path = shutil.which("restic")
    if path is None:
        pytest.skip("restic is not installed")
    said = subprocess.run([path, "version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(number) for number in re.findall(r"\d+", said)[:2])
    if version < _OLDEST_RESTIC:
        pytest.skip(f"restic {version[0]}.{version[1]} is too old")
    return path


@dataclass
class BackupServer:
    """What lies below `root`, and the settings of the program."""

    root: Path
    restic: str
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make what a role would have made."""
        self.backups = self.root / "backups"
        for folder in ("sites", "journal", "backups/declared", "database"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "key").write_text(f"{KEY}\n")
        self.targets = self.targets or {"local": {"repository": str(self.backups / "repository")}}
        self.write_settings()

    def write_settings(self) -> None:
        """Write the settings as they shall be now."""
        model = [sys.executable, "-I", str(MODEL), str(self.root / "database")]
        settings = {
            "root": str(self.root),
            "restic": self.restic,
            "cache": str(self.root / "cache"),
            "key_file": str(self.root / "key"),
            "targets": self.targets,
            "keep": {"last": 2},
            "frappe_uid": os.getuid(),
            "database": {
                "client": [*model, "client"],
                "dump": [*model, "dump"],
                "definitions": [*model, "dump"],
                "create": "CREATE DATABASE `{0}`;\n",
                "create_user": "CREATE USER '{0}' IDENTIFIED BY '{1}';\n",
                "create_reader": "CREATE OR REPLACE USER '{0}'@'localhost' IDENTIFIED BY '{1}';\n",
                "drop": "DROP DATABASE IF EXISTS `{0}`;\n",
            },
            **self.more,
        }
        (self.root / "backups.json").write_text(json.dumps(settings))

    def open_school(self, slug: str = SLUG, name: str = NAME, **row: Any) -> Path:
        """Declare a school with a site and a little database; return the site's folder."""
        site = self.root / "sites" / slug
        for folder in ("public/files", "private/files"):
            (site / folder).mkdir(parents=True)
        (site / "site_config.json").write_text(json.dumps({"db_name": name, "encryption_key": "k"}))
        (site / "public/files/logo.png").write_bytes(b"a picture")
        (site / "private/files/report.pdf").write_bytes(b"a report")
        declared = {"row": {"title": "Tech School", "domain": "tech-school.com", **row}, "site": slug}
        (self.backups / "declared" / f"{slug}.json").write_text(json.dumps(declared))
        self.put_tables({"tabUser": ["'a',1", "'b',2"], "tabEmpty": []}, name)
        return site

    def put_tables(self, tables: Mapping[str, list[str]], name: str = NAME, rest: str = "") -> None:
        """Have a database with these tables, each with its rows as SQL says them."""
        made = {table: {"create": "\n  `a` text,\n  `b` int(11)\n)", "rows": rows} for table, rows in tables.items()}
        (self.root / "database" / f"{name}.json").write_text(json.dumps({"tables": made, "rest": rest}))

    def tables(self, name: str = NAME) -> dict[str, list[str]]:
        """Return the tables of a database with their rows."""
        kept = json.loads((self.root / "database" / f"{name}.json").read_text())
        return {table: entry["rows"] for table, entry in kept["tables"].items()}

    def trouble(self, **what: Any) -> None:
        """Let the database do amiss; see the model for what there is."""
        (self.root / "database" / "trouble").write_text(json.dumps(what))

    @property
    def environment(self) -> dict[str, str]:
        """What the program is started with."""
        settings = str(self.root / "backups.json")
        return {**os.environ, "PYTHONPATH": str(PROGRAMS), "SCHOOLS_BACKUP_SETTINGS": settings, "SUDO_USER": "ada"}

    def run(self, verb: str) -> tuple[int, dict[str, Any], str]:
        """Run a verb of the program to its end; return its exit code, report and words."""
        argv = [sys.executable, "-m", "backup", verb]
        done = subprocess.run(argv, capture_output=True, text=True, env=self.environment, check=False)
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr

    def standing(self) -> dict[str, Any]:
        """Return what the program knows."""
        known: dict[str, Any] = json.loads((self.backups / "standing.json").read_text())
        return known


def empty_repository(folder: Path) -> Path:
    """Make a repository with nothing in it, whose key opens at once; to be copied, since to make one takes its time."""
    server = BackupServer(folder / "schools", restic())
    with Serving(server) as program:
        program("init", target="local")
    cheapen(server.backups / "repository", KEY)
    return server.backups / "repository"


class FaultError(Exception):
    """Report the fault that the program answered with."""


class Serving:
    """The program while it answers calls."""

    def __init__(self, server: BackupServer) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "backup", "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=server.environment,
        )
        self._asked = 0

    def __enter__(self) -> "Serving":
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        cast(IO[str], self.process.stdin).close()
        self.process.wait(timeout=30)
        cast(IO[str], self.process.stdout).close()

    def __call__(self, call: str, **arguments: Any) -> Any:
        """Return the result of a call; raises FaultError."""
        self.tell(call, **arguments)
        return self.answer()

    def answer(self) -> Any:
        """Return the result of the call that was told last; raises FaultError."""
        answer = json.loads(cast(IO[str], self.process.stdout).readline())
        assert answer["id"] == self._asked
        if "fault" in answer:
            raise FaultError(answer["fault"])
        return answer["result"]

    def tell(self, call: str, **arguments: Any) -> None:
        """Ask without waiting."""
        self._asked += 1
        to_program = cast(IO[str], self.process.stdin)
        to_program.write(json.dumps({"id": self._asked, "call": call, "arguments": arguments}) + "\n")
        to_program.flush()

    def kill(self) -> None:
        """Kill it where it is."""
        self.process.kill()
        self.process.wait(timeout=30)
        with suppress(BrokenPipeError):
            cast(IO[str], self.process.stdin).close()
        cast(IO[str], self.process.stdout).close()
