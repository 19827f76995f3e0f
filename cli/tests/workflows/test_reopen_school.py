import json
from pathlib import Path

import pytest

from schoolctl.schools import store
from tests.support.project import OTHER, open_on, schoolctl, untouched
from tests.support.recording_transport import Break, CutAtStep, RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.workflows.faults import each_break

SLUG = "tech-school"
CLOSE = ("close-school", SLUG, "--yes", "--confirm", SLUG)
REOPEN = ("--json", "reopen", SLUG)


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


def prepare(server: ServerModel, project: Path) -> None:
    open_on(server, project, OTHER)
    open_on(server, project, SLUG)
    assert schoolctl(project, RecordingTransport(server), *CLOSE).code == 0


@pytest.fixture
def closed(project: Path) -> ServerModel:
    server = ServerModel()
    prepare(server, project)
    return server


def is_back(server: ServerModel, project: Path) -> bool:
    return (
        server.visit("tech-school.com") == 200
        and server.visit("www.tech-school.com") == 308
        and server.closed() == set()
        and store.load(rows(project))[SLUG].state == "active"
        and server.files.get(f"{ROOT}/sites/{SLUG}/public/files/badge.svg") == f"badge of {SLUG}"
    )


def test_everything_is_back_as_it_was(project: Path) -> None:
    server = ServerModel()
    open_on(server, project, OTHER)
    open_on(server, project, SLUG)
    text, config = rows(project).read_text(), server.site_config(SLUG)
    schoolctl(project, RecordingTransport(server), *CLOSE)
    with untouched(server):
        run = schoolctl(project, RecordingTransport(server), *REOPEN)
    assert run.code == 0, run.stderr
    assert is_back(server, project)
    assert server.site_config(SLUG) == config
    assert rows(project).read_text() == text
    assert server.orphans() == []


@pytest.mark.parametrize("cut", [None, CLOSE, REOPEN])
def test_a_school_that_was_suspended_comes_back_suspended(project: Path, cut: tuple[str, ...] | None) -> None:
    server = ServerModel()
    open_on(server, project, OTHER)
    open_on(server, project, SLUG)
    assert schoolctl(project, RecordingTransport(server), "suspend", SLUG).code == 0
    text, config = rows(project).read_text(), server.site_config(SLUG)
    for command, step in ((CLOSE, "Put it away"), (REOPEN, "Put it back in its place")):
        if command == cut:
            assert schoolctl(project, CutAtStep(server, step), *command).code == 4
        run = schoolctl(project, RecordingTransport(server), *command)
        assert run.code == 0, run.stderr
        assert server.visit("tech-school.com") == (410 if command == CLOSE else 503)
    assert json.loads(run.stdout)["state"] == "suspended"
    assert rows(project).read_text() == text
    assert server.site_config(SLUG) == config
    assert schoolctl(project, RecordingTransport(server), "plan", SLUG).code == 0
    assert schoolctl(project, RecordingTransport(server), "resume", SLUG).code == 0
    assert server.visit("tech-school.com") == 200


def test_a_closed_school_says_in_its_row_as_what_it_comes_back(project: Path, closed: ServerModel) -> None:
    assert "reopen_as" not in rows(project).read_text()
    text = rows(project).read_text()
    rows(project).write_text(text.replace("state: closed", "state: closed\n    reopen_as: suspended"))
    again = schoolctl(project, RecordingTransport(closed), *CLOSE, "--keep-days", "60")
    assert again.code == 0, again.stderr
    assert store.load(rows(project))[SLUG].reopen_as == "suspended"
    assert schoolctl(project, RecordingTransport(closed), *REOPEN).code == 0
    assert closed.visit("tech-school.com") == 503
    assert "reopen_as" not in rows(project).read_text()


def test_a_second_run_changes_nothing(project: Path, closed: ServerModel) -> None:
    schoolctl(project, RecordingTransport(closed), *REOPEN)
    with untouched(closed), untouched(closed, SLUG):
        run = schoolctl(project, RecordingTransport(closed), *REOPEN)
    assert run.code == 0, run.stderr
    assert json.loads(run.stdout)["changed"] is False


def test_after_its_last_day_it_still_comes_back_and_says_so(project: Path, closed: ServerModel) -> None:
    school = store.load(rows(project))[SLUG]
    rows(project).write_text(rows(project).read_text().replace(school.keep_until, "2020-01-31"))
    run = schoolctl(project, RecordingTransport(closed), *REOPEN)
    assert run.code == 0, run.stderr
    assert "until 2020-01-31" in run.stderr
    assert is_back(closed, project)


def test_what_was_purged_does_not_come_back(project: Path, closed: ServerModel) -> None:
    text = rows(project).read_text()
    schoolctl(project, RecordingTransport(closed), "purge", SLUG, "--yes", "--confirm", SLUG)
    assert schoolctl(project, RecordingTransport(closed), *REOPEN).code == 3
    rows(project).write_text(text)
    run = schoolctl(project, RecordingTransport(closed), *REOPEN)
    assert run.code == 5
    assert "nothing is kept of it" in run.stderr
    assert rows(project).read_text() == text


def test_a_closed_school_whose_folder_was_lost_comes_back_from_a_set(project: Path, closed: ServerModel) -> None:
    closed.remove(f"{ROOT}/archive/{SLUG}.closed")
    assert schoolctl(project, RecordingTransport(closed), "restore", SLUG, "--yes").code == 0
    assert closed.visit("tech-school.com") == 410
    assert schoolctl(project, RecordingTransport(closed), *REOPEN).code == 0
    assert is_back(closed, project)


@pytest.mark.parametrize("how", Break)
def test_broken_at_any_call_it_is_closed_or_back_and_the_same_command_completes_it(tmp_path: Path, how: Break) -> None:
    for broken in each_break(tmp_path, prepare, REOPEN, how):
        server, project = broken.server, broken.project
        if broken.run.code == 0:
            continue
        assert server.locked_by is None, broken.at
        if how is Break.FAILS and server.closed():
            assert server.visit("tech-school.com") == 410, broken.at
            assert store.load(rows(project))[SLUG].state == "closed", broken.at
            assert server.orphans() == [], broken.at
        other = server.owned_by(OTHER)
        again = schoolctl(project, RecordingTransport(server), *REOPEN)
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert is_back(server, project), broken.at
        assert server.orphans() == [], broken.at
        assert server.owned_by(OTHER) == other, broken.at
