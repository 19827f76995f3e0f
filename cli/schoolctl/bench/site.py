"""Bench commands for one site, run in the idle `tools` container so that they eat no visitor's memory."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from schoolctl.transport.base import Command

TOOLS = "schools-tools"
# What makes a site its school's own; it changes nothing that is so already.
PERSONALISE = "lms_app.setup.personalise"
# What makes a new site one to copy new schools from; it returns until when it serves.
PREPARE = "lms_app.golden.prepare"
# What keeps a copy from acting in its school's name; it returns how much of each kind it muted.
MUTE = "lms_app.staging.mute"
# What lets somebody in; both print a secret, which goes nowhere but to whoever asked.
LOGIN_LINK = "lms_app.access.login_link"
NEW_PASSWORD = "lms_app.access.new_password"  # noqa: S105 - a function's name
# What only Frappe knows of how a site fares, and whether its documents print with pictures.
EXAMINE = "lms_app.health.examine"
PRINT_PICTURE = "lms_app.printing.print_picture"
# What lets the heads of documents stay in PDFs where they cannot be repeated.
KEEP_HEADS = "lms_app.printing.keep_heads"


def bench(*arguments: str, stdin: str = "", secrets: tuple[str, ...] = ()) -> Command:
    """Return a bench command in the tools container."""
    return Command(("docker", "exec", "-i", TOOLS, "bench", *arguments), stdin, secrets)


def new_site(site: str, database: str, administrator_password: str) -> Command:
    """Fill an empty database with Frappe; the site's configuration is written before, so no secret is on the line.

    `--force` accepts the folder that holds it, `--no-setup-db` leaves the database and its user as they are.
    """
    return bench(
        "new-site", site, "--force", "--no-setup-db", "--db-name", database,
        stdin=f"{administrator_password}\n{administrator_password}\n",
        secrets=(administrator_password,),
    )  # fmt: skip


def install_app(site: str, app: str) -> Command:
    """Install one app of the image on a site."""
    return bench("--site", site, "install-app", app)


def image() -> Command:
    """Print the hash of the image that bench commands run in."""
    return Command(("docker", "inspect", "--format", "{{.Image}}", TOOLS))


def versions() -> Command:
    """Print each app of the image with its version, one a line."""
    return bench("version")


def migrate(site: str) -> Command:
    """Bring a site's tables to the versions of the image's apps."""
    return bench("--site", site, "migrate")


def execute(site: str, function: str, arguments: Mapping[str, Any] | None = None) -> Command:
    """Call a Python function by its dotted path with plain arguments; prints what it returns as JSON."""
    # bench evaluates --kwargs as Python, so the arguments are written as Python literals.
    keywords = ("--kwargs", repr(dict(arguments))) if arguments else ()
    return bench("--site", site, "execute", function, *keywords)


def answer_calls(*secrets: str) -> Command:
    """Wait for calls of functions, one JSON line each as `call` makes them: Frappe starts once for all of them.

    secrets: what no error may quote.
    """
    return bench("answer-calls", secrets=secrets)


def call(site: str, function: str, arguments: Mapping[str, Any], *, stdin: str = "") -> dict[str, Any]:
    """Return what `answer_calls` takes for one call of a Python function."""
    return {"site": site, "function": function, "arguments": dict(arguments), "stdin": stdin}


def assets() -> Command:
    """Print the path of each script and style that the image's pages load, as JSON."""
    return Command(("docker", "exec", "-i", TOOLS, "cat", "/home/frappe/frappe-bench/assets/assets.json"))


def enable_scheduler(site: str) -> Command:
    """Let the site's scheduled jobs run."""
    return bench("--site", site, "enable-scheduler")


def clear_cache(site: str) -> Command:
    """Drop what Redis remembers of a site."""
    return bench("--site", site, "clear-cache")


def passthrough(site: str, arguments: Sequence[str], *, tty: bool) -> tuple[str, ...]:
    """Return argv for a bench command that the user wrote himself."""
    return ("docker", "exec", "-it" if tty else "-i", TOOLS, "bench", "--site", site, *arguments)


def told(arguments: Sequence[str]) -> str:
    """Return what may be written down of a bench command: its first word, if it looks like a command's name."""
    word = arguments[0] if arguments else ""
    return word if re.fullmatch(r"[a-z][a-z0-9-]{0,39}", word) else "..."
