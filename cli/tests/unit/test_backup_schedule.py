"""What the program for backups does by itself: every school for itself, what failed told once a day, nothing hidden."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from backup import fetching, sets, settings, standing
from backup.__main__ import Timers
from backup.calls import Calls
from backup.errors import BackupError
from backup.repository import Repository

from tests.support.backup_server import SLUG, BackupServer, Serving, restic

DAMAGED = "local is damaged: nothing is let go of there until a check finds it sound"
OTHER, OTHER_NAME = "other-school", "sch000000000002"


@pytest.fixture
def server(tmp_path: Path, repository: Path) -> BackupServer:
    server = BackupServer(tmp_path / "schools", restic())
    shutil.copytree(repository, server.backups / "repository")
    server.open_school()
    server.open_school(OTHER, OTHER_NAME)
    return server


def read(server: BackupServer) -> Any:
    return settings.read(server.root / "backups.json")


def test_a_run_backs_up_every_open_school_and_no_other(server: BackupServer) -> None:
    server.open_school("suspended-school", "sch000000000003", state="suspended")
    server.open_school("closed-school", "sch000000000004", state="closed")
    code, report, words = server.run("run")
    assert (code, report["failed"], words) == (0, [], "")
    assert sorted(report["schools"]) == [OTHER, "suspended-school", SLUG]
    known = server.standing()
    for slug, school in known["schools"].items():
        newest = report["schools"][slug]["set"]
        assert school["sets"]["local"]["newest"] == newest
        assert school["known"][newest]["targets"] == ["local"]
        assert school["known"][newest]["tables"] == 2
    assert known["targets"]["local"]["initialised"]


def test_a_school_that_was_never_opened_is_nobodys_trouble(server: BackupServer) -> None:
    shutil.rmtree(server.open_school("art-school", "sch0000000000aa"))
    code, report, _ = server.run("run")
    assert (code, "art-school" in report["schools"], report["failed"]) == (0, False, [])


def test_a_school_whose_site_is_gone_is_told_of_as_long_as_sets_of_it_are_known(server: BackupServer) -> None:
    server.run("run")
    shutil.rmtree(server.root / "sites" / SLUG)
    code, report, _ = server.run("run")
    assert (code, report["failed"]) == (1, [SLUG])


def test_a_school_that_fails_keeps_no_other_from_its_backup(server: BackupServer) -> None:
    (server.root / "sites" / OTHER / "site_config.json").unlink()
    code, report, _ = server.run("run")
    assert (code, report["failed"]) == (1, [OTHER])
    assert report["schools"][SLUG]["targets"]["local"]["set"]
    assert "no site of other-school" in report["schools"][OTHER]["faults"][0]
    assert "no site of other-school" in server.standing()["schools"][OTHER]["fault"]
    assert server.standing()["schools"][SLUG]["fault"] is None


def test_a_target_that_is_gone_keeps_no_set_from_the_others(server: BackupServer) -> None:
    server.targets = {"away": {"repository": str(server.root / "nowhere")}, **server.targets}
    server.write_settings()
    code, report, _ = server.run("run")
    assert code == 1
    assert sorted(report["failed"]) == ["away", OTHER, SLUG]
    for slug in (SLUG, OTHER):
        places = server.standing()["schools"][slug]["sets"]
        assert places["away"]["fault"]
        assert places["away"]["newest"] is None
        assert places["local"]["fault"] is None


def test_a_second_run_is_told_that_one_is_at_work(server: BackupServer) -> None:
    from backup.files import locked

    with locked(server.backups / "locks" / ".run", "another run (process 1)"):
        code, report, words = server.run("run")
    assert (code, report) == (1, {})
    assert words == "schools-backup: .run is in the hands of another run (process 1)\n"


def test_a_school_whose_upload_changes_while_it_is_stored_is_taken_once_more(
    server: BackupServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backup.errors import ChangedError
    from backup.spool import Spool

    look, times = Spool.demand_unchanged, {SLUG: 0, OTHER: 9}

    def changed_at_first(own: Any, manifest: Any) -> None:
        times[own.slug] += 1
        if times[own.slug] == 1:
            raise ChangedError("logo.png was written to")
        look(own, manifest)

    monkeypatch.setattr(Spool, "demand_unchanged", changed_at_first)
    assert Timers(read(server)).run()["failed"] == []


def test_a_set_taken_once_more_that_an_earlier_target_cannot_take_is_a_fault_of_that_one(
    server: BackupServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.targets["second"] = {"repository": str(server.root / "second")}
    shutil.copytree(server.backups / "repository", server.root / "second")
    (server.backups / "declared" / f"{OTHER}.json").unlink()
    server.write_settings()
    store = Calls._store_alone

    def change(own: Any, slug: str, name: str, place: Any) -> Any:
        if name == "second" and (server.backups / "repository").exists():
            (server.root / "sites" / SLUG / "public/files/logo.png").write_bytes(b"another picture")
            shutil.move(server.backups / "repository", server.root / "away")
        return store(own, slug, name, place)

    monkeypatch.setattr(Calls, "_store_alone", change)
    report = Timers(read(server)).run()
    [fault] = report["schools"][SLUG]["faults"]
    assert fault.startswith("local: there is no repository")
    assert list(report["schools"][SLUG]["targets"]) == ["second"]
    assert SLUG in report["failed"]


def test_old_sets_are_let_go_of_after_a_run(server: BackupServer) -> None:
    for _ in range(3):
        assert server.run("run")[0] == 0
    with Serving(server) as program:
        assert [row["slug"] for row in program("sets")].count(SLUG) == 2
    assert len(server.standing()["schools"][SLUG]["known"]) == 2


def test_a_snapshot_that_cannot_be_a_set_stops_neither_the_run_nor_a_drill(server: BackupServer) -> None:
    assert server.run("run")[0] == 0
    Repository(read(server), read(server).target("local")).store(
        server.backups / "spool" / SLUG, {"kind": "set", "school": SLUG, "set": "a-b"}, sets.now()
    )
    code, report, _ = server.run("run")
    assert (code, report["failed"]) == (0, [])
    wrong = standing.reasons(read(server), server.standing(), sets.now())
    assert [words for words in wrong.values() if "say to be sets" in words]
    assert fetching.choose(read(server), SLUG)[0] == server.standing()["schools"][SLUG]["sets"]["local"]["newest"]


def test_old_states_of_the_inventory_are_let_go_of_after_a_run(server: BackupServer) -> None:
    with Serving(server) as program:
        for number in range(3):
            # Snapshots are told apart by their second; of two in one, neither is the newer one.
            time.sleep(1.1)
            program("keep_inventory", files={"schools.yml": f"schools: {{s{number}: x}}\n"})
            assert server.run("inventory")[:2] == (0, {"faults": {}, "failed": []})
    repository = Repository(read(server), read(server).target("local"))
    assert len(repository.snapshots("inventory")) == 3
    newest = repository.snapshots("inventory")[-2:]
    assert server.run("run")[0] == 0
    assert [row["snapshot"] for row in repository.snapshots("inventory")] == [row["snapshot"] for row in newest]


def test_an_inventory_that_a_target_cannot_take_is_told_until_it_can(server: BackupServer) -> None:
    calls = Calls(read(server))
    calls.keep_inventory({"schools.yml": "schools: {}\n"})
    fake = server.root / "restic-that-stores-nothing"
    fake.write_text(
        f'#!/bin/sh\ntest "$1" != backup || {{ echo "disk full" >&2; exit 1; }}\nexec {server.restic} "$@"\n'
    )
    fake.chmod(0o755)
    good, server.restic = server.restic, str(fake)
    server.write_settings()
    code, report, _ = server.run("inventory")
    assert (code, report["failed"]) == (1, ["local"])
    wrong = standing.reasons(read(server), server.standing(), sets.now())
    assert [words for words in wrong.values() if "disk full" in words and "inventory" in words]
    server.restic = good
    server.write_settings()
    assert server.run("inventory")[0] == 0
    wrong = standing.reasons(read(server), server.standing(), sets.now())
    assert [words for words in wrong.values() if "inventory" in words] == []


def inventory_words(server: BackupServer, hours: float = 0) -> list[str]:
    """Return what would be told of the inventory some hours from now."""
    wrong = standing.reasons(read(server), server.standing(), sets.now() + timedelta(hours=hours))
    return [words for key, words in wrong.items() if key.startswith("inventory ")]


def test_a_fault_of_the_inventory_is_over_when_it_is_again_what_the_target_has(server: BackupServer) -> None:
    calls = Calls(read(server))
    calls.keep_inventory({"schools.yml": "a: 1\n"})
    assert calls.store_inventory() == {}
    server.restic = str(_restic_that(server, 'test "$1" != backup || { echo "disk full" >&2; exit 1; }'))
    server.write_settings()
    calls = Calls(read(server))
    calls.keep_inventory({"schools.yml": "a: 2\n"})
    assert calls.store_inventory().keys() == {"local"}
    assert inventory_words(server)
    assert calls.keep_inventory({"schools.yml": "a: 1\n"}) == {"lacking": []}
    assert inventory_words(server, 3) == []


def test_a_target_that_lacks_the_inventory_for_hours_is_told_whatever_kept_it_from_there(server: BackupServer) -> None:
    Calls(read(server)).keep_inventory({"schools.yml": "a: 1\n"})
    # Nothing ever tried: the unit was killed, or its timer is off.
    assert inventory_words(server) == []
    since = server.standing()["targets"]["local"]["inventory_since"]
    Calls(read(server)).keep_inventory({"schools.yml": "a: 2\n"})
    assert inventory_words(server, 3) == [f"the target local has not got the inventory as it is now, since {since}"]
    assert server.run("inventory")[0] == 0
    assert inventory_words(server, 3) == []


def test_whatever_keeps_the_inventory_from_a_target_is_noted_and_told(server: BackupServer) -> None:
    Calls(read(server)).keep_inventory({"schools.yml": "a: 1\n"})
    server.targets["local"]["environment_file"] = str(server.root / "gone")
    server.write_settings()
    code, report, words = server.run("inventory")
    assert (code, report["failed"], words) == (1, ["local"], "")
    [told] = inventory_words(server)
    assert f"{server.root / 'gone'}: No such file or directory" in told


def test_an_inventory_that_changes_while_it_is_stored_is_stored_once_more(server: BackupServer) -> None:
    server.targets["second"] = {"repository": str(server.root / "second")}
    shutil.copytree(server.backups / "repository", server.root / "second")
    go, begun = server.root / "go", server.root / "begun"
    wait = f'if test "$1" = backup; then touch {begun}; while ! test -e {go}; do sleep 0.1; done; fi'
    server.restic = str(_restic_that(server, wait))
    server.write_settings()
    calls = Calls(read(server))
    calls.keep_inventory({"schools.yml": "a: 1\n"})
    first = threading.Thread(target=Calls(read(server)).store_inventory)
    first.start()
    while not begun.exists():
        assert first.is_alive()
    # The next command begins the unit, which is at work: nothing begins.
    assert calls.keep_inventory({"schools.yml": "a: 2\n"}) == {"lacking": ["local", "second"]}
    go.touch()
    first.join(60)
    assert calls.keep_inventory({"schools.yml": "a: 2\n"}) == {"lacking": []}
    for name in ("local", "second"):
        repository = Repository(read(server), read(server).target(name))
        assert repository.read(repository.snapshots("inventory")[-1], "schools.yml") == "a: 2\n"


def test_a_target_that_hangs_does_not_keep_the_inventory_from_the_others_for_ever(
    server: BackupServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backup.calls._INVENTORY_S", 1)
    server.targets["hanging"] = {"repository": str(server.root / "hanging")}
    shutil.copytree(server.backups / "repository", server.root / "hanging")
    hang = f'if test "$1" = backup && test "$RESTIC_REPOSITORY" = {server.root / "hanging"}; then exec sleep 60; fi'
    server.restic = str(_restic_that(server, hang))
    server.write_settings()
    calls = Calls(read(server))
    calls.keep_inventory({"schools.yml": "a: 1\n"})
    began = time.monotonic()
    assert calls.store_inventory() == {"hanging": "hanging: restic-of-this-test was not done after 1 s"}
    assert time.monotonic() - began < 30
    assert calls.keep_inventory({"schools.yml": "a: 1\n"}) == {"lacking": ["hanging"]}


def test_a_fresh_server_without_schools_and_key_runs_without_a_fault(server: BackupServer) -> None:
    (server.root / "key").unlink()
    for slug in (SLUG, OTHER):
        (server.backups / "declared" / f"{slug}.json").unlink()
    code, report, _ = server.run("run")
    assert (code, report["failed"]) == (0, [])


def _restic_that(server: BackupServer, first: str) -> Path:
    """Return a restic that does something of the shell's before its own work."""
    path = server.root / "restic-of-this-test"
    path.write_text(f'#!/bin/sh\n{first}\nexec {server.restic} "$@"\n')
    path.chmod(0o755)
    return path


def test_what_a_restore_kept_goes_some_days_later_when_there_is_a_set_everywhere(server: BackupServer) -> None:
    def keep(days: int, name: str) -> Path:
        stamp = (sets.now() - timedelta(days=days)).strftime("%Y%m%dT%H%M%SZ")
        folder = server.root / "archive" / SLUG / f"{stamp}-before-sch0000000000{days:02}"
        folder.mkdir(parents=True)
        (folder / "site_config.json").write_text(json.dumps({"db_name": name}))
        server.put_tables({}, name)
        return folder

    old, fresh = keep(8, "schaaaaaaaaaaaa"), keep(6, "schbbbbbbbbbbbb")
    # The bench could write there what it wanted, as long as it was a site.
    lies = [keep(days, name) for days, name in ((9, OTHER_NAME), (10, "schcccccccccccc"), (11, "schdddddddddddd"))]
    (server.root / "pool").mkdir()
    (server.root / "pool/schcccccccccccc.ready").write_text("")
    (server.root / "journal/new.json").write_text(json.dumps({"database": "schdddddddddddd"}))
    server.targets["away"] = {"repository": str(server.root / "nowhere")}
    server.write_settings()
    assert server.run("run")[0] == 1
    assert old.exists()
    del server.targets["away"]
    server.write_settings()
    assert server.run("run")[0] == 0
    assert not any(folder.exists() for folder in (old, *lies))
    assert fresh.exists()
    databases = {path.stem for path in (server.root / "database").glob("sch*.json")}
    assert {OTHER_NAME, "schbbbbbbbbbbbb", "schcccccccccccc", "schdddddddddddd"} <= databases
    assert "schaaaaaaaaaaaa" not in databases


def test_a_check_reads_the_repositories_and_tells_of_damage(server: BackupServer) -> None:
    assert server.run("run")[0] == 0
    code, report, _ = server.run("check")
    assert (code, report["failed"]) == (0, [])
    assert server.standing()["targets"]["local"]["checked"]
    for path in (server.backups / "repository/data").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:-40])
    code, report, _ = server.run("check")
    assert (code, report["failed"]) == (1, ["local"])
    assert server.standing()["targets"]["local"]["damage"]


def test_damage_is_known_until_a_check_finds_none_however_well_the_target_can_be_reached(server: BackupServer) -> None:
    assert server.run("run")[0] == 0
    packs = {path: path.read_bytes() for path in (server.backups / "repository/data").rglob("*") if path.is_file()}
    for path, kept in packs.items():
        path.chmod(0o600)
        path.write_bytes(kept[:-40])
    server.run("check")
    with Serving(server) as program:
        program("targets")
        program("init", target="local")
    assert "damaged" in " ".join(standing.reasons(read(server), server.standing(), sets.now()).values())
    for path, kept in packs.items():
        path.write_bytes(kept)
    server.run("check")
    assert server.standing()["targets"]["local"]["damage"] is None


def test_a_damaged_repository_that_was_given_up_for_a_new_one_is_damaged_no_more(server: BackupServer) -> None:
    assert server.run("run")[0] == 0
    for path in (server.backups / "repository/data").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:-40])
    server.run("check")
    assert server.run("run")[0] == 1
    shutil.rmtree(server.backups / "repository")
    with Serving(server) as program:
        assert program("init", target="local") == {"created": True}
    assert server.standing()["targets"]["local"]["damage"] is None
    assert server.run("run")[0] == 0


def test_nothing_is_let_go_of_in_a_target_that_is_damaged_until_a_check_finds_it_sound(server: BackupServer) -> None:
    for _ in range(2):
        assert server.run("run")[0] == 0
    repository = Repository(read(server), read(server).target("local"))
    log = {"kind": "logs", "stream": "a" * 16, "first": "schools-bin.000001", "last": "schools-bin.000001"}
    repository.store(server.backups / "declared", log, sets.now() - timedelta(days=1))
    packs = {path: path.read_bytes() for path in (server.backups / "repository/data").rglob("*") if path.is_file()}
    for path, kept in packs.items():
        path.chmod(0o600)
        path.write_bytes(kept[:-40])
    server.more["keep"] = {"last": 1}
    server.write_settings()
    assert server.run("check")[1]["forgotten"]["local"] == {"removed": 0, "fault": DAMAGED}
    assert server.run("run")[1]["forgotten"]["local"] == {"removed": 0, "fault": DAMAGED}
    assert len(repository.snapshots(school=SLUG)) == 3
    assert len(repository.snapshots("logs")) == 1
    assert all(path.exists() for path in packs)
    # It is told as what it is, and not a second time by what follows from it.
    wrong = standing.reasons(read(server), server.standing(), sets.now())
    assert [key for key in wrong if "local" in key] == ["damage local"]
    for path, kept in packs.items():
        path.write_bytes(kept)
    assert server.run("check")[1]["forgotten"]["local"]["removed"] > 0
    assert len(repository.snapshots(school=SLUG)) == 1
    assert repository.snapshots("logs") == []


# --- alarms -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, datetime]:
    clock = {"now": sets.now()}
    monkeypatch.setattr(sets, "now", lambda: clock["now"])
    return clock


@pytest.fixture
def told(server: BackupServer, tmp_path: Path) -> Path:
    """Have alarms written to a file, a line each."""
    file = tmp_path / "told"
    server.more["alarm"] = {"command": ["sh", "-c", f"cat >>{file}"]}
    server.write_settings()
    return file


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def put_well(server: BackupServer, at: datetime, **more: Any) -> None:
    """Have all schools stored at a moment."""
    with standing.changing(read(server)) as known:
        for slug in (SLUG, OTHER):
            school = standing.of_school(known, slug)
            school["sets"]["local"] = {"newest": "x", "taken": sets.iso(at), "fault": None}
            school.update(more)


def test_nobody_is_told_while_all_is_well(server: BackupServer, told: Path, clock: dict[str, datetime]) -> None:
    put_well(server, clock["now"])
    assert standing.tell(read(server)) == {"wrong": [], "told": [], "over": []}
    assert lines(told) == []


def test_what_is_wrong_is_told_once_a_day_and_when_it_is_over(
    server: BackupServer, told: Path, clock: dict[str, datetime]
) -> None:
    began = clock["now"]
    put_well(server, began)
    for hours, messages in ((29, 0), (31, 1), (32, 1), (54, 1), (56, 2), (57, 2)):
        clock["now"] = began + timedelta(hours=hours)
        standing.tell(read(server))
        assert len(lines(told)) == messages, hours
    assert lines(told)[0]["wrong"] == [
        f"{slug}: the newest set in local is of {sets.iso(began)}" for slug in (OTHER, SLUG)
    ]
    put_well(server, clock["now"])
    standing.tell(read(server))
    standing.tell(read(server))
    assert len(lines(told)) == 3
    assert lines(told)[-1]["wrong"] == []
    assert len(lines(told)[-1]["over"]) == 2


@pytest.mark.usefixtures("told")
def test_every_kind_of_failure_is_told(server: BackupServer, clock: dict[str, datetime]) -> None:
    put_well(server, clock["now"], drill={"ok": False, "fault": "a secret does not decrypt"}, fault="disk full")
    with standing.changing(read(server)) as known:
        known["schools"][OTHER]["sets"]["local"]["fault"] = "no route to host"
        known["logs"]["fault"] = "no such stream"
        standing.of_target(known, "local")["fault"] = "the pack is damaged"
    server.open_school("new-school", "sch000000000005")
    wrong = "\n".join(standing.tell(read(server))["wrong"])
    for words in (
        "does not decrypt",
        "disk full",
        "no route",
        "no such stream",
        "the pack is damaged",
        "no set was ever",
    ):
        assert words in wrong


@pytest.mark.usefixtures("told")
def test_what_should_have_been_done_long_ago_is_told(server: BackupServer, clock: dict[str, datetime]) -> None:
    logged = {"folder": str(server.root), "base": "schools-bin", "keep_days": 7}
    settings_with_logs = replace(read(server), database={**read(server).database, "logs": logged})
    began = clock["now"]
    known = {"20260101T000000Z": {"taken": sets.iso(began), "targets": ["local"]}}
    put_well(server, began, known=known, drill={"ok": True, "at": sets.iso(began)})
    with standing.changing(settings_with_logs) as found:
        found["logs"]["archived"] = sets.iso(began)
        standing.of_target(found, "local")["checked"] = sets.iso(began)

    def told_after(**time: int) -> str:
        clock["now"] = began + timedelta(**time)
        put_well(server, clock["now"])
        return "\n".join(standing.tell(settings_with_logs)["wrong"])

    assert told_after(minutes=50) == ""
    assert told_after(hours=3) == f"the database's logs were last put away at {sets.iso(began)}"
    assert "checked" not in told_after(days=13)
    assert f"the target local was last checked at {sets.iso(began)}" in told_after(days=16)
    assert f"{SLUG}: it was last restored on trial at {sets.iso(began)}" in told_after(days=15)
    put_well(server, clock["now"], drill=None)
    with standing.changing(settings_with_logs) as found:
        found["logs"]["archived"] = found["targets"]["local"]["checked"] = None
    words = told_after(days=16)
    for never in ("was never checked", f"{SLUG}: it was never restored on trial"):
        assert never in words
    assert "logs" not in words
    assert "the database's logs were never put away" in told_after(days=17)


@pytest.mark.usefixtures("told")
def test_old_sets_that_cannot_be_let_go_of_are_told_until_they_can(server: BackupServer) -> None:
    assert server.run("run")[0] == 0
    fake = server.root / "restic-that-keeps-all"
    fake.write_text(
        f'#!/bin/sh\ntest "$1" != forget || {{ echo "disk full" >&2; exit 1; }}\nexec {server.restic} "$@"\n'
    )
    fake.chmod(0o755)
    good, server.restic = server.restic, str(fake)
    server.write_settings()
    assert server.run("run")[0] == 1
    wrong = standing.reasons(read(server), server.standing(), sets.now())
    assert [words for words in wrong.values() if "disk full" in words and "let go of" in words]
    server.restic = good
    server.write_settings()
    assert server.run("run")[0] == 0
    assert standing.reasons(read(server), server.standing(), sets.now()) == {}


@pytest.mark.usefixtures("clock")
def test_an_alarm_that_nobody_heard_is_told_again(server: BackupServer, told: Path) -> None:
    server.more["alarm"] = {"command": ["false"]}
    server.write_settings()
    with pytest.raises(BackupError):
        standing.tell(read(server))
    server.more["alarm"] = {"command": ["sh", "-c", f"cat >>{told}"]}
    server.write_settings()
    standing.tell(read(server))
    assert len(lines(told)) == 1
    code, report, _ = server.run("alarm")
    assert (code, report["told"], len(report["wrong"])) == (0, [], 2)


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[bytes]]]:
    """Listen on a port of this machine; give the address and what comes."""
    heard: list[bytes] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(404 if self.path == "/wrong" else 204)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Listener) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listener.server_port}", heard
        listener.shutdown()


def test_a_webhook_hears_of_what_is_wrong_and_its_address_is_never_told(
    server: BackupServer, webhook: tuple[str, list[bytes]], tmp_path: Path
) -> None:
    address, heard = webhook
    (tmp_path / "webhook").write_text(f"{address}/wrong\n")
    server.more["alarm"] = {"webhook_file": str(tmp_path / "webhook")}
    server.write_settings()
    code, _, words = server.run("alarm")
    assert code == 1
    assert "webhook did not take" in words
    assert address not in words
    (tmp_path / "webhook").write_text(f"{address}/right\n")
    assert server.run("alarm")[0] == 0
    assert len(json.loads(heard[-1])["wrong"]) == 2


def test_a_webhook_hears_of_it_though_the_command_fails_and_hears_it_once(
    server: BackupServer, webhook: tuple[str, list[bytes]], tmp_path: Path
) -> None:
    address, heard = webhook
    (tmp_path / "webhook").write_text(f"{address}/right\n")
    server.more["alarm"] = {"command": ["false"], "webhook_file": str(tmp_path / "webhook")}
    server.write_settings()
    code, _, words = server.run("alarm")
    assert (code, len(heard)) == (1, 1)
    assert "false exited with 1" in words
    assert server.run("alarm")[0] == 0
    assert len(heard) == 1
