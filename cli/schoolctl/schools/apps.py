"""The code that schools run: locked commits, the name of the image made from them, and which versions are too old."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from schoolctl.schools import checks
from schoolctl.schools.platform import App
from schoolctl.schools.yaml_file import read_mapping

LOCK_HEADER = """\
# The commit of each app that the bench image is built from. Written by `schoolctl lock`; commit it with the inventory.
"""
NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(.*)", re.DOTALL)

# What lies about in a working copy and never changes what an image holds.
NOT_CONTENT = frozenset(
    {
        "__pycache__",
        ".git",
        ".hypothesis",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        "node_modules",
        "tests-report",
    }
)
# Where an app says what has to be installed for it.
LMS_APP_NEEDS = frozenset({"package.json", "pyproject.toml", "yarn.lock"})
NOT_CONTENT_SUFFIXES = (".pyc", ".egg-info")


@dataclass(frozen=True, slots=True)
class LockedApp:
    """One app at one commit."""

    name: str
    url: str
    branch: str
    commit: str


@dataclass(frozen=True, slots=True)
class Minimum:
    """The oldest version of an app that no published advisory names, and why older ones are refused.

    version: None where no version of the release line has been held against the advisories: then each is refused.
    """

    version: str | None
    reason: str
    source: str


def read_lock(path: Path) -> tuple[LockedApp, ...]:
    """Return the locked apps in their order; raises DeclarationError with the place of the first fault."""
    return parse_lock(read_mapping(path, "apps"), path.name)


def parse_lock(rows: Mapping[str, Any], where: str) -> tuple[LockedApp, ...]:
    """Check the mapping under `apps` of a lock file; raises DeclarationError with the place of the first fault."""
    if not rows:
        raise checks.wrong(f"{where}: apps", "locks no app", hint="run `schoolctl lock`")
    return tuple(_locked_app(f"{where}: apps.{name}", str(name), row) for name, row in rows.items())


def _locked_app(place: str, name: str, row: Any) -> LockedApp:
    if not NAME.fullmatch(name):
        raise checks.wrong(place, "an app's name has small letters, digits and `_`, at most 50")
    if not isinstance(row, Mapping):
        raise checks.wrong(place, "must be a mapping of url, branch and commit")
    checks.known_keys(place, row, {"url", "branch", "commit"})
    values: dict[str, str] = {}
    for key in ("url", "branch", "commit"):
        value = row.get(key)
        if not isinstance(value, str) or not value or value.startswith("-") or not value.isprintable():
            raise checks.wrong(f"{place}.{key}", "must be plain text that does not begin with `-`")
        values[key] = value
    if not COMMIT.fullmatch(values["commit"]):
        raise checks.wrong(f"{place}.commit", f"`{values['commit']}` is no full commit id", hint="run `schoolctl lock`")
    return LockedApp(name, **values)


def format_lock(apps: Iterable[LockedApp]) -> str:
    """Return the text of apps.lock.yml."""
    rows = {app.name: {"url": app.url, "branch": app.branch, "commit": app.commit} for app in apps}
    return LOCK_HEADER + yaml.safe_dump({"apps": rows}, sort_keys=False, allow_unicode=True, width=1000)


def require_match(lock: Sequence[LockedApp], declared: Sequence[App]) -> None:
    """Raise DeclarationError if the lock was made for other apps than the platform declares now."""
    locked = [(app.name, app.url, app.branch) for app in lock]
    wanted = [(app.name, app.url, app.branch) for app in declared]
    if locked != wanted:
        odd = next(
            (entry[0] for entry in (*wanted, *locked) if entry not in locked or entry not in wanted), wanted[0][0]
        )
        raise checks.wrong(
            "apps.lock.yml",
            f"`{odd}` is not locked as platform.yml declares it",
            hint="run `schoolctl lock` to resolve the apps again",
        )


def image_tag(
    lock: Iterable[LockedApp],
    *,
    lms_app_dir: Path,
    image_dir: Path,
    release: str,
    debian_image: str,
    extra_ca_file: Path | None = None,
    lms_app_is_lent: bool = False,
) -> str:
    """Return the tag of the image that these inputs make: the release line and 12 hex digits of their content.

    Equal inputs give equal tags on every machine; whatever can change the image changes the tag. Of an lms_app that is
    lent to the bench nothing in the image is run, so only what it needs installed counts.
    """
    digest = hashlib.sha256()
    for app in lock:
        _feed(digest, "app", app.name, app.commit)
    _feed(digest, "release", release)
    _feed(digest, "debian", debian_image)
    if lms_app_is_lent:
        for needs in sorted(path for path in lms_app_dir.iterdir() if path.name in LMS_APP_NEEDS):
            _feed(digest, "needs", needs.name, needs.read_bytes())
    trees = (("image", image_dir),) if lms_app_is_lent else (("lms_app", lms_app_dir), ("image", image_dir))
    for name, tree in trees:
        _feed(digest, "tree", name)
        for entry in tree_entries(tree):
            _feed(digest, *entry)
    if extra_ca_file is not None:
        _feed(digest, "ca", extra_ca_file.read_bytes())
    return f"{release}-{digest.hexdigest()[:12]}"


def tree_entries(root: Path) -> Iterator[tuple[str, str | bytes, str | bytes]]:
    """Yield (kind, path below root, content) of every file, sorted by path; caches and the like are no content."""
    for path in sorted(_content(root), key=lambda found: found.relative_to(root).as_posix()):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            yield "link", name, str(path.readlink())
        else:
            yield ("program" if path.stat().st_mode & 0o100 else "file"), name, path.read_bytes()


def _content(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in NOT_CONTENT or path.name.endswith(NOT_CONTENT_SUFFIXES):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _content(path)
        else:
            yield path


def _feed(digest: "hashlib._Hash", *parts: str | bytes) -> None:
    """Add parts with their lengths, so that moving a border between two of them gives another digest."""
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)


def read_minimums(path: Path, release: str) -> dict[str, Minimum]:
    """Return the minimum versions of one release line by app; raises DeclarationError for a line that is not listed."""
    return minimums_of(yaml.safe_load(path.read_text(encoding="utf-8"))["releases"], release)


def minimums_of(lines: Mapping[str, Mapping[str, Any]], release: str) -> dict[str, Minimum]:
    """Return the minimum versions of one release line by app; lines: the rows of each in minimum_versions.yml.

    A line without rows has one without a version for each app that another line has one for.
    """
    if release not in lines:
        raise checks.wrong("platform.yml: platform.release", f"`{release}` is none of {', '.join(sorted(lines))}")
    if rows := lines[release]:
        return {app: Minimum(str(row["minimum"]), str(row["reason"]), str(row["source"])) for app, row in rows.items()}
    reason = f"no version of {release} has been held against the advisories yet"
    return {app: Minimum(None, reason, str(row["source"])) for line in lines.values() for app, row in line.items()}


def check_versions(found: Mapping[str, str], minimums: Mapping[str, Minimum], accepted: Mapping[str, str]) -> list[str]:
    """Return one sentence for each app that is too old and not accepted at exactly this version; none is good.

    accepted: app to the exact version that the inventory takes the risk of. Another version is not accepted by it.
    """
    refusals = []
    for app, version in found.items():
        minimum = minimums.get(app)
        if minimum is None or accepted.get(app) == version:
            continue
        if minimum.version is None:
            fact, way_out = "may have known holes", "Choose a release line that has been"
        elif is_older(version, minimum.version):
            fact, way_out = f"is older than {minimum.version}", "Lock a newer commit"
        else:
            continue
        refusals.append(
            f"{app} {version} {fact}: {minimum.reason} ({minimum.source}). {way_out}, or accept the risk in "
            f'platform.yml: accept_vulnerable_versions: {{ {app}: "{version}" }}'
        )
    return refusals


def is_older(version: str, minimum: str) -> bool:
    """Tell whether a version comes before another; one that cannot be read does, and so does a pre-release."""
    found, wanted = VERSION.fullmatch(version.strip()), VERSION.fullmatch(minimum.strip())
    if wanted is None:
        raise ValueError(f"`{minimum}` is no version")
    if found is None:
        return True
    left, right = _numbers(found[1]), _numbers(wanted[1])
    return left < right or (left == right and bool(found[2]) and not wanted[2])


def _numbers(dotted: str) -> tuple[int, ...]:
    numbers = [int(part) for part in dotted.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
