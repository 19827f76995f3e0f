import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_it_prints_every_name_that_the_school_answers_to(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "add-domain", OTHER, "cook.example", "--json")
    assert json.loads(done.stdout) == {
        "slug": OTHER,
        "title": "Cuisine School",
        "state": "active",
        "url": "http://cuisine-school.com",
        "hosts": ["cuisine-school.com", "www.cuisine-school.com", "cook.example"],
        "changed": True,
    }


@pytest.mark.parametrize("domain", ["*.example.org", "a_b.example", "a.example;", "{{ x }}", "École.example", ""])
def test_a_hostile_domain_is_refused_before_the_server_is_asked(
    project: Path, server: ServerModel, domain: str
) -> None:
    text = (project / "inventories/test/group_vars/all/schools.yml").read_bytes()
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "add-domain", OTHER, "--", domain)
    assert done.code == 3
    assert transport.calls == []
    assert (project / "inventories/test/group_vars/all/schools.yml").read_bytes() == text
