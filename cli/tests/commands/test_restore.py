import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


@pytest.fixture
def backed_up(project: Path, server: ServerModel) -> ServerModel:
    assert schoolctl(project, RecordingTransport(server), "backup", OTHER).code == 0
    return server


def test_where_nobody_can_be_asked_it_needs_yes(project: Path, backed_up: ServerModel) -> None:
    transport = RecordingTransport(backed_up)
    done = schoolctl(project, transport, "restore", OTHER)
    assert done.code == 5
    assert "add --yes" in done.stderr
    assert transport.calls == []


def test_it_prints_the_set_that_it_took(project: Path, backed_up: ServerModel) -> None:
    [name] = backed_up.backups.names(OTHER)
    done = schoolctl(project, RecordingTransport(backed_up), "restore", OTHER, "--yes", "--json")
    told = json.loads(done.stdout)
    assert (told["slug"], told["url"], told["set"]) == (OTHER, "https://cuisine-school.com", name)


def test_the_newest_set_is_taken_unless_one_is_named(project: Path, backed_up: ServerModel) -> None:
    [name] = backed_up.backups.names(OTHER)
    backed_up.backups.set_back(OTHER, name, "2020-01-01T00:00:00Z")
    assert schoolctl(project, RecordingTransport(backed_up), "backup", OTHER).code == 0
    newest = backed_up.backups.names(OTHER)[-1]
    taken = [
        json.loads(schoolctl(project, RecordingTransport(backed_up), "restore", OTHER, "--yes", "--json", *more).stdout)
        for more in ([], ["--set", "20200101T000000Z"])
    ]
    assert [told["set"] for told in taken] == [newest, "20200101T000000Z"]


def test_a_set_that_is_named_by_its_snapshot_is_printed_as_set_and_snapshot(
    project: Path, backed_up: ServerModel
) -> None:
    [name] = backed_up.backups.names(OTHER)
    command = ("restore", OTHER, "--yes", "--json", "--set", f"{name}@1a1a1a1a")
    told = json.loads(schoolctl(project, RecordingTransport(backed_up), *command).stdout)
    assert (told["set"], told["snapshot"]) == (name, "1a1a1a1a")


def test_a_target_that_does_not_answer_is_named_where_it_might_have_a_newer_set(
    project: Path, backed_up: ServerModel
) -> None:
    backed_up.backups.targets["offsite"].fault = "the connection was refused"
    done = schoolctl(project, RecordingTransport(backed_up), "restore", OTHER, "--yes")
    assert done.code == 0
    words = "offsite is left out, though it may have newer sets: the connection was refused"
    assert words in done.stderr
    asked_of_one = schoolctl(project, RecordingTransport(backed_up), "restore", OTHER, "--yes", "--from", "local")
    assert words not in asked_of_one.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("restore",), 2, "none is named"),
        (("restore", OTHER, "--only", "half"), 2, "--only takes db or files"),
        (("restore", OTHER, "--at", "yesterday"), 3, "'yesterday' is no moment"),
        (("restore", OTHER, "--or-before"), 2, "--or-before belongs to --at TIME"),
        (("restore", OTHER, "tech-school", "--set", "x"), 2, "--set names one of one school"),
        (("restore", OTHER, "--domain", "a.example"), 2, "they belong to --as NEW"),
        (("restore", OTHER, "--as", "new-one"), 2, "--domain is missing"),
        (("restore", OTHER, "--as", "new-one", "--domain", "a.example", "--only", "db"), 2, "takes both"),
        (("restore", OTHER, "--as", "new-one", "--domain", "tech-school.com"), 3, "tech-school.com"),
        (("restore", "--all", "--as", "new-one", "--domain", "a.example"), 2, "the slug of one school"),
        (("restore", "lost-school", "--yes"), 3, "restore lost-school --as lost-school`"),
    ],
)
def test_what_makes_no_sense_is_said_before_the_server_is_asked(
    project: Path, backed_up: ServerModel, arguments: tuple[str, ...], code: int, words: str
) -> None:
    transport = RecordingTransport(backed_up)
    done = schoolctl(project, transport, *arguments)
    assert done.code == code, done.stderr
    assert words in done.stderr
    assert transport.calls == []


def test_several_schools_are_reported_with_a_table(project: Path, backed_up: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(backed_up), "restore", "--all", "--yes")
    assert done.code == 6
    assert "Could not restore 1 of 2 schools" in done.stderr
    assert "there is no set of `tech-school` in any target" in done.stdout
