import json
from pathlib import Path

import pytest

from tests.commands.test_plan import CONF, SLUG, edit_row, plan
from tests.support.project import OTHER, open_on, schoolctl, untouched
from tests.support.recording_transport import Break, RecordingTransport
from tests.support.server_model import ROOT, Database, ServerModel
from tests.workflows.faults import each_break, open_schools

ALL = ("apply", "--all", "--yes")


def apply(project: Path, server: ServerModel, *arguments: str, code: int = 0) -> str:
    done = schoolctl(project, RecordingTransport(server), *arguments)
    assert done.code == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def both(project: Path, server: ServerModel) -> ServerModel:
    open_on(server, project, SLUG)
    return server


def test_a_missing_school_is_opened(project: Path, server: ServerModel) -> None:
    with untouched(server):
        apply(project, server, *ALL)
    assert server.visit("tech-school.com") == 200
    assert plan(project, server, code=0) == []


def test_everything_that_was_done_by_hand_is_put_right_with_one_reload(project: Path, both: ServerModel) -> None:
    both.files[CONF] = "server { }\n"
    del both.files[f"{ROOT}/edge/conf/hosts/{OTHER}.map"]
    both.edge_live = {path: text for path, text in both.files.items() if "/edge/conf/" in path}
    path = f"{ROOT}/sites/{SLUG}/site_config.json"
    both.files[path] = json.dumps({**both.site_config(SLUG), "pause_scheduler": 1, "host_name": "http://evil.example"})
    both.databases[both.site_config(SLUG)["db_name"]].connections = 3
    both.databases[both.site_config(OTHER)["db_name"]].title = "Hacked"
    both.containers["schools-realtime"]["state"] = "exited"
    before = both.reloads

    apply(project, both, *ALL)

    assert plan(project, both, code=0) == []
    assert both.reloads == before + 1
    assert both.visit("tech-school.com") == both.visit("cuisine-school.com") == 200


def test_an_edge_that_runs_on_older_files_is_told(project: Path, both: ServerModel) -> None:
    both.edge_live = {path: text for path, text in both.edge_live.items() if SLUG not in path}
    apply(project, both, *ALL)
    assert both.visit("tech-school.com") == 200


def test_a_file_of_the_edge_itself_that_was_edited_is_healed_and_never_put_in_force(
    project: Path, both: ServerModel
) -> None:
    path = f"{ROOT}/edge/conf/nginx.conf"
    whole = both.files[path]
    both.files[path] = "http { # edited\n}\n"
    [shown] = [row for row in plan(project, both) if str(row["subject"]).startswith("file ")]
    assert (shown["slug"], shown["subject"], shown["applies"]) == (None, f"file {path}", True)
    apply(project, both, *ALL)
    assert both.files[path] == both.edge_live[path] == whole
    assert plan(project, both, code=0) == []


def test_an_edited_row_comes_into_force(project: Path, both: ServerModel) -> None:
    edit_row(project, "title: Tech School", "title: Tech School\n    state: suspended\n    quota: {file_mb: 80}")
    apply(project, both, "apply", SLUG, "--yes")
    assert both.visit("tech-school.com") == 503
    assert both.site_config(SLUG)["max_file_size"] == 80 * 1024 * 1024


def test_one_school_is_applied_and_the_other_left_as_it_is(project: Path, both: ServerModel) -> None:
    edit_row(project, "title: Tech School", "title: School of Tech")
    edit_row(project, "title: Cuisine School", "title: School of Cuisine")
    with untouched(both):
        apply(project, both, "apply", SLUG, "--yes")
    assert {row["slug"] for row in plan(project, both)} == {OTHER}


def test_the_schools_whose_rows_fit_are_applied_and_nothing_else(project: Path, both: ServerModel) -> None:
    edit_row(project, "title: Tech School", "title: School of Tech\n    state: suspended")
    edit_row(project, "title: Cuisine School", "title: School of Cuisine")
    both.containers["schools-realtime"]["state"] = "exited"
    with untouched(both):
        shown = schoolctl(project, RecordingTransport(both), "apply", "--where", "state=suspended")
        assert shown.code == 5
        assert "School of Tech" in shown.stdout
        assert "School of Cuisine" not in shown.stdout
        apply(project, both, "apply", "--where", "state=suspended", "--yes")
    assert both.visit("tech-school.com") == 503
    assert both.audit[-1]["what"] == f"apply {SLUG}"
    assert {row["slug"] for row in plan(project, both)} == {OTHER, None}


def test_where_no_row_fits_nothing_is_applied(project: Path, both: ServerModel) -> None:
    edit_row(project, "title: Tech School", "title: School of Tech")
    transport = RecordingTransport(both)
    done = schoolctl(project, transport, "apply", "--where", "state=closed", "--yes", "--json")
    assert (done.code, json.loads(done.stdout), transport.calls) == (0, [], [])


def test_an_unknown_school_is_named_with_the_known_ones(project: Path, both: ServerModel) -> None:
    assert SLUG in apply(project, both, "apply", "nobody", "--yes", code=3)


def test_a_second_run_changes_nothing(project: Path, both: ServerModel) -> None:
    before, reloads = dict(both.files), both.reloads
    apply(project, both, *ALL)
    assert (both.files, both.reloads) == (before, reloads)


def test_what_cannot_be_closed_without_asking_is_reported_and_the_rest_is_done(
    project: Path, both: ServerModel
) -> None:
    del both.databases[both.site_config(OTHER)["db_name"]]
    edit_row(project, "title: Tech School", "title: School of Tech")
    said = apply(project, both, *ALL, code=6)
    assert f"{OTHER}" in said
    assert "database is missing" in said
    assert both.databases[both.site_config(SLUG)["db_name"]].title == "School of Tech"


def test_what_only_provision_can_close_is_named(project: Path, both: ServerModel) -> None:
    del both.containers["schools-realtime"]
    said = apply(project, both, *ALL)
    assert "The container schools-realtime still differs: missing, not running. schoolctl provision" in said


def test_json_is_one_document_and_asks_nothing(project: Path, both: ServerModel) -> None:
    edit_row(project, "title: Tech School", "title: School of Tech")
    done = schoolctl(project, RecordingTransport(both), "apply", "--all", "--json")
    assert (done.code, done.stdout) == (5, "")


def test_without_a_yes_nothing_happens_where_nobody_can_be_asked(project: Path, both: ServerModel) -> None:
    edit_row(project, "title: Tech School", "title: School of Tech")
    said = apply(project, both, "apply", "--all", code=5)
    assert "title: Tech School -> School of Tech" in said
    assert "add --yes" in said
    assert both.databases[both.site_config(SLUG)["db_name"]].title == "Tech School"


def test_a_dry_run_says_what_would_be_done(project: Path, both: ServerModel) -> None:
    edit_row(project, "title: Tech School", "title: School of Tech")
    before = dict(both.files)
    said = apply(project, both, "apply", "--all", "--dry-run")
    assert f"{SLUG}: title  (would do)" in said
    assert both.files == before


@pytest.mark.parametrize("arguments", [(), (SLUG, "--all"), (SLUG, "--where", "state=active")])
def test_it_must_be_clear_what_to_apply(project: Path, both: ServerModel, arguments: tuple[str, ...]) -> None:
    apply(project, both, "apply", *arguments, "--yes", code=2)


# --- what no row claims -----------------------------------------------------------------------------------------------


@pytest.fixture
def ghosts(both: ServerModel) -> ServerModel:
    for name in ("sch00000000dead", "sch00000000901d", "sch0000000090e5"):
        both.databases[name] = Database("x")
    both.put(f"{ROOT}/edge/conf/hosts/ghost.map", "ghost.example ghost;\n")
    both.folders.add(f"{ROOT}/sites/ghost")
    both.put(f"{ROOT}/sites/ghost/site_config.json", '{"db_name": "sch00000000901d"}')
    both.edge_live = {path: text for path, text in both.files.items() if "/edge/conf/" in path}
    return both


def test_what_no_row_claims_stays_unless_it_is_named(project: Path, ghosts: ServerModel) -> None:
    apply(project, ghosts, *ALL)
    assert "sch00000000dead" in ghosts.databases
    assert f"{ROOT}/sites/ghost/site_config.json" in ghosts.files


def test_what_is_named_goes_and_nothing_else(project: Path, ghosts: ServerModel) -> None:
    apply(project, ghosts, "apply", "--yes", "--remove", "database:sch00000000dead", "--remove", "site:ghost")
    assert {"sch00000000dead", "sch00000000901d"} & set(ghosts.databases) == set()
    assert "sch0000000090e5" in ghosts.databases
    assert "ghost" not in ghosts.sites()
    assert ghosts.visit("tech-school.com") == 200


def test_a_site_that_names_a_schools_database_takes_it_with_it_no_more_than_its_own_folder(
    project: Path, ghosts: ServerModel
) -> None:
    mine = ghosts.site_config(SLUG)["db_name"]
    ghosts.files[f"{ROOT}/sites/ghost/site_config.json"] = json.dumps({"db_name": mine})
    apply(project, ghosts, "apply", "--yes", "--remove", "site:ghost")
    assert mine in ghosts.databases


def test_a_removed_file_is_no_longer_in_force(project: Path, ghosts: ServerModel) -> None:
    apply(project, ghosts, "apply", "--yes", "--remove", f"file:{ROOT}/edge/conf/hosts/ghost.map")
    assert ghosts.visit("ghost.example") is None


@pytest.mark.parametrize("name", ["database:mysql", f"site:{SLUG}", f"file:{CONF}", "nonsense"])
def test_only_what_no_row_claims_can_be_removed(project: Path, ghosts: ServerModel, name: str) -> None:
    files, databases = dict(ghosts.files), dict(ghosts.databases)
    said = apply(project, ghosts, "apply", "--yes", "--remove", name, code=3)
    assert "database:sch00000000dead" in said
    assert (ghosts.files, ghosts.databases) == (files, databases)


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", Break)
def test_broken_at_any_call_a_second_run_brings_the_server_to_what_is_declared(tmp_path: Path, how: Break) -> None:
    def drifted(server: ServerModel, project: Path) -> None:
        open_schools(OTHER, SLUG)(server, project)
        edit_row(project, "title: Tech School", "title: School of Tech\n    quota: {connections: 7}")
        edit_row(project, "domain: tech-school.com", "domain: tech.example")
        server.files[f"{ROOT}/edge/conf/pages/{OTHER}.html"] = "edited"

    for broken in each_break(tmp_path, drifted, ("--json", *ALL), how):
        server = broken.server
        assert server.visit("cuisine-school.com") == 200, broken.at
        again = schoolctl(broken.project, RecordingTransport(server), *ALL)
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert server.visit("tech.example") == 200, broken.at
        assert plan(broken.project, server, code=0) == [], broken.at
        assert server.orphans() == [], broken.at
