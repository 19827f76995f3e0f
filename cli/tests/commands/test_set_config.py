import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("monitor", "yes", True),
        ("http_timeout", "90", 90),
        ("allow_cors", "https://yes.example", "https://yes.example"),
    ],
)
def test_what_was_typed_becomes_the_type_of_its_key(
    project: Path, server: ServerModel, key: str, text: str, value: object
) -> None:
    done = schoolctl(project, RecordingTransport(server), "set-config", OTHER, key, text, "--json")
    assert json.loads(done.stdout)["changed"] is True
    assert server.site_config(OTHER)[key] == value


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("http_timeot", "90"), 3, "did you mean `http_timeout`?"),
        (("http_timeout", "soon"), 3, "'soon' is not a whole number from 10 to 600"),
        (("monitor", "perhaps"), 3, "'perhaps' is not true or false"),
        (("db_password", "x"), 3, "it is made on the server and stays there"),
        (("host_name", "http://x.example"), 3, "use `set-primary`"),
        (("monitor",), 2, "either a value or --unset"),
        (("monitor", "yes", "--unset"), 2, "either a value or --unset"),
    ],
)
def test_what_cannot_be_set_is_refused_before_the_server_is_asked(
    project: Path, server: ServerModel, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "set-config", OTHER, *arguments)
    assert (done.code, transport.calls) == (code, [])
    assert reason in done.stderr


def test_the_audit_log_has_the_command_as_it_can_be_typed_again(project: Path, server: ServerModel) -> None:
    assert schoolctl(project, RecordingTransport(server), "set-config", OTHER, "monitor", "yes").code == 0
    assert server.audit[-1]["what"] == f"set-config {OTHER} monitor yes"
