#!/usr/bin/python3
"""Lend the developer's folder to another user: what it holds is his there, and what he writes is the developer's.

Usage: lend-lms-app FOLDER PLACE UID

Mounts FOLDER at PLACE with FOLDER's own user and group shown as UID, both ways; nothing in it is changed for that. It
needs a kernel from 5.12 on, and a file system that can map users, such as ext4, XFS or Btrfs.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

# System calls by their number, the same on every architecture, and flags as linux/mount.h and its like name them.
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
OPEN_TREE_CLONE, MOUNT_ATTR_IDMAP, MOVE_MOUNT_F_EMPTY_PATH, CLONE_NEWUSER = 0x1, 0x100000, 0x4, 0x10000000
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000

LIBC = ctypes.CDLL(None, use_errno=True)


class MountAttributes(ctypes.Structure):
    """What mount_setattr is told: flags to set and to clear, propagation, and the user namespace with the mapping."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def call(number: int, *arguments: object) -> int:
    """Make a system call; raises OSError as Python's own calls do."""
    result = LIBC.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(result)


@contextlib.contextmanager
def user_namespace(maps: dict[str, str]) -> Iterator[int]:
    """Yield a descriptor of a user namespace with these maps; a process holds it until it has been used."""
    ready, tell = os.pipe()
    holder = os.fork()
    if holder == 0:
        os.write(tell, bytes([LIBC.unshare(CLONE_NEWUSER) & 1]))
        signal.pause()
        os._exit(0)
    try:
        if os.read(ready, 1) != b"\0":
            raise OSError("the kernel makes no user namespace")
        for name, line in maps.items():
            Path(f"/proc/{holder}/{name}").write_text(line, encoding="ascii")
        namespace = os.open(f"/proc/{holder}/ns/user", os.O_RDONLY)
        try:
            yield namespace
        finally:
            os.close(namespace)
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)


def main(folder: Path, place: Path, uid: int) -> None:
    """Mount the folder for the user."""
    owner = folder.stat()
    place.mkdir(parents=True, exist_ok=True)
    with user_namespace({"uid_map": f"{owner.st_uid} {uid} 1", "gid_map": f"{owner.st_gid} {uid} 1"}) as namespace:
        tree = call(OPEN_TREE, AT_FDCWD, bytes(folder), OPEN_TREE_CLONE | os.O_CLOEXEC)
        attributes = MountAttributes(attr_set=MOUNT_ATTR_IDMAP, userns_fd=namespace)
        call(MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, ctypes.byref(attributes), ctypes.sizeof(attributes))
    call(MOVE_MOUNT, tree, b"", AT_FDCWD, bytes(place), MOVE_MOUNT_F_EMPTY_PATH)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
