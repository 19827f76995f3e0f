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


def put(path: Path, *schools: School) -> None:
    """Write schools into their rows, new ones at the end; what stays the same keeps its words and comments.

    The whole file is checked before a byte changes.
    """
    with _edited(path) as rows:
        known = load(path)
        for school in schools:
            if school.slug not in known:
                rows[_as_text(school.slug)] = _as_nodes(school.row)
                continue
            before, after = known[school.slug].row, school.row
            for name in {**before, **after}:
                _change(rows[school.slug], name, before.get(name), after.get(name))


def drop(path: Path, slug: str) -> None:
    """Take a school's row away, if it is there."""
    with _edited(path) as rows:
        rows.pop(slug, None)


def _change(row: dict[str, Any], name: str, before: Any, after: Any) -> None:
    """Make one value of a row what it shall be: inside lists and mappings only what differs is touched."""
    if before == after:
        return
    if after is None:
        row.pop(name, None)
    elif isinstance(before, list) and isinstance(row.get(name), list):
        entries = row[name]
        entries[:] = [entry for entry in entries if entry in after]
        entries.extend(entry for entry in after if entry not in entries)
        if list(entries) != after:
            entries[:] = after
    elif isinstance(before, dict) and isinstance(after, dict) and isinstance(row.get(name), dict):
        for key in {**before, **after}:
            _change(row[name], key, before.get(key), after.get(key))
    else:
        row[name] = _as_nodes(after)


def _as_nodes(value: Any) -> Any:
    """Return a plain value so that every reader of YAML gets the same back."""
    if isinstance(value, str):
        return _as_text(value)
    if isinstance(value, dict):
        return {_as_text(key): _as_nodes(entry) for key, entry in value.items()}
    return [_as_nodes(entry) for entry in value] if isinstance(value, list) else value


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
