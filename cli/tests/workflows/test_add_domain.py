from pathlib import Path

import pytest

from schoolctl.schools import store
from tests.support.project import OTHER, open_on, schoolctl, untouched
from tests.support.recording_transport import Break, RecordingTransport
from tests.support.server_model import ServerModel
from tests.workflows.faults import each_break, open_schools

SLUG, NEW = "tech-school", "learn.tech-school.org"
ADD = ("--json", "add-domain", SLUG, NEW)


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


def test_the_new_name_sends_visitors_to_the_canonical_one(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    with untouched(server):
        run = schoolctl(project, RecordingTransport(server), *ADD)
    assert run.code == 0, run.stderr
    assert server.visit(NEW) == 308
    assert server.visit("tech-school.com") == 200
    assert store.load(rows(project))[SLUG].aliases == ("www.tech-school.com", NEW)


def test_a_second_run_changes_neither_the_row_nor_the_server(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    schoolctl(project, RecordingTransport(server), *ADD)
    text = rows(project).read_text()
    with untouched(server), untouched(server, SLUG):
        run = schoolctl(project, RecordingTransport(server), *ADD)
    assert '"changed": false' in run.stdout
    assert rows(project).read_text() == text


def test_a_tree_that_nginx_refuses_takes_row_and_files_back(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    text = rows(project).read_text()
    server.edge_refuses = NEW
    with untouched(server), untouched(server, SLUG):
        run = schoolctl(project, RecordingTransport(server), *ADD)
    assert run.code == 1
    assert "nginx: [emerg]" in run.stderr
    assert store.load(rows(project)) == store.load(rows(project))
    assert NEW not in rows(project).read_text()
    assert rows(project).read_text() == text


@pytest.mark.parametrize("how", Break)
def test_broken_at_any_call_it_is_taken_back_or_completed_by_the_same_command(tmp_path: Path, how: Break) -> None:
    for broken in each_break(tmp_path, open_schools(OTHER, SLUG), ADD, how):
        server = broken.server
        if broken.run.code == 0:
            continue
        assert server.locked_by is None, broken.at
        assert server.visit("tech-school.com") == 200, broken.at
        assert server.visit("cuisine-school.com") == 200, broken.at
        declared = NEW in store.load(rows(broken.project))[SLUG].hosts
        if how in {Break.FAILS, Break.INTERRUPTED, Break.INTERRUPTED_AFTER}:
            assert (server.visit(NEW) is None) == (not declared), broken.at
        before = server.owned_by(OTHER)
        again = schoolctl(broken.project, RecordingTransport(server), *ADD)
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert server.visit(NEW) == 308, broken.at
        assert server.orphans() == [], broken.at
        assert server.owned_by(OTHER) == before, broken.at


def test_a_school_that_is_not_open_gets_no_domain(project: Path, server: ServerModel) -> None:
    text = rows(project).read_text()
    run = schoolctl(project, RecordingTransport(server), *ADD)
    assert run.code == 5
    assert f"schoolctl new-school {SLUG}" in run.stderr
    assert rows(project).read_text() == text


@pytest.mark.parametrize("domain", ["cuisine-school.com", "www.cuisine-school.com"])
def test_a_name_of_another_school_is_refused_before_the_server_is_asked(
    project: Path, server: ServerModel, domain: str
) -> None:
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, "add-domain", SLUG, domain)
    assert run.code == 3
    assert f"`{domain}` is already school `cuisine-school`'s" in run.stderr or "`tech-school`" in run.stderr
    assert transport.calls == []


def test_a_row_with_an_empty_list_of_aliases_gets_its_first(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    file = rows(project)
    file.write_text(file.read_text().replace("    aliases: [www.tech-school.com]\n", "    aliases:\n"))
    run = schoolctl(project, RecordingTransport(server), *ADD)
    assert run.code == 0, run.stderr
    assert store.load(file)[SLUG].aliases == (NEW,)
