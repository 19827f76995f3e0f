"""Faults on demand: a test writes sites/.faults/<command>, and that command fails as it says."""

import signal
import sys

from stand_in.site import SITES

FOLDER = SITES / ".faults"


def strike(*names: str) -> None:
    """Fail if a fault is laid for the command: its file holds an exit code, or `hang`.

    Several names go from general to special: `install-app`, then `install-app-erpnext`.
    """
    for end in range(1, len(names) + 1):
        fault = FOLDER / "-".join(names[:end])
        if fault.is_file():
            what = fault.read_text(encoding="utf-8").strip()
            print(f"{' '.join(names)}: a fault was laid here: {what}", file=sys.stderr)
            while what == "hang":
                signal.pause()
            sys.exit(int(what or 1))
