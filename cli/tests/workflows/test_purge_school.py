import json
from pathlib import Path

import pytest

from schoolctl.schools import store
from tests.support.project import OTHER, open_on, schoolctl, untouched
from tests.support.recording_transport import Break, RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.workflows.faults import each_break

SLUG = "tech-school"
PURGE = ("--json", "purge", SLUG, "--yes", "--confirm", SLUG)


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


def prepare(server: ServerModel, project: Path) -> None:
    """Close a school that holds a bit of everything; its neighbour was restored once."""
    for slug in (OTHER, SLUG):
        open_on(server, project, slug)
        assert schoolctl(project, RecordingTransport(server), "backup", slug).code == 0
    for command in (("restore", OTHER, "--yes"), ("close-school", SLUG, "--yes", "--confirm", SLUG)):
        run = schoolctl(project, RecordingTransport(server), *command)
        assert run.code == 0, run.stderr
    kept = f"{ROOT}/archive/{SLUG}/20260101T000000Z-before-sch00000000beef"
    server.folders |= {f"{ROOT}/archive/{SLUG}", kept}
    name = "sch000000000bee"
    server.databases[name] = type(next(iter(server.databases.values())))("kept", ["tabOld"])
    server.put(f"{kept}/site_config.json", json.dumps({"db_name": name, "db_password": "kept-for-later-0123"}))
    server.cache.add(f"{name}|old")
    server.jobs |= {f"{SLUG}::failed": "failed", f"{SLUG}.new::made": "finished"}


@pytest.fixture
def closed(project: Path) -> ServerModel:
    server = ServerModel()
    prepare(server, project)
    assert server.orphans() == []
    return server


def is_gone(server: ServerModel, project: Path) -> bool:
    paths = [path for path in (*server.files, *server.folders, *server.edge_live) if SLUG in path]
    return not paths and SLUG not in store.load(rows(project)) and server.visit("tech-school.com") is None


def test_nothing_of_it_is_left_anywhere(project: Path, closed: ServerModel) -> None:
    with untouched(closed):
        run = schoolctl(project, RecordingTransport(closed), *PURGE)
    assert run.code == 0, run.stderr
    assert is_gone(closed, project)
    assert closed.orphans() == []
    assert len(closed.databases) == 2, "its neighbour's, and the one that a restore of that kept"
    assert not {job for job in closed.jobs if job.startswith(SLUG)}


def test_its_backup_sets_stay_if_that_is_asked_for(project: Path, closed: ServerModel) -> None:
    sets = closed.backups.names(SLUG)
    run = schoolctl(project, RecordingTransport(closed), *PURGE, "--keep-backups")
    assert run.code == 0, run.stderr
    assert closed.backups.names(SLUG) == sets
    assert SLUG not in store.load(rows(project))


def test_its_backup_sets_go_wherever_they_may_be_removed(project: Path, closed: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(closed), *PURGE, "--json")
    assert run.code == 0, run.stderr
    assert closed.backups.names(SLUG) == []
    assert closed.backups.names(SLUG, "offsite") != [], "what is append-only stays"
    assert json.loads(run.stdout)["left_in"] == ["offsite"]


def test_a_target_that_is_gone_stops_a_purge_until_it_is_back(project: Path, closed: ServerModel) -> None:
    closed.backups.targets["local"].fault = "it cannot be reached"
    run = schoolctl(project, RecordingTransport(closed), *PURGE)
    assert run.code == 1
    assert "it cannot be reached" in run.stderr
    assert SLUG in store.load(rows(project))
    closed.backups.targets["local"].fault = None
    assert schoolctl(project, RecordingTransport(closed), "resume").code == 0
    assert SLUG not in store.load(rows(project))
    assert closed.orphans() == []


def test_an_open_school_is_refused(project: Path, closed: ServerModel) -> None:
    with untouched(closed):
        run = schoolctl(project, RecordingTransport(closed), "purge", OTHER, "--yes", "--confirm", OTHER)
    assert run.code == 5
    assert f"schoolctl close-school {OTHER}" in run.stderr
    assert OTHER in store.load(rows(project))


@pytest.mark.parametrize("where", [".closed", "/20260101T000000Z-before-sch00000000beef"])
@pytest.mark.parametrize("neighbours", ["living", "kept"])
def test_no_database_is_dropped_that_another_site_names(
    project: Path, closed: ServerModel, where: str, neighbours: str
) -> None:
    [kept] = closed.names_in(f"{ROOT}/archive/{OTHER}")
    its_kept = json.loads(closed.files[f"{ROOT}/archive/{OTHER}/{kept}/site_config.json"])["db_name"]
    name = closed.site_config(OTHER)["db_name"] if neighbours == "living" else its_kept
    config = f"{ROOT}/archive/{SLUG}{where}/site_config.json"
    closed.files[config] = json.dumps({**json.loads(closed.files[config]), "db_name": name})
    with untouched(closed):
        run = schoolctl(project, RecordingTransport(closed), *PURGE)
    assert run.code == 0, run.stderr
    assert name in closed.databases
    assert is_gone(closed, project)


def test_only_what_is_kept_longer_than_promised_is_expired(project: Path, closed: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(closed), "--json", "purge", "--expired", "--yes")
    assert (run.code, run.stdout.strip()) == (0, "[]")
    school = store.load(rows(project))[SLUG]
    rows(project).write_text(rows(project).read_text().replace(school.keep_until, "2020-01-31"))
    run = schoolctl(project, RecordingTransport(closed), "--json", "purge", "--expired", "--yes")
    assert run.code == 0, run.stderr
    assert is_gone(closed, project)


def test_one_that_cannot_be_purged_does_not_stop_the_next(project: Path, closed: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(closed), "purge", OTHER, *PURGE[2:], "--confirm", OTHER)
    assert run.code == 6
    assert OTHER in run.stderr
    assert is_gone(closed, project)
    assert closed.visit("cuisine-school.com") == 200


def test_a_tree_that_nginx_refuses_is_no_end_and_the_same_command_completes_it(
    project: Path, closed: ServerModel
) -> None:
    # The neighbour's file was broken by hand.
    conf = f"{ROOT}/edge/conf/schools/{OTHER}.conf"
    good = closed.files[conf]
    closed.files[conf], closed.edge_refuses = good + "broken", "broken"
    assert schoolctl(project, RecordingTransport(closed), *PURGE).code == 1
    assert closed.visit("tech-school.com") == 410
    closed.files[conf] = good
    assert schoolctl(project, RecordingTransport(closed), *PURGE).code == 0
    assert is_gone(closed, project)
    assert closed.orphans() == []


@pytest.mark.parametrize("how", Break)
def test_broken_at_any_call_the_same_command_completes_it(tmp_path: Path, how: Break) -> None:
    for broken in each_break(tmp_path, prepare, PURGE, how):
        server, project = broken.server, broken.project
        if broken.run.code == 0:
            continue
        assert server.locked_by is None, broken.at
        assert server.visit("cuisine-school.com") == 200, broken.at
        other = server.owned_by(OTHER)
        over = SLUG not in store.load(rows(project))
        again = schoolctl(project, RecordingTransport(server), *PURGE)
        assert again.code == (3 if over else 0), f"{broken.at}\n{again.stderr}"
        assert is_gone(server, project), broken.at
        assert server.orphans() == [], broken.at
        assert server.owned_by(OTHER) == other, broken.at
