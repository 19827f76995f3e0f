import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schoolctl.schools import store
from schoolctl.workflows.clone_school import staging_copy
from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import CutAtStep, RecordingTransport
from tests.support.server_model import ROOT, ServerModel

CLONE = ("--json", "clone", OTHER, "try-it", "--staging")


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def test_without_staging_it_is_refused_with_the_reason(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "clone", OTHER, "try-it")
    assert done.code == 5
    assert "in the school's name" in done.stderr
    assert transport.calls == []


def test_what_is_left_out_follows_from_the_school(project: Path, server: ServerModel) -> None:
    source = store.load(rows(project))[OTHER]
    done = schoolctl(project, RecordingTransport(server), *CLONE)
    assert done.code == 0, done.stderr
    copy = store.load(rows(project))["try-it"]
    assert (copy.domain, copy.title, copy.aliases) == (f"try-it.{source.domain}", f"{source.title} (copy)", ())
    assert (copy.locale, copy.quota, copy.admin_email) == (source.locale, source.quota, source.admin_email)
    assert copy.staging is not None
    assert copy.staging.expires == in_days(14) == json.loads(done.stdout)["expires"]


def test_domain_title_and_last_day_can_be_chosen(project: Path, server: ServerModel) -> None:
    chosen = ("--domain", "Try.Example.org", "--title", "Try it", "--days", "3")
    assert schoolctl(project, RecordingTransport(server), *CLONE, *chosen).code == 0
    copy = store.load(rows(project))["try-it"]
    assert copy.staging is not None
    assert (copy.domain, copy.title, copy.staging.expires) == ("try.example.org", "Try it", in_days(3))
    assert server.visit("try.example.org") == 401


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--domain", "tech-school.com"), 3, "`tech-school.com` is already"),
        (("--expires", "tomorrow"), 3, "is no day"),
        (("--expires", "2999-01-31", "--days", "3"), 2, "exclude each other"),
    ],
)
def test_what_cannot_be_is_refused_before_the_server_is_asked(
    project: Path, server: ServerModel, arguments: tuple[str, ...], code: int, words: str
) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, *CLONE, *arguments)
    assert done.code == code
    assert words in done.stderr
    assert transport.calls == []


def test_a_day_that_is_over_is_a_usage_error(project: Path, server: ServerModel) -> None:
    text, files = rows(project).read_text(), dict(server.files)
    done = schoolctl(project, RecordingTransport(server), *CLONE, "--expires", "2020-01-31")
    assert done.code == 2
    assert "2020-01-31 is over" in done.stderr
    assert (rows(project).read_text(), server.files) == (text, files)


def test_a_slug_of_another_school_is_refused(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "clone", OTHER, "tech-school", "--staging")
    assert done.code == 3
    assert "not as its copy" in done.stderr


def test_a_copy_that_is_declared_otherwise_says_how_to_change_it(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), *CLONE)
    done = schoolctl(project, RecordingTransport(server), *CLONE, "--days", "40")
    assert done.code == 3
    assert "schoolctl apply try-it" in done.stderr


def test_a_dry_run_changes_nothing(project: Path, server: ServerModel) -> None:
    text, files = rows(project).read_text(), dict(server.files)
    done = schoolctl(project, RecordingTransport(server), *CLONE, "--dry-run")
    assert done.code == 0, done.stderr
    assert "+ Mute it" in done.stderr
    assert "password" not in json.loads(done.stdout)
    assert (rows(project).read_text(), server.files) == (text, files)


def test_a_cut_copy_is_picked_up_as_it_was_asked_for_and_its_password_told(project: Path, server: ServerModel) -> None:
    chosen = ("--domain", "try.example.org", "--title", "Try it", "--days", "3")
    assert schoolctl(project, CutAtStep(server, "Write it into schools.yml"), *CLONE, *chosen).code == 4
    done = schoolctl(project, RecordingTransport(server), "resume", "--json")
    assert done.code == 0, done.stderr
    [row] = json.loads(done.stdout)
    assert row["data"][0]["password"]
    copy = store.load(rows(project))["try-it"]
    assert (copy.domain, copy.title) == ("try.example.org", "Try it")
    assert server.visit("try.example.org") == 401
    assert server.orphans() == []


def let_its_day_come(project: Path, server: ServerModel, days: int) -> None:
    """Make what was begun some days ago of what was begun now."""
    claim = f"{ROOT}/journal/try-it.json"
    server.files[claim] = server.files[claim].replace(in_days(days), "2020-01-31")
    rows(project).write_text(rows(project).read_text().replace(in_days(days), "2020-01-31"))


@pytest.mark.parametrize("by", ["resume", "the same command"])
@pytest.mark.parametrize("step", ["Write it into schools.yml", "Load the dump"])
def test_a_cut_copy_whose_day_has_come_meanwhile_is_cleared_away_and_the_way_to_another_told(
    project: Path, server: ServerModel, step: str, by: str
) -> None:
    text = rows(project).read_text()
    # Twice, since the second run finds the row of the first.
    for _ in range(2):
        assert schoolctl(project, CutAtStep(server, step), *CLONE, "--days", "3").code == 4
        step = "Load the dump"
    let_its_day_come(project, server, 3)
    command = ("resume",) if by == "resume" else (*CLONE, "--expires", "2020-01-31")
    done = schoolctl(project, RecordingTransport(server), *command)
    assert done.code == 5, done.stderr
    assert "was to be shut from 2020-01-31 on, and that day has come" in done.stderr
    assert f"`schoolctl clone {OTHER} try-it --staging`" in done.stderr
    assert rows(project).read_text() == text
    assert server.orphans() == []
    assert schoolctl(project, RecordingTransport(server), "resume").code == 0
    again = schoolctl(project, RecordingTransport(server), *CLONE)
    assert json.loads(again.stdout)["expires"] == in_days(14)


def test_a_row_that_a_person_wrote_for_a_copy_outlives_its_day(project: Path, server: ServerModel) -> None:
    source = store.load(rows(project))[OTHER]
    store.put(rows(project), staging_copy(store.load(rows(project)), source, "try-it", None, None, None, in_days(3)))
    assert schoolctl(project, CutAtStep(server, "Load the dump"), *CLONE).code == 4
    let_its_day_come(project, server, 3)
    text = rows(project).read_text()
    done = schoolctl(project, RecordingTransport(server), "resume")
    assert done.code == 5, done.stderr
    assert "a later `expires` in its row" in done.stderr
    assert rows(project).read_text() == text
    assert server.orphans() == []


def test_a_copy_that_was_in_its_place_before_its_day_came_is_completed_and_told_to_be_shut(
    project: Path, server: ServerModel
) -> None:
    assert schoolctl(project, CutAtStep(server, "Give its door a password"), *CLONE, "--days", "3").code == 4
    let_its_day_come(project, server, 3)
    done = schoolctl(project, RecordingTransport(server), "resume", "--json")
    assert done.code == 0, done.stderr
    [row] = json.loads(done.stdout)
    assert row["data"][0]["password"]
    assert "`schoolctl apply try-it`" in done.stderr
    assert server.orphans() == []
    assert schoolctl(project, RecordingTransport(server), *CLONE, "--expires", "2020-01-31").code == 0


def test_a_copy_that_is_missing_is_shown_by_plan_with_the_command_that_makes_it(
    project: Path, server: ServerModel
) -> None:
    schoolctl(project, RecordingTransport(server), *CLONE)
    text = rows(project).read_text()
    schoolctl(
        project, RecordingTransport(server), "close-school", "try-it", "--keep-days=0", "--yes", "--confirm=try-it"
    )
    rows(project).write_text(text)
    done = schoolctl(project, RecordingTransport(server), "--json", "plan")
    [found] = [drift for drift in json.loads(done.stdout) if drift["slug"] == "try-it"]
    assert (found["remedy"], found["applies"]) == (f"schoolctl clone {OTHER} try-it --staging", False)
