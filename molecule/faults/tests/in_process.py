"""schoolctl in the process of the tests: starts of Python and of SSH were most of what a fault took."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO

from journey import ROOT, Journey

from schoolctl.app import main
from schoolctl.context import Context
from schoolctl.errors import UnreachableError
from schoolctl.remote.source import agent_source
from schoolctl.transport.ssh import SshTransport


@dataclass
class Line:
    """One connection to the server that is opened again when it was cut."""

    transport: SshTransport | None = None


@dataclass(frozen=True)
class InProcess(Journey):
    """A lab whose commands run here, each with a context and an agent of its own, over one connection.

    What is killed is a process of its own all the same: see `command`.
    """

    _line: Line = field(default_factory=Line, repr=False, compare=False)

    def run(self, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, whatever that is."""
        agent = self.connection().another()
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr, at_most(timeout):
            code = main(["--env", self.name, *arguments], Context(start=ROOT, transport=agent))
        return subprocess.CompletedProcess(arguments, code, stdout.getvalue(), stderr.getvalue())

    def connection(self) -> SshTransport:
        """Return a connection that works; faults cut it, and restart the server behind it."""
        if self._line.transport is not None:
            try:
                self._line.transport.call("hello")
            except UnreachableError:
                self._line.transport.close()
                self._line.transport = None
        if self._line.transport is None:
            self._line.transport = SshTransport(self.project.host, agent_source())
        return self._line.transport


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Break off what takes longer, as the end of a process's patience would."""

    def ring(_number: int, _frame: object) -> None:
        raise TimeoutError(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
