"""Pick up what interrupted commands left: wait until the server is quiet, then run each of them again."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schoolctl.errors import RefusedError, SchoolctlError
from schoolctl.remote.server import Server
from schoolctl.workflows.bulk import Report
from schoolctl.workflows.claims import Again, again
from schoolctl.workflows.find_trouble import running
from schoolctl.workflows.step import Outcome, Progress


def wait_until_quiet(
    server: Server, progress: Progress, seconds: float, pause: Callable[[float], Any] = time.sleep
) -> Mapping[str, Mapping[str, Any]]:
    """Return the claims that are left when no command is at work: what a cut line left behind is ended by then.

    Raises RefusedError if one is still at work after so many seconds.
    """
    began = begun = time.monotonic()
    waiting = ""
    while True:
        state = server.state()
        now = running(state)
        title = f"{now['what']}, by {now['who']}: {now['step'] or 'begins'}" if now else ""
        if waiting and title != waiting:
            progress(waiting, Outcome.DONE, time.monotonic() - begun)
        if now is None:
            return state.claims
        if title != waiting:
            waiting, begun = title, time.monotonic()
            progress(title, Outcome.STARTED, 0.0)
        if time.monotonic() - began >= seconds:
            raise RefusedError(
                "Could not pick up what was interrupted",
                because=f"{now['who']} has been at work since {now['since']}, doing: {now['what']}",
                hint="wait longer with --wait SECONDS, or run this again later; `schoolctl status` shows how far it is",
            )
        pause(1.0)


def pick_up(claims: Mapping[str, Mapping[str, Any]], run_again: Callable[[Again], Mapping[str, Any]]) -> list[Report]:
    """Run again what each claim tells of, one after the other; one that fails does not stop the next."""
    reports = []
    for slug, claim in claims.items():
        began = time.monotonic()
        try:
            reports.append(Report(slug, run_again(_known(slug, claim)), None, time.monotonic() - began))
        except SchoolctlError as fault:
            reports.append(Report(slug, None, fault, time.monotonic() - began))
    return reports


def planned(claims: Mapping[str, Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return for each claim what would be run: slug, command, since."""
    return [
        {"slug": slug, "command": str(again(slug, claim) or "unknown"), "since": claim.get("since")}
        for slug, claim in claims.items()
    ]


def _known(slug: str, claim: Mapping[str, Any]) -> Again:
    known = again(slug, claim)
    if known is None:
        raise SchoolctlError(
            f"Could not pick up `{slug}`",
            because=f"this schoolctl does not know what `{claim.get('doing')}` is",
            hint="use the version of schoolctl that began it",
        )
    return known
