import json
import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from schoolctl.schools import store
from schoolctl.schools.model import School
from schoolctl.transport.session import ServerFaultError
from tests.support.project import OTHER, open_on, schoolctl, untouched
from tests.support.recording_transport import Break, Call, RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.workflows.faults import each_break, open_schools

SLUG, ALIAS, THIRD = "tech-school", "www.tech-school.com", "music"
ROWS = """\
---
# What the principal said: never rename these.
schools:
  # the first of all
  tech-school: # since 2019
    title: "Tech School"   # in quotes on purpose
    domain: tech-school.com
    aliases:
      - www.tech-school.com # old name
    # nobody reads this address in summer
    admin_email: head@tech-school.com

  # pays yearly
  cuisine-school:
    {title: Cuisine School, domain: cuisine-school.com, aliases: [www.cuisine-school.com]} # short
# the end
"""


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


def state(server: ServerModel, project: Path, slug: str) -> dict[str, Any]:
    """Return all of a school that a command may change: its row, site, database and edge."""
    config = server.site_config(slug)
    database = server.databases[config["db_name"]]
    conf = f"{ROOT}/edge/conf"
    files = [f"{conf}/hosts/{slug}.map", f"{conf}/schools/{slug}.conf", f"{conf}/pages/{slug}.html"]
    return {
        "row": store.load(rows(project))[slug].row,
        "config": config,
        "database": (database.title, database.connections, database.user, tuple(database.tables)),
        "files": [server.files.get(path) for path in files],
        "live": [server.edge_live.get(path) for path in files],
    }


@dataclass(frozen=True)
class Verb:
    """A command line for the school, and what holds afterwards on the server and in its row."""

    arguments: tuple[str, ...]
    on_server: Callable[[ServerModel], object]
    in_row: Callable[[School], object]
    before: tuple[tuple[str, ...], ...] = ()


def visits(server: ServerModel) -> tuple[int | None, int | None]:
    return server.visit("tech-school.com"), server.visit(ALIAS)


def setting(key: str) -> Callable[[ServerModel], object]:
    return lambda server: server.site_config(SLUG).get(key)


VERBS: Mapping[str, Verb] = {
    "remove-domain": Verb(
        ("remove-domain", SLUG, ALIAS), lambda server: visits(server) == (200, None), lambda row: row.aliases == ()
    ),
    "set-primary to an alias": Verb(
        ("set-primary", SLUG, ALIAS),
        lambda server: visits(server) == (308, 200) and setting("host_name")(server) == f"https://{ALIAS}",
        lambda row: (row.domain, row.aliases) == (ALIAS, ("tech-school.com",)),
    ),
    "rename": Verb(
        ("rename", SLUG, "École: l'été"),
        lambda server: server.databases[server.site_config(SLUG)["db_name"]].title == "École: l'été",
        lambda row: row.title == "École: l'été",
    ),
    "suspend": Verb(
        ("suspend", SLUG),
        lambda server: visits(server) == (503, 503) and setting("pause_scheduler")(server) == 1,
        lambda row: row.state == "suspended",
    ),
    "resume": Verb(
        ("resume", SLUG),
        lambda server: visits(server) == (200, 308) and setting("pause_scheduler")(server) is None,
        lambda row: row.state == "active",
        (("suspend", SLUG),),
    ),
    "quota": Verb(
        ("quota", SLUG, "--cpu-seconds", "3600", "--file-mb", "100", "--connections", "20"),
        lambda server: (
            setting("rate_limit")(server) == {"limit": 3600, "window": 86400}
            and setting("max_file_size")(server) == 100 * 1024 * 1024
            and server.databases[server.site_config(SLUG)["db_name"]].connections == 20
            and "client_max_body_size 101m" in server.edge_live[f"{ROOT}/edge/conf/schools/{SLUG}.conf"]
        ),
        lambda row: row.row["quota"] == {"cpu_seconds": 3600, "file_mb": 100, "connections": 20},
    ),
    "quota lifted": Verb(
        ("quota", SLUG, "--cpu-seconds", "0", "--connections", "0"),
        lambda server: (
            setting("rate_limit")(server) is None
            and setting("max_file_size")(server) == 100 * 1024 * 1024
            and server.databases[server.site_config(SLUG)["db_name"]].connections == 0
        ),
        lambda row: row.row["quota"] == {"file_mb": 100},
        (("quota", SLUG, "--cpu-seconds", "3600", "--file-mb", "100", "--connections", "20"),),
    ),
    "set-config": Verb(
        ("set-config", SLUG, "http_timeout", "90"),
        lambda server: setting("http_timeout")(server) == 90,
        lambda row: row.config == {"http_timeout": 90},
    ),
    "set-config --unset": Verb(
        ("set-config", SLUG, "http_timeout", "--unset"),
        lambda server: setting("http_timeout")(server) is None,
        lambda row: row.config == {},
        (("set-config", SLUG, "http_timeout", "90"),),
    ),
}
each_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))


def prepared(verb: Verb) -> Callable[[ServerModel, Path], None]:
    def prepare(server: ServerModel, project: Path) -> None:
        rows(project).write_text(ROWS)
        open_schools(OTHER, SLUG)(server, project)
        for arguments in verb.before:
            assert schoolctl(project, RecordingTransport(server), *arguments).code == 0

    return prepare


@each_verb
def test_it_changes_the_row_and_the_server_and_nothing_of_a_neighbour(
    project: Path, server: ServerModel, verb: Verb
) -> None:
    prepared(verb)(server, project)
    assert not verb.on_server(server)
    with untouched(server):
        run = schoolctl(project, RecordingTransport(server), "--json", *verb.arguments)
    assert run.code == 0, run.stderr
    assert json.loads(run.stdout)["changed"] is True
    assert verb.on_server(server)
    assert verb.in_row(store.load(rows(project))[SLUG])
    assert server.orphans() == []


@each_verb
def test_a_second_run_changes_neither_the_file_nor_the_server(project: Path, server: ServerModel, verb: Verb) -> None:
    prepared(verb)(server, project)
    schoolctl(project, RecordingTransport(server), *verb.arguments)
    text, before, reloads = rows(project).read_bytes(), state(server, project, SLUG), server.reloads
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, "--json", *verb.arguments)
    assert json.loads(run.stdout)["changed"] is False
    assert (rows(project).read_bytes(), state(server, project, SLUG), server.reloads) == (text, before, reloads)
    assert {call.operation for call in transport.calls}.isdisjoint({"write", "merge_json", "remove", "rename"})


@each_verb
def test_it_keeps_the_order_of_the_file_and_every_comment(project: Path, server: ServerModel, verb: Verb) -> None:
    prepared(verb)(server, project)
    schoolctl(project, RecordingTransport(server), *verb.arguments)
    text = rows(project).read_text()
    lines = text.splitlines()
    comments = [line for line in ROWS.splitlines() if "#" in line]
    if "remove-domain" in verb.arguments:
        comments.remove("      - www.tech-school.com # old name")
    if "set-primary" in verb.arguments:
        comments.remove("      - www.tech-school.com # old name")
    if "rename" in verb.arguments:
        comments[comments.index('    title: "Tech School"   # in quotes on purpose')] = (
            '    title: "École: l\'été"   # in quotes on purpose'
        )
    assert [line for line in lines if "#" in line] == comments
    assert list(store.load(rows(project))) == [SLUG, OTHER]
    assert "\n\n  # pays yearly\n  cuisine-school:\n    {title: Cuisine School" in text


@dataclass
class Ends:
    """The same world as it is before a command and as the command leaves it, to compare a broken run with."""

    folder: Path
    prepare: Callable[[ServerModel, Path], None]
    arguments: tuple[str, ...]
    slugs: tuple[str, ...]

    def __call__(self, server: ServerModel, project: Path) -> None:
        """Prepare the world, and remember both ends of it."""
        self.prepare(server, project)
        self.before, self.text_before = self.states(server, project), rows(project).read_text()
        finished, done = deepcopy(server), shutil.copytree(project, self.folder / "finished", symlinks=True)
        assert schoolctl(done, RecordingTransport(finished), *self.arguments).code == 0
        self.after, self.text_after = self.states(finished, done), rows(done).read_text()

    def states(self, server: ServerModel, project: Path) -> list[dict[str, Any]]:
        return [state(server, project, slug) for slug in self.slugs]


# Between them these take every step that a change of one school has.
@pytest.mark.parametrize("how", Break)
@pytest.mark.parametrize("name", ["set-primary to an alias", "rename", "resume", "quota"])
def test_broken_at_any_call_it_is_taken_back_or_completed_by_the_same_command(
    tmp_path: Path, name: str, how: Break
) -> None:
    verb = VERBS[name]
    ends = Ends(tmp_path, prepared(verb), verb.arguments, (SLUG, OTHER))
    for broken in each_break(tmp_path, ends, verb.arguments, how):
        server, project = broken.server, broken.project
        assert server.locked_by is None, broken.at
        if how not in {Break.VANISHES, Break.VANISHES_AFTER}:
            found = (ends.states(server, project), rows(project).read_text())
            assert found in ((ends.before, ends.text_before), (ends.after, ends.text_after)), broken.at
            assert server.orphans() == [], broken.at
        again = schoolctl(project, RecordingTransport(server), *verb.arguments)
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert ends.states(server, project) == ends.after, broken.at
        assert rows(project).read_text() == ends.text_after, broken.at
        assert server.orphans() == [], broken.at


def test_a_school_that_is_not_open_is_not_changed(project: Path, server: ServerModel) -> None:
    text = rows(project).read_bytes()
    run = schoolctl(project, RecordingTransport(server), "suspend", SLUG)
    assert run.code == 5
    assert f"schoolctl new-school {SLUG}" in run.stderr
    assert rows(project).read_bytes() == text


def test_a_closed_school_has_to_be_reopened_before_it_is_changed(project: Path, server: ServerModel) -> None:
    rows(project).write_text(f"schools:\n  {SLUG}: {{title: T, domain: t.example, state: closed}}\n")
    renamed = schoolctl(project, RecordingTransport(server), "rename", SLUG, "Other")
    suspended = schoolctl(project, RecordingTransport(server), "suspend", SLUG)
    assert (renamed.code, suspended.code) == (5, 3)
    for run in (renamed, suspended):
        assert "it is closed" in run.stderr
        assert f"schoolctl reopen {SLUG}" in run.stderr


def test_a_row_that_another_command_changed_before_the_lock_was_free_keeps_that_change(
    project: Path, server: ServerModel
) -> None:
    open_on(server, project, SLUG)

    def meanwhile(call: Call) -> None:
        if call.operation == "lock":
            text = rows(project).read_text()
            rows(project).write_text(text.replace("[www.tech-school.com]", "[www.tech-school.com, new.example]"))

    run = schoolctl(project, RecordingTransport(server, before_each=meanwhile), "suspend", SLUG)
    assert run.code == 0, run.stderr
    assert store.load(rows(project))[SLUG].row["state"] == "suspended"
    assert store.load(rows(project))[SLUG].aliases == (ALIAS, "new.example")


def test_a_failure_takes_back_its_own_row_and_no_edit_of_another_one_meanwhile(
    project: Path, server: ServerModel
) -> None:
    open_on(server, project, SLUG)

    def meanwhile(call: Call) -> None:
        if call.operation == "merge_json":
            text = rows(project).read_text()
            rows(project).write_text(text.replace("title: Cuisine School", "title: École # mine"))

    transport = RecordingTransport(server, before_each=meanwhile, word="schools-edge-activate")
    assert schoolctl(project, transport, "suspend", SLUG).code == 1
    assert "title: École # mine" in rows(project).read_text()
    assert "suspended" not in rows(project).read_text()


# --- many schools ------------------------------------------------------------------------------------------------


def three(server: ServerModel, project: Path) -> None:
    rows(project).write_text(ROWS)
    open_schools(OTHER, SLUG)(server, project)
    run = schoolctl(project, RecordingTransport(server), "new-school", THIRD, "--domain", "music.example")
    assert run.code == 0, run.stderr


@pytest.fixture
def opened(project: Path, server: ServerModel) -> ServerModel:
    three(server, project)
    return server


ALL = (SLUG, OTHER, THIRD)
DOMAINS = {SLUG: "tech-school.com", OTHER: "cuisine-school.com", THIRD: "music.example"}


def suspended(server: ServerModel, project: Path) -> set[str]:
    """Return the schools that are suspended in their row and at the edge; in one alone is a fault."""
    declared = {slug for slug, school in store.load(rows(project)).items() if school.state == "suspended"}
    assert {slug for slug, domain in DOMAINS.items() if server.visit(domain) == 503} == declared
    assert {slug for slug in ALL if server.site_config(slug).get("pause_scheduler")} == declared
    return declared


def results(stdout: str) -> dict[str, str]:
    return {row["slug"]: row["result"] for row in json.loads(stdout)}


@pytest.mark.parametrize("chosen", [("--all",), ALL, ("--where", "state=active")])
def test_many_schools_share_one_reload_of_the_edge(project: Path, opened: ServerModel, chosen: tuple[str, ...]) -> None:
    before = opened.reloads
    run = schoolctl(project, RecordingTransport(opened), "--json", "suspend", *chosen)
    assert run.code == 0, run.stderr
    assert results(run.stdout) == dict.fromkeys(ALL, "done")
    assert suspended(opened, project) == set(ALL)
    assert opened.reloads == before + 1
    assert opened.audit[-1]["what"] == f"suspend {' '.join(ALL)}"


def test_a_second_run_over_many_says_that_nothing_changed_and_reloads_nothing(
    project: Path, opened: ServerModel
) -> None:
    schoolctl(project, RecordingTransport(opened), "suspend", "--all")
    text, before = rows(project).read_bytes(), opened.reloads
    run = schoolctl(project, RecordingTransport(opened), "--json", "suspend", "--all")
    assert results(run.stdout) == dict.fromkeys(ALL, "unchanged")
    assert (rows(project).read_bytes(), opened.reloads) == (text, before)


def test_only_the_chosen_ones_are_changed(project: Path, opened: ServerModel) -> None:
    schoolctl(project, RecordingTransport(opened), "suspend", THIRD)
    with untouched(opened, THIRD):
        run = schoolctl(
            project, RecordingTransport(opened), "--json", "quota", "--where", "state=active", "--file-mb=5"
        )
    assert set(results(run.stdout)) == {SLUG, OTHER}


def test_no_school_that_matches_is_no_work_and_no_fault(project: Path, opened: ServerModel) -> None:
    transport = RecordingTransport(opened)
    run = schoolctl(project, transport, "--json", "suspend", "--where", "state=closed")
    assert (run.code, run.stdout, transport.calls) == (0, "[]\n", [])


def test_a_closed_school_among_many_is_told_and_left(project: Path, opened: ServerModel) -> None:
    text = rows(project).read_text().replace("    admin_email: head@", "    state: closed\n    admin_email: head@")
    rows(project).write_text(text)
    run = schoolctl(project, RecordingTransport(opened), "--json", "suspend", "--all")
    assert run.code == 6
    assert results(run.stdout) == {SLUG: "failed", OTHER: "done", THIRD: "done"}
    assert "state: closed" in rows(project).read_text()


def test_a_dry_run_over_many_says_which_one_cannot_be_changed_and_changes_none(
    project: Path, server: ServerModel
) -> None:
    text = rows(project).read_bytes()
    run = schoolctl(project, RecordingTransport(server), "--json", "suspend", "--all", "--dry-run")
    assert run.code == 6
    assert results(run.stdout) == {SLUG: "failed", OTHER: "done"}
    assert f"{OTHER}: Write it into schools.yml  (would do)" in run.stderr
    assert rows(project).read_bytes() == text


def refusing(operation: str, slug: str) -> Callable[[Call], None]:
    """Return a look at each call that lets the first such operation on a school's own paths fail."""
    failed = []

    def look(call: Call) -> None:
        about = (call.arguments.get(key) for key in ("host", "target", "path", "paths"))
        path = str(next(filter(None, about), ""))
        if call.operation == operation and slug in path and not failed:
            failed.append(call)
            raise ServerFaultError("os", f"{path}: Input/output error")

    return look


@pytest.mark.parametrize("operation", ["merge_json", "read_all", "write", "probe"])
def test_a_school_that_fails_is_taken_back_alone_and_told_at_the_end(
    project: Path, opened: ServerModel, operation: str
) -> None:
    before = state(opened, project, OTHER)
    transport = RecordingTransport(opened, before_each=refusing(operation, OTHER))
    run = schoolctl(project, transport, "--json", "suspend", "--all")
    assert run.code == 6, run.stderr
    assert results(run.stdout) == {SLUG: "done", OTHER: "failed", THIRD: "done"}
    assert "Could not suspend 1 of 3 schools" in run.stderr
    assert "Input/output error" in run.stderr
    assert opened.audit[-1]["result"].startswith("failed: Could not suspend 1 of 3 schools")
    assert suspended(opened, project) == {SLUG, THIRD}
    assert state(opened, project, OTHER) == before
    assert [line for line in ROWS.splitlines() if line not in rows(project).read_text()] == []
    again = schoolctl(project, RecordingTransport(opened), "--json", "suspend", "--all")
    assert results(again.stdout) == {SLUG: "unchanged", OTHER: "done", THIRD: "unchanged"}
    assert suspended(opened, project) == set(ALL)


def test_nginx_refusing_one_schools_file_does_not_stop_the_others(project: Path, opened: ServerModel) -> None:
    before = state(opened, project, OTHER)
    opened.edge_refuses = "cuisine-school.com, suspended"
    run = schoolctl(project, RecordingTransport(opened), "--json", "suspend", "--all")
    assert run.code == 6, run.stderr
    assert results(run.stdout) == {SLUG: "done", OTHER: "failed", THIRD: "done"}
    assert "nginx: [emerg]" in run.stderr
    assert suspended(opened, project) == {SLUG, THIRD}
    assert state(opened, project, OTHER) == before
    assert opened.orphans() == []


def test_an_edge_that_takes_up_nothing_takes_every_school_back(project: Path, opened: ServerModel) -> None:
    before, text = [state(opened, project, slug) for slug in ALL], rows(project).read_text()
    transport = RecordingTransport(opened, word="schools-edge-activate")
    run = schoolctl(project, transport, "--json", "suspend", "--all")
    assert run.code == 1
    assert set(results(run.stdout).values()) == {"failed"}
    assert [state(opened, project, slug) for slug in ALL] == before
    assert rows(project).read_text() == text


@pytest.mark.parametrize("how", Break)
def test_many_schools_broken_at_any_call_are_each_done_or_taken_back_and_completed_by_the_same_command(
    tmp_path: Path, how: Break
) -> None:
    ends = Ends(tmp_path, three, ("suspend", "--all"), ALL)
    for broken in each_break(tmp_path, ends, ("--json", "suspend", "--all"), how):
        server, project = broken.server, broken.project
        assert server.locked_by is None, broken.at
        if how not in {Break.VANISHES, Break.VANISHES_AFTER}:
            found = ends.states(server, project)
            for now, before, after in zip(found, ends.before, ends.after, strict=True):
                assert now in (before, after), broken.at
            assert server.orphans() == [], broken.at
            if broken.run.code == 6:
                assert len(suspended(server, project)) == 2, broken.at
        again = schoolctl(project, RecordingTransport(server), "suspend", "--all")
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert ends.states(server, project) == ends.after, broken.at
        assert rows(project).read_text() == ends.text_after, broken.at
        assert server.orphans() == [], broken.at
