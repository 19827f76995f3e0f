"""The pool: databases loaded from golden sites before anybody asks, so that a new school only has to claim one."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from schoolctl.bench import database
from schoolctl.errors import RefusedError, SchoolctlError
from schoolctl.remote.server import Server
from schoolctl.transport.session import ServerFaultError
from schoolctl.workflows.golden_site import GoldenSite, GoldenSites
from schoolctl.workflows.make_golden import most_common
from schoolctl.workflows.step import Progress, Step, run_steps

# For how long somebody who fills the pool waits for another who does, in seconds.
PATIENCE = 900.0


def pooled(sites: GoldenSites, locales: Sequence[Mapping[str, str] | None]) -> list[GoldenSite]:
    """Return the golden sites whose copies are kept ready: those of the most common locales, else the plain one."""
    if not sites.image:
        return []
    chosen: Sequence[Mapping[str, str] | None] = most_common(locales) or [None]
    return [golden for locale in chosen if (golden := sites.serving(locale)) is not None]


@dataclass
class FillPool:
    """Load databases until there are so many of each golden site, and drop those that nobody can use.

    size: how many of each; those that are more are dropped. loaded, dropped: what was done. A load that fails leaves a
    half-loaded database, which is never handed out and is dropped by the next filling.
    """

    server: Server
    goldens: Sequence[GoldenSite]
    size: int
    loaded: int = 0
    dropped: int = 0
    pause: Callable[[float], Any] = field(default=time.sleep)

    def run(self, progress: Progress, *, dry_run: bool = False) -> bool:
        """Fill it; return whether anything was done. Raises RefusedError while somebody else fills it for long."""
        waiting = Step("Wait for a filling that is under way", is_done=self._nobody_fills, do=self._wait)
        run_steps([waiting], progress, dry_run=dry_run)
        missing = self.missing()
        loads = [
            Step(f"Load database {number} of {missing}", do=partial(self._fill, 1)) for number in range(1, missing + 1)
        ]
        if not dry_run:
            self._fill(0)
        return run_steps(loads, progress, dry_run=dry_run) or self.dropped > 0

    def missing(self) -> int:
        """Return how many databases are not there yet."""
        ready = self.server.pool().ready
        return sum(max(0, self.size - ready.get(golden.digest, 0)) for golden in self.goldens)

    def _nobody_fills(self) -> bool:
        return not self.server.pool().filling

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while not self._nobody_fills():
            if time.monotonic() >= end:
                raise RefusedError(
                    "Could not fill the pool",
                    because="somebody else has been filling it all the time",
                    hint="`schoolctl pool --status` shows how far it is",
                )
            self.pause(1.0)

    def _fill(self, most: int) -> None:
        wanted = [_wanted(golden, self.size) for golden in self.goldens]
        while True:
            try:
                done = self.server.fill_pool(database.POOL, wanted, most=most, trim=True)
                break
            except ServerFaultError as fault:
                if fault.kind != "busy":
                    raise SchoolctlError(
                        "Could not fill the pool",
                        because=fault.because,
                        hint="`schoolctl golden` makes a damaged one anew; `schoolctl status` says what else is wrong",
                    ) from None
                # A school was opened in between, and the server fills up behind it.
                self._wait()
        self.loaded += done["loaded"]
        self.dropped += done["dropped"]


def begin_refill(server: Server, goldens: Sequence[GoldenSite], size: int) -> None:
    """Let the server fill the pool by itself, behind other commands; `schoolctl pool --status` tells how it ended."""
    server.refill_pool(database.POOL, [_wanted(golden, size) for golden in goldens])


def _wanted(golden: GoldenSite, size: int) -> dict[str, Any]:
    return {
        "profile": golden.profile,
        "golden": golden.digest,
        "parts": [list(part) for part in golden.files],
        "tables": golden.tables,
        "size": size,
    }
