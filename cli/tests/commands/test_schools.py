import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schoolctl.ui import ago, size
from tests.support.project import OTHER, open_on, schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, ServerModel

SLUG = "tech-school"
KEYS = {
    "slug", "title", "domain", "aliases", "url", "staging", "state", "keep_until", "site", "database", "image", "users",
    "bytes", "database_bytes", "files_bytes", "last_login", "last_active", "last_tick", "backups", "last_backup",
    "last_backup_at", "last_drill_at", "last_drill_ok", "interrupted",
}  # fmt: skip


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


def listed(project: Path, server: ServerModel, *more: str) -> dict[str, dict[str, Any]]:
    done = schoolctl(project, RecordingTransport(server), "schools", "--json", *more)
    assert done.code == 0, done.stderr
    return {row["slug"]: row for row in json.loads(done.stdout)}


def words(project: Path, server: ServerModel) -> dict[str, str]:
    """Return the table's cell beside each slug, up to the next column."""
    head, *lines = schoolctl(project, RecordingTransport(server), "schools").stdout.splitlines()
    start, end = head.index("state"), head.index("url")
    return {line.split()[0]: line[start:end].strip() for line in lines}


def declare(project: Path, slug: str, more: str) -> None:
    """Add to a school's row without a word to the server."""
    text = rows(project).read_text()
    rows(project).write_text(text.replace(f"  {slug}:\n", f"  {slug}:\n    {more}\n"))


def test_what_is_declared_stands_beside_what_is_there(project: Path, server: ServerModel) -> None:
    found = listed(project, server)
    assert set(found) == {SLUG, OTHER}
    assert all(set(row) == KEYS for row in found.values())
    assert (found[SLUG]["state"], found[SLUG]["database"]) == ({"declared": "active", "found": None}, None)
    assert found[OTHER]["state"] == {"declared": "active", "found": "active"}
    assert found[OTHER]["database"] == server.site_config(OTHER)["db_name"]
    assert found[OTHER]["image"] == "schools/bench:test"
    assert words(project, server) == {SLUG: "declared", OTHER: "active"}


def test_json_has_bytes_and_times_in_utc_and_the_table_what_a_person_reads(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "backup", OTHER)
    row = listed(project, server)[OTHER]
    assert (row["bytes"], row["users"]) == (row["database_bytes"] + row["files_bytes"], 3)
    assert row["last_login"] == "2026-01-31T07:00:00Z"  # the school is in Paris
    assert (row["last_active"], row["last_tick"]) == ("2026-01-31T08:30:00Z", "2026-01-31T09:00:00Z")
    assert row["last_backup_at"].replace("-", "").replace(":", "") == row["last_backup"]
    table = schoolctl(project, RecordingTransport(server), "schools").stdout
    assert "20 MB" in table
    assert " d ago" in table
    assert "just now" in table


def test_a_school_that_is_suspended_in_its_row_alone_is_found_active(project: Path, server: ServerModel) -> None:
    declare(project, OTHER, "state: suspended")
    assert listed(project, server)[OTHER]["state"] == {"declared": "suspended", "found": "active"}
    assert words(project, server)[OTHER] == "suspended, found active"
    schoolctl(project, RecordingTransport(server), "suspend", OTHER)
    assert listed(project, server)[OTHER]["state"] == {"declared": "suspended", "found": "suspended"}
    assert words(project, server)[OTHER] == "suspended"


def test_a_school_whose_files_were_edited_by_hand_still_has_a_state(project: Path, server: ServerModel) -> None:
    server.files[f"{ROOT}/edge/conf/schools/{OTHER}.conf"] += "# by hand"
    assert listed(project, server)[OTHER]["state"] == {"declared": "active", "found": "active"}


def test_a_closed_school_says_until_when_it_can_come_back(project: Path, server: ServerModel) -> None:
    declare(project, OTHER, 'state: closed\n    keep_until: "2026-12-23"')
    assert words(project, server)[OTHER] == "closed, found active"
    server.rename(f"{ROOT}/sites/{OTHER}", f"{ROOT}/archive/{OTHER}.closed")
    row = listed(project, server)[OTHER]
    assert row["state"] == {"declared": "closed", "found": "closed"}
    assert (row["keep_until"], row["users"]) == ("2026-12-23", 3)
    assert words(project, server)[OTHER] == "closed until 2026-12-23"


def test_a_staging_copy_says_how_long_it_lasts(project: Path, server: ServerModel) -> None:
    declare(project, OTHER, 'staging: {of: tech-school, expires: "2027-01-31"}')
    assert words(project, server)[OTHER] == "staging until 2027-01-31"


def test_an_interrupted_command_and_an_undeclared_site_are_told(project: Path, server: ServerModel) -> None:
    open_on(server, project, SLUG)
    server.put(f"{ROOT}/journal/cuisine-school.json", '{"doing": "restore"}')
    rows(project).write_text("schools:\n  cuisine-school: {title: Cuisine, domain: cuisine-school.com}\n")
    found = listed(project, server)
    assert found[OTHER]["interrupted"] == "restore"
    assert found[SLUG]["state"] == {"declared": None, "found": "active"}
    assert set(found[SLUG]) == KEYS
    assert words(project, server) == {OTHER: "interrupted", SLUG: "undeclared"}


def test_only_what_was_asked_for_is_listed(project: Path, server: ServerModel) -> None:
    declare(project, OTHER, "state: suspended")
    assert set(listed(project, server, "--where", "state=suspended")) == {OTHER}
    assert listed(project, server, "--where", "state=closed") == {}


def test_a_table_in_a_pipe_has_one_line_a_school(project: Path, server: ServerModel) -> None:
    lines = schoolctl(project, RecordingTransport(server), "schools").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["slug", "tech-school", "cuisine-school"]
    assert "cuisine-school.com" in lines[2]
    assert max(map(len, lines)) <= 80


def test_one_question_to_the_server_is_enough(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    schoolctl(project, transport, "schools")
    assert [call.operation for call in transport.calls] == ["survey"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(None, None), (0, "0 B"), (999, "999 B"), (31_400_000, "31 MB"), (1_500_000_000, "1.5 GB"), (10**11, "100 GB")],
)
def test_a_size_is_told_in_two_or_three_digits(number: int | None, words: str | None) -> None:
    assert size(number) == words


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (None, None),
        ("2026-01-31T12:00:00Z", "just now"),
        ("2026-01-31T12:00:05Z", "just now"),
        ("2026-01-31T11:58:30Z", "1 min ago"),
        ("2026-01-31T09:59:00Z", "2 h ago"),
        ("2026-01-29T00:00:00Z", "2 d ago"),
    ],
)
def test_a_moment_is_told_as_its_distance(moment: str | None, words: str | None) -> None:
    assert ago(moment, datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)) == words


def test_brackets_in_what_the_server_says_are_shown_as_they_are(project: Path, server: ServerModel) -> None:
    server.folders.add(f"{ROOT}/sites/ghost")
    server.put(f"{ROOT}/sites/ghost/site_config.json", '{"db_name": "sch0000000090e5", "host_name": "http://x[/b]"}')
    done = schoolctl(project, RecordingTransport(server), "schools")
    assert done.code == 0, done.stderr
    assert "x[/b]" in done.stdout
