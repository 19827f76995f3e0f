import json
from pathlib import Path

import pytest

from tests.support.project import OTHER, open_on, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel

SLUG = "tech-school"


@pytest.fixture
def both(project: Path, server: ServerModel) -> ServerModel:
    open_on(server, project, SLUG)
    server.trusted.clear()
    return server


def test_it_shows_who_vouches_for_each_school_and_until_when(project: Path, both: ServerModel) -> None:
    both.trusted = {OTHER}
    rows = json.loads(schoolctl(project, RecordingTransport(both), "certs", "--json").stdout)
    assert [(row["slug"], row["state"], row["issuer"]) for row in rows] == [
        (OTHER, "trusted", "An Authority"),
        (SLUG, "self-signed", "Schoolctl, signed by itself"),
    ]
    assert {row["expires"] for row in rows} == {"2026-04-30T00:00:00Z"}
    shown = schoolctl(project, RecordingTransport(both), "certs", OTHER)
    assert shown.code == 0
    assert "2026-04-30" in shown.stdout
    assert SLUG not in shown.stdout


def test_what_is_about_to_expire_is_said_by_the_exit_code(project: Path, both: ServerModel) -> None:
    both.expiring = {SLUG}
    assert schoolctl(project, RecordingTransport(both), "certs", OTHER).code == 0
    assert schoolctl(project, RecordingTransport(both), "certs").code == 1


def test_renewing_asks_for_the_schools_named_and_leaves_a_line_in_the_audit_log(
    project: Path, both: ServerModel
) -> None:
    transport = RecordingTransport(both)
    done = schoolctl(project, transport, "certs", "--renew", OTHER, "--json")
    assert [row["state"] for row in json.loads(done.stdout)] == ["trusted"]
    assert both.trusted == {OTHER}
    assert both.audit[-1]["what"] == f"certs --renew {OTHER}"


def test_what_is_fresh_is_replaced_for_who_insists(project: Path, both: ServerModel) -> None:
    both.trusted = {OTHER, SLUG}
    schoolctl(project, RecordingTransport(both), "certs", "--renew", OTHER)
    assert both.replaced == []
    done = schoolctl(project, RecordingTransport(both), "certs", "--renew", OTHER, "--force")
    assert done.code == 0
    assert both.replaced == [OTHER]
    assert both.audit[-1]["what"] == f"certs --renew --force {OTHER}"


def test_what_was_not_replaced_is_an_error_with_the_reason(project: Path, both: ServerModel) -> None:
    both.trusted, both.authority_refuses = {OTHER}, "cuisine-school.com leads nowhere"
    done = schoolctl(project, RecordingTransport(both), "certs", "--renew", OTHER, "--force")
    assert done.code == 1
    assert "cuisine-school.com leads nowhere" in done.stderr


@pytest.mark.parametrize("arguments", [["--force", OTHER], ["--renew", "--force"]])
def test_insisting_is_for_renewing_schools_that_are_named(
    project: Path, both: ServerModel, arguments: list[str]
) -> None:
    done = schoolctl(project, RecordingTransport(both), "certs", *arguments)
    assert done.code == 2
    assert "--force" in done.stderr
    assert both.replaced == []


def test_why_the_authority_gives_none_is_told(project: Path, both: ServerModel) -> None:
    both.authority_refuses = "cuisine-school.com leads nowhere"
    done = schoolctl(project, RecordingTransport(both), "certs", "--renew", OTHER, "--json")
    assert json.loads(done.stdout)[0]["fault"] == "cuisine-school.com leads nowhere"


def test_renewing_all_passes_over_rows_that_are_not_open(project: Path, server: ServerModel) -> None:
    server.trusted.clear()
    done = schoolctl(project, RecordingTransport(server), "certs", "--renew", "--json")
    assert [(row["slug"], row["state"]) for row in json.loads(done.stdout)] == [(OTHER, "trusted")]


def test_a_server_that_cannot_look_is_an_error_with_the_reason(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "certs", "--renew", SLUG)
    assert done.code == 1
    assert f"because: the edge knows no school {SLUG}" in done.stderr
