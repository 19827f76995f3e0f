import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, ServerModel


def test_it_prints_where_the_file_is_and_what_is_in_it(project: Path, server: ServerModel) -> None:
    file = project / "school.tar"
    done = schoolctl(project, RecordingTransport(server), "export", OTHER, str(file), "--json")
    told = json.loads(done.stdout)
    assert (told["slug"], told["file"], told["bytes"]) == (OTHER, str(file), file.stat().st_size)
    assert told["set"] in server.files[f"{ROOT}/backups/spool/{OTHER}/manifest.json"]


def test_a_dry_run_writes_nothing_here_or_there(project: Path, server: ServerModel) -> None:
    files, file = dict(server.files), project / "school.tar"
    done = schoolctl(project, RecordingTransport(server), "export", OTHER, str(file), "--dry-run")
    assert done.code == 0, done.stderr
    assert "+ Read its database" in done.stderr
    assert (server.files, file.exists()) == (files, False)


def test_a_folder_that_is_not_there_is_said_before_the_server_writes_anything(
    project: Path, server: ServerModel
) -> None:
    run = schoolctl(project, RecordingTransport(server), "export", OTHER, str(project / "none" / "tech.tar"))
    assert run.code == 3
    assert server.names_in(f"{ROOT}/backups/spool") == []


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (("--from", "local"), 2, "--from belongs to --set"),
        (("--set", "20200101T000000Z", "--from", "moon"), 3, "the server knows local, offsite"),
        (("--set", "20200101T000000Z"), 1, "there is no set 20200101T000000Z"),
    ],
)
def test_a_set_that_is_not_there_is_no_export(
    project: Path, server: ServerModel, more: tuple[str, ...], code: int, words: str
) -> None:
    file = project / "school.tar"
    done = schoolctl(project, RecordingTransport(server), "export", OTHER, str(file), *more)
    assert done.code == code
    assert words in done.stderr
    assert not file.exists()
