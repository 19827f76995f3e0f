"""Which image a set is of, and how that stands to the one that runs."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backup import images, settings
from backup.spool import Spool

from tests.support.backup_server import SLUG, BackupServer

ID, OTHER_ID = "sha256:" + "1" * 64, "sha256:" + "2" * 64
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def image(name: str | None, number: str | None = ID, built: str | None = EARLY, **more: str) -> dict[str, Any]:
    return {"image": name, "image_id": number, "image_built": built, **more}


@pytest.mark.parametrize(
    ("of_set", "now", "relation"),
    [
        # Its name is a hash of all that it is made from, on whichever server and whenever it was built.
        (image("schools/bench:a", ID, LATE), image("schools/bench:a", OTHER_ID, EARLY), "same"),
        (image("bench@" + ID, ID, LATE), image("bench@" + ID, None, EARLY), "same"),
        # One and the same by another name.
        (image("ours/bench:v2"), image("ours/bench:latest"), "same"),
        (image("ours/bench:latest", None), image("ours/bench:latest"), "same"),
        # Another one by the same name.
        (image("ours/bench:latest", ID, EARLY), image("ours/bench:latest", OTHER_ID, LATE), "other"),
        (image("ours/bench:latest", ID, LATE), image("ours/bench:latest", OTHER_ID, EARLY), "newer"),
        (image("schools/bench:a", ID, EARLY), image("schools/bench:b", OTHER_ID, LATE), "other"),
        (image("schools/bench:a", ID, LATE), image("schools/bench:b", OTHER_ID, EARLY), "newer"),
        (image("schools/bench:a", ID, EARLY), image("schools/bench:b", OTHER_ID, EARLY), "other"),
        # Of a set that does not say when its image was built: not after the set was taken.
        (image("schools/bench:a", None, None, taken=EARLY), image("schools/bench:b", ID, LATE), "other"),
        (image("schools/bench:a", None, None, taken=LATE), image("schools/bench:b", ID, EARLY), "newer"),
        ({"image": "schools/bench:a"}, image("schools/bench:b"), "other"),
        (image("schools/bench:a", ID, LATE), image("schools/bench:b", OTHER_ID, None), "other"),
        (image(None), image("schools/bench:b"), None),
        (image("schools/bench:a"), image(None, None, None), None),
        ({}, image("schools/bench:a"), None),
    ],
)
def test_an_image_is_known_by_its_content_and_the_newer_one_by_when_it_was_built(
    of_set: dict[str, Any], now: dict[str, Any], relation: str | None
) -> None:
    assert images.relation(of_set, now) == relation


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackupServer:
    server = BackupServer(tmp_path / "schools", "restic")
    server.more["containers"] = {"web": "schools-web"}
    server.write_settings()
    server.open_school()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return server


def docker_says(tmp_path: Path, created: str) -> None:
    """Have a `docker` that knows one container and its image."""
    container, built = f"{json.dumps('schools/bench:a')} {json.dumps(ID)}", json.dumps(created)
    (tmp_path / "docker").write_text(
        f"#!/bin/sh\ncase \"$1 $2 $5\" in\n'container inspect schools-web') echo '{container}' ;;\n"
        f"'image inspect {ID}') echo '{built}' ;;\n*) exit 1 ;;\nesac\n"
    )
    (tmp_path / "docker").chmod(0o755)


@pytest.mark.parametrize(
    ("created", "built"),
    [
        ("2026-01-01T00:00:00.123456789Z", EARLY),
        ("2026-01-01T02:00:00+02:00", EARLY),
        ("1970-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_what_runs_is_told_with_when_it_was_built(
    server: BackupServer, tmp_path: Path, created: str, built: str | None
) -> None:
    docker_says(tmp_path, created)
    given = settings.read(server.root / "backups.json")
    assert images.running(given) == image("schools/bench:a", ID, built)
    nobody = replace(given, containers={"web": "another"})
    assert images.running(nobody) == images.running(replace(given, containers={})) == image(None, None, None)


def test_a_set_says_the_image_that_ran_when_it_was_taken(server: BackupServer, tmp_path: Path) -> None:
    from backup.database import Database

    docker_says(tmp_path, EARLY)
    given = settings.read(server.root / "backups.json")
    manifest = Spool(given, SLUG).write(Database(given), images.running(given))
    assert {key: manifest[key] for key in image(None)} == image("schools/bench:a")
