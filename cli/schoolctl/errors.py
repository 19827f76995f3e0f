"""Say what went wrong in three parts: what the user wanted, the fact, the way out.

Each class stands for one exit code, so that scripts can tell the cases apart without reading text.
"""


class SchoolctlError(Exception):
    """Report something that the user can act on; only `main()` catches it.

    what: what could not be done, without a full stop. because: the fact. hint: the way out.
    details: more lines that `-v` shows, already free of secrets.
    """

    exit_code = 1

    def __init__(self, what: str, *, because: str = "", hint: str = "", details: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.because = because
        self.hint = hint
        self.details = details

    @property
    def reason(self) -> str:
        """The fact alone, for whoever is told otherwise what could not be done."""
        return self.because or self.what

    def __str__(self) -> str:
        return f"{self.what}: {self.because}" if self.because else self.what


class CommandUsageError(SchoolctlError):
    """Report a command line that cannot be understood."""

    exit_code = 2


class DeclarationError(SchoolctlError):
    """Report an inventory that is wrong, or a name that it does not know."""

    exit_code = 3


class UnreachableError(SchoolctlError):
    """Report a host that cannot be reached, or whose key is not trusted."""

    exit_code = 4


class RefusedError(SchoolctlError):
    """Report something that was not begun: the lock is held, or a confirmation is missing."""

    exit_code = 5


class PartlyDoneError(SchoolctlError):
    """Report a bulk command of which only part was done."""

    exit_code = 6
