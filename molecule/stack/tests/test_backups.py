"""What backup_schedule promises: a server that backs its schools up by itself, by one key, for root alone."""

import json
import os
import subprocess
import time
from collections.abc import Callable

import pytest
from conftest import SCHOOLS
from journey import ROOT, Journey

from schoolctl.schools.vault import PASSWORD_NAME, VARIABLE, Vault

TIMERS = (
    "schools-backups",
    "schools-backup-drills",
    "schools-backup-logs",
    "schools-backup-inventory",
    "schools-backup-check",
    "schools-backup-alarm",
)
KEY = "/etc/schools/backup/key"
INVENTORY = "schools-backup-inventory.service"


@pytest.fixture(scope="module")
def key(lab: Journey) -> str:
    """Return the key in the lab's vault."""
    inventory = lab.project.inventory
    return str(Vault(Vault.of(inventory).path, inventory / PASSWORD_NAME).values()["backup_key"])


def call(lab: Journey, name: str, **arguments: object) -> object:
    """Return what the program answers to one call."""
    request = json.dumps({"id": 1, "call": name, "arguments": arguments})
    answer = json.loads(lab.on_server("schools-backup", "serve", stdin=request + "\n"))
    assert answer["id"] == 1
    assert "fault" not in answer, answer["fault"]
    return answer["result"]


def state_of(lab: Journey, unit: str) -> str:
    """Return what systemd says that a unit does."""
    return lab.on_server("systemctl", "show", "--property=ActiveState", "--value", unit).strip()


def becomes(ask: Callable[[], bool]) -> bool:
    """Ask until the answer is yes, for half a minute."""
    deadline = time.monotonic() + 30
    while not ask():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def converged_with(lab: Journey, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the playbook with other secrets than the vault's."""
    inventory = lab.project.inventory
    argv = ["ansible-playbook", "--inventory", inventory / "hosts.yml", "--extra-vars", json.dumps(extra)]
    environment = {**os.environ, VARIABLE: str(inventory / PASSWORD_NAME)}
    return subprocess.run([*argv, "playbooks/backups.yml"], cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("timer", TIMERS)
def test_every_timer_is_active_and_comes_back_after_a_reboot(lab: Journey, timer: str) -> None:
    assert lab.on_server("systemctl", "is-active", f"{timer}.timer").strip() == "active"
    assert lab.on_server("systemctl", "is-enabled", f"{timer}.timer").strip() == "enabled"


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        *((KEY, "600"), ("/etc/schools/backup", "700"), ("/etc/schools/backups.json", "600")),
        *(("/srv/schools/backups", "700"), ("/srv/schools/backups/declared/tech-school.json", "600")),
        *(("/usr/local/lib/schools/restic", "755"), ("/usr/local/sbin/schools-backup", "755")),
    ],
)
def test_what_opens_backups_is_for_root_alone(lab: Journey, path: str, mode: str) -> None:
    assert lab.on_server("stat", "--format", "%a %U %G", path).split() == [mode, "root", "root"]


def test_the_program_answers(lab: Journey) -> None:
    targets = call(lab, "targets")
    assert [(row["name"], row["initialised"], row["fault"]) for row in targets] == [("local", True, None)]
    assert isinstance(call(lab, "standing"), dict)


def test_started_by_its_timer_it_backs_up_every_school_within_its_walls(lab: Journey) -> None:
    lab.on_server("systemctl", "start", "schools-backups.service")
    assert (
        lab.on_server("systemctl", "show", "--property=Result", "schools-backups.service").strip() == "Result=success"
    )

    standing = call(lab, "standing")
    for slug in SCHOOLS:
        assert standing["schools"][slug]["sets"]["local"]["fault"] is None, slug
        assert standing["schools"][slug]["known"], slug


@pytest.mark.parametrize("verb", ["logs", "check", "alarm"])
def test_the_other_timers_work_within_their_walls_too(lab: Journey, verb: str) -> None:
    unit = f"schools-backup-{verb}.service"
    lab.on_server("systemctl", "start", unit)
    assert lab.on_server("systemctl", "show", "--property=Result", unit).strip() == "Result=success"


@pytest.mark.parametrize(
    ("state", "place_of"),
    [("active", "ExecStart"), ("deactivating", "ExecStopPost")],
    ids=["it has looked", "it has looked once more"],
)
def test_an_inventory_that_changes_when_a_run_has_looked_at_it_does_not_wait_for_the_next_hour(
    lab: Journey, state: str, place_of: str
) -> None:
    folder = f"/run/systemd/system/{INVENTORY}.d"
    looked = f"[Service]\n{place_of}=\n{place_of}=/bin/sleep 3\n"
    lab.on_server("sh", "-c", f"mkdir {folder}; cat >{folder}/looked.conf; systemctl daemon-reload", stdin=looked)
    try:
        lab.on_server("systemctl", "start", "--no-block", INVENTORY)
        assert becomes(lambda: state_of(lab, INVENTORY) == state)
        changed = {"schools.yml": f"# {state}\n"}
        assert call(lab, "keep_inventory", files=changed) == {"lacking": ["local"]}
        lab.on_server("systemctl", "start", "--no-block", INVENTORY)
        assert state_of(lab, INVENTORY) == state
        assert becomes(lambda: call(lab, "keep_inventory", files=changed) == {"lacking": []})
    finally:
        lab.on_server("sh", "-c", f"rm -r {folder}; systemctl daemon-reload")
        lab.schoolctl("backup-targets", "init")


def test_the_key_is_in_no_journal_and_no_listing(lab: Journey, key: str) -> None:
    assert lab.on_server("cat", KEY).strip() == key
    assert key not in lab.on_server("journalctl", "--no-pager", "--output=cat")
    assert key not in lab.on_server("cat", "/etc/schools/backups.json")


def test_another_key_is_refused_and_the_old_one_stays(lab: Journey, key: str) -> None:
    done = converged_with(lab, backup_key="aaaaa-bbbbb")

    assert done.returncode != 0
    assert "is not the key that this server has" in done.stdout
    assert "aaaaa-bbbbb" not in done.stdout + done.stderr
    assert key not in done.stdout + done.stderr
    assert lab.on_server("cat", KEY).strip() == key


def test_a_vault_that_is_not_opened_stops_nothing_and_takes_nothing_away(lab: Journey, key: str) -> None:
    done = converged_with(lab, backup_key="")

    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout
    assert "No backup_key in the vault" in done.stdout
    assert lab.on_server("cat", KEY).strip() == key


def test_what_the_administrator_loads_is_not_in_the_databases_log(lab: Journey) -> None:
    """A pool's load writes some hundred tables; a school's own change is one event."""
    name = json.loads(lab.on_server("cat", "/srv/schools/sites/tech-school/site_config.json"))["db_name"]
    client = json.loads(lab.on_server("cat", "/etc/schools/backups.json"))["database"]["client"]
    before = lab.on_server(*client, stdin="SHOW MASTER STATUS;\n").split()[:2]
    lab.on_server(*client, name, stdin="CREATE TABLE canary (a INT PRIMARY KEY); DROP TABLE canary;\n")

    assert lab.on_server(*client, stdin="SHOW MASTER STATUS;\n").split()[:2] == before
