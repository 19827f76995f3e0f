"""A MariaDB of this machine, in place of the stack's container: a folder and a socket of its own, and binary logs."""

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

from schoolctl.bench import database

PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-dump")
IS_HERE = all(shutil.which(name) for name in PROGRAMS)
# A copy of a data folder is mostly its redo log.
SMALL = "--innodb-log-file-size=8M"
OPTIONS = (
    "--no-defaults",
    SMALL,
    "--skip-networking",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--innodb-buffer-pool-size=32M",
    # The server keeps logs that it would need after a crash.
    "--innodb-flush-log-at-trx-commit=1",
    "--sync-binlog=1",
    "--server-id=1",
    "--binlog-format=ROW",
    "--performance-schema=OFF",
)


class MariaDBHere:
    """Start it with `start`, and as often as wanted; folder: where everything of it lies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        # A socket's path may not be long.
        self.socket = folder / "s"
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.client = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--batch", "--skip-column-names"]
        self.client += ["--default-character-set=utf8mb4"]
        self.process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make its data folder."""
        argv = ["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", f"--user={self.user}", SMALL]
        subprocess.run([*argv, "--skip-test-db"], check=True, capture_output=True)

    def take(self, made: Path) -> None:
        """Have a copy of a data folder that was made."""
        shutil.copytree(made, self.data)

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers."""
        own = [f"--datadir={self.data}", f"--socket={self.socket}", f"--user={self.user}", "--log-bin=schools-bin"]
        self.process = subprocess.Popen(
            ["mariadbd", *OPTIONS, *own, f"--log-error={self.folder / 'errors'}", *options], stdin=subprocess.DEVNULL
        )
        end = time.monotonic() + 60
        while subprocess.run([*self.client, "--execute", "SELECT 1"], capture_output=True).returncode:
            assert self.process.poll() is None, (self.folder / "errors").read_text()[-2000:]
            assert time.monotonic() < end
            time.sleep(0.02)

    def stop(self, *, kill: bool = False) -> None:
        """End it, as a shutdown does, or at once."""
        if self.process is None:
            return
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait(60)
        self.process = None

    def run(self, sql: str, database: str = "") -> str:
        """Run SQL as its administrator; return what the client prints."""
        argv = [*self.client, *([database] if database else [])]
        done = subprocess.run(argv, input=sql, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def settings(self) -> dict[str, object]:
        """Return what the program's settings say of the database, but for where it is."""
        here: dict[str, object] = dict(database.BACKUP)
        place = [f"--socket={self.socket}", "--default-character-set=utf8mb4"]
        for name in ("client", "definitions"):
            program, *options = database.BACKUP[name][4:]
            here[name] = [program, "--no-defaults", *place, *options]
        shell, script = database.BACKUP["dump"][4:8], database.BACKUP["dump"][8:]
        here["dump"] = [*shell, *place, *script]
        return {**here, "logs": {"folder": str(self.data), "base": "schools-bin", "keep_days": 14}}
