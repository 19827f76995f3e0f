import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"


@pytest.fixture(autouse=True)
def untrusted(server: ServerModel) -> None:
    server.trusted.clear()


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "chain.pem").write_text(CERTIFICATE)
    (tmp_path / "key.pem").write_text(KEY)
    return ["--file", str(tmp_path / "chain.pem"), "--key", str(tmp_path / "key.pem")]


def rows(project: Path) -> str:
    return (project / "inventories/test/group_vars/all/schools.yml").read_text()


def test_a_certificate_is_handed_over_and_its_row_says_that_the_school_has_its_own(
    project: Path, server: ServerModel, files: list[str]
) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "set-certificate", OTHER, *files, "--json")
    assert json.loads(done.stdout)["changed"] is True
    assert server.own_certificates == {OTHER: f"{CERTIFICATE}\n{KEY}"}
    assert "certificate: own" in rows(project)
    assert server.trusted == {OTHER}


def test_the_key_is_in_no_argv_and_no_file_of_the_project(project: Path, server: ServerModel, files: list[str]) -> None:
    transport = RecordingTransport(server)
    schoolctl(project, transport, "set-certificate", OTHER, *files)
    assert not [call for call in transport.calls if "c2VjcmV0" in str(call.arguments.get("argv"))]
    assert "c2VjcmV0" not in rows(project)
    assert "c2VjcmV0" not in json.dumps(server.audit)


def test_a_new_one_for_a_school_that_has_its_own_is_taken_too(
    project: Path, server: ServerModel, files: list[str]
) -> None:
    schoolctl(project, RecordingTransport(server), "set-certificate", OTHER, *files)
    server.trusted.clear()
    again = schoolctl(project, RecordingTransport(server), "set-certificate", OTHER, *files, "--json")
    assert json.loads(again.stdout)["changed"] is False
    assert server.trusted == {OTHER}


def test_what_does_not_fit_is_refused_with_the_reason_and_the_row_stays(
    project: Path, server: ServerModel, files: list[str]
) -> None:
    before = rows(project)
    done = schoolctl(project, RecordingTransport(server), "set-certificate", OTHER, *files[:2])
    assert done.code == 5
    assert "because: it holds 0 private keys" in done.stderr
    assert rows(project) == before


def test_a_school_goes_back_to_what_the_platform_gets(project: Path, server: ServerModel, files: list[str]) -> None:
    before = rows(project)
    schoolctl(project, RecordingTransport(server), "set-certificate", OTHER, *files)
    done = schoolctl(project, RecordingTransport(server), "set-certificate", OTHER, "--platform")
    assert done.code == 0
    assert rows(project) == before


def test_a_dry_run_hands_nothing_over(project: Path, server: ServerModel, files: list[str]) -> None:
    before = rows(project)
    done = schoolctl(project, RecordingTransport(server), "set-certificate", OTHER, *files, "--dry-run")
    assert done.code == 0
    assert (server.own_certificates, rows(project)) == ({}, before)


@pytest.mark.parametrize(
    "options", [[], ["--platform", "--file", "x"], ["--platform", "--key", "x"], ["--file", "/no"]]
)
def test_options_that_say_nothing_or_too_much_are_refused_before_the_server_is_asked(
    project: Path, server: ServerModel, options: list[str]
) -> None:
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, "set-certificate", OTHER, *options).code == 2
    assert transport.calls == []
