import json
from pathlib import Path

import pytest

from schoolctl.context import Context
from schoolctl.remote.server import Server
from schoolctl.transport.base import Command, Result
from schoolctl.workflows.open_school import OpenSchool
from tests.support.project import OTHER, open_on, schoolctl, untouched
from tests.support.recording_transport import Break, RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.workflows.faults import each_world, expect_opened_after_each_break, open_schools

SLUG = "tech-school"
OPEN = ("--json", "new-school", SLUG)
WORDS = [
    "CREATE DATABASE",
    "new-site",
    "install-app erpnext",
    "install-app lms_app",
    "execute",
    "enable-scheduler",
    "ALTER USER",
]


def is_open(server: ServerModel) -> bool:
    return server.visit("tech-school.com") == 200 and server.visit("www.tech-school.com") == 308


def test_a_declared_school_is_opened_with_its_apps_and_its_own_name(project: Path, server: ServerModel) -> None:
    with untouched(server):
        run = schoolctl(project, RecordingTransport(server), *OPEN)
    assert run.code == 0, run.stderr
    assert is_open(server)
    assert server.orphans() == []
    config = server.site_config(SLUG)
    assert server.databases[config["db_name"]].tables[-2:] == ["tab erpnext", "tab lms_app"]
    assert config["host_name"] == "https://tech-school.com"
    assert config["db_name"] in server.scheduled
    assert "Tech School" in server.personalised[f"{SLUG}.new"]["arguments"]


def test_a_link_that_lets_in_is_printed_once_and_none_to_a_door_that_is_shut(
    project: Path, server: ServerModel
) -> None:
    assert json.loads(schoolctl(project, RecordingTransport(server), *OPEN).stdout)["login"].count("key=") == 1
    assert "login" not in json.loads(schoolctl(project, RecordingTransport(server), *OPEN).stdout)
    rows = project / "inventories/test/group_vars/all/schools.yml"
    rows.write_text(rows.read_text() + "  shut:\n    title: Shut\n    domain: shut.example\n    state: suspended\n")
    assert "login" not in json.loads(
        schoolctl(project, RecordingTransport(server), "--json", "new-school", "shut").stdout
    )


def test_a_second_run_changes_nothing(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    with untouched(server), untouched(server, SLUG):
        run = schoolctl(project, RecordingTransport(server), *OPEN)
    assert run.code == 0
    assert json.loads(run.stdout)["changed"] is False
    assert "password" not in json.loads(run.stdout)


def test_two_schools_share_no_database_no_password_and_no_key(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    one, other = server.site_config(SLUG), server.site_config(OTHER)
    for key in ("db_name", "db_password", "encryption_key"):
        assert one[key] != other[key]


def test_the_database_password_that_bench_saw_is_not_the_one_that_stays(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    schoolctl(project, transport, *OPEN)
    first = next(json.loads(call.arguments["text"]) for call in transport.calls if "encryption_key" in str(call))
    assert first["db_password"] != server.site_config(SLUG)["db_password"]


def test_no_secret_is_in_an_argv_a_claim_or_the_audit_log(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, *OPEN)
    password = json.loads(run.stdout)["password"]
    assert password in server.secrets
    assert len(server.secrets) >= 4
    assert transport.leaks() == []
    assert password not in run.stderr


def test_the_databases_password_is_masked_should_frappe_quote_it(project: Path, server: ServerModel) -> None:
    ran: list[Command] = []

    class Listener(Server):
        def run(self, command: Command, *, timeout: float | None = None) -> Result:
            ran.append(command)
            return Result(0, "", "")

    context = Context(start=project, transport=RecordingTransport(server))
    school = context.project.schools()[SLUG]
    listener = Listener(RecordingTransport(server), name="x", root=ROOT, frappe_uid=1, database_client=())
    opening = OpenSchool(
        listener, context.school_facts(school), context.site_files(school), ["frappe"], "administrators"
    )
    opening.making.claim = {"database": "sch0123456789ab", "password": "the-databases"}
    next(step for step in opening.steps() if step.title == "Install frappe").do()
    assert ran[0].mask("the-databases administrators") == "******** ********"


@pytest.mark.parametrize("word", WORDS)
def test_a_step_that_fails_leaves_nothing_but_the_row(project: Path, server: ServerModel, word: str) -> None:
    transport = RecordingTransport(server, word=word)
    databases = dict(server.databases)
    with untouched(server):
        run = schoolctl(project, transport, *OPEN)
    assert run.code == 1
    assert server.orphans() == []
    assert server.databases == databases
    assert server.sites() == {OTHER}
    assert transport.leaks() == []
    assert server.audit[-1]["result"].startswith("failed")
    assert schoolctl(project, RecordingTransport(server), *OPEN).code == 0
    assert is_open(server)


def test_a_site_that_does_not_answer_is_kept_and_completed_by_the_next_run(project: Path, server: ServerModel) -> None:
    server.edge_refuses = "server_name tech-school.com;"
    with untouched(server):
        run = schoolctl(project, RecordingTransport(server), *OPEN)
    assert run.code == 1
    assert "nginx: [emerg]" in run.stderr
    assert SLUG in server.sites()
    assert server.visit("cuisine-school.com") == 200
    server.edge_refuses = None
    assert schoolctl(project, RecordingTransport(server), *OPEN).code == 0
    assert is_open(server)
    assert server.orphans() == []


@pytest.mark.parametrize("how", Break)
def test_broken_at_any_call_it_leaves_nothing_or_a_school_that_the_same_command_completes(
    tmp_path: Path, how: Break
) -> None:
    expect_opened_after_each_break(tmp_path, open_schools(OTHER), OPEN, how)


def test_a_server_that_breaks_for_good_at_any_call_is_cleared_by_the_next_run(tmp_path: Path) -> None:
    for number, (project, server) in enumerate(each_world(tmp_path, open_schools(OTHER))):
        transport = RecordingTransport(server, broken_from=number)
        run = schoolctl(project, transport, *OPEN)
        if run.code == 0:
            break
        again = schoolctl(project, RecordingTransport(server), *OPEN)
        assert again.code == 0, f"{number} {transport.calls[number].words}\n{again.stderr}"
        assert server.orphans() == [], f"{number} {transport.calls[number].words}"
        assert is_open(server)
    assert number > 10


def test_a_folder_that_no_claim_owns_is_refused_and_left_alone(project: Path, server: ServerModel) -> None:
    folder = f"{ROOT}/sites/{SLUG}.new"
    server.make_folder(folder)
    server.put(f"{folder}/precious.txt", "mine")
    run = schoolctl(project, RecordingTransport(server), *OPEN)
    assert run.code == 5
    assert server.files[f"{folder}/precious.txt"] == "mine"
    assert f"{folder} is there" in run.stderr


def test_a_claim_of_an_interrupted_restore_is_not_taken_over(project: Path, server: ServerModel) -> None:
    server.put(
        f"{ROOT}/journal/{SLUG}.json", json.dumps({"doing": "restore", "database": "sch" + "0" * 12, "since": "t"})
    )
    run = schoolctl(project, RecordingTransport(server), *OPEN)
    assert run.code == 5
    assert f"schoolctl restore {SLUG}" in run.stderr
    assert f"{ROOT}/journal/{SLUG}.json" in server.files


def test_a_password_from_a_file_is_used_and_not_printed(project: Path, server: ServerModel, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse battery\n")
    run = schoolctl(project, RecordingTransport(server), *OPEN, "--password-file", str(file))
    assert run.code == 0
    assert "correct horse battery" in server.secrets
    assert "correct horse battery" not in run.stdout + run.stderr


@pytest.mark.parametrize("text", ["short", "two\nlines that are long", "bell\x07bell\x07bell", ""])
def test_a_password_that_bench_could_not_read_is_refused_before_anything(
    project: Path, server: ServerModel, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "password"
    file.write_text(text)
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, *OPEN, "--password-file", str(file)).code == 2
    assert transport.calls == []
