import json
from pathlib import Path

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel

ALIAS = "www.cuisine-school.com"


def test_it_prints_the_names_that_are_left(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "remove-domain", OTHER, ALIAS, "--json")
    told = json.loads(done.stdout)
    assert (told["hosts"], told["changed"]) == (["cuisine-school.com"], True)
    assert server.visit(ALIAS) is None


def test_the_canonical_name_is_refused_with_the_way_to_make_another_one_so(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "remove-domain", OTHER, "cuisine-school.com")
    assert done.code == 5
    assert f"`schoolctl set-primary {OTHER} DOMAIN`" in done.stderr
    assert transport.calls == []


def test_a_name_of_another_school_stays_that_schools(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "remove-domain", OTHER, "tech-school.com", "--json")
    assert json.loads(done.stdout)["changed"] is False
    assert "domain: tech-school.com" in (project / "inventories/test/group_vars/all/schools.yml").read_text()
