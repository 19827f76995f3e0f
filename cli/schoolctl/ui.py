"""Talk to the terminal: progress and errors to stderr, data to stdout."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import click

from schoolctl.errors import SchoolctlError
from schoolctl.workflows.step import Outcome, Progress

_MARKS = {
    Outcome.STARTED: ("…", None),
    Outcome.GOING_ON: ("…", None),
    Outcome.DONE: ("✓", "green"),
    Outcome.SKIPPED: ("·", "bright_black"),
    Outcome.WOULD_DO: ("+", "yellow"),
    Outcome.FAILED: ("✗", "red"),
    Outcome.TAKEN_BACK: ("↶", "yellow"),
    Outcome.STUCK: ("!", "red"),
    Outcome.ILL: ("✗", "red"),
    Outcome.PASSED_OVER: ("·", "bright_black"),
}


class Ui:
    """Say things to people on stderr, and give data on stdout, as a table or as JSON."""

    def __init__(self, *, as_json: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self._live = sys.stderr.isatty()
        self._began = time.monotonic()
        self._listeners: list[Progress] = []
        self._gathered: list[Any] | None = None
        self._awaited: list[Callable[[], Iterable[str]]] = []

    def progress(self, title: str, outcome: Outcome, seconds: float) -> None:
        """Say what became of a step; on a terminal a started step's line is replaced by its end."""
        mark, colour = _MARKS[outcome]
        if outcome is Outcome.GOING_ON:
            if self._live:  # elsewhere each would be a line of its own
                self._echo(f"\r\033[K  {mark} {title}", err=True, nl=False)
            return
        for listener in self._listeners:
            listener(title, outcome, seconds)
        if outcome is Outcome.STARTED:
            self._echo(f"  {mark} {title}", err=True, nl=not self._live)
            return
        start = "\r\033[K" if self._live else ""
        if outcome in {Outcome.SKIPPED, Outcome.WOULD_DO, Outcome.PASSED_OVER}:
            tail = f"  ({outcome.value})"
        else:
            tail = f"  {seconds:.1f} s" + ("" if outcome is Outcome.DONE else f"  ({outcome.value})")
        self._echo(start + click.style(f"  {mark} {title}", fg=colour) + click.style(tail, dim=True), err=True)

    @contextmanager
    def also_telling(self, listener: Progress) -> Iterator[None]:
        """Tell somebody else of each step too."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def say(self, text: str) -> None:
        """Tell a person something on stderr."""
        self._echo(text, err=True)

    def say_first(self, texts: Callable[[], Iterable[str]]) -> None:
        """Tell a person something on stderr that nobody waits for until the next word: it is said before that one."""
        self._awaited.append(texts)

    def catch_up(self) -> None:
        """Say now what is to be said first."""
        while self._awaited:
            for text in self._awaited.pop(0)():
                click.echo(text, err=True)

    def done(self, text: str) -> None:
        """Tell that the whole is done, with its time."""
        self.say(f"{text}  {time.monotonic() - self._began:.1f} s")

    def print(self, text: str, *, colour: str | None = None, bold: bool = False) -> None:
        """Print one line of what was asked for to stdout; colours are left out where nobody looks."""
        self._echo(click.style(text, fg=colour, bold=bold or None))

    @contextmanager
    def gathered(self) -> Iterator[list[Any]]:
        """Keep the JSON documents of commands that run inside another, so that stdout stays one document."""
        self._gathered = []
        try:
            yield self._gathered
        finally:
            self._gathered = None

    def data(self, value: Any) -> None:
        """Print one JSON document to stdout."""
        if self._gathered is not None:
            self._gathered.append(value)
            return
        self._echo(json.dumps(value, indent=2, ensure_ascii=False))

    def expect_table(self) -> None:
        """Load what draws a table, if one will be drawn: while something else is waited for, it costs no time."""
        if not self.as_json:
            import_module("rich.console")
            import_module("rich.table")

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Print rows to stdout: as JSON with every key, or as a table of the named columns."""
        if self.as_json:
            self.data(list(rows))
            return
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("" if row[column] is None else str(row[column]) for column in columns))
        # A pipe has no width to fit into.
        console = Console(width=None if sys.stdout.isatty() else 240, markup=False, emoji=False, highlight=False)
        self.catch_up()
        # What stands in brackets is somebody's title, not an instruction.
        console.print(table)

    def facts(self, value: Mapping[str, Any]) -> None:
        """Print one thing to stdout: as JSON, or a line for each key."""
        if self.as_json:
            self.data(value)
            return
        width = max((len(key) for key in value), default=0)
        for key, entry in value.items():
            shown = ", ".join(map(str, entry)) if isinstance(entry, list | tuple) else entry
            if isinstance(entry, Mapping):
                shown = ", ".join(f"{name} {part}" for name, part in entry.items())
            self._echo(f"{key:<{width}}  {'' if shown is None else shown}")

    def error(self, fault: SchoolctlError) -> None:
        """Print an error in its three parts to stderr."""
        self._echo(click.style("error", fg="red", bold=True) + f": {fault.what}", err=True)
        if fault.because:
            self._echo(f"  because: {fault.because}", err=True)
        if fault.hint:
            self._echo(f"\n{click.style('hint', fg='cyan')}: {fault.hint}", err=True)
        if self.verbose and fault.details:
            self._echo(f"\n{fault.details}", err=True)

    def _echo(self, text: str, *, err: bool = False, nl: bool = True) -> None:
        self.catch_up()
        click.echo(text, err=err, nl=nl)


def size(number: int | None) -> str | None:
    """Return a number of bytes as a person reads it, such as `31 MB`."""
    if number is None:
        return None
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= step:
            amount = number / step
            return f"{amount:.1f} {unit}" if unit == "GB" and amount < 10 else f"{amount:.0f} {unit}"
    return f"{number} B"


def ago(moment: str | None, now: datetime | None = None) -> str | None:
    """Return how long ago an ISO time was, such as `2 h ago`."""
    if moment is None:
        return None
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()
    for unit, step in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= step:
            return f"{seconds // step:.0f} {unit} ago"
    return "just now"
