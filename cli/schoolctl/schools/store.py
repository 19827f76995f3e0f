"""Read schools.yml, and change single rows of it with every other byte kept."""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schoolctl.errors import DeclarationError
from schoolctl.schools import row_text
from schoolctl.schools.model import School, Schools
from schoolctl.schools.yaml_file import read_mapping

_KEY = "schools"


def load(path: Path) -> Schools:
    """Return every declared school; raises DeclarationError with the path of the first fault."""
    return Schools(read_mapping(path, _KEY))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The file at one moment: its text, line ends too, and the schools that it declared."""

    text: str
    schools: Schools


def snapshot(path: Path) -> Snapshot:
    """Return the file as it is."""
    return Snapshot(path.read_bytes().decode(), load(path))


def put(path: Path, *schools: School) -> None:
    """Write schools into their rows, new ones at the end; what stays the same keeps its words and comments.

    The whole file is checked before a byte changes.
    """
    with _locked(path):
        now = snapshot(path)
        _replace(path, now, {**now.schools.rows, **{school.slug: school.row for school in schools}})


def put_back(path: Path, earlier: Snapshot, *schools: School) -> None:
    """Write schools into their rows as they were in an earlier file, comments too.

    Where a person has edited the file since, lines that went come back without the comments that stood on them.
    """
    with _locked(path):
        now = snapshot(path)
        rows = {**now.schools.rows, **{school.slug: school.row for school in schools}}
        replayed = row_text.with_values(earlier.text, {_KEY: earlier.schools.rows}, {_KEY: now.schools.rows})
        _replace(path, earlier if replayed == now.text else now, rows)


def drop(path: Path, slug: str) -> None:
    """Take a school's row away, if it is there."""
    with _locked(path):
        now = snapshot(path)
        _replace(path, now, {name: row for name, row in now.schools.rows.items() if name != slug})


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let two commands on one machine not lose each other's row. The folder is locked: the file is replaced."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _replace(path: Path, start: Snapshot, rows: Mapping[str, Any]) -> None:
    """Put the text with these rows in the file's place by one rename, if that is what it says."""
    Schools(rows)
    text = row_text.with_values(start.text, {_KEY: start.schools.rows}, {_KEY: rows})
    if text.encode() == path.read_bytes():
        return
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    candidate = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if _rows_of(candidate) != list(rows.items()):
            raise row_text.by_hand("it is written in a way in which one row cannot be changed without the others")
        candidate.chmod(path.stat().st_mode & 0o777)
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)


def _rows_of(path: Path) -> list[tuple[str, Any]] | None:
    """Return what a changed text says, None if it says nothing any more."""
    try:
        return list(load(path).rows.items())
    except DeclarationError:
        return None
