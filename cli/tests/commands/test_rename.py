import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_it_prints_the_new_title_and_the_slug_stays(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "rename", OTHER, "Cuisine d'été", "--json")
    told = json.loads(done.stdout)
    assert (told["slug"], told["title"]) == (OTHER, "Cuisine d'été")
    assert server.databases[server.site_config(OTHER)["db_name"]].title == "Cuisine d'été"


@pytest.mark.parametrize("title", ["", "  ", "x" * 141, "a {{ 7*7 }}", "a\u202eb", "two\nlines"])
def test_a_title_that_nobody_could_read_is_refused_before_the_server_is_asked(
    project: Path, server: ServerModel, title: str
) -> None:
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, "rename", OTHER, title).code == 3
    assert transport.calls == []


def test_the_audit_log_has_the_command_as_it_can_be_typed_again(project: Path, server: ServerModel) -> None:
    assert schoolctl(project, RecordingTransport(server), "rename", OTHER, "Cuisine d'été").code == 0
    assert server.audit[-1]["what"] == f"rename {OTHER} 'Cuisine d'\"'\"'été'"
