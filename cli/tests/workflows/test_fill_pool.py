import json
from collections.abc import Callable
from pathlib import Path

import pytest

from schoolctl.transport.session import ServerFaultError
from tests.support.project import OTHER, schoolctl, set_pool_size, untouched
from tests.support.recording_transport import Break, Call, RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.workflows.faults import Prepare, each_break, expect_opened_after_each_break
from tests.workflows.test_make_golden import GOLDEN, IRELAND, OPEN, PLACES, SLUG, is_open, with_golden

FILL = ("--json", "pool")


def with_pool(*slugs: str) -> Prepare:
    """Open schools, make golden sites, and have one loaded database for each locale."""
    made = with_golden(*slugs)

    def prepare(server: ServerModel, project: Path) -> None:
        made(server, project)
        set_pool_size(project, 1)
        assert schoolctl(project, RecordingTransport(server), *FILL).code == 0

    return prepare


def ready(server: ServerModel) -> list[str]:
    """Return the profile of each database that waits for a school."""
    return sorted(row["profile"] for row in server.pool() if row["state"] == "ready")


def test_each_common_locale_has_as_many_as_declared(project: Path, server: ServerModel) -> None:
    set_pool_size(project, 2)
    with untouched(server):
        assert schoolctl(project, RecordingTransport(server), *GOLDEN).code == 0
    assert ready(server).count(IRELAND) == 2
    assert len(ready(server)) == 4
    assert server.orphans() == []


def test_a_new_school_takes_a_loaded_database_and_loads_nothing(project: Path, server: ServerModel) -> None:
    with_pool()(server, project)
    waiting = {row["database"] for row in server.pool()}
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, *OPEN)
    assert run.code == 0, run.stderr
    assert is_open(server)
    assert server.site_config(SLUG)["db_name"] in waiting
    assert {f"{ROOT}/sites/{SLUG}/{name}" for name in ("public/files", "private/files", "logs")} <= server.folders
    assert not [call for call in transport.calls if call.operation == "load_parts"]
    assert server.orphans() == []
    assert transport.leaks() == []


@pytest.mark.parametrize(("prepare", "most"), [(with_golden, 46), (with_pool, 43)], ids=["by load", "by pool"])
def test_a_new_school_takes_no_more_round_trips_than_it_has_work_for(
    project: Path, server: ServerModel, prepare: Callable[[], Prepare], most: int
) -> None:
    prepare()(server, project)
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, *OPEN).code == 0
    asked = [call for call in transport.calls if call.operation not in {"hello", "start"}]
    assert len(asked) <= most, "\n".join(call.words for call in asked)


def test_what_was_taken_is_loaded_again_behind_the_command(project: Path, server: ServerModel) -> None:
    with_pool()(server, project)
    before = ready(server)
    transport = RecordingTransport(server)
    schoolctl(project, transport, *OPEN)
    assert ready(server) == before
    assert transport.calls[-1].operation == "refill", "the lock is let go of before"
    assert server.locked_by is None


def test_with_an_empty_pool_the_golden_site_is_loaded(project: Path, server: ServerModel) -> None:
    with_pool()(server, project)
    schoolctl(project, RecordingTransport(server), *FILL, "--size", "0")
    assert ready(server) == []
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, *OPEN).code == 0
    assert [call for call in transport.calls if call.operation == "load_parts"]
    assert is_open(server)


def test_a_database_that_somebody_emptied_by_hand_is_not_handed_out(project: Path, server: ServerModel) -> None:
    with_pool()(server, project)
    for row in server.pool():
        server.databases[row["database"]].tables.pop()
    assert schoolctl(project, RecordingTransport(server), *OPEN).code == 0
    assert is_open(server)
    one, other = (server.databases[server.site_config(slug)["db_name"]].tables for slug in (SLUG, OTHER))
    assert sorted(one) == sorted(other)
    assert server.orphans() == []


def test_a_database_of_the_pool_that_is_gone_does_not_keep_the_school_from_opening(
    project: Path, server: ServerModel
) -> None:
    with_pool()(server, project)
    for row in server.pool():
        del server.databases[row["database"]]
    assert schoolctl(project, RecordingTransport(server), *OPEN).code == 0
    assert is_open(server)


def test_copies_of_what_no_row_has_a_use_for_are_not_kept(project: Path, server: ServerModel) -> None:
    with_pool()(server, project)
    run = schoolctl(project, RecordingTransport(server), "new-school", "third", "--domain", "third.example")
    assert run.code == 0
    assert "plain" not in ready(server), "the other schools have a locale, so no copy of it is kept ready"


def test_a_filling_waits_for_a_refill_that_came_in_between(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)
    set_pool_size(project, 1)
    came: list[str] = []

    def another_fills(call: Call) -> None:
        if call.operation == "fill" and not came:
            came.append("and fills")
            server.filling = True
        elif call.operation == "pool" and came == ["and fills"]:
            came.append("and ended")
            server.filling = False

    run = schoolctl(project, RecordingTransport(server, before_each=another_fills), *FILL)
    assert run.code == 0, run.stderr
    assert came == ["and fills", "and ended"]
    assert len(ready(server)) == 2


def test_a_new_golden_site_takes_the_place_of_what_was_loaded_from_the_old_one(
    project: Path, server: ServerModel
) -> None:
    with_pool()(server, project)
    old = {row["database"] for row in server.pool()}
    manifest = f"{PLACES}/{IRELAND}/manifest.json"
    server.files[manifest] = server.files[manifest].replace("}", ', "newer": 1}', 1)
    assert schoolctl(project, RecordingTransport(server), *FILL).code == 0
    assert len(old - {row["database"] for row in server.pool()}) == 1
    assert server.orphans() == []


def test_plan_sees_nothing_wrong_in_databases_that_wait(project: Path, server: ServerModel) -> None:
    with_pool(SLUG)(server, project)
    assert ready(server)
    assert json.loads(schoolctl(project, RecordingTransport(server), "plan", "--json").stdout) == []


def test_apply_takes_from_the_pool_for_each_missing_school_and_fills_it_again(
    project: Path, server: ServerModel
) -> None:
    with_pool()(server, project)
    before, transport = ready(server), RecordingTransport(server)
    assert schoolctl(project, transport, "apply", "--all", "--yes", "--jobs", "2").code == 0
    assert is_open(server)
    assert not [call for call in transport.calls if call.operation == "load_parts"]
    assert ready(server) == before


def test_a_pool_that_cannot_be_refilled_is_a_warning_and_the_school_is_open(project: Path, server: ServerModel) -> None:
    with_pool()(server, project)

    def fails(call: Call) -> None:
        if call.operation == "refill":
            raise ServerFaultError("os", "Cannot allocate memory")

    run = schoolctl(project, RecordingTransport(server, before_each=fails), *OPEN)
    assert run.code == 0
    assert "the pool is not refilled: Cannot allocate memory" in run.stderr
    assert json.loads(run.stdout)["password"]
    assert is_open(server)


@pytest.mark.parametrize("how", Break)
def test_a_school_from_the_pool_broken_at_any_call_is_completed_by_the_same_command(tmp_path: Path, how: Break) -> None:
    expect_opened_after_each_break(tmp_path, with_pool(OTHER), OPEN, how)


@pytest.mark.parametrize("how", Break)
def test_a_filling_broken_at_any_call_is_completed_by_the_next(tmp_path: Path, how: Break) -> None:
    def prepare(server: ServerModel, project: Path) -> None:
        with_golden(OTHER)(server, project)
        set_pool_size(project, 2)

    for broken in each_break(tmp_path, prepare, FILL, how):
        server = broken.server
        if broken.run.code != 0:
            assert schoolctl(broken.project, RecordingTransport(server), *FILL).code == 0, broken.at
        assert len(ready(server)) == 4, broken.at
        assert server.orphans() == [], broken.at
        assert f"{ROOT}/journal/golden.site.json" not in server.files
