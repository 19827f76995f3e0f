"""Golden sites: which there are on a server, and which one a new school begins from."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schoolctl.bench import site
from schoolctl.remote.server import CommandFailedError, Server, json_object
from schoolctl.transport.session import ServerFaultError

MANIFEST = "manifest.json"
# A site that nobody has set up: the school's set-up wizard, or its locale, does the rest.
PLAIN = "plain"
# In a manifest: since when (ISO, UTC) no school begins from its golden site any more, and because of what.
OUT_OF_SERVICE = "out_of_service"
# What manifests of this form promise; others are none of ours. 2: the image's bench answers calls.
FORM = 2

# What a table costs while a golden site is loaded in parts: work, in seconds on two cores, and how often the parts wait
# for the disk. Fitted to loads into a database in memory that waits 0, 1 and 2 ms, as `make bench PART=disk` does.
_TABLE_SECONDS = 0.003
_WAITS_OF_A_TABLE = 4.4


@dataclass(frozen=True, slots=True)
class GoldenSite:
    """A filled site to copy, as its manifest tells.

    folder: on the server. digest: the SHA-256 of its manifest, which names no other. tables: how many it has, sequences
    among them. parts: file name and SHA-256 of each part of its dump. serves_until: the last day (ISO), where such a
    school is, on which one can begin from it; None for ever. bytes: of all parts. out_of_service: why no school begins
    from it until it is made anew; None as long as they do.
    """

    folder: str
    digest: str
    profile: str
    tables: int
    parts: tuple[tuple[str, str], ...]
    serves_until: str | None
    bytes: int
    out_of_service: str | None = None

    @property
    def files(self) -> list[tuple[str, str]]:
        """Path and SHA-256 of each part."""
        return [(f"{self.folder}/{name}", digest) for name, digest in self.parts]

    def seconds_to_load(self, sync_ms: float) -> float:
        """Return about how long loading takes where a small write waits so many ms for the disk."""
        return self.tables * (_TABLE_SECONDS + _WAITS_OF_A_TABLE * sync_ms / 1000)

    def serves(self, day: date) -> bool:
        """Say whether a school can begin from it on a day."""
        is_over = self.serves_until is not None and day.isoformat() > self.serves_until
        return not is_over and self.out_of_service is None


@dataclass(frozen=True, slots=True)
class GoldenSites:
    """The golden sites of one image, which holds certain apps.

    image: its content's hash, for a name may be given to another image later; empty when no bench runs.
    """

    server: Server
    image: str
    apps: tuple[str, ...]

    @classmethod
    def of(cls, server: Server, apps: Sequence[str]) -> "GoldenSites":
        """Return those of the image that bench commands run in now."""
        try:
            image = server.run(site.image()).stdout.strip().removeprefix("sha256:")
        except CommandFailedError:
            image = ""
        return cls(server, image, tuple(apps))

    @property
    def place(self) -> str:
        """The folder that holds them."""
        return self.server.path("golden", self.image[:12])

    def folder(self, profile: str) -> str:
        """Return where a golden site lies, or shall lie."""
        return f"{self.place}/{profile}"

    def read(self, profile: str) -> GoldenSite | None:
        """Return a golden site; None when there is none of this image with these apps."""
        text = self.server.read(f"{self.folder(profile)}/{MANIFEST}") or ""
        manifest = json_object(text) or {}
        if any(manifest.get(key) != value for key, value in self.identity(profile).items()):
            return None
        return GoldenSite(
            self.folder(profile),
            hashlib.sha256(text.encode()).hexdigest(),
            profile,
            manifest["tables"],
            tuple((part["file"], part["sha256"]) for part in manifest["parts"]),
            manifest["serves_until"],
            sum(part["bytes"] for part in manifest["parts"]),
            manifest[OUT_OF_SERVICE]["because"] if OUT_OF_SERVICE in manifest else None,
        )

    def identity(self, profile: str) -> dict[str, Any]:
        """Return what a manifest has to say for its golden site to be one of these."""
        return {"form": FORM, "image": self.image, "apps": list(self.apps), "profile": profile}

    def all(self) -> list[GoldenSite]:
        """Return every one, also those that no school can begin from now."""
        found = map(self.read, self.server.names_in(self.place)) if self.image else ()
        return [golden for golden in found if golden is not None]

    def serving(self, locale: Mapping[str, str] | None) -> GoldenSite | None:
        """Return the one of a locale, if a school can begin from it today."""
        found = self.read(profile_of(locale))
        return found if found is not None and found.serves(today(self.server, locale)) else None

    def best_for(self, locale: Mapping[str, str] | None) -> GoldenSite | None:
        """Return the one that does the most for a school of a locale: its own, else the plain one, else none."""
        if not self.image:
            return None
        return self.serving(locale) or (self.serving(None) if locale else None)

    def put_out_of_service(self, golden: GoldenSite, because: str) -> None:
        """Let no school begin from one until it is made anew, in one step; what was said of it first stays."""
        path = f"{golden.folder}/{MANIFEST}"
        manifest = self.server.read_json(path)
        if manifest is not None and OUT_OF_SERVICE not in manifest:
            note = {"since": f"{self.server.stamp():%Y-%m-%dT%H:%M:%SZ}", "because": because}
            self.server.write(path, manifest_text({**manifest, OUT_OF_SERVICE: note}))

    def is_whole(self, golden: GoldenSite) -> bool:
        """Say whether each part is what it was when it was made."""
        try:
            return all(self.server.sha256(path) == digest for path, digest in golden.files)
        except ServerFaultError:
            return False  # the disk does not give it back


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """Return a manifest as its file has it."""
    return json.dumps(dict(manifest), indent=1, sort_keys=True) + "\n"


def profile_of(locale: Mapping[str, str] | None) -> str:
    """Return the name of the golden site for schools of a locale."""
    if not locale:
        return PLAIN
    words = re.sub(r"[^a-z]+", "-", f"{locale['country']} {locale['language']}".lower()).strip("-")
    digest = hashlib.sha256(json.dumps(dict(locale), sort_keys=True).encode()).hexdigest()
    return f"{words}-{digest[:8]}"


def today(server: Server, locale: Mapping[str, str] | None) -> date:
    """Return the day that it is at a school of a locale: fiscal years begin by its own clock."""
    zone: tzinfo = UTC
    if locale:
        try:
            zone = ZoneInfo(locale["timezone"])
        except (ZoneInfoNotFoundError, ValueError):
            zone = UTC  # Frappe knows old names of zones, too
    return server.stamp().astimezone(zone).date()
