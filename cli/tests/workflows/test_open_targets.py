"""What makes backups possible: key and repositories are made once, and one that fails keeps no other waiting."""

from pathlib import Path

import pytest

from schoolctl.errors import RefusedError
from schoolctl.remote.backups import Backups
from schoolctl.schools import vault
from schoolctl.schools.project import Project
from schoolctl.schools.vault import Vault
from schoolctl.workflows.open_targets import OpenTargets
from schoolctl.workflows.step import Outcome
from tests.support.project import plain_server
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


@pytest.fixture
def opened(project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch) -> OpenTargets:
    monkeypatch.delenv(vault.VARIABLE, raising=False)

    def hand_over() -> None:
        assert Vault.of(chosen.inventory).values()["backup_key"]
        server.backups.has_key = True

    chosen = Project(project, "test")
    backups = Backups(plain_server(RecordingTransport(server)))
    return OpenTargets(chosen, backups, ("local", "offsite"), hand_over)


def outcomes(opened: OpenTargets, *, dry_run: bool = False) -> dict[str, Outcome]:
    told: dict[str, Outcome] = {}
    opened.run(lambda title, outcome, _: told.update({title: outcome}), dry_run=dry_run)
    return told


def test_on_an_older_inventory_all_is_made_and_a_second_run_makes_nothing(
    opened: OpenTargets, server: ServerModel
) -> None:
    server.backups.has_key = False
    server.backups.targets["local"].is_made = server.backups.targets["offsite"].is_made = False

    assert set(outcomes(opened).values()) == {Outcome.DONE}
    assert opened.made == ["local", "offsite"]
    assert all(target.is_made for target in server.backups.targets.values())
    assert set(outcomes(opened).values()) == {Outcome.SKIPPED}


def test_a_key_that_is_there_is_handed_over_and_never_made_anew(opened: OpenTargets, server: ServerModel) -> None:
    vault.make(opened.project.inventory)
    key = Vault.of(opened.project.inventory).values()
    server.backups.has_key = False

    told = outcomes(opened)
    assert told["Make the key of the backups"] is Outcome.SKIPPED
    assert told["Hand it over to the server"] is Outcome.DONE
    assert Vault.of(opened.project.inventory).values() == key


def test_no_second_key_is_made_where_the_server_has_one_that_the_vault_lost(opened: OpenTargets) -> None:
    with pytest.raises(RefusedError, match="Did not make a key") as refused:
        outcomes(opened)
    assert "/etc/schools/backup/key" in str(refused.value.hint)
    assert not Vault.of(opened.project.inventory).values()


def test_a_target_that_cannot_be_reached_keeps_no_other_waiting(opened: OpenTargets, server: ServerModel) -> None:
    vault.make(opened.project.inventory)
    server.backups.targets["local"].fault = "local: the disk is gone"
    server.backups.targets["offsite"].is_made = False

    outcomes(opened)
    assert opened.made == ["offsite"]
    assert "the disk is gone" in opened.faults["local"]


def test_a_dry_run_makes_nothing(opened: OpenTargets, server: ServerModel) -> None:
    server.backups.has_key = False
    server.backups.targets["offsite"].is_made = False

    assert set(outcomes(opened, dry_run=True).values()) == {Outcome.WOULD_DO}
    assert not Vault.of(opened.project.inventory).path.exists()
    assert not server.backups.targets["offsite"].is_made
