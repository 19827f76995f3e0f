"""Sets by the real program with the real restic: taken, stored, fetched, and never said to be what they are not."""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from backup import fetching, programs, sets, settings, standing
from backup.calls import Calls
from backup.errors import BackupError, ChangedError
from backup.repository import Repository
from backup.spool import Spool

from tests.support.backup_server import NAME, SLUG, BackupServer, FaultError, Serving, restic
from tests.support.project import CHECKOUT

SECOND = "sch000000000002"
FORGED = "2020-01-01 00:00:00"


@pytest.fixture
def server(tmp_path: Path) -> BackupServer:
    server = BackupServer(tmp_path / "schools", restic())
    server.open_school()
    return server


@pytest.fixture
def program(server: BackupServer, repository: Path) -> Iterator[Serving]:
    shutil.copytree(repository, server.backups / "repository")
    with Serving(server) as program:
        yield program


@pytest.fixture
def with_second(server: BackupServer, repository: Path, other_repository: Path) -> Iterator[Serving]:
    """Let the program run with two targets."""
    server.targets["second"] = {"repository": str(server.root / "second")}
    server.write_settings()
    shutil.copytree(repository, server.backups / "repository")
    shutil.copytree(other_repository, server.root / "second")
    with Serving(server) as program:
        yield program


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[tuple[BackupServer, Serving]]:
    server = BackupServer(tmp_path_factory.mktemp("hostile") / "schools", restic())
    server.open_school()
    shutil.copytree(repository, server.backups / "repository")
    with Serving(server) as program:
        backed_up(program)
        yield server, program


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def calls(server: BackupServer) -> Any:
    return Calls(settings.read(server.root / "backups.json"))


def spool(server: BackupServer) -> Any:
    return Spool(settings.read(server.root / "backups.json"), SLUG)


def snapshots(server: BackupServer, tags: str) -> list[dict[str, Any]]:
    """Return the snapshots of the target `local` that have these tags."""
    repository, key = str(server.backups / "repository"), str(server.root / "key")
    environment = {**os.environ, "RESTIC_REPOSITORY": repository, "RESTIC_PASSWORD_FILE": key}
    argv = [server.restic, "snapshots", "--json", "--no-lock", "--tag", tags]
    said = subprocess.run(argv, env=environment, capture_output=True, check=True).stdout
    return list(json.loads(said))


def backed_up(program: Serving, slug: str = SLUG) -> str:
    program("write", slug=slug)
    stored = program("store", slug=slug, target="local")
    return str(stored["set"])


@contextmanager
def trouble(server: BackupServer, **what: Any) -> Iterator[None]:
    server.trouble(**what)
    yield
    (server.root / "database/trouble").unlink()


# --- there and back ---------------------------------------------------------------------------------------------------


def test_a_repository_is_made_once(server: BackupServer) -> None:
    with Serving(server) as program:
        assert program("init", target="local") == {"created": True}
        assert program("init", target="local") == {"created": False}


def test_a_set_comes_back_as_it_was(server: BackupServer, program: Serving) -> None:
    odd = server.root / "sites" / SLUG / "public/files/sub"
    odd.mkdir()
    (odd / "ünï\n b").write_bytes(b"")
    (odd / os.fsdecode(b"bad\xff")).write_bytes(b"x" * 100_000)
    written = program("write", slug=SLUG)
    assert {key: written[key] for key in ("tables", "rows", "files")} == {"tables": 2, "rows": 2, "files": 4}
    stored = program("store", slug=SLUG, target="local")
    assert stored["set"] == written["set"]
    manifest = program("fetch", slug=SLUG, folder=str(server.backups / "fetched"))
    assert files_of(server.backups / "fetched") == files_of(server.backups / "spool" / SLUG)
    assert manifest["school"]["title"] == "Tech School"
    assert manifest["versions"] == {"frappe": "15.1.0"}
    assert manifest["database"]["tables"]["tabUser"]["rows"] == 2
    assert program("load", folder=str(server.backups / "fetched"), database=_made(server, SECOND))["rows"] == 2
    assert program("compare", folder=str(server.backups / "fetched"), database=SECOND) == {"differs": []}
    assert server.tables(SECOND) == server.tables(NAME)


def test_a_school_is_copied_without_a_set_being_made_of_it(server: BackupServer, program: Serving) -> None:
    backed_up(program)
    before, known = files_of(server.backups / "spool"), server.standing()
    folder = str(server.root / "archive/try-it.new/dump")
    assert program("dump", slug=SLUG, folder=folder) == {"tables": 2}
    assert program("load", folder=folder, database=_made(server, SECOND))["rows"] == 2
    assert program("compare", folder=folder, database=SECOND) == {"differs": []}
    assert server.tables(SECOND) == server.tables(NAME)
    assert (files_of(server.backups / "spool"), server.standing()) == (before, known)
    with pytest.raises(FaultError, match="is already there"):
        program("dump", slug=SLUG, folder=folder)


def test_a_copy_carries_no_routine_that_would_break_out_of_its_statement(
    server: BackupServer, program: Serving
) -> None:
    routine = (
        "DELIMITER ;;\nCREATE DEFINER=`x`@`%` PROCEDURE `p`()\n/*!99999 ;;\nDROP DATABASE other */;;\nDELIMITER ;\n"
    )
    kept = json.loads((server.root / "database" / f"{NAME}.json").read_text())
    (server.root / "database" / f"{NAME}.json").write_text(json.dumps({**kept, "rest": routine}))
    folder = server.root / "archive/try-it.new/dump"
    with pytest.raises(FaultError, match="which no dump carries safely"):
        program("dump", slug=SLUG, folder=str(folder))
    assert not folder.exists()


def test_a_copy_and_a_backup_never_read_a_school_at_once(server: BackupServer, program: Serving) -> None:
    hold = server.root / "hold"
    hold.touch()
    folder = server.root / "archive/try-it.new/dump"
    with Serving(server) as other, trouble(server, hold=str(hold)):
        other.tell("write", slug=SLUG)
        _wait_for(server.backups / "spool" / f".{SLUG}.partial/database")
        assert program("wait", slug=SLUG, patience=0)["busy"].startswith(f"{SLUG} is in the hands of ada (backup, ")
        with pytest.raises(FaultError, match=rf"{SLUG} is in the hands of ada \(backup, since"):
            program("dump", slug=SLUG, folder=str(folder))
        assert not folder.exists()
        program.tell("wait", slug=SLUG, patience=30)
        hold.unlink()
        assert program.answer() == {"busy": None}
        assert program("dump", slug=SLUG, folder=str(folder)) == {"tables": 2}


def test_a_copy_waits_for_whoever_began_after_it_had_looked(server: BackupServer, program: Serving) -> None:
    program("write", slug=SLUG)
    assert program("wait", slug=SLUG, patience=0) == {"busy": None}
    hold = server.root / "hold"
    hold.touch()
    with Serving(server) as other, trouble(server, hold=str(hold)):
        other.tell("write", slug=SLUG)
        _wait_for(server.backups / "spool" / f".{SLUG}.partial/database")
        program.tell("dump", slug=SLUG, folder=str(server.root / "archive/try-it.new/dump"), patience=30)
        hold.unlink()
        assert program.answer() == {"tables": 2}
        assert other.answer()["tables"] == 2


def _made(server: BackupServer, name: str) -> str:
    server.put_tables({}, name)
    return name


def test_what_is_as_it_was_is_neither_touched_nor_stored_again(server: BackupServer, program: Serving) -> None:
    backed_up(program)
    folder = server.backups / "spool" / SLUG
    before = {path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in folder.rglob("*.sql")}
    (server.root / "sites" / SLUG / "public/files/new.png").write_bytes(b"new")
    server.put_tables({"tabUser": ["'a',1", "'b',3"], "tabEmpty": []})
    backed_up(program)
    after = {path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in folder.rglob("*.sql")}
    changed = {path.name for path in before if before[path] != after[path]}
    assert changed == {"tabUser.sql"}
    assert program("store", slug=SLUG, target="local")["added_bytes"] < 4000


def test_what_is_gone_from_the_school_is_gone_from_the_next_set(server: BackupServer, program: Serving) -> None:
    backed_up(program)
    shutil.rmtree(server.root / "sites" / SLUG / "public/files")
    server.put_tables({"tabUser": []})
    program("write", slug=SLUG)
    sets.verify(server.backups / "spool" / SLUG, SLUG)
    assert not (server.backups / "spool" / SLUG / "files/public").exists()
    assert not (server.backups / "spool" / SLUG / "database/tabEmpty.sql").exists()


def test_an_upload_is_kept_once_and_left_to_itself_when_it_is_replaced(server: BackupServer, program: Serving) -> None:
    backed_up(program)
    live = server.root / "sites" / SLUG / "public/files/logo.png"
    kept = server.backups / "spool" / SLUG / "files/public/logo.png"
    assert kept.stat().st_ino == live.stat().st_ino
    (live.parent / "new").write_bytes(b"another picture")
    (live.parent / "new").replace(live)
    assert kept.read_bytes() == b"a picture"
    program("write", slug=SLUG)
    assert kept.read_bytes() == b"another picture"


def test_links_and_devices_among_the_uploads_lead_nowhere(server: BackupServer, program: Serving) -> None:
    secret = server.root / "secret"
    secret.mkdir()
    (secret / "key").write_text("not to be read")
    uploads = server.root / "sites" / SLUG / "private/files"
    (uploads / "link").symlink_to(secret / "key")
    (uploads / "folder").symlink_to(secret)
    os.mkfifo(uploads / "pipe")
    program("write", slug=SLUG)
    found = files_of(server.backups / "spool" / SLUG / "files")
    assert sorted(found) == ["private/report.pdf", "public/logo.png"]


@pytest.mark.parametrize("place", ["", "public", "public/files"])
def test_a_site_that_is_kept_elsewhere_by_a_link_is_refused_and_not_taken_for_an_empty_one(
    server: BackupServer, program: Serving, place: str
) -> None:
    folder = server.root / "sites" / SLUG / place
    folder.rename(server.root / "elsewhere")
    folder.symlink_to(server.root / "elsewhere")
    with pytest.raises(FaultError):
        program("write", slug=SLUG)
    assert names_in(server.backups / "spool") == []


def test_the_newest_set_is_taken_unless_another_is_asked_for(server: BackupServer, program: Serving) -> None:
    first = backed_up(program)
    server.put_tables({"tabUser": ["'later',1"]})
    second = backed_up(program)
    assert [row["set"] for row in program("sets", slug=SLUG)] == [first, second]
    assert program("fetch", slug=SLUG, folder=str(server.backups / "a"))["set"] == second
    assert program("fetch", slug=SLUG, set=first, folder=str(server.backups / "b"))["set"] == first
    before = sets.iso(sets.moment_of_name(first))
    fetched = program("fetch", slug=SLUG, before=before, folder=str(server.backups / "c"))["set"]
    assert fetched.partition("-")[0] == first
    with pytest.raises(FaultError, match="no set of tech-school is as old as"):
        program("fetch", slug=SLUG, before="2020-01-01T00:00:00Z", folder=str(server.backups / "d"))
    with pytest.raises(FaultError, match="no set 20200101T000000Z"):
        program("fetch", slug=SLUG, set="20200101T000000Z", folder=str(server.backups / "d"))
    assert not (server.backups / "d").exists()


def test_a_set_of_another_school_is_not_taken_for_ones_own(server: BackupServer, program: Serving) -> None:
    server.open_school("other-school", SECOND)
    backed_up(program, "other-school")
    with pytest.raises(FaultError, match="no set of tech-school is stored"):
        program("fetch", slug=SLUG, folder=str(server.backups / "fetched"))
    with pytest.raises(BackupError, match="is of 'other-school', not of tech-school"):
        sets.verify(server.backups / "spool/other-school", SLUG)


# --- what changes meanwhile -------------------------------------------------------------------------------------------


def test_a_school_whose_database_is_swapped_meanwhile_is_dumped_once_more(
    server: BackupServer, program: Serving
) -> None:
    server.put_tables({"tabUser": ["'of the second',1"]}, SECOND)
    config = server.root / "sites" / SLUG / "site_config.json"
    with trouble(server, swap=[str(config), json.dumps({"db_name": SECOND})]):
        program("write", slug=SLUG)
    manifest = sets.verify(server.backups / "spool" / SLUG, SLUG)
    assert manifest["database"]["name"] == SECOND
    assert "of the second" in (server.backups / "spool" / SLUG / "database/tabUser.sql").read_text()


def test_a_school_that_changes_hands_again_and_again_has_no_new_set(server: BackupServer, program: Serving) -> None:
    backed_up(program)
    before = files_of(server.backups / "spool" / SLUG)
    claim = server.root / "journal" / f"{SLUG}.json"
    with trouble(server, swap=[str(claim), '{"doing": "restore"}']):
        # The second time the claim is there before and after, and the set is taken.
        program("write", slug=SLUG)
    claim.unlink()
    swap = [str(server.root / "sites" / SLUG / "site_config.json"), "{}"]
    with trouble(server, swap=swap), pytest.raises(FaultError, match="names no database"):
        program("write", slug=SLUG)
    assert files_of(server.backups / "spool" / SLUG).keys() == before.keys()
    assert "names no database" in server.standing()["schools"][SLUG]["fault"]


def test_an_upload_written_to_again_and_again_while_it_is_stored_takes_its_sets_away(
    server: BackupServer, program: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("write", slug=SLUG)
    looks: list[int] = []
    look = Spool.demand_unchanged

    def written_to_after_the_first_look(own: Any, manifest: Any) -> None:
        look(own, manifest)
        looks.append(1)
        (server.root / "sites" / SLUG / "public/files/logo.png").write_bytes(b"picture %d" % len(looks))

    monkeypatch.setattr(Spool, "demand_unchanged", written_to_after_the_first_look)
    with pytest.raises(ChangedError):
        calls(server).store(SLUG, "local")
    assert program("sets", slug=SLUG) == []
    assert server.standing()["schools"][SLUG]["sets"]["local"]["newest"] is None


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [30, 300, 700])
def test_a_dump_that_ends_early_leaves_the_set_before(server: BackupServer, program: Serving, share: int) -> None:
    backed_up(program)
    before = files_of(server.backups / "spool" / SLUG)
    with trouble(server, cut=share), pytest.raises(FaultError, match="ends too early"):
        program("write", slug=SLUG)
    assert files_of(server.backups / "spool" / SLUG) == before
    assert names_in(server.backups / "spool") == [SLUG]


def test_a_run_killed_in_mid_dump_leaves_the_set_before_and_the_next_clears_up(
    server: BackupServer, program: Serving, tmp_path: Path
) -> None:
    backed_up(program)
    before = files_of(server.backups / "spool" / SLUG)
    hold = tmp_path / "hold"
    hold.touch()
    server.put_tables({"tabUser": ["'later',1"]})
    with trouble(server, hold=str(hold)):
        victim = Serving(server)
        victim.tell("write", slug=SLUG)
        _wait_for(server.backups / "spool" / f".{SLUG}.partial")
        with pytest.raises(FaultError, match=r"tech-school is in the hands of ada \(backup, since 20"):
            program("write", slug=SLUG)
        victim.kill()
    assert files_of(server.backups / "spool" / SLUG) == before
    program("store", slug=SLUG, target="local")
    backed_up(program)
    assert names_in(server.backups / "spool") == [SLUG]


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_run_killed_at_any_step_of_moving_in_is_finished_by_the_next(
    server: BackupServer, program: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(program)
    before = files_of(server.backups / "spool" / SLUG)
    (server.root / "sites" / SLUG / "public/files/new.png").write_bytes(b"new")
    (server.root / "sites" / SLUG / "public/files/logo.png").unlink()
    server.put_tables({"tabUser": ["'later',1"], "tabNew": []})
    kept = server.root / "before"
    shutil.copytree(server.backups / "spool", kept)
    survived, left = 0, [0]

    def step_of(do: Any) -> Any:
        def counted(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return do(*arguments, **options)

        return counted

    for step in range(1, 100):
        shutil.rmtree(server.backups / "spool")
        shutil.copytree(kept, server.backups / "spool")
        left[0] = step
        with monkeypatch.context() as patch:
            for name in ("unlink", "replace", "rename", "rmdir", "mkdir"):
                patch.setattr(Path, name, step_of(getattr(Path, name)))
            # Killed: nothing clears up.
            patch.setattr(shutil, "rmtree", step_of(lambda *_, **__: None))
            with suppress(KeyboardInterrupt):
                calls(server).write(SLUG)
        spool(server).settle()
        assert names_in(server.backups / "spool") == [SLUG]
        manifest = sets.verify(server.backups / "spool" / SLUG, SLUG)
        is_new = "tabNew" in manifest["database"]["tables"]
        if not is_new:
            assert files_of(server.backups / "spool" / SLUG) == before
            survived += 1
        if left[0] > 0:
            break
    assert is_new
    assert survived > 3
    assert step > 12


def test_a_full_disk_leaves_the_set_before(server: BackupServer, program: Serving, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        shutil.rmtree(server.backups / "spool", ignore_errors=True)
        (server.backups / "spool").symlink_to(disk)
        backed_up(program)
        before = files_of(disk / SLUG)
        server.put_tables({"tabUser": [f"'{'x' * 1000}',{number}" for number in range(1000)]})
        with pytest.raises(FaultError, match="No space left on device"):
            program("write", slug=SLUG)
        assert files_of(disk / SLUG) == before
        assert "No space left" in server.standing()["schools"][SLUG]["fault"]
        program("store", slug=SLUG, target="local")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_spool_that_is_not_whole_is_not_stored(server: BackupServer, program: Serving) -> None:
    with pytest.raises(FaultError, match="there is no set in"):
        program("store", slug=SLUG, target="local")
    program("write", slug=SLUG)
    (server.backups / "spool" / SLUG / "database/tabUser.sql").write_text("")
    with pytest.raises(FaultError, match="not what its manifest says"):
        program("store", slug=SLUG, target="local")
    backed_up(program)
    sets.verify(server.backups / "spool" / SLUG, SLUG)


def test_of_a_school_that_is_erased_nothing_bears_the_name(server: BackupServer, program: Serving) -> None:
    program("write", slug=SLUG)
    program("store", slug=SLUG, target="local")
    (server.backups / "declared" / f"{SLUG}.json").unlink()
    program("erase", slug=SLUG)
    assert [str(path) for path in server.backups.rglob(f"*{SLUG}*")] == []


def test_a_server_without_a_key_says_what_makes_one(server: BackupServer, program: Serving) -> None:
    program("write", slug=SLUG)
    (server.root / "key").unlink()
    with pytest.raises(FaultError, match="no key for backups: `schoolctl backup-targets init` makes one"):
        program("store", slug=SLUG, target="local")


@contextmanager
def deceived(server: BackupServer, words: str) -> Iterator[Serving]:
    """Have a program that runs these words of a shell in restic's place; {restic} among them is the real one."""
    fake = server.root.parent / "restic"
    fake.write_text("#!/bin/sh\n" + words.format(restic=server.restic))
    fake.chmod(0o755)
    server.restic = str(fake)
    server.write_settings()
    with Serving(server) as program:
        yield program


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('test "$1" != check || exit 11\nexec {restic} "$@"\n', "somebody else has been at work"),
        ("echo 'connection refused' >&2; exit 1\n", "connection refused"),
    ],
)
def test_a_check_that_cannot_be_made_is_no_damage(
    server: BackupServer, repository: Path, words: str, said: str
) -> None:
    shutil.copytree(repository, server.backups / "repository", dirs_exist_ok=True)
    with deceived(server, words) as program:
        told = program("check", target="local")
    assert not told["ok"]
    assert said in told["said"]
    assert not server.standing().get("targets", {}).get("local", {}).get("damage")


def test_what_restic_says_it_stored_is_counted(server: BackupServer, program: Serving) -> None:
    program("write", slug=SLUG)
    # One that leaves a file out, as restic does with what it cannot read, but ends with 0.
    words = 'exec {restic} "$@" $(test "$1" != backup || echo --exclude=tabUser.sql)\n'
    with deceived(server, words) as other, pytest.raises(FaultError, match="restic stored 8 of 9 files"):
        other("store", slug=SLUG, target="local")
    assert program("sets", slug=SLUG) == []


def test_a_partial_snapshot_is_no_success(server: BackupServer, program: Serving) -> None:
    program("write", slug=SLUG)
    words = '{restic} "$@" || exit\ntest "$1" != backup || exit 3\n'
    with deceived(server, words) as other, pytest.raises(FaultError, match="could not read all"):
        other("store", slug=SLUG, target="local")
    assert "could not read all" in server.standing()["schools"][SLUG]["sets"]["local"]["fault"]
    assert program("sets", slug=SLUG) == []


def test_a_set_is_stored_though_the_one_before_was_forgotten_by_somebody(
    server: BackupServer, program: Serving
) -> None:
    backed_up(program)
    for path in (server.backups / "repository/snapshots").iterdir():
        path.unlink()
    name = backed_up(program)
    assert [row["set"] for row in program("sets", slug=SLUG)] == [name]


def test_a_target_that_is_not_there_is_a_failure_and_says_so(server: BackupServer, repository: Path) -> None:
    server.targets["away"] = {"repository": str(server.root / "nowhere/repository")}
    server.write_settings()
    shutil.copytree(repository, server.backups / "repository")
    with Serving(server) as program:
        program("write", slug=SLUG)
        with pytest.raises(FaultError, match=r"away: there is no repository at .*nowhere/repository yet"):
            program("store", slug=SLUG, target="away")
        assert [row["fault"] is None for row in program("targets")] == [True, False]
        backed_up(program)
        # What the other holds is told all the same, and can be had.
        assert len(program("sets")) == 1
        with pytest.raises(FaultError):
            program("sets", target="away")
        program("fetch", slug=SLUG, folder=str(server.backups / "fetched"))


def test_a_wrong_key_opens_nothing(server: BackupServer, program: Serving) -> None:
    backed_up(program)
    (server.root / "key").write_text("another key\n")
    for call, arguments in (
        ("store", {"slug": SLUG, "target": "local"}),
        ("sets", {}),
        ("fetch", {"slug": SLUG, "folder": str(server.backups / "fetched")}),
        ("init", {"target": "local"}),
    ):
        with pytest.raises(FaultError, match="the key of this server does not open the repository"):
            program(call, **arguments)
    assert not (server.backups / "fetched").exists()


AGAIN_AND_AGAIN = "Stat(<config/>) returned error, retrying after 571.938582ms: Stat: "


@pytest.mark.parametrize(
    ("call", "arguments"),
    [("init", {"target": "local"}), ("sets", {}), ("store", {"slug": SLUG, "target": "local"})],
)
def test_an_object_storage_that_refuses_a_secret_is_told_of_at_once(
    server: BackupServer, program: Serving, call: str, arguments: dict[str, str]
) -> None:
    program("write", slug=SLUG)
    words = "The request signature we calculated does not match the signature you provided. Check your key."
    began = time.monotonic()
    refusal = f"echo '{AGAIN_AND_AGAIN}{words}' >&2; exec sleep 60\n"
    with deceived(server, refusal) as refused, pytest.raises(FaultError) as told:
        refused(call, **arguments)
    assert str(told.value) == f"local: what it is logged in to with (`backup_credentials`) is refused: {words}"
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("words", "is_vain"),
    [
        (f"{AGAIN_AND_AGAIN}The AWS Access Key Id you provided does not exist in our records.", True),
        ("List(key) returned error, retrying after 1m5s: Error response code SignatureDoesNotMatch.", True),
        (f"{AGAIN_AND_AGAIN}dial tcp 203.0.113.5:443: connect: connection refused", False),
        ("error: lstat /srv/NoSuchBucket: Stat(a) returned error, retrying after 1s: NoSuchBucket", False),
    ],
)
def test_only_what_an_object_storage_says_for_good_ends_restic_before_its_time(
    server: BackupServer, words: str, is_vain: bool
) -> None:
    with deceived(server, f"echo '{words}' >&2; sleep 1.5; exit 1\n") as program, pytest.raises(FaultError) as told:
        program("init", target="local")
    assert ("is refused" in str(told.value)) == is_vain
    assert words.rpartition(": ")[2] in str(told.value)


def test_a_bucket_that_is_not_there_yet_is_made_with_its_repository(server: BackupServer, repository: Path) -> None:
    words = f"""
if test "$1" = init; then cp -r {repository} {server.backups / "repository"}; exit; fi
test ! -e {server.backups / "repository"} || exec {{restic}} "$@"
echo '{AGAIN_AND_AGAIN}The specified bucket does not exist' >&2
exec sleep 60
"""
    with deceived(server, words) as program:
        program("write", slug=SLUG)
        with pytest.raises(FaultError, match=r"local: there is no repository at .* yet"):
            program("store", slug=SLUG, target="local")
        assert program("init", target="local") == {"created": True}
        backed_up(program)


def test_what_a_program_said_last_is_told_where_it_was_not_done_in_time() -> None:
    argv = ["sh", "-c", "echo 'Stat returned error: nobody is there' >&2; exec sleep 60"]
    began = time.monotonic()
    with pytest.raises(BackupError, match=r"^sh was not done after 1 s: Stat returned error: nobody is there$"):
        programs.run(argv, timeout=1)
    assert time.monotonic() - began < 30


def put_snapshot(server: BackupServer, folder: Path, name: str, time: str = "", school: str = SLUG) -> None:
    """Store a folder as whoever got the server's key can, under the name of a set and at a time of their own."""
    repository, key = str(server.backups / "repository"), str(server.root / "key")
    environment = {**os.environ, "RESTIC_REPOSITORY": repository, "RESTIC_PASSWORD_FILE": key}
    tags = [word for tag in ("kind=set", f"school={school}", f"set={name}") for word in ("--tag", tag)]
    argv = [server.restic, "backup", "--quiet", "--host", "schools", *(["--time", time] if time else []), *tags]
    subprocess.run([*argv, str(folder)], env=environment, capture_output=True, check=True)


def forged(server: BackupServer, name: str) -> Path:
    """Return a set of that name that is sound by all that it says of itself, with rows of somebody else."""
    copy = server.root / "forged"
    shutil.copytree(server.backups / "spool" / SLUG, copy)
    table = copy / "database/tabUser.sql"
    table.write_text(table.read_text() + "-- pay us\n")
    contents, manifest = (json.loads((copy / part).read_text()) for part in (sets.CONTENTS, sets.MANIFEST))
    contents["tables"]["tabUser"] |= sets.entry(table.read_text())
    text = json.dumps(contents)
    (copy / sets.CONTENTS).write_text(text)
    (copy / sets.MANIFEST).write_text(json.dumps({**manifest, "set": name, "contents": sets.entry(text)}))
    return copy


def spoiled(server: BackupServer, name: str) -> Path:
    """Return a set of that name that is not what its own manifest says."""
    copy = forged(server, name)
    (copy / "database/tabUser.sql").write_text("pay us\n")
    return copy


def test_nothing_but_what_the_server_knows_tells_a_good_forgery_from_a_set(
    server: BackupServer, program: Serving
) -> None:
    name, newer = backed_up(program), "29991231T000000Z"
    put_snapshot(server, forged(server, newer), newer)
    assert program("fetch", slug=SLUG, folder=str(server.backups / "fetched"))["set"] == newer
    assert "pay us" in (server.backups / "fetched/database/tabUser.sql").read_text()
    program("fetch", slug=SLUG, set=name, folder=str(server.backups / "again"))
    assert "pay us" not in (server.backups / "again/database/tabUser.sql").read_text()


def test_a_snapshot_that_was_stored_later_under_the_name_of_a_set_does_not_hide_it(
    server: BackupServer, program: Serving
) -> None:
    name = backed_up(program)
    put_snapshot(server, forged(server, name), name)
    manifest = program("fetch", slug=SLUG, folder=str(server.backups / "fetched"))
    assert manifest["set"] == name
    assert "pay us" not in (server.backups / "fetched/database/tabUser.sql").read_text()
    [row] = program("sets", slug=SLUG)
    assert row["targets"] == ["local"]


def test_a_server_that_knows_what_it_stored_takes_that_and_no_snapshot_that_says_to_be_older(
    server: BackupServer, program: Serving
) -> None:
    name = backed_up(program)
    put_snapshot(server, forged(server, name), name, FORGED)
    backed_up(program)
    program("fetch", slug=SLUG, set=name, folder=str(server.backups / "fetched"))
    assert "pay us" not in (server.backups / "fetched/database/tabUser.sql").read_text()
    assert [row["disputed"] for row in program("sets", slug=SLUG)] == [[], []]


def test_a_new_server_takes_neither_of_two_snapshots_that_say_to_be_one_set_until_it_is_told_which(
    server: BackupServer, program: Serving
) -> None:
    name = backed_up(program)
    [own] = [row["id"] for row in snapshots(server, f"set={name}")]
    put_snapshot(server, forged(server, name), name, FORGED)
    (server.backups / "standing.json").unlink()
    folder = server.backups / "fetched"
    for call, more in (("fetch", {"folder": str(folder), "or_older": True}), ("row", {})):
        with pytest.raises(FaultError, match=rf"local has the set {name} more than once.*@{own[:8]}") as told:
            program(call, slug=SLUG, **more)
        assert str(told.value).count(f"{name}@") == 2
    assert not folder.exists()
    assert [row["disputed"] for row in program("sets", slug=SLUG)] == [["local"]]
    program("fetch", slug=SLUG, set=f"{name}@{own[:8]}", folder=str(folder))
    assert "pay us" not in (folder / "database/tabUser.sql").read_text()
    assert program("row", slug=SLUG, set=f"{name}@{own[:8]}")["title"] == "Tech School"
    for other in ("ffffffff", "x", ""):
        with pytest.raises(FaultError):
            program("fetch", slug=SLUG, set=f"{name}@{other}", folder=str(server.backups / "again"))


def test_a_set_that_is_disputed_in_one_target_is_not_taken_from_another_unless_that_is_named(
    server: BackupServer, with_second: Serving
) -> None:
    # Whoever could store a second one there could have put one in the place of the first here.
    name = backed_up(with_second)
    with_second("store", slug=SLUG, target="second")
    put_snapshot(server, forged(server, name), name, FORGED)
    (server.backups / "standing.json").unlink()
    folder = server.backups / "fetched"
    with pytest.raises(FaultError, match="more than once"):
        with_second("fetch", slug=SLUG, folder=str(folder))
    with_second("fetch", slug=SLUG, target="second", folder=str(folder))
    assert "pay us" not in (folder / "database/tabUser.sql").read_text()


def lose_what_local_holds(server: BackupServer) -> None:
    for path in (server.backups / "repository/data").rglob("*"):
        if path.is_file():
            path.unlink()


def test_a_server_whose_own_snapshot_was_removed_takes_none_in_its_place(
    server: BackupServer, with_second: Serving
) -> None:
    name = backed_up(with_second)
    with_second("store", slug=SLUG, target="second")
    [own] = [row["id"] for row in snapshots(server, f"set={name}")]
    given = settings.read(server.root / "backups.json")
    Repository(given, given.target("local")).forget([own])
    put_snapshot(server, forged(server, name), name, FORGED)
    assert [(row["targets"], row["disputed"]) for row in with_second("sets", slug=SLUG)] == [
        (["local", "second"], ["local"])
    ]
    folder = server.backups / "fetched"
    with_second("fetch", slug=SLUG, folder=str(folder))
    assert "pay us" not in (folder / "database/tabUser.sql").read_text()
    assert with_second("row", slug=SLUG)["title"] == "Tech School"
    shutil.rmtree(folder)
    # Where no other target has what the server stored, a person has to say that it shall be this one.
    words = rf"local has the set {name} as [0-9a-f]{{8}}, which is not what this server stored there"
    with pytest.raises(FaultError, match=words) as told:
        with_second("fetch", slug=SLUG, target="local", folder=str(folder), or_older=True)
    assert not folder.exists()
    meant = str(told.value).partition(f"{name}@")[2][:8]
    with_second("fetch", slug=SLUG, set=f"{name}@{meant}", folder=str(folder))
    assert "pay us" in (folder / "database/tabUser.sql").read_text()


def test_the_target_of_which_the_server_knows_its_snapshot_comes_first(
    server: BackupServer, with_second: Serving
) -> None:
    with_second("write", slug=SLUG)
    name = with_second("store", slug=SLUG, target="second")["set"]
    # In the first target it never stored this set, so that it knows nothing of what is there.
    put_snapshot(server, forged(server, name), name, FORGED)
    with_second("fetch", slug=SLUG, folder=str(server.backups / "fetched"))
    assert "pay us" not in (server.backups / "fetched/database/tabUser.sql").read_text()


def test_two_snapshots_of_one_and_the_same_set_are_no_dispute(server: BackupServer, program: Serving) -> None:
    name = backed_up(program)
    # As by a second command while the first was at work: what lies around the set is another each time.
    (server.backups / "spool/beside").touch()
    put_snapshot(server, server.backups / "spool" / SLUG, name)
    assert len({row["tree"] for row in snapshots(server, f"set={name}")}) == 2
    (server.backups / "standing.json").unlink()
    assert [row["disputed"] for row in program("sets", slug=SLUG)] == [[]]
    assert program("fetch", slug=SLUG, folder=str(server.backups / "fetched"))["set"] == name


@pytest.mark.parametrize("name", ["20260101T000000Z-x", "x-y", "99999999T999999Z", "../../etc", ""])
def test_a_snapshot_by_a_name_that_no_set_can_have_is_none(server: BackupServer, program: Serving, name: str) -> None:
    true = backed_up(program)
    put_snapshot(server, server.backups / "spool" / SLUG, name)
    assert [row["set"] for row in program("sets")] == [true]
    assert program("fetch", slug=SLUG, folder=str(server.backups / "fetched"))["set"] == true
    assert server.run("run")[0] == 0


def copy_sets(server: BackupServer, source: Path, to: Path) -> None:
    """Copy every snapshot of a repository into another one, as an operator does by hand."""
    key = str(server.root / "key")
    environment = {
        **os.environ,
        "RESTIC_REPOSITORY": str(to),
        "RESTIC_PASSWORD_FILE": key,
        "RESTIC_FROM_PASSWORD_FILE": key,
    }
    argv = [server.restic, "copy", "--quiet", "--from-repo", str(source)]
    subprocess.run(argv, env=environment, capture_output=True, check=True)


def test_a_target_whose_sets_were_copied_into_a_new_repository_has_the_same_sets(
    server: BackupServer, with_second: Serving, other_repository: Path
) -> None:
    """Each of them has another id there, and nothing tells that this server stored it but what it holds."""
    names = []
    for _ in range(2):
        names.append(backed_up(with_second))
        with_second("store", slug=SLUG, target="second")
    with_second("sets")
    old = server.root / "old"
    (server.root / "second").rename(old)
    shutil.copytree(other_repository, server.root / "second")
    copy_sets(server, old, server.root / "second")
    assert [(row["set"], row["targets"], row["disputed"]) for row in with_second("sets")] == [
        (name, ["local", "second"], []) for name in names
    ]
    folder = server.backups / "fetched"
    assert with_second("fetch", slug=SLUG, target="second", folder=str(folder))["set"] == names[1]
    assert with_second("row", slug=SLUG, target="second", set=names[0])["title"] == "Tech School"
    # The next one is stored there as ever, and one that somebody else puts there is as suspicious as ever.
    names.append(backed_up(with_second))
    with_second("store", slug=SLUG, target="second")
    with_second("sets")
    [own] = [row["id"] for row in snapshots(server, f"set={names[0]}")]
    given = settings.read(server.root / "backups.json")
    Repository(given, given.target("local")).forget([own])
    put_snapshot(server, forged(server, names[0]), names[0], FORGED)
    assert [row["disputed"] for row in with_second("sets")] == [["local"], [], []]


def test_sets_that_an_operator_copies_to_a_target_that_has_them_already_are_no_dispute(
    server: BackupServer, with_second: Serving
) -> None:
    name = backed_up(with_second)
    # What lies around the set is another when it is stored in the second target.
    (server.backups / "spool/beside").touch()
    with_second("store", slug=SLUG, target="second")
    with_second("sets")
    copy_sets(server, server.backups / "repository", server.root / "second")
    given = settings.read(server.root / "backups.json")
    second = Repository(given, given.target("second"))
    own = server.standing()["schools"][SLUG]["sets"]["second"]["snapshot"]
    assert len(second.snapshots()) == 2
    assert [row["disputed"] for row in with_second("sets")] == [[]]
    # Of two of one moment, it may be the server's own that is let go of.
    second.forget([own])
    assert [row["disputed"] for row in with_second("sets")] == [[]]
    assert with_second("fetch", slug=SLUG, target="second", folder=str(server.backups / "fetched"))["set"] == name
    # A new server knows neither.
    (server.backups / "standing.json").unlink()
    assert [row["disputed"] for row in with_second("sets")] == [[]]


def test_after_a_break_in_what_came_since_is_laid_aside_as_the_guide_says(
    server: BackupServer, program: Serving
) -> None:
    name = backed_up(program)
    time.sleep(1.1)
    moment = sets.now()
    # By the name of a set that says to be older than the break-in, and newer than what there is.
    later = sets.name_for(moment)
    put_snapshot(server, forged(server, later), later, FORGED)
    (server.backups / "standing.json").unlink()
    guide = (CHECKOUT / "docs/guides/disaster.md").read_text()
    [command] = re.findall(r"^ {7}(find .*)$", guide, re.MULTILINE)
    for word, here in (
        ("/srv/schools-later", server.root / "later"),
        ("/srv/schools/", f"{server.backups / 'repository'}/"),
        ("2026-01-31 02:15:00", f"{moment:%Y-%m-%d %H:%M:%S}"),
    ):
        assert word in command
        command = command.replace(word, str(here))
    (server.root / "later").mkdir()
    subprocess.run(shlex.split(command), check=True)
    assert len(names_in(server.root / "later")) == 1
    assert [row["set"] for row in program("sets", slug=SLUG)] == [name]


@pytest.mark.parametrize(
    ("name", "school"),
    [
        ("a-b", SLUG),
        ("garbage", SLUG),
        ("", SLUG),
        ("20269999T999999Z", SLUG),
        ("20260131T020000Z-x", SLUG),
        ("20260131T020000Z", "../school"),
        ("20260131T020000Z", ""),
    ],
)
def test_a_snapshot_that_cannot_be_a_set_is_left_out_and_told_and_stands_in_nobodys_way(
    server: BackupServer, program: Serving, name: str, school: str
) -> None:
    stored = backed_up(program)
    put_snapshot(server, forged(server, stored), name, school=school)
    [odd] = [row["id"][:8] for row in snapshots(server, "kind=set") if f"set={stored}" not in row["tags"]]
    assert [row["set"] for row in program("sets")] == [stored]
    assert [row["set"] for row in program("sets", slug=SLUG)] == [stored]
    assert program("fetch", slug=SLUG, folder=str(server.backups / "fetched"))["set"] == stored
    assert program("row", slug=SLUG)["title"] == "Tech School"
    assert program("forget") == {"local": {"removed": 0, "fault": None}}
    assert server.standing()["targets"]["local"]["misnamed"] == [odd]
    [words] = standing.reasons(settings.read(server.root / "backups.json"), server.standing(), sets.now()).values()
    assert words == f"the target local has snapshots that say to be sets and cannot be any: {odd}"
    # Whoever removed it need not tell anybody.
    removing = [server.restic, "forget", "--quiet", odd]
    opened_by = {"RESTIC_REPOSITORY": str(server.backups / "repository"), "RESTIC_PASSWORD_FILE": f"{server.root}/key"}
    subprocess.run(removing, env={**os.environ, **opened_by}, capture_output=True, check=True)
    program("sets")
    assert standing.reasons(settings.read(server.root / "backups.json"), server.standing(), sets.now()) == {}


def test_a_school_that_is_erased_leaves_no_snapshot_that_cannot_be_a_set_either(
    server: BackupServer, program: Serving
) -> None:
    put_snapshot(server, forged(server, backed_up(program)), "a-b")
    assert program("erase", slug=SLUG) == {"local": {"removed": 2, "fault": None}}
    assert snapshots(server, "kind=set") == []


@pytest.mark.parametrize("part", ["school", "database", "files", "config"])
def test_a_manifest_of_another_form_is_damage_and_the_next_target_is_asked(
    server: BackupServer, with_second: Serving, part: str
) -> None:
    name = "29991231T000000Z"
    backed_up(with_second)
    copy = forged(server, name)
    manifest = json.loads((copy / sets.MANIFEST).read_text())
    (copy / sets.MANIFEST).write_text(json.dumps({**manifest, part: [1]}))
    put_snapshot(server, copy, name)
    folder = server.backups / "fetched"
    with pytest.raises(FaultError, match=r"local: .*is damaged"):
        with_second("fetch", slug=SLUG, set=name, folder=str(folder))
    assert with_second("fetch", slug=SLUG, folder=str(folder), or_older=True)["set"] != name


def test_the_row_is_read_from_the_next_target_where_the_first_has_it_damaged(
    server: BackupServer, with_second: Serving
) -> None:
    backed_up(with_second)
    with_second("store", slug=SLUG, target="second")
    lose_what_local_holds(server)
    assert with_second("row", slug=SLUG)["title"] == "Tech School"
    with pytest.raises(FaultError, match="local: "):
        with_second("row", slug=SLUG, target="local")


def test_a_damaged_newest_set_gives_way_to_the_newest_sound_one_where_that_is_asked(
    server: BackupServer, program: Serving
) -> None:
    name, newer = backed_up(program), "29991231T000000Z"
    put_snapshot(server, spoiled(server, newer), newer)
    folder = str(server.backups / "fetched")
    with pytest.raises(FaultError, match=f"the set {newer} is damaged"):
        program("fetch", slug=SLUG, folder=folder)
    assert program("fetch", slug=SLUG, set=newer, folder=folder, or_older=True)["set"] == name
    shutil.rmtree(folder)
    # A target that does not answer may have it whole, so that an older one is no answer.
    server.targets["away"] = {"repository": str(server.root / "nowhere")}
    server.write_settings()
    with Serving(server) as told, pytest.raises(FaultError, match="away: there is no repository at"):
        told("fetch", slug=SLUG, folder=folder, or_older=True)


RESTIC_THAT_FAILS = """#!/bin/sh
case " $* " in
*" restore "*)
    if [ -e {flags}/locked ]; then exit 11; fi
    if rm {flags}/away 2>/dev/null; then echo "connection reset" >&2; exit 1; fi ;;
esac
exec {restic} "$@"
"""


def test_what_cannot_be_had_just_now_is_not_damaged_and_no_older_set_takes_its_place(
    server: BackupServer, program: Serving
) -> None:
    newest = [backed_up(program) for _ in range(2)][-1]
    flags, script = server.root / "flags", server.root / "restic"
    flags.mkdir()
    script.write_text(RESTIC_THAT_FAILS.format(flags=flags, restic=server.restic))
    script.chmod(0o755)
    server.restic = str(script)
    server.write_settings()
    folder = str(server.backups / "fetched")
    with Serving(server) as told:
        (flags / "locked").touch()
        with pytest.raises(FaultError, match="somebody else has been at work on the repository for 10m"):
            told("fetch", slug=SLUG, folder=folder, or_older=True)
        (flags / "locked").unlink()
        (flags / "away").touch()
        assert told("fetch", slug=SLUG, folder=folder, or_older=True)["set"] == newest


@pytest.mark.parametrize(("free", "tried"), [(0, 1), (2**40, 2)])
def test_a_disk_without_room_is_no_damage(
    server: BackupServer, program: Serving, monkeypatch: pytest.MonkeyPatch, free: int, tried: int
) -> None:
    for _ in range(2):
        backed_up(program)
    asked = []

    def fail(_: Repository, snapshot: dict[str, Any], folder: Path) -> None:
        folder.mkdir(parents=True)
        asked.append(snapshot["tags"]["set"])
        raise BackupError("restic exited with 1: There were 3 errors")

    usage = shutil.disk_usage(server.root)._replace(free=free)
    monkeypatch.setattr(Repository, "fetch", fail)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    given = settings.read(server.root / "backups.json")
    with pytest.raises(BackupError, match="There were 3 errors"):
        fetching.fetch(given, SLUG, folder=str(server.backups / "fetched"), or_older=True)
    assert len({*asked}) == tried


def test_a_set_whose_upload_changed_before_it_was_stored_is_taken_once_more(
    server: BackupServer, program: Serving
) -> None:
    first = program("write", slug=SLUG)["set"]
    logo = server.root / "sites" / SLUG / "public/files/logo.png"
    with logo.open("r+b") as file:
        file.write(b"A picture")
    stored = program("store", slug=SLUG, target="local")
    assert stored["set"] != first
    assert [row["set"] for row in program("sets", slug=SLUG)] == [stored["set"]]
    program("fetch", slug=SLUG, folder=str(server.backups / "fetched"))
    assert (server.backups / "fetched/files/public/logo.png").read_bytes() == b"A picture"
    assert server.standing()["schools"][SLUG]["sets"]["local"]["fault"] is None


def test_a_set_that_is_taken_once_more_for_one_target_goes_to_those_that_have_the_one_before(
    server: BackupServer, with_second: Serving
) -> None:
    first = backed_up(with_second)
    (server.root / "sites" / SLUG / "public/files/logo.png").write_bytes(b"another picture")
    stored = with_second("store", slug=SLUG, target="second")
    again = stored["set"]
    assert again != first
    assert (stored["others"]["local"]["set"], stored["others"]["local"]["fault"]) == (again, None)
    held = {row["set"]: row["targets"] for row in with_second("sets", slug=SLUG)}
    assert held == {first: ["local"], again: ["local", "second"]}


def test_a_target_that_cannot_take_the_set_once_more_fails_for_itself(
    server: BackupServer, with_second: Serving
) -> None:
    first = backed_up(with_second)
    (server.root / "sites" / SLUG / "public/files/logo.png").write_bytes(b"another picture")
    shutil.move(server.backups / "repository", server.root / "away")
    stored = with_second("store", slug=SLUG, target="second")
    assert stored["set"] != first
    assert "there is no repository" in stored["others"]["local"]["fault"]
    places = server.standing()["schools"][SLUG]["sets"]
    assert (places["second"]["newest"], places["second"]["fault"]) == (stored["set"], None)
    assert places["local"]["newest"] == first
    assert "there is no repository" in places["local"]["fault"]


PEM = "-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nYmFy\n"


def brings_a_certificate(server: BackupServer, text: str = PEM) -> Path:
    """Have a school with a certificate of its own; return where the server has it."""
    declared = server.backups / "declared" / f"{SLUG}.json"
    said = json.loads(declared.read_text())
    declared.write_text(json.dumps({**said, "row": {**said["row"], "certificate": "own"}}))
    path = server.root / "tls/own" / f"{SLUG}.pem"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_certificate_that_a_school_brings_is_in_its_sets_and_comes_back_where_there_is_none(
    server: BackupServer, program: Serving
) -> None:
    own, folder = brings_a_certificate(server), server.backups / "fetched"
    backed_up(program)
    spooled = server.backups / "spool" / SLUG / sets.CERTIFICATE
    assert (spooled.read_text(), spooled.stat().st_mode & 0o777) == (PEM, 0o600)
    before = spooled.stat()
    backed_up(program)
    assert spooled.stat() == before
    program("fetch", slug=SLUG, folder=str(folder))
    # What the server has is as good, and may be newer.
    own.write_text("a renewed one")
    assert program("give_back_certificate", slug=SLUG, folder=str(folder)) == {"certificate": "there"}
    assert own.read_text() == "a renewed one"
    shutil.rmtree(server.root / "tls")
    assert program("give_back_certificate", slug=SLUG, folder=str(folder)) == {"certificate": "given back"}
    assert (own.read_text(), own.stat().st_mode & 0o777) == (PEM, 0o600)
    assert own.parent.stat().st_mode & 0o777 == 0o700
    # The next set has the one that took its place, and one without any has none.
    own.write_text("a renewed one")
    backed_up(program)
    assert spooled.read_text() == "a renewed one"
    own.unlink()
    name = backed_up(program)
    assert not spooled.exists()
    program("fetch", slug=SLUG, set=name, folder=str(server.backups / "without"))
    assert program("give_back_certificate", slug=SLUG, folder=f"{server.backups}/without") == {"certificate": "missing"}


def test_a_school_that_brings_no_certificate_any_more_has_none_in_its_sets_and_gets_none_back(
    server: BackupServer, program: Serving
) -> None:
    own, folder = brings_a_certificate(server), server.backups / "fetched"
    backed_up(program)
    program("fetch", slug=SLUG, folder=str(folder))
    declared = server.backups / "declared" / f"{SLUG}.json"
    said = json.loads(declared.read_text())
    del said["row"]["certificate"]
    declared.write_text(json.dumps(said))
    backed_up(program)
    assert not (server.backups / "spool" / SLUG / sets.CERTIFICATE).exists()
    own.unlink()
    assert program("give_back_certificate", slug=SLUG, folder=str(folder)) == {"certificate": "not its own"}
    assert not own.exists()


def test_a_certificate_that_is_another_than_the_manifest_says_is_damage(server: BackupServer, program: Serving) -> None:
    brings_a_certificate(server)
    name = "29991231T000000Z"
    backed_up(program)
    copy = forged(server, name)
    (copy / sets.CERTIFICATE).write_text("pay us")
    put_snapshot(server, copy, name)
    with pytest.raises(FaultError, match=r"certificate\.pem is not what the manifest says"):
        program("fetch", slug=SLUG, set=name, folder=str(server.backups / "fetched"))


def test_the_row_of_a_set_is_told_without_fetching_it(server: BackupServer, program: Serving) -> None:
    name = backed_up(program)
    (server.backups / "declared" / f"{SLUG}.json").unlink()
    row = program("row", slug=SLUG)
    assert row == {"title": "Tech School", "domain": "tech-school.com"}
    assert program("row", slug=SLUG, set=name, target="local") == row
    with pytest.raises(FaultError, match="no set of nobody is stored"):
        program("row", slug="nobody")
    assert not (server.backups / "fetched").exists()


def test_a_damaged_pack_is_found_and_leaves_nothing(server: BackupServer, program: Serving) -> None:
    (server.root / "sites" / SLUG / "public/files/large").write_bytes(os.urandom(300_000))
    backed_up(program)
    packs = [path for path in (server.backups / "repository/data").rglob("*") if path.is_file()]
    largest = max(packs, key=lambda path: path.stat().st_size)
    largest.chmod(0o600)
    words = bytearray(largest.read_bytes())
    words[1000:1100] = bytes(100)
    largest.write_bytes(words)
    with pytest.raises(FaultError, match="local: "):
        program("fetch", slug=SLUG, folder=str(server.backups / "fetched"))
    assert [path.name for path in server.backups.iterdir() if "fetched" in path.name] == []
    checked = program("check", target="local", percent=100)
    assert not checked["ok"]
    assert server.standing()["targets"]["local"]["damage"]


def test_where_one_target_is_damaged_the_next_one_gives_the_set(server: BackupServer, with_second: Serving) -> None:
    backed_up(with_second)
    with_second("store", slug=SLUG, target="second")
    assert with_second("sets", slug=SLUG)[0]["targets"] == ["local", "second"]
    lose_what_local_holds(server)
    with_second("fetch", slug=SLUG, folder=str(server.backups / "fetched"))
    with pytest.raises(FaultError):
        with_second("fetch", slug=SLUG, target="local", folder=str(server.backups / "again"))


def test_a_lock_of_one_that_was_killed_holds_nobody_up(server: BackupServer, program: Serving) -> None:
    environment = {
        **os.environ,
        "RESTIC_REPOSITORY": str(server.backups / "repository"),
        "RESTIC_PASSWORD_FILE": str(server.root / "key"),
    }
    backed_up(program)
    # It holds the repository for itself alone, and for long.
    locks = server.backups / "repository/locks"
    with subprocess.Popen(
        [server.restic, "check", "--read-data", "--limit-download", "1", "--no-cache"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as other:
        end = time.monotonic() + 20
        while not [path for path in locks.iterdir() if "tmp" not in path.name]:
            assert time.monotonic() < end
        other.kill()
    held = {path.name for path in locks.iterdir() if "tmp" not in path.name}
    began = time.monotonic()
    assert program("forget", prune=True)["local"]["fault"] is None
    assert time.monotonic() - began < 60
    assert held
    assert not held & set(names_in(locks))


def test_a_lock_that_an_account_which_may_only_add_had_to_leave_stops_no_check(
    server: BackupServer, program: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(program)
    monkeypatch.setattr("backup.repository._PATIENCE", "1s")
    lock = leave_a_lock(server)
    # It may not remove what it added, the lock neither.
    (server.root / "restic").write_text(f'#!/bin/sh\ntest "$1" = unlock || exec {server.restic} "$@"\n')
    (server.root / "restic").chmod(0o755)
    server.restic = str(server.root / "restic")
    server.write_settings()
    assert "somebody else has been at work" in calls(server).check("local")["said"]
    server.targets["local"]["append_only"] = True
    server.write_settings()
    assert calls(server).check("local", 100) == {"ok": True, "said": "no errors were found"}
    assert lock.exists()
    calls(server).write(SLUG)
    assert calls(server).store(SLUG, "local")["set"]


def leave_a_lock(server: BackupServer) -> Path:
    """Have somebody killed who was reading from the repository; return the lock that they leave."""
    opened_by = {"RESTIC_REPOSITORY": str(server.backups / "repository"), "RESTIC_PASSWORD_FILE": f"{server.root}/key"}
    reading = [server.restic, "restore", "latest", "--limit-download", "1", "--no-cache", "--target"]
    locks = server.backups / "repository/locks"
    with subprocess.Popen(
        [*reading, str(server.root / "read")],
        env={**os.environ, **opened_by},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as other:
        end = time.monotonic() + 20
        while not (held := [path for path in locks.iterdir() if "tmp" not in path.name]):
            assert time.monotonic() < end
        other.kill()
    return held[0]


# --- letting go -------------------------------------------------------------------------------------------------------


def test_each_school_keeps_what_its_own_policy_says(server: BackupServer, program: Serving) -> None:
    server.open_school("other-school", SECOND, backup={"keep": {"last": 1}})
    for _ in range(3):
        backed_up(program)
        backed_up(program, "other-school")
    assert program("forget", slugs=[SLUG]) == {"local": {"removed": 1, "fault": None}}
    assert program("forget", prune=True) == {"local": {"removed": 2, "fault": None}}
    assert sorted(row["slug"] for row in program("sets")) == ["other-school", SLUG, SLUG]


def test_what_a_target_did_not_let_go_of_is_a_fault_whatever_restic_makes_of_it(
    server: BackupServer, program: Serving
) -> None:
    for _ in range(3):
        backed_up(program)
    # It ends with 0 where a target takes what is stored and refuses to remove it.
    words = """
test "$1" = forget || exec {restic} "$@"
echo 'Remove(<snapshot/ab>) failed: client.RemoveObject: Access Denied' >&2
exec {restic} "$@" --dry-run
"""
    with deceived(server, words) as other:
        told = other("forget", slugs=[SLUG])["local"]
        assert told == {"removed": 0, "fault": "local: 1 of 1 snapshots are still there, though they were to go"}
        told = other("erase", slug=SLUG)["local"]
        assert told == {"removed": 0, "fault": "local: 3 of 3 snapshots are still there, though they were to go"}
    assert server.standing()["targets"]["local"]["kept"]
    assert len(program("sets")) == 3
    assert program("erase", slug=SLUG) == {"local": {"removed": 3, "fault": None}}


def test_nothing_is_removed_from_an_append_only_target(server: BackupServer, repository: Path) -> None:
    server.targets["local"]["append_only"] = True
    server.write_settings()
    shutil.copytree(repository, server.backups / "repository")
    with Serving(server) as program:
        for _ in range(3):
            backed_up(program)
        assert program("forget", prune=True) == {"local": {"removed": 0, "fault": None}}
        assert "append-only" in program("erase", slug=SLUG)["local"]["fault"]
        assert len(program("sets")) == 3


def test_a_school_that_is_erased_leaves_nothing_and_the_others_all(server: BackupServer, program: Serving) -> None:
    server.open_school("other-school", SECOND)
    backed_up(program)
    backed_up(program, "other-school")
    assert program("erase", slug=SLUG) == {"local": {"removed": 1, "fault": None}}
    assert [row["slug"] for row in program("sets")] == ["other-school"]
    assert names_in(server.backups / "spool") == ["other-school"]
    assert list(server.standing()["schools"]) == ["other-school"]


def test_the_inventory_is_stored_with_the_next_set_and_only_when_it_is_another(
    server: BackupServer, program: Serving
) -> None:
    program("keep_inventory", files={"schools.yml": "schools: {}\n", "vault.yml": "$ANSIBLE_VAULT\n"})
    backed_up(program)
    backed_up(program)
    program("keep_inventory", files={"schools.yml": "schools: {a: b}\n"})
    backed_up(program)
    assert names_in(server.backups / "inventory") == ["schools.yml"]
    assert len(snapshots(server, "kind=inventory")) == 2


@pytest.mark.usefixtures("program")
def test_to_keep_the_inventory_asks_no_target_and_says_which_of_them_lack_it(server: BackupServer) -> None:
    server.targets["away"] = {"repository": str(server.root / "nowhere")}
    server.restic = str(server.root / "no-restic")
    server.write_settings()
    files = {"schools.yml": "schools: {}\n"}
    with Serving(server) as told:
        assert told("keep_inventory", files=files) == {"lacking": ["away", "local"]}
    server.restic = restic()
    server.write_settings()
    assert calls(server).store_inventory().keys() == {"away"}
    with Serving(server) as told:
        assert told("keep_inventory", files=files) == {"lacking": ["away"]}
        assert told("keep_inventory", files={"schools.yml": "schools: {a: b}\n"}) == {"lacking": ["away", "local"]}
        # A server without a key makes no backups, and has been told to make none.
        (server.root / "key").unlink()
        assert told("keep_inventory", files=files) == {"lacking": []}


@pytest.mark.usefixtures("program")
def test_the_inventory_is_stored_by_itself_in_each_target_that_lacks_it(server: BackupServer) -> None:
    server.targets["away"] = {"repository": str(server.root / "nowhere")}
    server.write_settings()
    calls(server).keep_inventory({"schools.yml": "schools: {}\n"})
    for _ in range(2):
        faults = calls(server).store_inventory()
        assert list(faults) == ["away"]
        assert "there is no repository at" in faults["away"]
        assert len(snapshots(server, "kind=inventory")) == 1


def test_a_store_without_a_parent_makes_restic_read_no_snapshot_that_is_there(
    server: BackupServer, program: Serving
) -> None:
    program("keep_inventory", files={"schools.yml": "schools: {}\n"})
    backed_up(program)
    said = server.root / "said"
    wrapper = server.root / "restic-that-tells"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {said}\nexec {server.restic} "$@"\n')
    wrapper.chmod(0o755)
    server.restic = str(wrapper)
    server.write_settings()
    program("keep_inventory", files={"schools.yml": "schools: {a: b}\n"})
    assert calls(server).store_inventory() == {}
    [stored] = [line for line in said.read_text().splitlines() if line.startswith("backup ")]
    assert " --force " in f"{stored} "


@pytest.mark.usefixtures("program")
def test_every_word_to_a_target_has_its_limits(server: BackupServer) -> None:
    said = server.root / "said"
    with deceived(server, f'echo "$@" >>{said}\nexec {{restic}} "$@"\n') as plain:
        backed_up(plain)
    assert "--limit" not in said.read_text()
    said.unlink()
    server.targets["local"] |= {"upload_kib": 90_000, "download_kib": 80_000}
    with deceived(server, f'echo "$@" >>{said}\nexec {restic()} "$@"\n') as limited:
        backed_up(limited)
        limited("fetch", slug=SLUG, folder=str(server.backups / "fetched"))
        limited("check", target="local", percent=5)
        limited("forget", prune=True)
    lines = said.read_text().splitlines()
    assert {"backup", "restore", "check", "forget", "prune"} <= {line.partition(" ")[0] for line in lines}
    assert [line for line in lines if "--limit-upload 90000 --limit-download 80000" not in line] == []


def test_what_is_asked_for_stays_behind_what_people_wait_for(program: Serving) -> None:
    program("standing")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, program.process.pid) == min(19, own + 5)


# --- hostile words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("write", {"slug": "../../etc"}),
        ("write", {"slug": "tech-school\n"}),
        ("write", {"slug": ["tech-school"]}),
        ("write", {"slug": "unknown-school"}),
        ("store", {"slug": SLUG, "target": "--help"}),
        ("store", {"slug": SLUG, "target": {"a": 1}}),
        ("store", {"slug": SLUG}),
        ("store", {"slug": SLUG, "target": "local", "more": 1}),
        ("fetch", {"slug": SLUG, "folder": "/tmp/outside"}),
        ("fetch", {"slug": SLUG, "folder": "backups/fetched"}),
        ("fetch", {"slug": SLUG, "folder": None}),
        ("fetch", {"slug": "a*", "folder": "{root}/x"}),
        ("fetch", {"slug": SLUG, "set": "latest", "folder": "{root}/x"}),
        ("fetch", {"slug": SLUG, "set": "--help", "folder": "{root}/x"}),
        ("fetch", {"slug": SLUG, "before": "yesterday", "folder": "{root}/x"}),
        ("fetch", {"slug": SLUG, "folder": "{root}/sites/../../x"}),
        ("load", {"folder": "{root}/backups", "database": "mysql"}),
        ("compare", {"folder": "/etc", "database": NAME}),
        ("erase", {"slug": ""}),
        ("forget", {"slugs": ["a,b"]}),
        ("check", {"target": "local", "percent": "1;2"}),
        ("check", {"target": "local", "percent": True}),
        ("keep_inventory", {"files": {"../schools.yml": ""}}),
        ("keep_inventory", {"files": {"/etc/cron.d/x.yml": ""}}),
        ("_locked", {"slug": SLUG, "doing": "x"}),
        ("__init__", {"settings": 1}),
        ("nothing", {}),
    ],
)
def test_hostile_words_in_a_call_do_nothing(
    hostile: tuple[BackupServer, Serving], call: str, arguments: dict[str, Any]
) -> None:
    server, program = hostile
    arguments = {
        key: value.replace("{root}", str(server.root)) if isinstance(value, str) else value
        for key, value in arguments.items()
    }
    before = files_of(server.root)
    with pytest.raises(FaultError):
        program(call, **arguments)
    after = files_of(server.root)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert not {name for name in changed if not name.startswith(("cache/", "backups/locks/"))} - {
        "backups/standing.json"
    }
    assert program("standing")["schools"].keys() <= {SLUG, "unknown-school"}


def test_no_secret_is_in_an_argument_of_any_program(server: BackupServer, tmp_path: Path) -> None:
    fake, seen = tmp_path / "restic", tmp_path / "seen"
    fake.write_text(f'#!/bin/sh\necho "$@" >>{seen}\nexec {server.restic} "$@"\n')
    fake.chmod(0o755)
    (server.root / "key").write_text("the-canary\n")
    (server.root / "environment").write_text("AWS_SECRET_ACCESS_KEY=the-canary\n")
    server.targets["local"]["environment_file"] = str(server.root / "environment")
    server.restic = str(fake)
    server.write_settings()
    with Serving(server) as program:
        program("init", target="local")
        backed_up(program)
        program("fetch", slug=SLUG, folder=str(server.backups / "fetched"))
    assert "backup" in seen.read_text()
    assert "the-canary" not in seen.read_text() + (server.backups / "standing.json").read_text()
