import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import Break, RecordingTransport
from tests.support.server_model import ROOT, ServerModel


def troubles(project: Path, server: ServerModel, code: int = 1) -> list[dict[str, str]]:
    done = schoolctl(project, RecordingTransport(server), "status", "--json")
    assert (done.code, done.stderr) == (code, "")
    found: list[dict[str, str]] = json.loads(done.stdout)["troubles"]
    return found


def claim(server: ServerModel, slug: str, **note: Any) -> None:
    server.put(f"{ROOT}/journal/{slug}.json", json.dumps({"since": "2026-01-31T02:00:00Z", **note}))


def test_a_sound_server_is_said_to_be_and_is_exit_code_0(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "status")
    assert (done.code, done.stdout, done.stderr) == (0, "Nothing is wrong on vps1.\n", "")
    assert troubles(project, server, code=0) == []


def test_what_is_wrong_comes_in_order_of_harm_each_with_the_command_that_mends_it(
    project: Path, server: ServerModel
) -> None:
    schoolctl(project, RecordingTransport(server, word="install-app erpnext"), "new-school", "tech-school")
    claim(server, OTHER, doing="restore", set="20260101T000000Z")
    server.free = 300 * 1024**2
    server.containers["schools-db"] = {"image": "x", "state": "exited", "status": "Exited (137) 1 minute ago"}
    server.containers["schools-scheduler"]["status"] = "Up 2 hours (unhealthy)"
    del server.containers["schools-worker-long"]
    found = troubles(project, server)
    assert [trouble["because"] for trouble in found[:5]] == [
        "the container schools-db is exited",
        "only 300 MB are free where they lie",
        "`restore` was interrupted at 2026-01-31T02:00:00Z",
        "the container schools-worker-long is missing",
        "the container schools-scheduler is unhealthy",
    ]
    assert found[2]["mend"] == f"schoolctl restore {OTHER} --set 20260101T000000Z"
    assert found[3]["mend"] == "schoolctl provision"
    assert "install-app erpnext does not work today" in found[5]["because"]
    assert found[5]["mend"].startswith("schoolctl new-school tech-school; `schoolctl history --operation 2026")
    told = schoolctl(project, RecordingTransport(server), "status")
    assert told.code == 1
    assert [line for line in told.stdout.splitlines() if line.startswith("  mend it: ")] == [
        f"  mend it: {trouble['mend']}" for trouble in found
    ]


def test_a_command_at_work_is_told_with_its_step_and_is_no_fault(project: Path, server: ServerModel) -> None:
    holder = RecordingTransport(server)
    holder.call("lock", who="ann@desk", what="restore x", since="2026-01-31T02:00:00Z")
    holder.tell("note", step="Load the set's database", outcome="started", seconds=0.0)
    claim(server, "x", doing="restore")
    done = schoolctl(project, RecordingTransport(server), "status")
    assert done.code == 0
    assert "ann@desk is at work since 2026-01-31T02:00:00Z: restore x, Load the set's database\n" in done.stdout
    running = json.loads(schoolctl(project, RecordingTransport(server), "--json", "status").stdout)["running"]
    assert (running["what"], running["left"]) == ("restore x", False)


def test_an_operation_that_ended_without_a_word_is_told_with_its_last_step(project: Path, server: ServerModel) -> None:
    server.operations["20260131T020000Z-ffffff"] = [
        {"who": "ann@desk", "what": "backup x"},
        {"step": "Dump the database", "outcome": "started"},
    ]
    [trouble] = troubles(project, server)
    assert trouble["what"] == "The last command, `backup x`, did not end well"
    assert trouble["because"].endswith("the server restarted, at the step `Dump the database`")


def test_an_interrupted_command_is_told_once(project: Path, server: ServerModel) -> None:
    for how in (Break.VANISHES, Break.INTERRUPTED):
        transport = RecordingTransport(server, at=20, how=how)
        schoolctl(project, transport, "new-school", "tech-school")
    claim(server, "tech-school", doing="new-school")
    [trouble] = troubles(project, server)
    assert trouble["mend"] == "schoolctl new-school tech-school"


def test_a_docker_that_is_down_is_the_worst(project: Path, server: ServerModel) -> None:
    server.docker_is_down = True
    claim(server, OTHER, doing="restore")
    found = troubles(project, server)
    assert found[0]["what"] == "No school answers"
    assert len(found) == 2


@pytest.mark.parametrize("doing", ["something-new", None])
def test_a_claim_of_a_command_that_is_not_known_is_told_all_the_same(
    project: Path, server: ServerModel, doing: str | None
) -> None:
    claim(server, OTHER, doing=doing)
    [trouble] = troubles(project, server)
    assert trouble["mend"] == f"the schoolctl that knows `{doing}`"


def test_asking_takes_no_lock_and_leaves_no_line(project: Path, server: ServerModel) -> None:
    audit = list(server.audit)
    transport = RecordingTransport(server)
    schoolctl(project, transport, "status")
    assert [call.operation for call in transport.calls] == ["state", "containers"]
    assert server.audit == audit


def test_a_pool_that_could_not_be_filled_up_is_told_with_what_fills_it(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "golden")
    server.refilled = {"when": "2026-01-31T02:00:00Z", "fault": "less than 2 GB are free"}
    run = schoolctl(project, RecordingTransport(server), "status")
    assert run.code == 1
    assert "could not be filled up: less than 2 GB are free" in run.stdout
    assert "mend it: schoolctl pool" in run.stdout
    assert schoolctl(project, RecordingTransport(server), "pool").code == 0
    assert schoolctl(project, RecordingTransport(server), "status").code == 0


def test_a_certificate_that_is_trusted_and_only_due_is_no_trouble(project: Path, server: ServerModel) -> None:
    row = server.standing()[0]
    server.standing = lambda: [{**row, "state": "trusted", "fault": "the authority is slow"}]  # type: ignore[method-assign]
    assert schoolctl(project, RecordingTransport(server), "status").code == 0


def test_a_certificate_is_told_with_what_mends_it_by_its_way(project: Path, server: ServerModel) -> None:
    server.trusted, server.authority_refuses = set(), "the authority does not answer"
    [trouble] = troubles(project, server)
    assert trouble["what"] == "`cuisine-school` lacks a certificate that browsers trust"
    assert trouble["mend"] == "schoolctl certs --renew cuisine-school"
    path = f"{ROOT}/edge/conf/certificates/cuisine-school.json"
    server.put(path, server.files[path].replace('"acme"', '"own"'))
    [trouble] = troubles(project, server)
    assert trouble["mend"].startswith("schoolctl set-certificate cuisine-school --file ")
