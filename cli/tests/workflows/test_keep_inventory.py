"""The inventory's files follow what commands change, into every target, and hold no command up."""

import json
from pathlib import Path

from tests.support.backup_model import hours_ago
from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import Call, RecordingTransport
from tests.support.server_model import ServerModel

TITLE = ("rename", OTHER, "École de Cuisine")


def handed_over(transport: RecordingTransport) -> int:
    lines = [call.arguments["line"] for call in transport.calls if call.operation == "ask"]
    return sum(json.loads(line).get("call") == "keep_inventory" for line in lines)


def told(project: Path, server: ServerModel) -> dict[str, str]:
    """Return what `status` tells of, and why."""
    run = schoolctl(project, RecordingTransport(server), "status", "--json")
    return {row["what"]: row["because"] for row in json.loads(run.stdout)["troubles"]}


def test_a_command_that_changes_a_row_hands_the_inventory_over_once(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, *TITLE)
    assert run.code == 0, run.stderr
    assert "École de Cuisine" in server.backups.inventory["schools.yml"]
    assert handed_over(transport) == 1
    assert server.backups.stored_inventories == ["local", "offsite"]


def test_a_new_school_is_in_the_inventory_that_is_handed_over_also_where_it_could_not_be_opened(
    project: Path, server: ServerModel
) -> None:
    command = ("new-school", "music", "--domain", "music.example")
    transport = RecordingTransport(server, word="new-site")
    assert schoolctl(project, transport, *command).code == 1
    assert "music" in server.backups.inventory["schools.yml"]
    assert handed_over(transport) == 1
    again = RecordingTransport(server)
    assert schoolctl(project, again, *command).code == 0
    assert handed_over(again) == 0, "the row was there"


def test_a_command_that_changes_no_row_asks_nothing_more(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), *TITLE)
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, *TITLE).code == 0
    assert handed_over(transport) == 0


def test_a_target_that_is_slow_or_down_holds_no_command_up_and_is_told_by_status(
    project: Path, server: ServerModel
) -> None:
    server.backups.targets["local"].is_made = False
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, *TITLE)
    assert (run.code, "warning" in run.stderr) == (0, False)
    assert server.backups.stored_inventories == ["offsite"]
    # The server is told to begin, and is not asked how it went.
    last = [call.words for call in transport.calls if call.operation != "release"][-1]
    assert "systemctl start --no-block schools-backup-inventory.service" in last
    assert told(project, server) == {"What is in `local` may be of no use": "local: there is no repository yet"}


def test_a_target_that_takes_no_inventory_is_told_by_status_until_it_does(project: Path, server: ServerModel) -> None:
    server.backups.targets["local"].full = "the disk is full"
    schoolctl(project, RecordingTransport(server), *TITLE)
    assert told(project, server) == {"The inventory as it is now is not in `local`": "the disk is full"}
    server.backups.targets["local"].full = None
    server.backups.store_inventory()
    assert told(project, server) == {}


def test_a_target_that_lacks_the_inventory_for_hours_is_told_though_nobody_knows_why(
    project: Path, server: ServerModel
) -> None:
    server.backups.targets["local"].is_made = False
    server.backups.clock = lambda: hours_ago(3)
    schoolctl(project, RecordingTransport(server), *TITLE)
    # It is well again, but nothing stores the inventory there: its timer is off.
    server.backups.targets["local"].is_made = True
    server.backups.note_targets()
    [(what, because)] = told(project, server).items()
    assert what == "The inventory as it is now is not in `local`"
    assert because.startswith("it is not there since ")
    server.backups.store_inventory()
    assert told(project, server) == {}


def test_a_server_that_cannot_begin_to_store_it_fails_no_command_and_is_told(
    project: Path, server: ServerModel
) -> None:
    run = schoolctl(project, RecordingTransport(server, word="schools-backup-inventory"), *TITLE)
    assert run.code == 0
    assert "warning: the inventory as it is now is not with the backups: " in run.stderr


def test_ctrl_c_while_a_target_is_slow_costs_nobody_what_the_command_tells_only_once(
    project: Path, server: ServerModel
) -> None:
    def interrupt(call: Call) -> None:
        if '"keep_inventory"' in str(call.arguments.get("line")):
            raise KeyboardInterrupt

    clone = ("clone", OTHER, "a-copy", "--staging", "--domain", "a-copy.example", "--json")
    run = schoolctl(project, RecordingTransport(server, before_each=interrupt), *clone)
    assert run.code == 0, run.stderr
    assert "password" in json.loads(run.stdout)
    assert "not with the backups: it was interrupted" in run.stderr


def test_a_server_that_makes_no_backups_yet_is_no_reason_to_warn(project: Path, server: ServerModel) -> None:
    server.backups.targets.clear()
    run = schoolctl(project, RecordingTransport(server), *TITLE)
    assert run.code == 0
    assert "warning" not in run.stderr


def test_a_server_with_an_older_program_is_told_of_with_what_renews_it(project: Path, server: ServerModel) -> None:
    server.backups.is_older = True
    run = schoolctl(project, RecordingTransport(server), *TITLE)
    assert run.code == 0, run.stderr
    assert "its program for backups is older than this schoolctl" in run.stderr
    clone = ("clone", OTHER, "a-copy", "--staging", "--domain", "a-copy.example")
    for command in (("backup", OTHER), clone):
        run = schoolctl(project, RecordingTransport(server), *command)
        assert run.code != 0
        assert "Traceback" not in run.stderr
        assert "hint: run `schoolctl provision --tags backups`" in " ".join(run.stderr.split())


def test_restoring_all_names_schools_that_have_sets_and_no_row(project: Path, server: ServerModel) -> None:
    assert schoolctl(project, RecordingTransport(server), "backup", OTHER).code == 0
    file = project / "inventories/test/group_vars/all/schools.yml"
    text = file.read_text()
    start = text.index(f"  {OTHER}:")
    file.write_text(text[:start] + "\n".join(
        line for line in text[start:].splitlines() if not line.startswith("    ") and OTHER not in line
    ) + "\n")  # fmt: skip
    assert OTHER not in file.read_text()
    run = schoolctl(project, RecordingTransport(server), "restore", "--all", "--yes")
    assert f"sets of {OTHER} are stored, but it has no row" in run.stderr
    assert f"schoolctl restore {OTHER} --as {OTHER}" in run.stderr
