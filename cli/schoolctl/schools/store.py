"""Read schools.yml, and change single rows of it with the user's comments kept."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from schoolctl.schools.model import School, Schools
from schoolctl.schools.yaml_file import read_mapping


def load(path: Path) -> Schools:
    """Return every declared school; raises DeclarationError with the path of the first fault."""
    return Schools(read_mapping(path, "schools"))


def add_school(path: Path, school: School) -> None:
    """Write a new row at the end; the whole file is checked before a byte changes."""
    row: dict[str, Any] = {"title": _as_text(school.title), "domain": school.domain}
    if school.aliases:
        row["aliases"] = list(school.aliases)
    if school.admin_email:
        row["admin_email"] = school.admin_email
    with _edited(path) as schools:
        schools[_as_text(school.slug)] = row


def add_alias(path: Path, slug: str, domain: str) -> None:
    """Write one more alias into a school's row."""
    with _edited(path) as schools:
        row = schools[slug]
        row["aliases"] = row.get("aliases") or []
        row["aliases"].append(domain)


def remove_alias(path: Path, slug: str, domain: str) -> None:
    """Take an alias out of a school's row, if it is there."""
    with _edited(path) as schools:
        aliases = schools[slug].get("aliases") or []
        if domain in aliases:
            aliases.remove(domain)
        if not aliases:
            schools[slug].pop("aliases", None)


def _as_text(value: str) -> str:
    """Return the value so that it is written in quotes where PyYAML and Ansible would read a plain `no` otherwise."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    try:
        plain = yaml.safe_load(value) == value
    except yaml.YAMLError:
        plain = False
    return value if plain else DoubleQuotedScalarString(value)


@contextmanager
def _edited(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows for a change; then check the result and put it in the file's place by one rename."""
    # Imported here: most commands only read, and it takes a third of their start.
    from ruamel.yaml import YAML

    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    editor.indent(mapping=2, sequence=4, offset=2)
    # Two commands on one machine must not lose each other's row. The folder is locked, because the file is replaced.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        before = path.read_text(encoding="utf-8")
        editor.explicit_start = any(line.startswith("---") for line in before.splitlines())
        document = editor.load(before) or {}
        if not document.get("schools"):
            document["schools"] = {}
        yield document["schools"]
        text = StringIO()
        editor.dump(document, text)
        _replace(path, text.getvalue())
    finally:
        os.close(folder)


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    candidate = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Schools(read_mapping(candidate, "schools"))
        candidate.chmod(path.stat().st_mode & 0o777)
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)
