import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, open_on, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel

SLUG = "tech-school"


@pytest.fixture
def backed_up(project: Path, server: ServerModel) -> ServerModel:
    open_on(server, project, SLUG)
    assert schoolctl(project, RecordingTransport(server), "backup", SLUG, OTHER).code == 0
    return server


def test_a_set_that_can_be_restored_is_proven_with_its_time_and_the_age_of_its_data(
    project: Path, backed_up: ServerModel
) -> None:
    done = schoolctl(project, RecordingTransport(backed_up), "verify-backup", OTHER, "--json")
    assert done.code == 0, done.stderr
    [row] = json.loads(done.stdout)
    assert (row["ok"], row["restore_seconds"], row["age_seconds"]) == (True, 4.2, 3600.0)
    assert (row["set"], row["target"]) == (backed_up.backups.names(OTHER)[0], "local")


def test_damage_is_found_named_and_the_exit_code_tells(project: Path, backed_up: ServerModel) -> None:
    [name] = backed_up.backups.names(OTHER)
    backed_up.backups.files_of(OTHER, name)["files/public/badge.svg"] = "rot"
    alone = schoolctl(project, RecordingTransport(backed_up), "verify-backup", OTHER, "--json")
    assert alone.code == 1
    assert f"The backup of `{OTHER}` is not proven" in alone.stderr
    assert "files/public/badge.svg is not what the manifest says" in alone.stderr
    assert json.loads(alone.stdout)[0]["ok"] is False
    both = schoolctl(project, RecordingTransport(backed_up), "verify-backup", "--all", "--json", "--jobs", "2")
    assert both.code == 6
    assert {row["slug"]: row["ok"] for row in json.loads(both.stdout)} == {SLUG: True, OTHER: False}
    shown = schoolctl(project, RecordingTransport(backed_up), "show", OTHER, "--json")
    assert json.loads(shown.stdout)["drill"]["ok"] is False
    assert "✗" in schoolctl(project, RecordingTransport(backed_up), "schools").stdout


def test_a_target_can_be_chosen(project: Path, backed_up: ServerModel) -> None:
    arguments = ("verify-backup", OTHER, "--from", "offsite", "--json")
    done = schoolctl(project, RecordingTransport(backed_up), *arguments)
    assert json.loads(done.stdout)[0]["target"] == "offsite"


def test_some_at_random_are_as_many_as_there_are_at_most(project: Path, backed_up: ServerModel) -> None:
    for number, expected in ((1, 1), (9, 2)):
        arguments = ("verify-backup", "--random", str(number), "--json")
        done = schoolctl(project, RecordingTransport(backed_up), *arguments)
        assert len(json.loads(done.stdout)) == expected


def test_it_takes_no_lock_and_leaves_a_line(project: Path, backed_up: ServerModel) -> None:
    transport = RecordingTransport(backed_up)
    schoolctl(project, transport, "verify-backup", OTHER)
    assert "lock" not in {call.operation for call in transport.calls}
    assert backed_up.audit[-1]["what"] == f"verify-backup {OTHER}"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "none is named"),
        ((OTHER, "--random", "1"), 2, "slugs and --random exclude each other"),
        (("--all", "--set", "x"), 2, "--set names one of one school"),
        ((OTHER, "--from", "moon"), 3, "the server knows local, offsite"),
        ((OTHER, "--set", "20200101T000000Z"), 1, "there is no set 20200101T000000Z"),
    ],
)
def test_what_cannot_be_is_said(
    project: Path, backed_up: ServerModel, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = schoolctl(project, RecordingTransport(backed_up), "verify-backup", *arguments)
    assert done.code == code
    assert words in done.stderr


def test_a_person_reads_a_table(project: Path, backed_up: ServerModel) -> None:
    head, line = schoolctl(project, RecordingTransport(backed_up), "verify-backup", OTHER).stdout.splitlines()
    assert "restored in" in head
    assert "4.2 s" in line
    assert "1.0 h ago" in line
