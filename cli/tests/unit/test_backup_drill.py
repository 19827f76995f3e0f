"""The throw-away restore that proves a set: what it sees, which planted damage it finds, and that it leaves nothing."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from ..support.backup_server import KEY, restic
from ..support.drilled_bench import DrilledBench, fits
from ..support.mariadb_here import IS_HERE, MariaDBHere

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "backup_schedule" / "files"
sys.path.insert(0, str(PROGRAM))

from backup import drill, images, sets, standing  # noqa: E402
from backup.__main__ import Timers  # noqa: E402
from backup.calls import Calls  # noqa: E402
from backup.errors import BackupError  # noqa: E402
from backup.settings import Settings, read  # noqa: E402
from backup.spool import Spool  # noqa: E402

pytestmark = pytest.mark.skipif(not IS_HERE, reason="MariaDB is not installed (apt install mariadb-server)")
SLUG, DATABASE = "tech-school", "sch0123456789ab"
CANARY = "canary-of-the-school"
ADD_SECRET = "INSERT INTO __Auth VALUES ('{}', '{}', '{}', '{}', 1)"
ADD_FILE = "INSERT INTO tabFile VALUES ('{0}', '/private/files/{0}', 1)"
ADD_SETTING = "INSERT INTO tabSingles VALUES ('System Settings', '{}', '1')"
TABLES = """
CREATE TABLE tabUser (name VARCHAR(140) PRIMARY KEY, restrict_ip TEXT, login_before INT DEFAULT 0);
INSERT INTO tabUser VALUES ('Administrator', NULL, 0), ('Guest', NULL, 0), ('pupil@example.com', NULL, 0);
CREATE TABLE tabSingles (doctype VARCHAR(255), field VARCHAR(255), value LONGTEXT, KEY singles (doctype, field));
CREATE TABLE tabFile (name VARCHAR(140) PRIMARY KEY, file_url LONGTEXT, is_private TINYINT);
CREATE TABLE tabWebhook (name VARCHAR(140) PRIMARY KEY, enabled TINYINT);
INSERT INTO tabWebhook VALUES ('calls home', 1);
CREATE TABLE `__Auth` (doctype VARCHAR(140), name VARCHAR(255), fieldname VARCHAR(140), `password` TEXT NOT NULL,
    encrypted TINYINT NOT NULL DEFAULT 0, PRIMARY KEY (doctype, name, fieldname));
INSERT INTO `__Auth` VALUES ('User', 'Administrator', 'password', 'unknown', 0);
CREATE TABLE `tab``s` (name VARCHAR(140) PRIMARY KEY);
CREATE SEQUENCE `hash_seq`;
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, mariadb_data: Path) -> Iterator[MariaDBHere]:
    running = MariaDBHere(tmp_path_factory.mktemp("mariadb"))
    running.take(mariadb_data)
    running.start()
    yield running
    running.stop()


@dataclass
class School:
    """A server with one school, which has a set in a repository of this machine."""

    root: Path
    server: MariaDBHere
    bench: DrilledBench
    settings: Settings
    key: str

    @property
    def site(self) -> Path:
        return self.root / "sites" / SLUG

    def take(self, spoil: Callable[[Path], None] | None = None) -> str:
        """Take a set and store it in every target. spoil: what happens to it in between."""
        calls = Calls(self.settings)
        name = str(calls.write(SLUG)["set"])
        if spoil:
            spoil(self.settings.spool(SLUG))
        for target in self.settings.targets:
            calls.store(SLUG, target)
        return name

    def drill(self, **options: Any) -> dict[str, Any]:
        return dict(drill.drill(self.settings, SLUG, **options))

    def left(self) -> list[str]:
        """Return what is on the server of a throw-away site."""
        databases = self.server.run("SHOW DATABASES LIKE 'sch%'; SELECT user FROM mysql.user WHERE user LIKE 'sch%'")
        found = [name for name in databases.split() if name != DATABASE]
        found += [str(path) for path in (self.root / "sites").glob("*.drill*")]
        found += [str(path) for path in (self.root / "journal").glob("*.json")]
        return [*found, *map(str, (self.root / "backups" / "fetched").glob("*"))]

    def keep_secrets(self, number: int, key: str = "") -> None:
        for place in range(number):
            secret = Fernet(key or self.key).encrypt(CANARY.encode()).decode()
            self.server.run(ADD_SECRET.format("Email Account", place, "password", secret), DATABASE)

    def add_file(self, name: str, *, listed: bool = True) -> None:
        (self.site / "private" / "files" / name).write_text(f"for few eyes: {name}")
        if listed:
            self.server.run(ADD_FILE.format(name), DATABASE)

    def forgotten(self) -> list[str]:
        return (self.root / "forgotten").read_text().split()


@pytest.fixture
def school(tmp_path: Path, server: MariaDBHere, repository: Path) -> Iterator[School]:
    root = tmp_path / "srv"
    for folder in ("sites", "journal", "backups/declared", f"sites/{SLUG}/public/files", f"sites/{SLUG}/private/files"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    key = Fernet.generate_key().decode()
    config = {"db_name": DATABASE, "db_password": "x", "encryption_key": key, "stripe_key": CANARY}
    (root / "sites" / SLUG / "site_config.json").write_text(json.dumps(config))
    (root / "sites" / SLUG / "public" / "files" / "logo.png").write_bytes(b"\x89PNG")
    row = {"row": {"title": "Tech School", "state": "active"}, "site": SLUG}
    (root / "backups" / "declared" / f"{SLUG}.json").write_text(json.dumps(row))
    (tmp_path / "key").write_text(f"{KEY}\n")
    server.run(f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}; USE {DATABASE}; {TABLES}")
    bench = DrilledBench(root, server)
    note = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')"
    forget = {"argv": [sys.executable, "-c", note, str(root / "forgotten")], "stdin": ""}
    given = {
        "root": str(root),
        "restic": restic(),
        "cache": str(tmp_path / "cache"),
        "key_file": str(tmp_path / "key"),
        "targets": {"local": {"repository": str(tmp_path / "one")}},
        "keep": {"last": 3},
        "frappe_uid": os.getuid(),
        "database": {**server.settings(), "logs": None},
        "web": {"argv": [sys.executable, "-"], "socket": bench.socket},
        "redis": {"forget_cache": forget, "forget_jobs": forget},
    }
    (tmp_path / "settings.json").write_text(json.dumps(given))
    settings = read(tmp_path / "settings.json")
    shutil.copytree(repository, tmp_path / "one")
    yield School(root, server, bench, settings, key)
    bench.close()


def ok(report: dict[str, Any]) -> dict[str, Any]:
    return {name: check["ok"] for name, check in report["checks"].items()}


def said(report: dict[str, Any], name: str) -> str:
    return str(report["checks"][name]["said"])


def test_a_sound_set_passes_every_check_and_each_is_told_with_its_time(school: School) -> None:
    school.keep_secrets(3)
    school.add_file("marks.csv")
    name = school.take()
    report = school.drill()
    assert report["fault"] is None
    assert report["ok"] is True
    assert (report["set"], report["target"]) == (name, "local")
    assert ok(report) == dict.fromkeys(drill.CHECKS, True)
    assert said(report, "secrets") == "3 of 3 could be read"
    assert said(report, "file").startswith("/private/files/marks.csv: ")
    assert all(check["seconds"] >= 0 for check in report["checks"].values())
    assert 0 < report["restore_seconds"] <= report["seconds"]
    assert 0 <= report["age_seconds"] < 600
    assert CANARY not in json.dumps(report)


def test_a_drill_says_that_a_restore_would_have_to_bring_the_set_to_another_image(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_image(name: str, built: str) -> None:
        monkeypatch.setattr(images, "running", lambda _: {"image": name, "image_id": None, "image_built": built})

    run_image("schools/bench:a", "2026-01-01T00:00:00Z")
    school.take()
    assert "bench" not in school.drill()["checks"]["hashes"]["said"]
    for name, built, words in (
        ("schools/bench:b", "2026-02-01T00:00:00Z", "a restore brings it to that"),
        ("schools/bench:0", "2025-12-01T00:00:00Z", "a restore refuses it unless --newer-image is said"),
    ):
        run_image(name, built)
        report = school.drill()
        assert report["ok"], report["fault"]
        said = report["checks"]["hashes"]["said"]
        assert f"(the set is of schools/bench:a, the bench runs {name}: " in said
        assert words in said


def test_nothing_of_it_is_left_afterwards_neither_of_a_good_one_nor_of_a_bad_one(school: School) -> None:
    school.take()
    assert school.drill()["ok"]
    assert school.left() == []
    database = school.bench.seen[0]["config"]["db_name"]
    assert school.forgotten() == [f"{SLUG}.drill", database]
    school.bench.known_as = "Guest"
    assert not school.drill()["ok"]
    assert school.left() == []


def test_nothing_goes_out_of_the_throw_away_site(school: School) -> None:
    school.take()
    assert school.drill()["ok"]
    seen = school.bench.seen[0]
    assert seen["site"] == f"{SLUG}.drill"
    assert seen["webhooks"] == ["0"]
    assert seen["config"]["pause_scheduler"] == seen["config"]["mute_emails"] == 1
    assert "stripe_key" not in seen["config"]
    assert seen["config"]["encryption_key"] == school.key
    assert seen["mode"] == 0o600
    assert {"locks", "logs", "private/backups", "private/files", "public/files"} <= {*seen["folders"]}
    # The school's own still calls home.
    assert school.server.run("SELECT enabled FROM tabWebhook", DATABASE) == "1\n"


@pytest.mark.parametrize(
    "setting", ["enable_two_factor_auth", "disable_user_pass_login", "force_user_to_reset_password"]
)
def test_how_a_school_lets_people_in_does_not_make_its_drill_fail(school: School, setting: str) -> None:
    school.server.run(ADD_SETTING.format(setting), DATABASE)
    school.server.run("UPDATE tabUser SET restrict_ip = '203.0.113.7', login_before = 1", DATABASE)
    school.take()
    report = school.drill()
    assert report["ok"], report["fault"]
    assert school.server.run("SELECT value FROM tabSingles", DATABASE) == "1\n"


def test_a_school_without_secret_and_private_file_says_so_and_passes(school: School) -> None:
    school.add_file("unlisted.csv", listed=False)
    school.take()
    report = school.drill()
    assert report["ok"]
    assert said(report, "secrets") == said(report, "file") == "none stored"


def test_a_flipped_byte_in_a_pack_is_found(school: School) -> None:
    school.take()
    for pack in Path(school.settings.targets["local"].repository, "data").rglob("*"):
        if pack.is_file():
            data = bytearray(pack.read_bytes())
            data[len(data) // 3] ^= 1
            pack.chmod(0o600)
            pack.write_bytes(data)
    shutil.rmtree(school.settings.cache)
    report = school.drill()
    assert not report["ok"]
    assert report["checks"]["hashes"]["ok"] is False
    assert said(report, "login") == "not tried"
    assert school.left() == []


def test_damage_in_one_of_two_targets_is_not_hidden_by_the_other(
    school: School, tmp_path: Path, other_repository: Path
) -> None:
    calls = Calls(school.settings)
    school.settings.targets["vault"] = type(school.settings.targets["local"])("vault", str(tmp_path / "two"))
    shutil.copytree(other_repository, tmp_path / "two")
    school.take()
    shutil.rmtree(tmp_path / "one" / "data")
    shutil.rmtree(school.settings.cache)
    reports = [calls.drill(SLUG) for _ in range(2)]
    assert [(report["target"], report["ok"]) for report in reports] == [("local", False), ("vault", True)]
    assert standing.read(school.settings)["schools"][SLUG]["drill"]["target"] == "vault"


def test_a_truncated_table_is_found(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    def truncate(spool: Path) -> None:
        file = spool / "database" / "tabUser.sql"
        file.write_bytes(file.read_bytes()[:-20])

    monkeypatch.setattr(Spool, "manifest", lambda self: sets.read(self.folder))
    school.take(truncate)
    report = school.drill()
    assert "tabUser.sql is not what the manifest says" in said(report, "hashes")


def change_manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def spoil(spool: Path) -> None:
        manifest = sets.read(spool)
        change(manifest)
        sets.write(spool, manifest)

    return spoil


def test_a_manifest_that_says_other_rows_is_found(school: School) -> None:
    school.take(change_manifest(lambda manifest: manifest["database"]["tables"]["tabUser"].update(rows=4)))
    report = school.drill()
    assert said(report, "rows") == "rows are missing or too many: `tabUser` has 3 of 4"
    assert "rows: " in report["fault"]


def test_a_table_whose_rows_do_not_come_back_as_they_were_is_found(school: School) -> None:
    def change(spool: Path) -> None:
        # Both the file and the manifest are of one mind, but no dump of the table says it so.
        file = spool / "database" / "tabUser.sql"
        data = file.read_bytes().replace(b"('Guest',NULL,0)", b"('Guest',NULL,00)")
        file.write_bytes(data)
        manifest = sets.read(spool)
        manifest["database"]["tables"]["tabUser"].update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        sets.write(spool, manifest)

    school.take(change)
    report = school.drill()
    assert said(report, "compare") == "not what the manifest says, byte for byte: tabUser"
    assert report["checks"]["login"]["ok"] is True


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "0 of 3 could be read: the set has no encryption key"),
        ({"encryption_key": "short"}, "0 of 3 could be read: the encryption key is none"),
        ({"encryption_key": Fernet.generate_key().decode()}, "0 of 3 could be read; not Email Account/0/password"),
    ],
)
def test_a_missing_or_wrong_encryption_key_is_found(school: School, config: dict[str, str], words: str) -> None:
    school.keep_secrets(3)
    (school.site / "site_config.json").write_text(json.dumps({"db_name": DATABASE, **config}))
    school.take()
    report = school.drill()
    assert said(report, "secrets").startswith(words)
    assert not report["ok"]


def test_secrets_that_only_some_of_can_be_read_are_counted(school: School) -> None:
    school.keep_secrets(2)
    other = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    school.server.run(ADD_SECRET.format("Bank", "x", "pin", other), DATABASE)
    school.take()
    assert said(school.drill(), "secrets") == "2 of 3 could be read; not Bank/x/pin"


def test_private_files_that_a_school_lists_and_the_set_lacks_are_found(school: School) -> None:
    school.add_file("marks.csv")
    (school.site / "private" / "files" / "marks.csv").unlink()
    school.take()
    report = school.drill()
    assert said(report, "file").startswith("the school lists 1 private files, and the set holds none of them")
    assert not report["ok"]


def test_a_file_that_arrives_otherwise_is_found(school: School) -> None:
    school.add_file("marks.csv")
    school.take()
    school.bench.spoils_files = True
    assert "which are not those of the manifest" in said(school.drill(), "file")


def test_a_bench_that_does_not_answer_is_told_and_nothing_is_left(school: School) -> None:
    school.take()
    school.bench.close()
    report = school.drill()
    assert report["checks"]["login"]["ok"] is False
    assert report["checks"]["user"]["ok"] is None
    assert school.left() == []


def test_a_school_without_a_set_is_an_answer(school: School) -> None:
    report = school.drill()
    assert (report["ok"], report["set"], report["age_seconds"]) == (False, None, None)
    assert "no set of tech-school is stored" in report["fault"]


@pytest.mark.parametrize("step", ["_load", "_compare", "_make_site", "_visit"])
def test_a_killed_drill_is_cleared_away_by_the_next(school: School, step: str, tmp_path: Path) -> None:
    school.take()
    program = (
        "import sys, time; from backup import drill, settings\n"
        f"own = drill._Drill.{step}\n"
        "def hang(self, *given):\n"
        "    own(self, *given); print('here', flush=True); time.sleep(600)\n"
        f"drill._Drill.{step} = hang\n"
        f"drill.drill(settings.read(sys.argv[1]), '{SLUG}')\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "settings.json")]
    with subprocess.Popen(argv, cwd=PROGRAM, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        with pytest.raises(BackupError, match="is in the hands of"):
            school.drill()
        process.send_signal(signal.SIGKILL)
    assert school.left() != []
    assert drill.left(school.settings) == [SLUG]
    if step == "_visit":
        assert school.drill()["ok"]
    else:
        assert drill.clear_left(school.settings) == {}
    assert school.left() == []
    assert drill.left(school.settings) == []


def test_the_timer_clears_away_what_was_left_even_of_schools_that_are_no_more(school: School, tmp_path: Path) -> None:
    gone = tmp_path / "srv" / "sites" / "art-school.drill"
    gone.mkdir()
    school.server.run("CREATE DATABASE schdddddddddddd")
    claim = {"doing": "verify-backup", "database": "schdddddddddddd"}
    (school.root / "journal" / "art-school.drill.json").write_text(json.dumps(claim))
    report = Timers(school.settings).drill_due()
    assert report["left"] == {}
    assert report["failed"] == [SLUG]  # it has no set yet
    assert school.left() == []


def test_a_drill_that_failed_is_tried_again_the_next_time_and_one_that_raised_counts_as_failed(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.take()
    monkeypatch.setitem(school.settings.redis, "forget_jobs", {"argv": ["false"], "stdin": ""})
    assert Timers(school.settings).drill_due()["failed"] == [SLUG]
    # What is left of it stands in the way of the next, which raises before it has begun.
    with pytest.raises(BackupError, match="false exited with 1"):
        Calls(school.settings).drill(SLUG)
    noted = standing.read(school.settings)["schools"][SLUG]["drill"]
    assert (noted["ok"], noted["checks"]) == (False, {})
    assert "false exited with 1" in noted["fault"]
    monkeypatch.undo()
    assert Timers(school.settings).drill_due()["failed"] == []
    assert standing.read(school.settings)["schools"][SLUG]["drill"]["ok"]
    assert Timers(school.settings).drill_due()["schools"] == {}


def test_what_cannot_be_taken_away_is_told_and_stays_claimed(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    school.take()
    monkeypatch.setitem(school.settings.redis, "forget_jobs", {"argv": ["false"], "stdin": ""})
    report = school.drill()
    assert not report["ok"]
    assert "not all of it could be taken away" in report["fault"]
    assert drill.left(school.settings) == [SLUG]
    # What is left of an earlier one has to go first.
    with pytest.raises(BackupError, match="false exited with 1"):
        school.drill()
    monkeypatch.undo()
    assert drill.clear_left(school.settings) == {}
    assert school.left() == []


def test_a_password_is_stored_as_a_bench_reads_it() -> None:
    assert fits(drill.hashed("Correct Horse 1"), "Correct Horse 1")
    assert not fits(drill.hashed("Correct Horse 1"), "Correct Horse 2")


def test_no_folder_that_the_bench_may_change_leads_the_clearing_astray(school: School, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (victim / "files").mkdir(parents=True)
    (school.root / "sites" / f"{SLUG}.drill").symlink_to(victim)
    (school.root / "journal" / f"{SLUG}.drill.json").write_text(json.dumps({"doing": "verify-backup"}))
    assert drill.clear_left(school.settings) == {}
    assert (victim / "files").exists()
    assert school.left() == []
