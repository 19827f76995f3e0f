"""A school as files that travel: the names that a stock bench gives them, ours and those of others, on this machine."""

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from schoolctl.errors import DeclarationError, RefusedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE = 1 << 20
# The parts by what stock bench calls them, after the moment and the site.
DATABASE = "database.sql.gz"
PUBLIC = "files.tar"
PRIVATE = "private-files.tar"
CONFIG = "site_config_backup.json"
# What only ours have: the manifest of the set, and the hash of each part.
CONTENTS = "schoolctl.json"

_NAME = re.compile(
    r"(?P<stamp>\d{8}_\d{6})-(?P<site>[A-Za-z0-9._-]+?)-"
    r"(?P<part>database(?:-enc)?\.sql(?:-enc)?\.gz|(?:private-)?files(?:-enc)?\.(?:tar|tgz)"
    r"|site_config_backup(?:-enc)?\.json|schoolctl\.json)"
)
_FOLDERS = {PUBLIC: "public", PRIVATE: "private"}


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of a file on this machine."""

    name: str
    file: Path
    offset: int
    size: int

    def pieces(self) -> Iterator[bytes]:
        """Yield all of it, piece by piece."""
        with self.file.open("rb") as file:
            file.seek(self.offset)
            left = self.size
            while left and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece

    def read(self) -> bytes:
        """Return all of it."""
        return b"".join(self.pieces())

    def sha256(self) -> str:
        """Return its hash as hex."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


@dataclass(frozen=True)
class Files:
    """Uploads as a tar: how many there are, and how many folders stand before each name (a `.` counts as one)."""

    part: Part
    count: int
    depth: int
    is_packed: bool


@dataclass(frozen=True)
class Archive:
    """A school on this machine. manifest: of the set that it was made from, None for one of a stock bench.

    tables: that its database has to have, as far as that is said.
    """

    source: Path
    stamp: str
    site: str
    database: Part
    config: Mapping[str, Any] = field(default_factory=dict)
    public: Files | None = None
    private: Files | None = None
    manifest: Mapping[str, Any] | None = None
    tables: Sequence[str] = ()

    @property
    def bytes(self) -> int:
        """How much it is to send."""
        return self.database.size + sum(files.part.size for files in (self.public, self.private) if files)

    @property
    def key(self) -> str | None:
        """The key of what the school stores encrypted, if it came along."""
        key = self.config.get("encryption_key")
        return key if isinstance(key, str) and key else None


def read_archive(source: Path) -> Archive:
    """Return what a file or a folder holds: an export of ours, a stock set, its folder, or its database alone.

    Raises DeclarationError for what is none, RefusedError for one that could write elsewhere than into its site, or
    that does not hold what it says.
    """
    parts = _parts_of(source)
    if not parts:
        raise _none(source, f"nothing in it is named as `bench backup` does, such as 20260131_020000-site-{DATABASE}")
    stamp, site = max({(found["stamp"], found["site"]) for found, _ in parts})
    own = {found["part"]: part for found, part in parts if (found["stamp"], found["site"]) == (stamp, site)}
    if encrypted := [name for name in own if "-enc" in name]:
        raise RefusedError(
            f"Could not read {source}",
            because=f"{encrypted[0]} is encrypted by `bench backup`",
            hint="open it with gpg and that site's backup_encryption_key first",
        )
    if DATABASE not in own:
        raise _none(source, f"it has no {stamp}-{site}-{DATABASE}")
    contents = _json_of(own[CONTENTS]) if CONTENTS in own else None
    if contents is not None:
        _compare(source, own, contents)
    return Archive(
        source,
        stamp,
        site,
        own[DATABASE],
        _json_of(own[CONFIG]) if CONFIG in own else {},
        _files_of(own, PUBLIC),
        _files_of(own, PRIVATE),
        contents["manifest"] if contents is not None else None,
        tuple(contents["tables"]) if contents is not None else (),
    )


@contextmanager
def writing(target: Path) -> Iterator["Writer"]:
    """Write an archive beside its place, readable to its owner alone; it is put there by `keep`, else removed."""
    beside = target.with_name(f".{target.name}.partial")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        writer = Writer(file, beside, target)
        try:
            yield writer
        finally:
            beside.unlink(missing_ok=True)


@dataclass
class Writer:
    """A tar whose members' sizes are known only when they are written."""

    file: IO[bytes]
    beside: Path
    target: Path
    members: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, pieces: Iterator[bytes]) -> Iterator[int]:
        """Add a member piece by piece; yield how many bytes of it there are so far."""
        header = self.file.tell()
        self.file.write(bytes(tarfile.BLOCKSIZE))
        size, digest = 0, hashlib.sha256()
        for piece in pieces:
            self.file.write(piece)
            size += len(piece)
            digest.update(piece)
            yield size
        self.file.write(bytes(-size % tarfile.BLOCKSIZE))
        end = self.file.tell()
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        self.file.seek(header)
        # GNU's form has room for any size in one block.
        self.file.write(member.tobuf(tarfile.GNU_FORMAT))
        self.file.seek(end)
        self.members[name] = {"bytes": size, "sha256": digest.hexdigest()}

    def keep(self) -> None:
        """End the tar and put it in its place by one rename."""
        self.file.write(bytes(2 * tarfile.BLOCKSIZE))
        self.file.flush()
        os.fsync(self.file.fileno())
        self.beside.replace(self.target)


def _parts_of(source: Path) -> list[tuple[re.Match[str], Part]]:
    """Return every part in a folder or a file, with what its name says."""
    try:
        if source.is_dir():
            found = [
                Part(path.name, path, 0, path.stat().st_size) for path in sorted(source.iterdir()) if path.is_file()
            ]
        elif source.name.endswith(".sql.gz"):
            return [(_named(source.name) or _as_database(source), Part(source.name, source, 0, source.stat().st_size))]
        else:
            found = _members_of(source)
    except OSError as fault:
        raise DeclarationError(f"Could not read {source}", because=str(fault.strerror or fault)) from None
    return [(match, part) for part in found if (match := _named(part.name))]


def _named(name: str) -> re.Match[str] | None:
    return _NAME.fullmatch(name)


def _as_database(source: Path) -> re.Match[str]:
    """Return what a database alone says of itself when somebody has renamed it."""
    site = re.sub(r"[^A-Za-z0-9._-]", "-", source.name.removesuffix(".sql.gz")) or "site"
    found = _named(f"00000000_000000-{site}-{DATABASE}")
    if found is None:
        raise _none(source, "its name says nothing")
    return found


def _members_of(source: Path) -> list[Part]:
    try:
        with tarfile.open(source, "r:") as archive:
            members = archive.getmembers()
    except tarfile.TarError as fault:
        raise _none(source, f"it is no plain tar: {fault}") from None
    parts = []
    for member in members:
        _demand_inside(source, member, [part for part in PurePosixPath(member.name).parts if part != "."])
        if member.issparse():
            raise _astray(source, member.name, "has holes")
        if member.isfile():
            parts.append(Part(PurePosixPath(member.name).name, source, member.offset_data, member.size))
    return parts


def _files_of(own: Mapping[str, Part], name: str) -> Files | None:
    """Return the uploads of one kind after a look at every name; None where the set has none."""
    packed = name.replace(".tar", ".tgz")
    part = own.get(name) or own.get(packed)
    if part is None:
        return None
    count, depths = 0, set()
    try:
        for member in _members_in(part):
            names = PurePosixPath(member.name).parts
            _demand_inside(part.file, member, list(names))
            if names[1:3] != (_FOLDERS[name], "files"):
                raise _astray(part.file, member.name, f"lies in no {_FOLDERS[name]}/files of a site")
            # A path knows no `.`, but tar counts it.
            depths.add(3 + len(member.name.split("/")) - len(names))
            count += member.isfile()
    except tarfile.TarError as fault:
        raise _none(part.file, f"{part.name} is no whole tar: {fault}") from None
    if len(depths) > 1:
        raise _astray(part.file, part.name, "names its files in more than one way")
    return Files(part, count, depths.pop() if depths else 3, part.name.endswith("tgz"))


def _members_in(part: Part) -> Iterator[tarfile.TarInfo]:
    with part.file.open("rb") as file:
        file.seek(part.offset)
        window = io.BufferedReader(_Window(file, part.size))
        if part.name.endswith("tgz"):
            with tarfile.open(fileobj=window, mode="r|gz") as archive:
                yield from archive
        else:
            with tarfile.open(fileobj=window, mode="r|") as archive:
                yield from archive


class _Window(io.RawIOBase):
    """So many bytes of an open file, from where it stands."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__()
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        piece = self._file.read(min(len(view), self._left))
        self._left -= len(piece)
        view[: len(piece)] = piece
        return len(piece)


def _demand_inside(source: Path, member: tarfile.TarInfo, names: list[str]) -> None:
    if not (member.isfile() or member.isdir()):
        raise _astray(source, member.name, "is neither a file nor a folder")
    if member.name.startswith("/") or ".." in names or "\0" in member.name:
        raise _astray(source, member.name, "leads out of its folder")


def _compare(source: Path, own: Mapping[str, Part], contents: Mapping[str, Any]) -> None:
    """Raise RefusedError if a part is not what was exported."""
    said = contents.get("members")
    kinds = {"members": dict, "manifest": dict, "tables": list}
    if not isinstance(said, dict) or not all(isinstance(contents.get(key), kind) for key, kind in kinds.items()):
        raise _none(source, f"its {CONTENTS} does not say what it holds")
    found = {part.name: part for name, part in own.items() if name != CONTENTS}
    for name, facts in said.items():
        if name not in found or found[name].sha256() != facts["sha256"]:
            because = "is missing" if name not in found else "is not what was exported"
            raise RefusedError(f"Could not read {source}", because=f"{name} {because}", hint="export it once more")


def _json_of(part: Part) -> dict[str, Any]:
    try:
        found = json.loads(part.read())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _none(part.file, f"{part.name} is no JSON object")
    return found


def _none(source: Path, because: str) -> DeclarationError:
    return DeclarationError(f"{source} is no backup of a school", because=because)


def _astray(source: Path, name: str, because: str) -> RefusedError:
    return RefusedError(
        f"Could not read {source}", because=f"{name!r} {because}", hint="no backup holds that: ask who made this one"
    )
