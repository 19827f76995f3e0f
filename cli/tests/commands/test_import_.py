import json
from pathlib import Path

import pytest

from schoolctl.schools import store
from tests.support.project import OTHER, schoolctl, untouched
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel, a_tar

NEW = "second-school"


@pytest.fixture
def exported(project: Path, server: ServerModel) -> Path:
    file = project / "school.tar"
    assert schoolctl(project, RecordingTransport(server), "export", OTHER, str(file)).code == 0
    return file


def test_it_prints_the_address_and_whose_school_it_was(project: Path, server: ServerModel, exported: Path) -> None:
    command = ("import", str(exported), "--as", NEW, "--domain", "Second.Example", "--json")
    done = schoolctl(project, RecordingTransport(server), *command)
    assert json.loads(done.stdout) == {
        "slug": NEW,
        "url": "https://second.example",
        "of": OTHER,
        "changed": True,
    }


def test_a_dry_run_changes_nothing(project: Path, server: ServerModel, exported: Path) -> None:
    rows = project / "inventories/test/group_vars/all/schools.yml"
    text, files = rows.read_text(), dict(server.files)
    command = ("import", str(exported), "--as", NEW, "--domain", "second.example", "--dry-run")
    done = schoolctl(project, RecordingTransport(server), *command)
    assert done.code == 0, done.stderr
    assert (rows.read_text(), server.files) == (text, files)


def test_a_declared_row_has_the_last_word(project: Path, server: ServerModel, exported: Path) -> None:
    command = ("import", str(exported), "--as", "tech-school")
    refused = schoolctl(project, RecordingTransport(server), *command, "--domain", "other.example")
    assert refused.code == 3
    assert "`tech-school` is declared otherwise" in refused.stderr
    assert schoolctl(project, RecordingTransport(server), *command).code == 0
    rows = project / "inventories/test/group_vars/all/schools.yml"
    assert store.load(rows)["tech-school"].title == "Tech School"
    assert server.visit("tech-school.com") == 200


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is no plain tar"), (b"no tar at all" * 100, "is no plain tar"), (a_tar({"a.txt": "a"}), "nothing in it")],
)
def test_what_is_no_backup_is_said_so(project: Path, server: ServerModel, content: bytes, words: str) -> None:
    file = project / "some.tar"
    file.write_bytes(content)
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, "import", str(file), "--as", NEW, "--domain", "second.example")
    assert run.code == 3
    assert words in run.stderr
    assert transport.calls == []


def test_a_file_that_is_not_there_is_said_so(project: Path, server: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(server), "import", str(project / "none.tar"))
    assert run.code == 3
    assert "No such file" in run.stderr


def test_a_school_that_is_open_is_never_imported_over(project: Path, server: ServerModel, exported: Path) -> None:
    with untouched(server):
        run = schoolctl(project, RecordingTransport(server), "import", str(exported))
    assert run.code == 5
    assert "is open on vps1 already" in run.stderr


def test_a_backup_of_a_stock_bench_needs_a_slug_and_a_domain(project: Path, server: ServerModel) -> None:
    file = project / "20260131_020000-old.example-database.sql.gz"
    file.write_bytes(b"")
    for more, words in (((), "--as is missing"), (("--as", NEW), "--domain is missing")):
        run = schoolctl(project, RecordingTransport(server), "import", str(file), *more)
        assert run.code == 2
        assert words in run.stderr
