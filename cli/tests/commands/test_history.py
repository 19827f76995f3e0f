import json
from pathlib import Path

from schoolctl.errors import UnreachableError
from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import CutAtStep, RecordingTransport
from tests.support.server_model import ServerModel


def lines(project: Path, server: ServerModel, *arguments: str) -> list[dict[str, object]]:
    done = schoolctl(project, RecordingTransport(server), "history", "--json", *arguments)
    assert done.code == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_who_did_what_and_how_it_ended_is_told_newest_last(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "backup", OTHER)
    schoolctl(project, RecordingTransport(server), "new-school", "tech-school")
    found = lines(project, server)
    assert [line["what"] for line in found] == [f"new-school {OTHER}", f"backup {OTHER}", "new-school tech-school"]
    assert set(found[0]) == {"when", "who", "what", "result", "seconds", "operation"}
    assert [line["what"] for line in lines(project, server, OTHER)] == [f"new-school {OTHER}", f"backup {OTHER}"]
    assert [line["what"] for line in lines(project, server, "--limit", "1")] == ["new-school tech-school"]
    assert lines(project, server, "school") == []


def test_the_steps_of_an_operation_are_told_from_its_journal(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server, word="install-app erpnext"), "new-school", "tech-school")
    operation = str(lines(project, server)[-1]["operation"])
    steps = [(line["step"], line["outcome"]) for line in lines(project, server, "--operation", operation)]
    assert steps[0][1] == "begun"
    assert ("Claim the name", "started") in steps
    assert ("Claim the name", "done") in steps
    assert ("Install erpnext", "failed") in steps
    assert ("Claim the name", "taken back") in steps
    assert steps[-1][1] == "failed: docker exited with 1: install-app erpnext does not work today"
    shown = schoolctl(project, RecordingTransport(server), "history", "--operation", operation).stdout
    assert "Install erpnext" in shown


def test_a_cut_line_is_the_last_word_of_its_journal(project: Path, server: ServerModel) -> None:
    schoolctl(project, CutAtStep(server, "Install erpnext"), "new-school", "tech-school")
    operation = str(lines(project, server)[-1]["operation"])
    found = lines(project, server, "--operation", operation)
    assert found[-1]["outcome"] == "client gone"
    assert (found[-2]["step"], found[-2]["outcome"]) == ("Install erpnext", "started")


def test_an_operation_that_is_not_kept_is_named(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "history", "--operation", "nope")
    assert (done.code, done.stdout) == (3, "")
    assert "There is no operation `nope`" in done.stderr


def test_a_school_and_an_operation_exclude_each_other(project: Path, server: ServerModel) -> None:
    assert schoolctl(project, RecordingTransport(server), "history", OTHER, "--operation", "x").code == 2


def test_a_step_is_written_down_before_the_first_call_of_the_next_and_costs_no_answer(
    project: Path, server: ServerModel
) -> None:
    transport = RecordingTransport(server)
    schoolctl(project, transport, "backup", OTHER)
    assert "note" not in {call.operation for call in transport.calls}
    assert (
        next(call for call in transport.told if call.operation == "note").arguments["step"]
        == "Keep the inventory's files"
    )


def test_a_note_that_cannot_be_sent_never_stops_the_work(project: Path, server: ServerModel) -> None:
    class Deaf(RecordingTransport):
        def tell(self, operation: str, **arguments: object) -> None:
            if operation == "note":
                raise UnreachableError("Lost the connection")

    assert schoolctl(project, Deaf(server), "new-school", "tech-school").code == 0


def test_no_secret_is_in_a_journal(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    schoolctl(project, transport, "new-school", "tech-school")
    text = json.dumps([line for journal in server.operations.values() for line in journal])
    assert "docker" not in text
    assert [secret for secret in server.secrets if secret in text] == []
