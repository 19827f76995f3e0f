"""Backups, restores and drills against what only a server can suffer: no false success, and nothing is replaced.

What the program on the server does by itself with a damaged set or a truncated dump, its own tests prove.
"""

import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from belongings import checksums
from in_process import InProcess
from journey import ROOT, Journey
from test_faults import NEIGHBOUR, NOTHING, UNREACHABLE, announcing, orphans, run_again, until_answers
from vault import OFFSITE, Vault, declare, vault_beside

# Names of this run: what an earlier one left in the same lab is no longer new.
RUN = secrets.token_hex(2)
BACKUPS = "/srv/schools/backups"
REPOSITORY = f"{BACKUPS}/repository"
KEY = "/etc/schools/backup/key"
# Enough for a store to be still under way a second after it was announced, at so many KiB a second.
BALLAST_MB, UPLOAD_KIB = 4, 400


@pytest.fixture(scope="module", autouse=True)
def vault(lab: InProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    """Return a vault that is a slow target beside the local one; the school has something to store."""
    lab.schoolctl("new-school", NEIGHBOUR)
    place = lab.project.platform_file
    before = place.read_text(), place.with_name("vault.yml").read_bytes()
    with vault_beside(lab, tmp_path_factory.mktemp("vault")) as vault:
        target = {**vault.targets[OFFSITE], "upload_kib": UPLOAD_KIB}
        declare(lab, {OFFSITE: target}, {})
        lab.schoolctl("provision", "--no-golden", "--tags", "backups")
        vault.let_in(lab)
        lab.schoolctl("backup-targets", "init")
        lab.schoolctl("backup", NEIGHBOUR)
        yield vault
    place.write_text(before[0])
    place.with_name("vault.yml").write_bytes(before[1])
    lab.schoolctl("provision", "--no-golden", "--tags", "backups")
    lab.schoolctl("backup", NEIGHBOUR)


@pytest.fixture(autouse=True)
def _the_school_goes_on(lab: InProcess) -> Iterator[None]:
    """Whatever fails, the school is as it was, and nothing is half made once the same command was run again."""
    before = whole(lab)
    yield
    assert whole(lab) == before
    assert orphans(lab) == NOTHING


def whole(lab: Journey) -> tuple[list[str], str]:
    """Return what a restore of the newest set must not change: each table, each file; visitors are let in meanwhile."""
    page = lab.visit("tech-school.com")
    assert page is not None
    assert page.status == 200
    files = f"cd /srv/schools/sites/{NEIGHBOUR} && find public private -type f -exec sha256sum {{}} + | sort"
    return checksums(lab, NEIGHBOUR), lab.on_server("sh", "-c", files)


def standing(lab: Journey, slug: str = NEIGHBOUR) -> dict[str, dict]:
    """Return what the server has written down of a school's sets and drills."""
    found: dict[str, dict] = json.loads(lab.on_server("cat", f"{BACKUPS}/standing.json"))["schools"][slug]
    return found


def newest(lab: Journey, target: str) -> str:
    """Return the newest set of the school that a target has; it is asked."""
    fitting = [row for row in lab.json("backups", NEIGHBOUR, "--fresh") if target in row["targets"]]
    return str(fitting[-1]["set"])


@contextmanager
def ballast(lab: Journey) -> Iterator[None]:
    """Give the school a large file that no target has yet; the newest set has none of it afterwards."""
    file = f"/srv/schools/sites/{NEIGHBOUR}/private/files/ballast.bin"
    lab.on_server("sh", "-c", f"head -c {BALLAST_MB}M /dev/urandom > {file}; chown 11000:11000 {file}")
    try:
        yield
    finally:
        lab.on_server("rm", "-f", file)
        run_again(lab, "backup", NEIGHBOUR, "--to", "local")


def ending_of(process: "subprocess.Popen[str]") -> str:
    """Wait until a command has ended and return what it said."""
    said = process.stderr.read() if process.stderr else ""
    process.wait()
    return said


def test_a_target_that_goes_in_mid_backup_is_a_failure_and_the_local_set_stays(lab: InProcess, vault: Vault) -> None:
    before = newest(lab, OFFSITE)
    with ballast(lab):
        with announcing(lab, f"Store it in {OFFSITE}", "backup", NEIGHBOUR) as process:
            time.sleep(1)
            with vault.gone():
                said = ending_of(process)
        assert process.returncode == 1, said
        assert OFFSITE in said
        made = newest(lab, "local")
        assert made > before
        assert newest(lab, OFFSITE) == before
        assert standing(lab)["sets"][OFFSITE]["fault"]
        assert standing(lab)["sets"]["local"]["fault"] is None
        assert f"`{OFFSITE}`" in lab.run("status").stdout
        lab.schoolctl("backup", NEIGHBOUR, "--to", OFFSITE)
    assert standing(lab)["sets"][OFFSITE]["fault"] is None
    lab.schoolctl("verify-backup", NEIGHBOUR, "--from", OFFSITE)


def test_a_target_that_is_gone_keeps_no_restore_from_the_others(lab: InProcess, vault: Vault) -> None:
    with vault.gone():
        assert lab.run("backup-targets", "check", OFFSITE).returncode != 0
        lab.schoolctl("verify-backup", NEIGHBOUR)
        assert standing(lab)["drill"]["target"] == "local"
        lab.schoolctl("restore", NEIGHBOUR, "--from", OFFSITE, "--yes", code=1)


def test_with_a_wrong_key_nothing_is_stored_and_nothing_replaced(lab: InProcess) -> None:
    before = newest(lab, "local")
    lab.on_server("sh", "-c", f"cp --archive {KEY} /root/key; echo another-key > {KEY}")
    try:
        refused = lab.schoolctl("backup", NEIGHBOUR, code=1)
        assert "key" in refused.stderr
        lab.schoolctl("restore", NEIGHBOUR, "--yes", code=1)
        assert lab.run("verify-backup", NEIGHBOUR).returncode == 1
    finally:
        lab.on_server("mv", "/root/key", KEY)
    assert newest(lab, "local") == before
    lab.schoolctl("backup", NEIGHBOUR)


def test_a_drill_finds_damage_that_was_planted_and_a_restore_says_which_older_set_it_takes(lab: InProcess) -> None:
    lab.schoolctl("backup", NEIGHBOUR)
    sound = newest(lab, "local")
    with ballast(lab):
        lab.schoolctl("backup", NEIGHBOUR)
        try:
            damage(lab)
            assert lab.run("verify-backup", NEIGHBOUR, "--from", "local").returncode == 1
            assert standing(lab)["drill"]["ok"] is False
            assert standing(lab)["drill"]["fault"]
            assert lab.run("backup-targets", "check", "local", "--percent", "100").returncode == 1
            assert NEIGHBOUR in lab.run("status").stdout
            done = lab.schoolctl("restore", NEIGHBOUR, "--from", "local", "--yes")
            assert f"is damaged in local; {sound}, of" in done.stderr
            lab.schoolctl("verify-backup", NEIGHBOUR, "--from", OFFSITE)
        finally:
            # What is damaged is given up: the other target has the same sets.
            lab.on_server("rm", "-r", REPOSITORY)
            lab.schoolctl("backup-targets", "init")
    lab.schoolctl("verify-backup", NEIGHBOUR, "--from", "local")


def damage(lab: Journey) -> None:
    """Change some bytes of every large pack in the local repository, in the middle; sizes and names stay."""
    packs = lab.on_server("sh", "-c", f"find {REPOSITORY}/data -type f -size +200k").split()
    assert packs
    for pack in packs:
        change = f"chmod u+w {pack}; printf damaged | dd of={pack} bs=1 seek=100000 conv=notrunc 2>&1"
        lab.on_server("sh", "-c", change)


@pytest.mark.parametrize("step", ["Write a set", "Store it in local"])
def test_a_database_killed_in_mid_backup_gives_a_whole_set_or_none(lab: InProcess, step: str) -> None:
    before = newest(lab, "local")
    with announcing(lab, step, "backup", NEIGHBOUR, "--to", "local") as process:
        lab.on_server("docker", "kill", "schools-db")
        said = ending_of(process)
    lab.on_server("docker", "start", "schools-db")
    until_answers(lab)
    assert process.returncode in {0, 1}, said
    assert (newest(lab, "local") == before) == (process.returncode == 1)
    lab.schoolctl("verify-backup", NEIGHBOUR, "--from", "local")
    run_again(lab, "backup", NEIGHBOUR)


@pytest.mark.parametrize("step", ["Load the set's database", "Compare it with the set"])
def test_a_database_killed_in_mid_restore_leaves_the_school_as_it_was(lab: InProcess, step: str) -> None:
    with announcing(lab, step, "restore", NEIGHBOUR, "--yes") as process:
        lab.on_server("docker", "kill", "schools-db")
        said = ending_of(process)
    lab.on_server("docker", "start", "schools-db")
    until_answers(lab)
    assert process.returncode in {0, 1}, said
    run_again(lab, "restore", NEIGHBOUR, "--yes")


@pytest.mark.parametrize(
    ("place", "command"),
    [("spool", ("backup", NEIGHBOUR)), ("repository", ("backup", NEIGHBOUR, "--to", "local")),
     ("fetched", ("restore", NEIGHBOUR, "--yes")), ("fetched", ("verify-backup", NEIGHBOUR))],
    ids=lambda part: part if isinstance(part, str) else part[0],
)  # fmt: skip
def test_a_full_disk_is_a_failure_that_is_named_and_leaves_the_last_set(
    lab: InProcess, place: str, command: tuple[str, ...]
) -> None:
    before = newest(lab, "local")
    with ballast(lab):
        if place == "fetched":
            lab.schoolctl("backup", NEIGHBOUR)
            before = newest(lab, "local")
        with full(lab, f"{BACKUPS}/{place}"):
            failed = lab.schoolctl(*command, code=1)
        if place != "fetched":  # of a restore restic's last word is how many files it could not write
            assert "o space left" in failed.stdout + failed.stderr
        assert newest(lab, "local") == before
    run_again(lab, *command)


@contextmanager
def full(lab: Journey, folder: str) -> Iterator[None]:
    """Have almost no room in a folder whose contents stay."""
    lab.on_server("mkdir", "-p", folder)
    used = int(lab.on_server("du", "--summarize", "--block-size=1K", folder).split()[0])
    size = used + 1024
    lab.on_server("sh", "-ec", f"""
        mkdir -p /mnt/full && mount -t tmpfs -o size={size}k,mode=0700 tmpfs /mnt/full
        cp --archive {folder}/. /mnt/full/
        mount --bind /mnt/full {folder}
    """)  # fmt: skip
    try:
        yield
    finally:
        lab.on_server("sh", "-ec", f"umount {folder}; umount /mnt/full")


def test_a_line_cut_in_mid_backup_lets_the_store_end_and_the_next_one_is_whole(lab: InProcess) -> None:
    with ballast(lab):
        with announcing(lab, f"Store it in {OFFSITE}", "backup", NEIGHBOUR) as process:
            lab.on_server("pkill", "-f", "sshd: deploy")
            said = ending_of(process)
        assert process.returncode == UNREACHABLE, said
        run_again(lab, "backup", NEIGHBOUR)
    lab.schoolctl("verify-backup", NEIGHBOUR, "--from", OFFSITE)


def test_of_the_schedule_and_an_operator_at_once_one_waits_or_is_told_and_every_set_is_whole(lab: InProcess) -> None:
    before = newest(lab, "local")
    command = lab.command("backup", NEIGHBOUR)
    with ballast(lab), alone_in_the_schedule(lab):
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as by_hand:
            lab.on_server("systemctl", "start", "schools-backups.service")
            said = ending_of(by_hand)
        made = [row["set"] for row in lab.json("backups", NEIGHBOUR, "--fresh") if row["set"] > before]
    assert by_hand.returncode == 0 or "in the hands of" in said, said
    assert made
    for name in made:
        lab.schoolctl("verify-backup", NEIGHBOUR, "--set", str(name))


@contextmanager
def alone_in_the_schedule(lab: Journey) -> Iterator[None]:
    """Have the server know of no other school meanwhile: some are declared here that nobody opened."""
    declared, aside = f"{BACKUPS}/declared", "/root/declared"
    others = f"find {declared} -name '*.json' ! -name {NEIGHBOUR}.json -delete"
    lab.on_server("sh", "-ec", f"cp --archive {declared} {aside}; {others}")
    try:
        yield
    finally:
        lab.on_server("sh", "-ec", f"cp --archive {aside}/. {declared}/; rm -r {aside}")


def test_a_drill_that_is_killed_is_cleared_away_by_the_next_one(lab: InProcess) -> None:
    with subprocess.Popen(
        lab.command("verify-backup", NEIGHBOUR), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ):
        deadline = time.monotonic() + 30
        while not lab.on_server("sh", "-c", f"ls -d /srv/schools/sites/{NEIGHBOUR}.drill 2>/dev/null || true").strip():
            assert time.monotonic() < deadline, "the drill made no site"
            time.sleep(0.05)
        lab.on_server("pkill", "-KILL", "-f", "schools-backup serve")
    # Others are declared here that nobody opened; of this one, and of what the drill made, nothing is amiss.
    assert [row for row in json.loads(lab.run("--json", "plan").stdout) if NEIGHBOUR in row["slug"]] == []
    run_again(lab, "verify-backup", NEIGHBOUR)


def test_a_set_of_another_school_is_not_found_for_this_one(lab: InProcess) -> None:
    other = f"other-{RUN}"
    lab.schoolctl("new-school", other, "--domain", f"{other}.example")
    time.sleep(1)  # sets are named by the second
    made = lab.json("backup", other)
    refused = lab.schoolctl("restore", NEIGHBOUR, "--set", str(made["set"]), "--yes", code=3)
    assert "There is no set" in refused.stderr
