import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.backup_model import hours_ago
from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, ServerModel


@pytest.fixture
def backed_up(project: Path, server: ServerModel) -> ServerModel:
    assert schoolctl(project, RecordingTransport(server), "backup", OTHER).code == 0
    return server


def told(project: Path, server: ServerModel, command: str = "status") -> list[dict[str, str]]:
    run = schoolctl(project, RecordingTransport(server), command, "--json")
    troubles: list[dict[str, str]] = json.loads(run.stdout)["troubles"]
    assert run.code == (1 if troubles else 0), run.stderr
    return troubles


def age(server: ServerModel, hours: float) -> None:
    [name] = server.backups.names(OTHER)
    server.backups.set_back(OTHER, name, hours_ago(hours).strftime("%Y-%m-%dT%H:%M:%SZ"))


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_a_fresh_backup_is_no_trouble(project: Path, backed_up: ServerModel, command: str) -> None:
    assert told(project, backed_up, command) == []


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_a_stale_backup_is_told_with_the_command_that_makes_one(
    project: Path, backed_up: ServerModel, command: str
) -> None:
    age(backed_up, 31)
    [trouble] = told(project, backed_up, command)
    assert f"A loss would cost `{OTHER}` more than 30 hours" in trouble["what"]
    assert trouble["mend"] == f"schoolctl backup {OTHER}"


def test_a_school_without_any_backup_is_told_when_a_night_is_over(project: Path, server: ServerModel) -> None:
    assert told(project, server) == []
    server.backups.clock = lambda: hours_ago(40)
    [trouble] = told(project, server)
    assert "there is no set of it" in trouble["because"]


def test_a_target_that_failed_is_told_with_the_schools_that_it_lacks(project: Path, backed_up: ServerModel) -> None:
    backed_up.backups.targets["offsite"].fault = "the connection was refused"
    assert schoolctl(project, RecordingTransport(backed_up), "backup", OTHER).code == 1
    trouble, last = told(project, backed_up)
    assert "did not end well" in last["what"]
    assert trouble["what"] == f"The newest state of `{OTHER}` is not in `offsite`"
    assert trouble["mend"] == f"schoolctl backup {OTHER} --to offsite"
    found = [row for row in told(project, backed_up, "doctor") if "offsite" in row["what"]]
    assert [row["what"] for row in found] == ["Nothing can be stored in `offsite`"]
    assert found[0]["mend"] == "schoolctl backup-targets check offsite"


def test_damage_that_a_check_found_is_told_however_well_the_target_answers(
    project: Path, backed_up: ServerModel
) -> None:
    known = backed_up.backups.standing()
    known.setdefault("targets", {})["local"] = {"fault": None, "damage": "pack 17 is not what it was"}
    backed_up.put(f"{ROOT}/backups/standing.json", json.dumps(known))
    for command in ("status", "doctor"):
        [trouble] = told(project, backed_up, command)
        assert (trouble["what"], trouble["because"]) == (
            "What is in `local` may be of no use",
            "pack 17 is not what it was",
        )


def test_a_failed_drill_is_told_until_one_succeeds(project: Path, backed_up: ServerModel) -> None:
    [name] = backed_up.backups.names(OTHER)
    files = backed_up.backups.files_of(OTHER, name)
    whole = files["database/tabUser.sql"]
    files["database/tabUser.sql"] = "rot"
    schoolctl(project, RecordingTransport(backed_up), "verify-backup", OTHER)
    [trouble] = told(project, backed_up)
    assert trouble["what"] == f"`{OTHER}` could not be restored from its backup"
    assert f"schoolctl verify-backup {OTHER}" in trouble["mend"]
    files["database/tabUser.sql"] = whole
    schoolctl(project, RecordingTransport(backed_up), "verify-backup", OTHER)
    assert told(project, backed_up) == []


def test_a_school_that_was_not_proven_for_long_is_told(project: Path, backed_up: ServerModel) -> None:
    schoolctl(project, RecordingTransport(backed_up), "verify-backup", OTHER)
    standing = backed_up.backups.standing()
    at = datetime.fromisoformat(standing["schools"][OTHER]["drill"]["at"]) - timedelta(days=15)
    standing["schools"][OTHER]["drill"]["at"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    backed_up.files[f"{ROOT}/backups/standing.json"] = json.dumps(standing)
    [trouble] = told(project, backed_up)
    assert trouble["what"] == f"Nobody knows whether `{OTHER}` can be restored"


def test_a_snapshot_that_cannot_be_a_set_is_told_with_its_name(project: Path, backed_up: ServerModel) -> None:
    known = backed_up.backups.standing()
    known.setdefault("targets", {})["local"] = {"fault": None, "misnamed": ["1a2b3c4d"]}
    backed_up.put(f"{ROOT}/backups/standing.json", json.dumps(known))
    for command in ("status", "doctor"):
        [trouble] = told(project, backed_up, command)
        assert trouble["what"] == "Somebody else than this server may have stored something in `local`"
        assert trouble["because"] == "snapshots say to be sets, and cannot be any: 1a2b3c4d"


def test_what_should_have_been_done_long_ago_is_told(project: Path, backed_up: ServerModel) -> None:
    def note(**known: object) -> list[dict[str, str]]:
        standing = {**backed_up.backups.standing(), **known}
        backed_up.put(f"{ROOT}/backups/standing.json", json.dumps(standing))
        return told(project, backed_up)

    moment = "%Y-%m-%dT%H:%M:%SZ"
    checked = {"checked": hours_ago(16 * 24).strftime(moment), "fault": None, "damage": None, "kept": None}
    [trouble] = note(targets={"local": checked})
    assert trouble["what"] == "Nobody knows whether `local` is sound"
    assert trouble["mend"] == "schoolctl backup-targets check local"
    [trouble] = note(targets={"local": {**checked, "checked": hours_ago(24).strftime(moment), "kept": "disk full"}})
    assert (trouble["what"], trouble["because"]) == ("Old sets stay in `local`", "disk full")
    logs = {"archived": hours_ago(3).strftime(moment), "fault": None}
    assert note(targets={}, logs=logs) == []
    backed_up.backups.logging = True
    [trouble] = note(targets={}, logs=logs)
    assert f"since {logs['archived']} was not put away" in trouble["because"]


def test_a_server_without_a_key_backs_nothing_up(project: Path, backed_up: ServerModel) -> None:
    backed_up.backups.has_key = False
    [trouble] = told(project, backed_up)
    assert trouble["what"] == "Nothing is backed up"
    assert "backup-targets init" in trouble["mend"]


def test_a_server_that_was_never_told_to_back_up_says_so(project: Path, server: ServerModel) -> None:
    server.backups.targets.clear()
    [trouble] = told(project, server)
    assert trouble["mend"] == "schoolctl provision --tags backups"
    for command in (("backup", OTHER), ("restore", OTHER, "--yes"), ("verify-backup", OTHER)):
        run = schoolctl(project, RecordingTransport(server), *command)
        assert run.code == 5
        assert "schoolctl provision --tags backups" in run.stderr


def test_what_a_drill_makes_is_no_orphan_and_no_half_school(project: Path, backed_up: ServerModel) -> None:
    name = "sch0000000d7111"
    backed_up.databases[name] = backed_up.databases[backed_up.site_config(OTHER)["db_name"]]
    site = f"{ROOT}/sites/{OTHER}.drill"
    backed_up.make_folder(site)
    backed_up.put(f"{site}/site_config.json", json.dumps({"db_name": name}))
    backed_up.put(
        f"{ROOT}/journal/{OTHER}.drill.json",
        json.dumps({"doing": "verify-backup", "database": name, "since": "2026-01-31T02:00:00Z"}),
    )
    plan = schoolctl(project, RecordingTransport(backed_up), "--json", "plan")
    assert not [drift for drift in json.loads(plan.stdout) if "drill" in str(drift) or name in str(drift)]
    assert told(project, backed_up) == []
    listed = schoolctl(project, RecordingTransport(backed_up), "schools", "--json")
    assert f"{OTHER}.drill" not in listed.stdout


def test_what_a_killed_drill_left_is_cleared_by_resume(project: Path, backed_up: ServerModel) -> None:
    backed_up.put(f"{ROOT}/journal/{OTHER}.drill.json", json.dumps({"doing": "verify-backup", "since": "t"}))
    planned = schoolctl(project, RecordingTransport(backed_up), "resume", "--dry-run", "--json")
    assert json.loads(planned.stdout)[0]["command"] == f"schoolctl verify-backup {OTHER}"


def test_a_lost_school_is_to_be_restored_and_never_made_empty_by_apply(project: Path, backed_up: ServerModel) -> None:
    backed_up.remove(f"{ROOT}/sites/{OTHER}")
    plan = schoolctl(project, RecordingTransport(backed_up), "--json", "plan")
    [drift] = [row for row in json.loads(plan.stdout) if row["slug"] == OTHER]
    assert (drift["remedy"], drift["applies"]) == (f"schoolctl restore {OTHER}", False)
    schoolctl(project, RecordingTransport(backed_up), "apply", OTHER)
    assert OTHER not in backed_up.sites()
    assert schoolctl(project, RecordingTransport(backed_up), "restore", OTHER, "--yes").code == 0
    assert backed_up.visit("cuisine-school.com") == 200
