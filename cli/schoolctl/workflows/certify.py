"""Certificates of schools: have the server get them, and tell how they stand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schoolctl.errors import CommandUsageError, RefusedError, SchoolctlError
from schoolctl.remote.server import CommandFailedError, Server
from schoolctl.transport.session import ServerFaultError
from schoolctl.workflows.step import Progress, Step, run_steps

TITLE = "Get a certificate"
PROGRAM = "schools-certs: "


def certify(
    server: Server, slugs: Sequence[str], progress: Progress, *, force: bool = False
) -> tuple[list[dict[str, Any]], str]:
    """Have the server get what these schools' certificates lack, in one run; return how they stand, or why not.

    A school is open without: nothing is taken back, and the server tries again by itself. force: replace also those
    that lack nothing.
    """
    standing: list[dict[str, Any]] = []
    try:
        run_steps([Step(TITLE, do=lambda: standing.extend(server.certify(slugs, force=force)))], progress)
    except (CommandFailedError, ServerFaultError) as fault:
        return [], said(fault)
    return standing, ""


def warnings(standing: Sequence[dict[str, Any]]) -> list[str]:
    """Return a sentence for each school whose visitors do not see a lock in their browser."""
    texts = []
    for row in standing:
        because = f": {row['fault']}" if row["fault"] else ""
        if row["state"] != "trusted":
            texts.append(f"warning: browsers do not trust the certificate of `{row['slug']}`{because}")
        elif row["missing"]:
            texts.append(f"warning: the certificate of `{row['slug']}` lacks {', '.join(row['missing'])}{because}")
    return texts


def bundle_of(certificate: Path, key: Path | None) -> str:
    """Return certificate, chain and key as one PEM text; raises CommandUsageError when a file cannot be read."""
    try:
        return "\n".join(path.read_text(encoding="ascii") for path in (certificate, key) if path)
    except (OSError, UnicodeDecodeError) as fault:
        raise CommandUsageError("Could not read the certificate", because=str(fault)) from None


def keep_own(server: Server, slug: str, bundle: str) -> dict[str, Any]:
    """Hand a school's own certificate to the server, which looks at it first; raises RefusedError with the reason."""
    try:
        return server.keep_certificate(slug, bundle)
    except CommandFailedError as fault:
        raise RefusedError(
            f"Could not take the certificate for `{slug}`",
            because=said(fault),
            hint="nothing was changed; bring what the authority gave for its domain, with its chain and the key to it",
        ) from None


def said(fault: SchoolctlError) -> str:
    """Return what the program on the server said, without its name."""
    words = fault.result.stderr.strip() if isinstance(fault, CommandFailedError) else ""
    return words.partition(PROGRAM)[2] or fault.reason
