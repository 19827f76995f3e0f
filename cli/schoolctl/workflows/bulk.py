"""Do one thing to many schools: side by side, none stopped by another's failure."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from schoolctl.errors import PartlyDoneError, SchoolctlError
from schoolctl.remote.server import Server


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one school: what there is to say, or what went wrong; and the seconds that it took."""

    slug: str
    result: Any = None
    fault: SchoolctlError | None = None
    seconds: float = 0.0

    @property
    def outcome(self) -> str:
        """One word for it."""
        if self.fault is not None:
            return "failed"
        unchanged = self.result is False or (isinstance(self.result, dict) and self.result.get("changed") is False)
        return "unchanged" if unchanged else "done"

    @property
    def row(self) -> dict[str, Any]:
        """The report as plain values."""
        details = self.result if isinstance(self.result, dict) else {}
        because = self.fault.reason if self.fault else None
        return {
            **details,
            "slug": self.slug,
            "result": self.outcome,
            "because": because,
            "seconds": round(self.seconds, 1),
        }


def do_each(
    slugs: Sequence[str], servers: Sequence[Server], do: Callable[[str, Server], Any], tell: Callable[[Report], None]
) -> list[Report]:
    """Do it to each school, as many at once as there are servers to speak through; return the reports in order.

    servers: connections to one and the same server. tell: hears of each school as it ends.
    """
    free: SimpleQueue[Server] = SimpleQueue()
    for server in servers:
        free.put(server)

    def one(slug: str) -> Report:
        server, began = free.get(), time.monotonic()
        try:
            report = Report(slug, do(slug, server), None, time.monotonic() - began)
        except SchoolctlError as fault:
            report = Report(slug, None, fault, time.monotonic() - began)
        finally:
            free.put(server)
        tell(report)
        return report

    with ThreadPoolExecutor(max_workers=len(servers)) as pool:
        return list(pool.map(one, slugs))


def raise_failures(reports: Sequence[Report], wish: str) -> None:
    """Raise what went wrong: the fault itself if it is the only school's, PartlyDoneError if others are done."""
    failed = [report for report in reports if report.fault is not None]
    if not failed:
        return
    if len(reports) == 1 and failed[0].fault is not None:
        raise failed[0].fault
    words = "; ".join(f"{report.slug}: {report.row['because']}" for report in failed)
    kind = PartlyDoneError if len(failed) < len(reports) else SchoolctlError
    raise kind(
        f"Could not {wish} {len(failed)} of {len(reports)} schools",
        because=words,
        hint="mend that, then run the same command again: what is done stays done",
    )
