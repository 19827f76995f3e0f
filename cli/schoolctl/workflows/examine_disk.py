"""Examine the disk that holds the schools: how long the database waits for it, and what a new school takes then."""

from collections.abc import Sequence
from dataclasses import dataclass

from schoolctl.remote.server import Server
from schoolctl.workflows.golden_site import GoldenSite

# From here on a new school waits longer for the disk than for everything else together.
SLOW_MS = 2.0


@dataclass(frozen=True, slots=True)
class Disk:
    """How a disk keeps a database waiting.

    sync_ms: how long a small write waits until it is safe: the middle one, and the one that 95 of 100 stay below.
    load_seconds: about how long each golden site takes to load, by profile.
    """

    sync_ms: float
    sync_ms_95: float
    load_seconds: dict[str, float]

    @property
    def is_slow(self) -> bool:
        """Whether it is the disk that a new school waits for."""
        return self.sync_ms >= SLOW_MS


def examine_disk(server: Server, goldens: Sequence[GoldenSite]) -> Disk:
    """Measure the disk of a server, for at most three seconds."""
    waits = sorted(server.sync_latency())
    middle, high = waits[len(waits) // 2], waits[len(waits) * 95 // 100]
    return Disk(middle, high, {golden.profile: round(golden.seconds_to_load(middle), 1) for golden in goldens})
