"""Files that are put in place in one step, and never by way of a link that somebody else laid."""

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import time
from pathlib import Path

from backup.errors import BackupError, BusyError, ChangedError

BLOCK = 1 << 20


def put(path, text, mode=0o600):
    """Put a file in place by one rename, with its content on the disk."""
    beside = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    beside.replace(path)


def put_json(path, value):
    """Put an object in place as JSON, its keys in order, so that like gives like."""
    # On one line: with line breaks it takes Python ten times as long.
    put(path, json.dumps(value, sort_keys=True) + "\n")


def read_json(path):
    """Return the object in a file, or None where there is none or it is damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def open_regular(name, folder=None):
    """Open a file for reading; anything but a regular file raises BackupError. folder: open one that it lies in."""
    # Without O_NONBLOCK a pipe that nobody writes to would hold this program for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    number = os.open(name, flags, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise BackupError(f"{name} is no regular file")
    return os.fdopen(number, "rb")


def open_folder(name, folder=None):
    """Open a folder itself, never one that a link leads to; return its number."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def sha256(path, folder=None):
    """Return the SHA-256 of a regular file as hex; raises ChangedError if it is written to meanwhile."""
    digest = hashlib.sha256()
    with open_regular(path, folder) as file:
        before = os.fstat(file.fileno())
        while block := file.read(BLOCK):
            digest.update(block)
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ChangedError(f"{path} was written to while it was read")
    return digest.hexdigest()


def walk(top):
    """Yield the regular files below a folder: their path in it, as text, and what lstat says; nothing is followed."""
    folders = [""]
    while folders:
        inner = folders.pop()
        with os.scandir(Path(top, inner)) as entries:
            for entry in entries:
                path = f"{inner}/{entry.name}" if inner else entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_file(follow_symlinks=False):
                    yield path, entry.stat(follow_symlinks=False)


@contextlib.contextmanager
def locked(path, who, patience=0):
    """Hold a lock that falls with this process; raises BusyError that tells who has it, and since when.

    who: told to whoever comes second. patience: seconds to wait for the other.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+") as file:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    said = file.read(1000).strip() or "another run, which has just begun"
                    raise BusyError(f"{path.name} is in the hands of {said}") from None
            time.sleep(0.2)
        file.truncate(0)
        file.write(who)
        file.flush()
        yield
