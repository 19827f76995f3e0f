import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, open_on, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, Database, ServerModel

SLUG = "tech-school"
DRIFT = 10
CONF = f"{ROOT}/edge/conf/schools/{SLUG}.conf"


def plan(project: Path, server: ServerModel, *arguments: str, code: int = DRIFT) -> list[dict[str, object]]:
    done = schoolctl(project, RecordingTransport(server), "--json", "plan", *arguments)
    assert done.code == code, done.stderr
    return list(json.loads(done.stdout))


def subjects(project: Path, server: ServerModel, *arguments: str) -> set[tuple[object, object]]:
    return {(row["slug"], row["subject"]) for row in plan(project, server, *arguments)}


def edit_row(project: Path, old: str, new: str) -> None:
    file = project / "inventories/test/group_vars/all/schools.yml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.fixture
def both(project: Path, server: ServerModel) -> ServerModel:
    open_on(server, project, SLUG)
    return server


def test_a_server_that_is_as_declared_has_no_drift(project: Path, both: ServerModel) -> None:
    assert plan(project, both, code=0) == []


def test_a_plan_asks_and_takes_no_lock(project: Path, both: ServerModel) -> None:
    transport = RecordingTransport(both)
    schoolctl(project, transport, "plan")
    assert [call.operation for call in transport.calls] == ["survey"]


def test_a_school_without_a_site_is_missing(project: Path, server: ServerModel) -> None:
    [row] = plan(project, server)
    assert (row["slug"], row["subject"], row["found"]) == (SLUG, "site", "missing")
    assert (row["remedy"], row["applies"]) == (f"schoolctl new-school {SLUG}", True)


def test_an_edited_file_is_shown_as_a_diff_from_fact_to_promise(project: Path, both: ServerModel) -> None:
    both.files[CONF] = both.files[CONF].replace("server_name tech-school.com;", "server_name tech.example;")
    done = schoolctl(project, RecordingTransport(both), "plan")
    assert done.code == DRIFT
    assert f"~ file {CONF}: edited -> as rendered" in done.stdout
    assert "      -    server_name tech.example;" in done.stdout
    assert "      +    server_name tech-school.com;" in done.stdout
    assert "the platform\n  ~ edge: runs on older ones -> runs on its files" in done.stdout


def test_a_deleted_file_is_missing(project: Path, both: ServerModel) -> None:
    del both.files[CONF]
    assert (SLUG, f"file {CONF}") in subjects(project, both)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("domain: tech-school.com", "domain: tech.example", {"settings.host_name"}),
        ("title: Tech School", "title: School of Tech", {"title"}),
        ("title: Tech School", "title: Tech School\n    state: suspended", {"settings.pause_scheduler"}),
        ("title: Tech School", "title: Tech School\n    quota: {connections: 5}", {"connections"}),
        ("title: Tech School", "title: Tech School\n    quota: {cpu_seconds: 60}", {"settings.rate_limit"}),
        ("title: Tech School", "title: Tech School\n    config: {http_timeout: 60}", {"settings.http_timeout"}),
    ],
)
def test_each_part_of_a_row_that_is_not_so_on_the_server_is_drift(
    project: Path, both: ServerModel, old: str, new: str, expected: set[str]
) -> None:
    edit_row(project, old, new)
    found = subjects(project, both)
    assert {(SLUG, subject) for subject in expected} <= found
    assert {slug for slug, _ in found} == {SLUG}


def test_a_setting_that_was_made_by_hand_is_drift(project: Path, both: ServerModel) -> None:
    path = f"{ROOT}/sites/{SLUG}/site_config.json"
    both.files[path] = json.dumps({**both.site_config(SLUG), "developer_mode": 1})
    [row] = plan(project, both)
    assert (row["subject"], row["declared"], row["found"]) == ("settings.developer_mode", None, 1)


@pytest.mark.parametrize("lost", ["database", "database user"])
def test_a_lost_database_or_user_is_drift_that_only_a_restore_mends(
    project: Path, both: ServerModel, lost: str
) -> None:
    name = both.site_config(SLUG)["db_name"]
    if lost == "database":
        del both.databases[name]
    else:
        both.databases[name].user = False
    [row] = plan(project, both)
    assert (row["subject"], row["remedy"], row["applies"]) == (lost, f"schoolctl restore {SLUG}", False)


def test_what_no_row_claims_is_shown_and_cannot_be_applied(project: Path, both: ServerModel) -> None:
    both.databases["sch00000000dead"] = Database("x")
    both.put(f"{ROOT}/edge/conf/hosts/ghost.map", "ghost.example ghost;\n")
    both.folders.add(f"{ROOT}/sites/ghost")
    both.put(f"{ROOT}/sites/ghost/site_config.json", '{"db_name": "sch0000000090st"}')
    both.edge_live = {path: text for path, text in both.files.items() if "/edge/conf/" in path}
    rows = plan(project, both)
    assert {row["subject"] for row in rows} == {
        "database:sch00000000dead",
        f"file:{ROOT}/edge/conf/hosts/ghost.map",
        "site:ghost",
    }
    assert not any(row["applies"] for row in rows)
    shown = schoolctl(project, RecordingTransport(both), "plan").stdout
    assert "never removed unless named\n  ? database:sch00000000dead" in shown


@pytest.mark.parametrize("left", ["a site that does not say", "an interrupted restore"])
def test_no_database_is_called_unclaimed_while_it_may_be_a_schools(project: Path, both: ServerModel, left: str) -> None:
    # Halfway through a restore only the folder beside names the database that was in use before.
    name = "sch0000000000fe"
    both.databases[name] = Database("x")
    if left == "an interrupted restore":
        claim = {"doing": "restore", "database": both.site_config(SLUG)["db_name"], "set": "20260101T000000Z"}
        both.put(f"{ROOT}/journal/{SLUG}.json", json.dumps(claim))
    else:
        both.put(f"{ROOT}/sites/{SLUG}/site_config.json", json.dumps({**both.site_config(SLUG), "db_name": None}))
    assert not [subject for _, subject in subjects(project, both) if str(subject).startswith(("database:", "user:"))]
    run = schoolctl(project, RecordingTransport(both), "apply", "--yes", "--remove", f"database:{name}")
    assert run.code != 0
    assert name in both.databases


@pytest.mark.parametrize(
    ("change", "found"), [({"state": "exited"}, "exited"), ({"status": "Up 1 hour (unhealthy)"}, "unhealthy")]
)
def test_a_container_that_does_not_run_is_drift(
    project: Path, both: ServerModel, change: dict[str, str], found: str
) -> None:
    both.containers["schools-realtime"] |= change
    [row] = plan(project, both)
    assert (row["subject"], row["found"]) == ("container schools-realtime", found)


def test_a_missing_container_needs_provisioning(project: Path, both: ServerModel) -> None:
    del both.containers["schools-edge"]
    [row] = plan(project, both)
    assert (row["subject"], row["remedy"]) == ("container schools-edge", "schoolctl provision")


def test_a_silent_database_hides_no_other_drift(project: Path, both: ServerModel) -> None:
    class Silent(RecordingTransport):
        def _do_survey(self, **arguments: object) -> dict[str, object]:
            return {**super()._do_survey(**arguments), "databases": None, "users": None}

    both.containers["schools-db"]["state"] = "exited"
    edit_row(project, "title: Tech School", "title: Tech School\n    state: suspended")
    done = schoolctl(project, Silent(both), "--json", "plan")
    found = {row["subject"] for row in json.loads(done.stdout)}
    assert {"container schools-db", "settings.pause_scheduler"} <= found


def test_an_interrupted_school_is_named_with_the_way_out(project: Path, both: ServerModel) -> None:
    both.put(f"{ROOT}/journal/{SLUG}.json", '{"doing": "restore", "since": "2026-01-31T02:00:00Z"}')
    [row] = plan(project, both)
    assert (row["subject"], row["remedy"]) == ("operation", "schoolctl resume")
    assert "2026-01-31" in str(row["found"])


def test_a_closed_school_whose_site_is_still_there_is_drift(project: Path, both: ServerModel) -> None:
    edit_row(project, "title: Tech School", 'title: Tech School\n    state: closed\n    keep_until: "2099-01-31"')
    [row] = [row for row in plan(project, both) if row["slug"] == SLUG]
    assert (row["subject"], row["remedy"]) == ("state", f"schoolctl close-school {SLUG}")


@pytest.mark.parametrize(
    ("row", "remedy"),
    [
        ("", f"schoolctl reopen {SLUG}"),
        ('\n    state: closed\n    keep_until: "2026-01-31"', f"schoolctl purge {SLUG}"),
    ],
)
def test_a_school_in_the_archive_is_reopened_or_past_its_time(
    project: Path, both: ServerModel, row: str, remedy: str
) -> None:
    edit_row(project, "title: Tech School", f"title: Tech School{row}")
    both.rename(f"{ROOT}/sites/{SLUG}", f"{ROOT}/archive/{SLUG}.closed")
    assert remedy in {found["remedy"] for found in plan(project, both) if found["subject"] == "state"}


def test_one_school_can_be_asked_for_alone(project: Path, both: ServerModel) -> None:
    both.containers["schools-edge"]["state"] = "exited"
    assert plan(project, both, OTHER, code=0) == []


def test_an_unknown_school_is_named_with_the_known_ones(project: Path, both: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(both), "plan", "nobody")
    assert done.code == 3
    assert SLUG in done.stderr


def test_some_schools_can_be_asked_for_by_what_their_rows_say(project: Path, both: ServerModel) -> None:
    for slug, title in ((SLUG, "Tech School"), (OTHER, "Cuisine School")):
        edit_row(project, f"title: {title}", f"title: New {slug}")
    edit_row(project, f"title: New {SLUG}", f"title: New {SLUG}\n    state: suspended")
    both.containers["schools-edge"]["state"] = "exited"
    assert {slug for slug, _ in subjects(project, both, "--where", "state=suspended")} == {SLUG}
    assert {slug for slug, _ in subjects(project, both, "--where", "state=active")} == {OTHER}


def test_where_no_row_fits_there_is_no_drift(project: Path, both: ServerModel) -> None:
    both.containers["schools-edge"]["state"] = "exited"
    assert plan(project, both, "--where", "state=closed", code=0) == []


@pytest.mark.parametrize("arguments", [(SLUG, "--where", "state=active"), ("--where", "colour=red")])
def test_schools_have_to_be_chosen_in_one_way(project: Path, both: ServerModel, arguments: tuple[str, ...]) -> None:
    transport = RecordingTransport(both)
    assert schoolctl(project, transport, "plan", *arguments).code == 2
    assert transport.calls == []
