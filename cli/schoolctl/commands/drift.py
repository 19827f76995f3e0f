"""How differences between promise and fact are shown."""

from collections.abc import Sequence
from itertools import groupby

from schoolctl.context import Context
from schoolctl.workflows.find_drift import Drift

_ORPHANS = "claimed by no row: shown, and never removed unless named"


def show_drift(context: Context, drifts: Sequence[Drift]) -> None:
    """Print differences to stdout: as JSON, or as a diff by school with the command that closes each."""
    if context.ui.as_json:
        context.ui.data([drift.row for drift in drifts])
        return
    for heading, group in groupby(drifts, _heading):
        context.ui.print(heading, bold=True)
        for drift in group:
            if drift.is_orphan:
                context.ui.print(f"  ? {drift.subject}", colour="magenta")
                continue
            sign, colour = ("+", "green") if drift.found in {None, "missing"} else ("~", "yellow")
            context.ui.print(
                f"  {sign} {drift.subject}: {_shown(drift.found)} -> {_shown(drift.declared)}", colour=colour
            )
            for line in drift.diff[2:]:
                context.ui.print(f"      {line}", colour={"+": "green", "-": "red"}.get(line[0]))
            if not drift.applies:
                context.ui.print(f"      {drift.remedy}", colour="cyan")
    count = sum(drift.applies for drift in drifts)
    if not drifts:
        context.ui.say("No drift: the server is as declared.")
    else:
        context.ui.say(f"{len(drifts)} differ; `schoolctl apply --all` closes {count} of them.")


def _heading(drift: Drift) -> str:
    if drift.is_orphan:
        return _ORPHANS
    return drift.slug or "the platform"


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)
