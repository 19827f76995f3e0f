"""Lock the declared apps: ask each repository which commit its branch names today, and write that down."""

import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from schoolctl.errors import DeclarationError, UnreachableError
from schoolctl.schools import apps
from schoolctl.schools.apps import LockedApp
from schoolctl.schools.platform import App

TIMEOUT_SECONDS = 60


def lock_apps(declared: Iterable[App], path: Path) -> tuple[LockedApp, ...]:
    """Resolve every app and write the lock file whole; the old file stays if one of them cannot be resolved.

    Raises UnreachableError if a repository does not answer, DeclarationError if it has no such branch.
    """
    locked = tuple(LockedApp(app.name, app.url, app.branch, commit_of(app)) for app in declared)
    text = apps.format_lock(locked)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        _write_whole(path, text)
    return locked


def commit_of(app: App, *, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
    """Return the full commit id that the app's branch names now, as the user's own git sees the URL."""
    what = f"Could not lock `{app.name}`"
    reference = f"refs/heads/{app.branch}"
    try:
        answer = subprocess.run(
            ["git", "ls-remote", "--exit-code", "--", app.url, reference],
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise DeclarationError(what, because="git is not installed here", hint="install git and try again") from None
    except subprocess.TimeoutExpired:
        raise UnreachableError(
            what, because=f"{app.url} did not answer within {timeout_seconds:g} seconds", hint="check the network"
        ) from None
    if answer.returncode == 2:
        raise DeclarationError(
            what,
            because=f"{app.url} has no branch `{app.branch}`",
            hint="correct `branch` under platform.apps in platform.yml; a tag cannot stand there",
        )
    if answer.returncode != 0:
        raise UnreachableError(
            what,
            because=f"git could not read {app.url}: {(answer.stderr.strip().splitlines() or ['no reason given'])[-1]}",
            hint=f"try `git ls-remote {app.url}`",
            details=answer.stderr.strip(),
        )
    commit = answer.stdout.split(maxsplit=1)[0]
    if not apps.COMMIT.fullmatch(commit):
        raise UnreachableError(what, because=f"{app.url} answered `{commit}` instead of a commit id")
    return commit


def _write_whole(path: Path, text: str) -> None:
    """Write beside and rename, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as beside:
        beside.write(text)
    temporary = Path(beside.name)
    temporary.chmod(0o644)
    temporary.replace(path)
