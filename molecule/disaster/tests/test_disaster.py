"""The sections of docs/guides/disaster.md, gone through by the commands that stand there, one after the other."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from belongings import Belongings, checksums, expect_all, sql
from guide import commands
from journey import Journey
from loss import lose_server, make_server
from vault import APPEND_ONLY, OFFSITE, Vault, secrets_of, write_secrets

from schoolctl.errors import UnreachableError
from schoolctl.remote.source import agent_source
from schoolctl.schools import store
from schoolctl.transport.ssh import SshTransport

TECH, CUISINE = "tech-school", "cuisine-school"
# What the guide calls what the lab has by another name.
NAMES = {"art-school": TECH, "art-school.org": "tech-school.com", "forever": APPEND_ONLY}
# Commands that would ask a person first.
ASKING = ("restore", "backup-targets kit")
FOREVER = "/vault/forever/schools"
KEY = "/etc/schools/backup/key"
REPOSITORY = "/srv/schools/backups/repository"
AUTHORIZED = "/home/deploy/.ssh/authorized_keys"
# Whoever is root on the server has what it stores sets with, and tries to remove them.
REMOVE_ALL = """
import sys
sys.path.insert(0, "/usr/local/lib/schools")
from backup import settings
from backup.repository import INVENTORY, LOGS, SET, Repository
given = settings.read()
repository = Repository(given, given.target(sys.argv[1]))
found = [one["snapshot"] for kind in (INVENTORY, LOGS, SET) for one in repository.snapshots(kind)]
repository._restic("forget", "--prune", *found)
"""


def rehearse(lab: Journey, section: str, names: Mapping[str, str] | None = None, vault: Vault | None = None) -> None:
    """Run the commands of a section, in order; each has to succeed. vault: its owner lets in whom they are shown."""
    for words in commands("disaster.md", section):
        run(lab, words, names)
        if vault and words[:2] == ["backup-targets", "list"]:
            vault.let_in(lab)


def run(lab: Journey, words: Sequence[str], names: Mapping[str, str] | None = None) -> str:
    """Run one command of the guide on the lab, and return what it prints."""
    known = {**NAMES, **(names or {})}
    command = [known.get(word, word) for word in words]
    if " ".join(command).startswith(ASKING) and "--as" not in command:
        command.append("--yes")
    return lab.schoolctl(*command, timeout=1200).stdout


def newest(lab: Journey, slug: str) -> dict[str, object]:
    """Return the newest set of a school, as the targets know it."""
    found: list[dict[str, object]] = lab.json("backups", slug, "--fresh")
    return found[-1]


def test_a_set_of_every_school_is_in_every_target(lab: Journey, vault: Vault, schools: dict[str, Belongings]) -> None:
    for slug in schools:
        assert set(newest(lab, slug)["targets"]) == {"local", OFFSITE, APPEND_ONLY}
    assert vault.packs()
    assert vault.packs(FOREVER)


def test_every_set_is_proven_out_of_the_vault_too(lab: Journey, schools: dict[str, Belongings]) -> None:
    for target in (OFFSITE, APPEND_ONLY):
        proofs = lab.json("verify-backup", "--all", "--from", target)
        assert {proof["slug"] for proof in proofs if proof["ok"]} == set(schools)
        assert {proof["target"] for proof in proofs} == {target}
    assert lab.json("plan") == []


def test_nobody_reads_in_the_vault_what_a_school_holds(vault: Vault, schools: dict[str, Belongings]) -> None:
    for belongings in schools.values():
        for word in (*belongings.secrets, *belongings.passwords, belongings.slug):
            found = vault.run(
                "sh", "-c", f"grep --recursive --files-with-matches --fixed-strings -e '{word}' /vault || true"
            )
            assert found == ""


def test_a_deleted_school_is_opened_again_from_its_sets(lab: Journey, schools: dict[str, Belongings]) -> None:
    untouched = checksums(lab, CUISINE)
    row = store.load(lab.project.schools_file)[TECH]
    lab.schoolctl("close-school", TECH, "--keep-days", "0", "--keep-backups", "--yes", "--confirm", TECH)
    assert TECH not in store.load(lab.project.schools_file)
    assert lab.visit(schools[TECH].host) is None

    rehearse(lab, "A school was deleted")

    expect_all(lab, schools[TECH])
    assert checksums(lab, CUISINE) == untouched
    assert store.load(lab.project.schools_file)[TECH] == row
    assert lab.json("plan") == []


@pytest.mark.usefixtures("schools")
def test_a_lost_laptop_is_replaced_by_the_kit_and_a_target(lab: Journey, vault: Vault, tmp_path: Path) -> None:
    inventory, old_key = lab.project.inventory, lab.project.host.key_file
    kit = run(lab, ["backup-targets", "kit"])
    lab.schoolctl("backup", "--all")
    with lost_laptop(lab, tmp_path / "stolen") as stolen, new_laptop(lab, vault, kit, tmp_path) as recovered:
        for path in recovered.rglob("*"):
            if path.is_file():
                place = inventory if path.name in {"hosts.yml", "apps.lock.yml"} else inventory / "group_vars" / "all"
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)
                assert path.read_bytes() == (stolen / place.relative_to(inventory) / path.name).read_bytes()
        password = inventory / "vault-password"
        password.write_text(said_of(kit, "Password of vault.yml") + "\n")
        password.chmod(0o600)
        assert secrets_of(lab)["backup_key"] == said_of(kit, "Key of the backups")

        new_key = inventory / "new_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(new_key)], check=True)
        public = new_key.with_suffix(".pub").read_text()
        lab.on_server("tee", "--append", AUTHORIZED, stdin=public)
        declare_key(lab, new_key, public.strip())
        rehearse(lab, "The laptop is lost")
        assert lab.json("plan") == []
        with pytest.raises(UnreachableError, match="Could not log in"):
            SshTransport(replace(lab.project.host, key_file=old_key), agent_source()).call("hello")
        # Found again, it goes back to where it was.
        lab.on_server("tee", AUTHORIZED, stdin=old_key.with_suffix(".pub").read_text() if old_key else "")
    lab.schoolctl("provision", "--no-golden", "--tags", "host")


@contextmanager
def lost_laptop(lab: Journey, stolen: Path) -> Iterator[Path]:
    """Have no inventory for as long as the block runs; yield where the old one is."""
    inventory = lab.project.inventory
    shutil.move(inventory, stolen)
    inventory.mkdir()
    try:
        yield stolen
    finally:
        shutil.rmtree(inventory)
        shutil.move(stolen, inventory)


@contextmanager
def new_laptop(lab: Journey, vault: Vault, kit: str, folder: Path) -> Iterator[Path]:
    """Fetch the inventory on a machine that has nothing but the kit, restic, and a way into the vault; yield it."""
    name = f"laptop-{vault.name}"
    image = subprocess.run(
        ["docker", "inspect", "--format", "{{.Config.Image}}", vault.name], check=True, capture_output=True, text=True
    ).stdout.strip()
    ssh = folder / "ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "id_ed25519").write_text(vault.key)
    (ssh / "id_ed25519").chmod(0o600)
    (ssh / "known_hosts").write_text(f"{vault.address} {vault.host_key}\n")
    subprocess.run(
        ["docker", "cp", f"{lab.container}:/usr/local/lib/schools/restic", str(folder / "restic")], check=True
    )
    mounts = [f"--volume={ssh}:/root/.ssh", f"--volume={folder / 'restic'}:/usr/local/bin/restic:ro"]
    # restic asks for it, where somebody sits in front of it.
    key = f"--env=RESTIC_PASSWORD={said_of(kit, 'Key of the backups')}"
    [fetch] = re.findall(r"^ +(restic --repo sftp:.* kind=inventory --target inventory)$", kit, re.MULTILINE)
    run = ["docker", "run", "--name", name, "--network", vault.name, "--workdir", "/root", *mounts, key, image]
    try:
        subprocess.run([*run, *shlex.split(fetch)], check=True, capture_output=True, text=True)
        subprocess.run(["docker", "cp", f"{name}:/root/inventory", str(folder / "inventory")], check=True)
        yield folder / "inventory"
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True)


def said_of(kit: str, name: str) -> str:
    """Return what the kit says of one thing."""
    found = re.search(rf"^{name}: +(\S+)$", kit, re.MULTILINE)
    assert found, f"the kit says nothing of {name}"
    return found[1]


def declare_key(lab: Journey, key: Path, public: str) -> None:
    """Name a new key in place of the old ones in hosts.yml and platform.yml."""
    hosts = lab.project.inventory / "hosts.yml"
    content = yaml.safe_load(hosts.read_text())
    content["all"]["hosts"]["lab"]["ansible_ssh_private_key_file"] = str(key)
    hosts.write_text(yaml.safe_dump(content))
    place = lab.project.platform_file
    content = yaml.safe_load(place.read_text())
    content["platform"]["deploy_keys"] = [public]
    place.write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.mark.usefixtures("schools")
def test_a_lost_key_is_taken_from_the_server(lab: Journey) -> None:
    before = secrets_of(lab)
    write_secrets(lab, {**before, "backup_key": "lost"})
    on_server = lab.on_server("cat", KEY).strip()
    assert on_server == before["backup_key"]
    write_secrets(lab, {**before, "backup_key": on_server})
    first = [words[0] for words in commands("disaster.md", "The key is lost")].index("backup-targets")
    for words in commands("disaster.md", "The key is lost")[:first]:
        run(lab, words)


@pytest.mark.usefixtures("schools")
def test_without_any_key_schools_go_on_with_new_sets_under_a_new_key(lab: Journey) -> None:
    before, platform = secrets_of(lab), lab.project.platform_file.read_text()
    lab.on_server("sh", "-c", f"rm {KEY}; mv {REPOSITORY} /srv/schools/lost")
    write_secrets(lab, {name: value for name, value in before.items() if not name.startswith("backup_")})
    alone = yaml.safe_load(platform)
    alone["platform"]["backups"]["targets"] = {}
    lab.project.platform_file.write_text(yaml.safe_dump(alone, sort_keys=False))
    first = [words[0] for words in commands("disaster.md", "The key is lost")].index("backup-targets")
    try:
        for words in commands("disaster.md", "The key is lost")[first:]:
            run(lab, words)
        assert secrets_of(lab)["backup_key"] != before["backup_key"]
        lab.schoolctl("verify-backup", TECH)
    finally:
        lab.project.platform_file.write_text(platform)
        write_secrets(lab, before)
        lab.on_server("sh", "-c", f"rm -rf {KEY} {REPOSITORY}; mv /srv/schools/lost {REPOSITORY}")
        lab.schoolctl("provision", "--no-golden", "--tags", "backups")
    lab.schoolctl("verify-backup", TECH, "--from", "local")


def test_what_ransomware_left_is_replaced_from_a_target_that_only_takes(
    lab: Journey, vault: Vault, schools: dict[str, Belongings]
) -> None:
    lab.schoolctl("backup", "--all")
    good = lab.on_server("date", "--utc", "+%Y-%m-%dT%H:%M:%SZ").strip()
    kept = vault.packs(FOREVER)
    attack(lab, schools)
    # What the server logs in with removes everything in one target, and nothing in the other.
    assert removed(lab, OFFSITE)
    assert vault.packs() == []
    assert not removed(lab, APPEND_ONLY)
    assert set(kept) <= set(vault.packs(FOREVER))

    lose_server(lab)
    make_server(lab)
    vault.connect(lab.container)
    rehearse(lab, "Ransomware", {"2026-01-31T02:15:00Z": good}, vault)

    for belongings in schools.values():
        expect_all(lab, belongings)
        assert sql(lab, belongings.slug, "SELECT COUNT(*) FROM `tabUser` WHERE name = 'pay-us';") == ["0"]
    assert lab.json("plan") == []


def attack(lab: Journey, schools: Mapping[str, Belongings]) -> None:
    """Encrypt every school, have that backed up as well, and remove what lies on the server."""
    lab.on_server("sleep", "1")  # moments are told by the second
    for slug, belongings in schools.items():
        sql(lab, slug, "UPDATE `tabUser` SET first_name = 'encrypted'; DELETE FROM `__Auth`;")
        sql(lab, slug, "INSERT INTO `tabUser` (name) VALUES ('pay-us');")
        for path in belongings.files:
            lab.on_server("sh", "-c", f"echo pay > /srv/schools/sites/{slug}/{path}")
    lab.schoolctl("backup", "--all", "--to", APPEND_ONLY)
    lab.on_server("rm", "-rf", REPOSITORY, "/srv/schools/backups/spool")


def removed(lab: Journey, target: str) -> bool:
    """Try to remove all sets of a target from the server; say whether that went."""
    said = lab.on_server("sh", "-c", "python3 - $1 >&2 && echo removed || echo refused", "sh", target, stdin=REMOVE_ALL)
    return said.strip() == "removed"


def test_after_all_this_ansible_would_change_nothing(lab: Journey) -> None:
    assert lab.changes_left_for_ansible() == []
