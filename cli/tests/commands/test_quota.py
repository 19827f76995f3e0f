import json
from pathlib import Path

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel


def test_limits_that_are_not_named_stay(project: Path, server: ServerModel) -> None:
    for limit in (("--file-mb", "5"), ("--connections", "9"), ("--file-mb", "0")):
        done = schoolctl(project, RecordingTransport(server), "quota", OTHER, *limit, "--json")
        assert json.loads(done.stdout)["changed"] is True
    assert "max_file_size" not in server.site_config(OTHER)
    assert server.databases[server.site_config(OTHER)["db_name"]].connections == 9


def test_a_quota_without_a_limit_is_a_usage_error(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "quota", OTHER)
    assert (done.code, transport.calls) == (2, [])
    assert "no limit is given" in done.stderr


def test_a_limit_beyond_reason_is_refused_before_the_server_is_asked(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "quota", OTHER, "--file-mb", "999999")
    assert (done.code, transport.calls) == (3, [])
    assert "is not a whole number from 1 to 10240" in done.stderr


def test_the_audit_log_has_the_command_as_it_can_be_typed_again(project: Path, server: ServerModel) -> None:
    assert (
        schoolctl(project, RecordingTransport(server), "quota", OTHER, "--file-mb", "5", "--connections", "0").code == 0
    )
    assert server.audit[-1]["what"] == f"quota {OTHER} --file-mb 5 --connections 0"
