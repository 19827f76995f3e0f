import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_it_prints_the_state_and_visitors_are_told(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "suspend", OTHER, "--json")
    told = json.loads(done.stdout)
    assert (told["state"], told["changed"]) == ("suspended", True)
    assert server.visit("cuisine-school.com") == 503


def test_the_table_of_several_says_what_became_of_each_and_why(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "suspend", "--all")
    assert done.code == 6
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines] == [["slug", "result"], ["tech-school", "failed"], [OTHER, "done"]]
    assert "is not open" in lines[1][2]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "none is named"),
        ((OTHER, "--all"), "exclude each other"),
        (("--where", "colour=red"), "takes KEY=VALUE with state, staging"),
    ],
)
def test_schools_have_to_be_chosen_in_one_way(
    project: Path, server: ServerModel, arguments: tuple[str, ...], reason: str
) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "suspend", *arguments)
    assert (done.code, transport.calls) == (2, [])
    assert reason in done.stderr
