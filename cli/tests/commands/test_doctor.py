import json
from pathlib import Path
from typing import Any

import pytest

from schoolctl.errors import UnreachableError
from schoolctl.remote.visits import Page
from schoolctl.transport.session import ServerFaultError
from schoolctl.workflows.examine_server import ORDER
from schoolctl.workflows.examine_visits import PING, SOCKET
from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import Call, RecordingTransport
from tests.support.server_model import ROOT, ServerModel

HOST, ALIAS = "cuisine-school.com", "www.cuisine-school.com"
TECH = "tech-school"


def examined(project: Path, server: ServerModel, *arguments: str) -> dict[str, Any]:
    run = schoolctl(project, RecordingTransport(server), "doctor", "--json", *arguments)
    said: dict[str, Any] = json.loads(run.stdout)
    assert run.code == bool(said["troubles"]), run.stderr
    return said


def the_trouble(project: Path, server: ServerModel, *arguments: str) -> dict[str, Any]:
    [trouble] = examined(project, server, *arguments)["troubles"]
    return dict(trouble)


def check(said: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in said["checks"] if row["check"] == name)


def test_it_measures_the_disk_and_predicts_the_load_of_each_golden_site(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "golden")
    run = schoolctl(project, RecordingTransport(server), "doctor", "--json")
    assert run.code == 0
    said = json.loads(run.stdout)
    assert (said["disk"]["sync_ms"], said["troubles"]) == (0.5, [])
    assert len(said["disk"]["load_seconds"]) == 3
    text = schoolctl(project, RecordingTransport(server), "doctor").stdout
    assert "waits 0.5 ms" in text
    assert "slow disk" not in text
    assert "Nothing is wrong" in text


def test_a_slower_disk_is_predicted_to_take_longer_and_called_slow(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "golden")

    def predicted() -> float:
        said = json.loads(schoolctl(project, RecordingTransport(server), "doctor", "--json").stdout)
        return float(said["disk"]["load_seconds"]["plain"])

    before, server.sync_ms = predicted(), 100.0
    assert predicted() > before
    assert "slow disk" in schoolctl(project, RecordingTransport(server), "doctor").stdout


def test_it_ends_with_what_is_wrong_as_status_does(project: Path, server: ServerModel) -> None:
    server.containers["schools-web"]["state"] = "exited"
    run = schoolctl(project, RecordingTransport(server), "doctor")
    assert run.code == 1
    assert "mend it: schoolctl apply --all" in run.stdout


def test_a_disk_that_cannot_be_measured_hides_nothing_that_is_wrong(project: Path, server: ServerModel) -> None:
    server.containers["schools-web"]["state"] = "exited"

    def is_full(call: Call) -> None:
        if call.operation == "sync_latency":
            raise ServerFaultError("os", "No space left on device")

    run = schoolctl(project, RecordingTransport(server, before_each=is_full), "doctor")
    assert run.code == 1
    assert "mend it: schoolctl apply --all" in run.stdout
    assert "Not known: How long the disk takes\n  because: No space left on device\n" in run.stdout


def test_a_sound_server_passes_every_check(project: Path, server: ServerModel) -> None:
    said = examined(project, server)
    assert [row["check"] for row in said["checks"]] == list(ORDER)
    assert {row["result"] for row in said["checks"]} == {"well"}
    run = schoolctl(project, RecordingTransport(server), "doctor")
    assert run.stderr.count("  ✓ ") == len(ORDER)
    assert "All 1 scripts and styles that pages load are there." in run.stdout


def test_a_school_that_is_only_declared_is_no_fault_and_is_visited_by_nobody(
    project: Path, server: ServerModel
) -> None:
    said = examined(project, server)
    assert check(said, "server")["notes"] == [f"`{TECH}` is declared and not open: `schoolctl apply {TECH}` opens it."]


def test_what_follows_from_a_container_that_is_ill_is_told_once(project: Path, server: ServerModel) -> None:
    server.containers["schools-edge"]["state"] = "exited"
    server.unreachable = f"{HOST}: Connection refused"
    said = examined(project, server)
    assert [trouble["because"] for trouble in said["troubles"]] == ["the container schools-edge is exited"]
    over = {row["check"]: row["because"] for row in said["checks"] if row["result"] == "passed over"}
    assert over == dict.fromkeys(("doors", "sockets", "assets", "pictures"), "the container schools-edge is exited")


def test_a_silent_docker_is_told_once(project: Path, server: ServerModel) -> None:
    server.docker_is_down = True
    said = examined(project, server)
    assert "Docker does not answer" in said["troubles"][0]["because"]
    assert len(said["troubles"]) == 1


def test_a_port_that_nobody_reaches_is_told_once_for_all_schools(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "new-school", TECH)
    server.unreachable = "gives no answer in time"
    trouble = the_trouble(project, server)
    assert trouble["what"] == "Nobody outside gets an answer"
    assert "firewall" in trouble["mend"]


@pytest.mark.parametrize(
    ("astray", "what", "because", "mend"),
    [
        ((HOST, PING, Page(502)), "Visitors of", f"{HOST} gives 502", f"`schoolctl logs {OTHER}`"),
        ((HOST, PING, Page(200, text="<html>")), "Visitors of", f"{HOST} gives 200", f"`schoolctl logs {OTHER}`"),
        ((ALIAS, PING, Page(200)), "Visitors of", f"{ALIAS} gives 200", f"schoolctl apply {OTHER}"),
        ((ALIAS, PING, Page(308, "http://x/")), "Visitors of", "leads to http://x/", f"schoolctl apply {OTHER}"),
        ((HOST, SOCKET, Page(502)), "Pages of", "get 502 where a socket", "schools-realtime"),
        ((HOST, SOCKET, Page(200, text='0{"sid":"x"}')), "Pages of", "pages of others get 200", "schoolctl apply"),
    ],
)
def test_what_visitors_get_instead_of_what_they_should_is_told(
    project: Path, server: ServerModel, astray: tuple[str, str, Page], what: str, because: str, mend: str
) -> None:
    host, path, page = astray
    server.astray[host, path] = page
    trouble = the_trouble(project, server)
    assert (because in trouble["because"], mend in trouble["mend"], trouble["schools"]) == (True, True, [OTHER])
    assert trouble["what"].startswith(what)


def test_a_name_that_the_edge_does_not_know_is_told_by_its_door_alone(project: Path, server: ServerModel) -> None:
    server.edge_live.pop(f"{ROOT}/edge/conf/hosts/{OTHER}.map")
    trouble = the_trouble(project, server)
    assert "hangs up without a word" in trouble["because"]
    assert trouble["mend"] == f"schoolctl apply {OTHER}"


def test_schools_at_rest_are_visited_as_such_and_asked_nothing(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "suspend", OTHER)
    said = examined(project, server)
    assert said["troubles"] == []
    over = {row["check"] for row in said["checks"] if row["result"] == "passed over"}
    assert over == {"sockets", "assets", "jobs", "heads", "mail", "pictures"}
    server.astray[ALIAS, "/login"] = Page(200)
    assert f"{ALIAS} gives 200, and not 503" in the_trouble(project, server)["because"]


def test_a_copy_to_try_things_on_is_asked_for_neither_mail_nor_pictures(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "backup", OTHER)
    copied = schoolctl(project, RecordingTransport(server), "clone", OTHER, "try-it", "--staging")
    assert copied.code == 0, copied.stderr
    server.health["try-it"] = {"sender": None, "found": False}
    assert examined(project, server, "try-it")["troubles"] == []
    assert check(examined(project, server, "try-it"), "pictures")["result"] == "passed over"


def test_a_script_that_pages_load_and_nobody_has_is_told(project: Path, server: ServerModel) -> None:
    server.bundles |= {"a.css": "/assets/a.css", "b.css": "/assets/b.css"}
    server.gone = {"/assets/a.css", "/assets/b.css"}
    trouble = the_trouble(project, server)
    assert trouble["because"] == "/assets/a.css gives 404, and 1 more of 3 are not there"
    assert f"{ROOT}/assets/current" in trouble["mend"]
    assert trouble["mend"].endswith("`schoolctl provision`")


@pytest.mark.parametrize(
    ("ill", "what", "because", "mend"),
    [
        ({"enabled": False}, "Nothing scheduled", "switched off", f"schoolctl bench {OTHER} -- enable-scheduler"),
        ({"last_tick": 7300}, "Nothing scheduled", "more than 2 hours", "docker logs schools-scheduler"),
        ({"last_tick": None}, "Nothing scheduled", "more than 2 hours", "docker logs schools-scheduler"),
        ({"dormant": True, "last_tick": 200_000}, "Nothing scheduled", "50 hours", "docker logs schools-scheduler"),
        ({"paused": "pause_scheduler"}, "Nothing scheduled", "pause_scheduler", f"schoolctl apply {OTHER}"),
        ({"paused": "maintenance_mode"}, "Nothing scheduled", "maintenance_mode", "set-maintenance-mode off"),
        ({"sender": None}, "Mail of", "no Email Account", f"schoolctl login {OTHER}"),
        ({"failed": 10}, "Mail of", "10 mails could not be sent", "/app/email-queue"),
        ({"waiting": 12}, "Mail of", "12 mails have waited", "/app/email-queue"),
        ({"heads_lost": True}, "PDFs of", "leaves them out", f"schoolctl bench {OTHER} -- execute lms_app."),
        ({"found": False}, "PDFs of", "/assets/a.png is missing", "schoolctl provision"),
    ],
)
def test_what_the_bench_says_of_a_school_is_told_with_what_mends_it(
    project: Path, server: ServerModel, ill: dict[str, Any], what: str, because: str, mend: str
) -> None:
    server.health[OTHER] = ill
    trouble = the_trouble(project, server)
    assert trouble["what"].startswith(what)
    assert (because in trouble["because"], mend in trouble["mend"], trouble["schools"]) == (True, True, [OTHER])


@pytest.mark.parametrize(
    "well",
    [{"dormant": True, "last_tick": 100_000}, {"muted": True, "sender": None}, {"failed": 9, "waiting": 9}],
)
def test_what_is_as_it_may_be_is_no_fault(project: Path, server: ServerModel, well: dict[str, Any]) -> None:
    server.health[OTHER] = well
    assert examined(project, server)["troubles"] == []


def test_a_dormant_school_is_named_as_such(project: Path, server: ServerModel) -> None:
    server.health[OTHER] = {"dormant": True}
    assert f"`{OTHER}`" in check(examined(project, server), "jobs")["notes"][0]


def test_the_same_fault_of_several_schools_is_told_once_with_all_of_them(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "new-school", TECH)
    server.health = {TECH: {"sender": None}, OTHER: {"sender": None}}
    trouble = the_trouble(project, server)
    assert trouble["what"] == f"Mail of `{TECH}` and `{OTHER}` does not arrive"
    assert trouble["schools"] == [TECH, OTHER]
    assert trouble["mend"].endswith(", and the same for each of the others")
    assert the_trouble(project, server, OTHER)["schools"] == [OTHER]


def test_a_school_of_which_the_bench_can_say_nothing_hides_no_other(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "new-school", TECH)
    server.health = {TECH: None, OTHER: {"sender": None}}
    dumb, printing, mail = sorted(examined(project, server)["troubles"], key=lambda trouble: len(trouble["schools"][0]))
    assert {tuple(trouble["schools"]) for trouble in (dumb, printing)} == {(TECH,)}
    assert "no such table" in dumb["because"]
    assert mail["schools"] == [OTHER]


def test_jobs_that_wait_or_fail_are_told_as_far_as_they_are_of_the_chosen_schools(
    project: Path, server: ServerModel
) -> None:
    row = {"waiting": 3, "oldest": "2026-01-31T01:40:00.000000Z"}
    server.queues = {"now": "1769824800", "queues": {"short": row, "long": row}, "failed": {OTHER: 11, "another": 99}}
    waits, fails = examined(project, server)["troubles"]
    assert waits["because"] == "the oldest of 3 jobs in the queue `short` has waited for 20 minutes"
    assert fails["because"] == "11 jobs failed in the last seven days"
    assert fails["mend"] == f"schoolctl logs {OTHER} --source worker"


def test_names_that_lead_elsewhere_are_told_with_the_record_to_change(project: Path, server: ServerModel) -> None:
    def astray(name: str) -> frozenset[str]:
        return frozenset({"203.0.113.99" if name.startswith("www.cuisine") else "203.0.113.10"})

    run = schoolctl(project, RecordingTransport(server), "doctor", "--json", OTHER, resolver=astray)
    [trouble] = json.loads(run.stdout)["troubles"]
    assert trouble["because"] == f"{ALIAS} leads to 203.0.113.99, this server is 203.0.113.10"
    assert trouble["mend"] == f"point its A record at 203.0.113.10, then `schoolctl doctor {OTHER}`"


def test_a_school_that_a_command_is_at_work_on_is_left_to_it(project: Path, server: ServerModel) -> None:
    server.put(f"{ROOT}/journal/{OTHER}.json", json.dumps({"doing": "restore", "since": "2026-01-31T02:00:00Z"}))
    server.health[OTHER] = {"sender": None}
    assert the_trouble(project, server)["what"] == f"`{OTHER}` is between two states"


def test_an_unknown_school_is_refused(project: Path, server: ServerModel) -> None:
    assert schoolctl(project, RecordingTransport(server), "doctor", "no-school").code == 3


def test_what_the_edge_gives_for_a_script_may_not_come_at_all(project: Path, server: ServerModel) -> None:
    server.unreachable = "hangs"
    said = examined(project, server)
    assert check(said, "assets")["because"] == f"{OTHER} does not answer: hangs"


def test_asking_takes_no_lock_and_few_round_trips(project: Path, server: ServerModel) -> None:
    audit, transport = list(server.audit), RecordingTransport(server)
    schoolctl(project, transport, "doctor")
    assert server.audit == audit
    assert "lock" not in {call.operation for call in transport.calls}
    asked = [call for call in transport.calls if call.operation not in {"hello", "start"}]
    assert len(asked) <= 12, [call.words for call in asked]


def test_somebody_who_does_not_let_in_more_connections_is_asked_through_one(project: Path, server: ServerModel) -> None:
    class OneLine(RecordingTransport):
        def another(self) -> "RecordingTransport":
            raise UnreachableError("it opens no session")

    run = schoolctl(project, OneLine(server), "doctor", "--json")
    assert {row["result"] for row in json.loads(run.stdout)["checks"]} == {"well"}


def test_a_certificate_that_ends_is_told_before_one_that_is_missing_with_what_renews_each(
    project: Path, server: ServerModel
) -> None:
    assert check(examined(project, server), "certificates")["notes"] == [
        "The first certificate to expire does so on 2026-04-30."
    ]
    server.trusted, server.authority_refuses = set(), f"{HOST} leads nowhere"
    trouble = the_trouble(project, server)
    assert trouble["what"] == f"`{OTHER}` lacks a certificate that browsers trust"
    assert (trouble["because"], trouble["mend"]) == (f"{HOST} leads nowhere", f"schoolctl certs --renew {OTHER}")
    server.expiring = {OTHER}
    assert the_trouble(project, server)["what"] == f"Browsers warn of `{OTHER}`, or will soon"


def test_schools_that_ask_for_no_certificate_are_passed_over(project: Path, server: ServerModel) -> None:
    file = project / "inventories/test/group_vars/all/platform.yml"
    file.write_text(file.read_text().replace("certificates: acme", "certificates: self-signed"))
    schoolctl(project, RecordingTransport(server), "apply", OTHER, "--yes")
    assert check(examined(project, server), "certificates")["because"] == "no school asks for one"
