import os

import pytest

_MEMORY = "/dev/shm"
_ROOM = 4 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Let tests write to memory where it has room: they put a thousand small things on the disk, and wait for each.

    What they kill are programs and not the machine, for which memory is as good a disk as any.
    """
    if config.option.basetemp is None and _takes_programs_and_much(_MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _MEMORY)


def _takes_programs_and_much(folder: str) -> bool:
    try:
        found = os.statvfs(folder)
    except FileNotFoundError:
        return False
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize >= _ROOM
