import json
from pathlib import Path

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_it_prints_the_new_address_and_keeps_the_old_name_as_an_alias(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "set-primary", OTHER, "cook.example", "--json")
    told = json.loads(done.stdout)
    assert told["url"] == "https://cook.example"
    assert told["hosts"] == ["cook.example", "www.cuisine-school.com", "cuisine-school.com"]
    assert (server.visit("cook.example"), server.visit("cuisine-school.com")) == (200, 308)
    assert server.site_config(OTHER)["host_name"] == "https://cook.example"


def test_a_name_of_another_school_is_refused_before_the_server_is_asked(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "set-primary", OTHER, "tech-school.com")
    assert done.code == 3
    assert "`tech-school.com` is already" in done.stderr
    assert transport.calls == []
