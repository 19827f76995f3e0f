"""What every transport promises, and the command that it carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run on the server: argv is never joined for a shell, stdin carries what must not be seen.

    secrets: texts to mask wherever the command or its output is shown.
    """

    argv: tuple[str, ...]
    stdin: str = ""
    secrets: tuple[str, ...] = ()

    def shown(self) -> str:
        """Return the command as text for people, without its secrets."""
        return self.mask(" ".join(self.argv))

    def mask(self, text: str) -> str:
        """Return the text with every secret replaced."""
        for secret in self.secrets:
            text = text.replace(secret, "********")
        return text


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str


class Transport(Protocol):
    """One connection to one server."""

    def call(self, operation: str, **arguments: Any) -> Any:
        """Ask the agent on the server for one operation and return its answer.

        Raises ServerFaultError if the operation fails there, UnreachableError if the connection does.
        """

    def tell(self, operation: str, **arguments: Any) -> None:
        """Send the agent an operation whose answer nobody waits for; it comes before every later call.

        Raises UnreachableError if it cannot be sent.
        """

    def another(self) -> "Transport":
        """Return a further agent over the same connection; it ends with this transport at the latest."""

    def attach(self, argv: Sequence[str], *, tty: bool) -> int:
        """Run a program on the server with this process's own stdin, stdout and stderr; return its exit code."""

    def close(self) -> None:
        """End the connection; may be called twice."""
