import json
import re
import subprocess
from pathlib import Path

import pytest
import typer

from schoolctl.context import Context
from schoolctl.schools import vault
from schoolctl.schools.vault import Vault
from tests.support.project import schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel

LOGINS = "backup_credentials:\n  offsite:\n    RESTIC_REST_USERNAME: us\n    RESTIC_REST_PASSWORD: canary\n"


@pytest.fixture(autouse=True)
def inventory(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The inventory with a second target, and a vault with its login."""
    monkeypatch.delenv(vault.VARIABLE, raising=False)
    folder = project / "inventories" / "test"
    platform = folder / "group_vars" / "all" / "platform.yml"
    targets = "targets: { offsite: { repository: rest:https://backup.example/schools/ } }"
    platform.write_text(platform.read_text().replace("targets: {}", targets))
    Vault.of(folder).path.write_text(LOGINS)
    vault.make(folder)
    return folder


def test_targets_are_listed_with_what_is_wrong_with_them(project: Path, server: ServerModel) -> None:
    server.backups.targets["offsite"].fault = "offsite: the key does not open the repository"
    done = schoolctl(project, RecordingTransport(server), "backup-targets", "list", "--json")

    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["local"]["initialised"]
    assert rows["local"]["fault"] is None
    assert rows["offsite"]["append_only"]
    assert "does not open" in rows["offsite"]["fault"]


def test_a_repository_that_is_missing_is_made_and_one_that_is_there_is_left(project: Path, server: ServerModel) -> None:
    server.backups.targets["offsite"].is_made = False
    first = schoolctl(project, RecordingTransport(server), "backup-targets", "init", "--json")
    second = schoolctl(project, RecordingTransport(server), "backup-targets", "init", "--json")

    assert json.loads(first.stdout) == {"changed": True, "made": ["offsite"], "faults": {}}
    assert json.loads(second.stdout) == {"changed": False, "made": [], "faults": {}}
    assert server.backups.inventory["vault.yml"].startswith("$ANSIBLE_VAULT;")


def test_one_target_that_fails_is_exit_code_6_and_the_only_one_is_1(project: Path, server: ServerModel) -> None:
    server.backups.targets["offsite"].fault = "offsite: no route to host"
    both = schoolctl(project, RecordingTransport(server), "backup-targets", "init")
    one = schoolctl(project, RecordingTransport(server), "backup-targets", "init", "offsite")

    assert (both.code, one.code) == (6, 1)
    assert "no route to host" in both.stderr
    assert "Could not make `offsite`" in one.stderr


def test_a_damaged_repository_is_exit_code_1_and_the_others_are_checked_all_the_same(
    project: Path, server: ServerModel
) -> None:
    server.backups.targets["local"].damage = "pack 12ab is damaged"
    done = schoolctl(project, RecordingTransport(server), "backup-targets", "check", "--percent", "100", "--json")

    assert done.code == 1
    rows = {row["name"]: (row["ok"], row["said"]) for row in json.loads(done.stdout)}
    assert rows == {
        "local": (False, "pack 12ab is damaged"),
        "offsite": (True, "no errors were found, 100 % of all read"),
    }


@pytest.mark.parametrize("verb", ["check", "init"])
def test_an_unknown_target_is_refused_with_the_known_ones(project: Path, server: ServerModel, verb: str) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "backup-targets", verb, "offsit")

    assert done.code == 3
    assert "There is no target `offsit`" in done.stderr
    assert "local, offsite" in done.stderr
    assert transport.calls == []


def test_the_kit_says_all_that_is_needed_without_the_server(project: Path, inventory: Path) -> None:
    done = schoolctl(project, None, "backup-targets", "kit", "--yes")

    assert done.code == 0
    page = done.stdout
    assert Vault.of(inventory).values()["backup_key"] in page
    assert (inventory / "vault-password").read_text().strip() in page
    assert "restic --repo rest:https://backup.example/schools/ snapshots" in page
    assert "RESTIC_REST_PASSWORD=canary" in page
    assert "Target `local`, on the server itself" in page
    assert "canary" not in done.stderr


def test_the_kit_is_printed_only_when_somebody_says_so(project: Path) -> None:
    done = schoolctl(project, None, "backup-targets", "kit")

    assert (done.code, done.stdout) == (5, "")
    assert "the key to every school's data" in done.stderr


def lose_vault(inventory: Path, server: ServerModel) -> None:
    """Have an inventory as it was before there were vaults, and a server that knows of none."""
    Vault.of(inventory).path.unlink()
    (inventory / "vault-password").unlink()
    server.backups.has_key = False


def hand_over(server: ServerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server have the vault's key without a playbook."""

    def run(*_: object, **__: object) -> None:
        server.backups.has_key = True

    monkeypatch.setattr("schoolctl.commands.backup_targets.run_playbook", run)


@pytest.mark.parametrize("answer", [True, False])
def test_a_key_that_is_new_is_shown_at_once_where_somebody_can_be_asked(
    project: Path, inventory: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    lose_vault(inventory, server)
    hand_over(server, monkeypatch)
    monkeypatch.setattr(Context, "interactive", True)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: answer)
    done = schoolctl(project, RecordingTransport(server), "backup-targets", "init")
    assert done.code == 0, done.stderr
    key = Vault.of(inventory).values()["backup_key"]
    assert (key in done.stdout) is answer
    assert key not in done.stderr
    assert ("`schoolctl backup-targets kit | lp`" in done.stderr) is not answer
    # It is asked once, when the key is made.
    again = schoolctl(project, RecordingTransport(server), "backup-targets", "init")
    assert key not in again.stdout + again.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_key_that_is_new_is_not_shown_where_nobody_can_be_asked_and_it_is_said_how_to(
    project: Path,
    inventory: Path,
    server: ServerModel,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    lose_vault(inventory, server)
    hand_over(server, monkeypatch)
    done = schoolctl(project, RecordingTransport(server), "backup-targets", "init", *options)
    assert done.code == 0, done.stderr
    assert Vault.of(inventory).values()["backup_key"] not in done.stdout + done.stderr
    assert "`schoolctl backup-targets kit | lp`" in done.stderr


def test_doctor_reminds_of_the_kit_until_it_was_printed_and_again_when_the_key_is_another(
    project: Path, inventory: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reminded() -> bool:
        done = schoolctl(project, RecordingTransport(server), "doctor", "--json")
        [row] = [row for row in json.loads(done.stdout)["checks"] if row["check"] == "backups"]
        return any("break-glass kit" in note for note in row["notes"])

    assert reminded()
    assert schoolctl(project, None, "backup-targets", "kit").code == 5
    assert reminded()
    assert schoolctl(project, None, "backup-targets", "kit", "--yes").code == 0
    assert not reminded()
    shown = (inventory / "kit-shown").read_text()
    assert Vault.of(inventory).values()["backup_key"] not in shown
    lose_vault(inventory, server)
    hand_over(server, monkeypatch)
    assert schoolctl(project, RecordingTransport(server), "backup-targets", "init").code == 0
    assert reminded()


def test_an_inventory_that_cannot_be_written_to_is_no_reason_not_to_print_the_kit(
    project: Path, inventory: Path
) -> None:
    (inventory / "kit-shown").mkdir()
    assert schoolctl(project, None, "backup-targets", "kit", "--yes").code == 0


def test_without_a_key_there_is_no_kit(project: Path, inventory: Path) -> None:
    Vault.of(inventory).path.unlink()
    done = schoolctl(project, None, "backup-targets", "kit", "--yes")

    assert (done.code, done.stdout) == (3, "")
    assert "schoolctl backup-targets init" in done.stderr


def test_no_key_or_login_is_in_what_the_server_is_asked(project: Path, inventory: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    schoolctl(project, transport, "backup-targets", "init")
    schoolctl(project, transport, "backup-targets", "check")
    values = Vault.of(inventory).values()

    asked = json.dumps([call.arguments for call in transport.calls])
    assert asked
    for secret in (values["backup_key"], "canary", (inventory / "vault-password").read_text().strip()):
        assert secret not in asked
        assert all(secret not in line for line in server.journal_texts)


def test_what_the_kit_tells_to_type_is_what_restic_understands(project: Path) -> None:
    page = schoolctl(project, None, "backup-targets", "kit", "--yes").stdout
    lines = re.findall(r"^  (restic .*)$", page, re.MULTILINE)

    assert len(lines) == 6
    for line in lines:
        # A shell takes each line apart into the same words that it was made of.
        words = subprocess.run(
            ["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True
        ).stdout
        assert words.splitlines()[:2] == ["restic", "--repo"]
