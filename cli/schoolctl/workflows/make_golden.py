"""Make a golden site: fill a site once, make it nobody's, and keep its dump for every new school of the image."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schoolctl.bench import database, site
from schoolctl.errors import SchoolctlError, UnreachableError
from schoolctl.workflows.bulk import Report
from schoolctl.workflows.change_school import of_school
from schoolctl.workflows.claims import new_password
from schoolctl.workflows.golden_site import MANIFEST, GoldenSite, GoldenSites, manifest_text, profile_of
from schoolctl.workflows.new_site import NewSite
from schoolctl.workflows.step import Progress, Step, run_steps

DOING = "golden"
# What it is called while it is made: no slug has a dot.
CLAIM = "golden.site"
# How many programs load a site at once. Where each wait takes 2 ms, six are a fifth faster than four, and eight no
# faster than six: MariaDB writes down one definition at a time.
PARTS = 6
PARTIAL = ".partial"
# For how many locales golden sites are made, the most common ones: each takes the best part of a minute for each image.
LOCALES = 3
# What a table costs beside its rows: making it is one file and one wait for the disk.
_TABLE_BYTES = 100_000


@dataclass
class MakeGolden:
    """Make the golden site of a locale.

    plain: the golden site without a locale, which one with a locale begins from; None installs app by app. again:
    make it even if there is one. What a killed run left is cleared by the next one, whatever its locale.
    """

    sites: GoldenSites
    locale: Mapping[str, str] | None
    plain: GoldenSite | None = None
    again: bool = False
    made: bool = False
    _manifest: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name what is made, and where it will lie."""
        self.server = self.sites.server
        self.profile = profile_of(self.locale)
        options = {"options": ["--again"]} if self.again else {}
        self.making = NewSite(self.server, CLAIM, DOING, self._is_kept, note=options)
        self._folder = self.sites.folder(self.profile)
        self._partial = self._folder + PARTIAL

    def steps(self) -> list[Step]:
        """Return the story of a golden site, in order."""
        making = self.making
        # Nobody can log in to it: the password that is set here is removed when it is prepared.
        filling = making.loading(self.plain) if self.plain else making.installing(self.sites.apps, new_password())
        return [
            *making.beginning(),
            *filling,
            Step("Make it nobody's", is_done=self._is_kept, do=self._prepare),
            Step("Dump it in parts", is_done=self._is_kept, do=self._dump, undo=self._drop_partial),
            Step("Keep the golden site", is_done=self._is_kept, do=self._keep, commits=True),
            Step("Take the site away", is_done=self._nothing_left, do=making.clear),
        ]

    # --- facts -------------------------------------------------------------------------------------------------------

    def _is_kept(self) -> bool:
        if self.again and not self.made:
            return False
        return self.sites.serving(self.locale) is not None

    def _nothing_left(self) -> bool:
        return self.server.claim(CLAIM) is None

    # --- deeds -------------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        making = self.making
        said = making.run(site.execute(making.site, site.PREPARE, {"locale": self.locale} if self.locale else None))
        try:
            # The last line: apps may say something of their own before.
            self._manifest["serves_until"] = json.loads(said.splitlines()[-1])["serves_until"]
        except (IndexError, KeyError, TypeError, ValueError):
            raise SchoolctlError(
                f"Could not make the golden site `{self.profile}`",
                because="nobody can say until when it serves",
                hint="does the image hold the lms_app of this checkout? `schoolctl provision` brings it up to date",
            ) from None

    def _dump(self) -> None:
        name = self.making.database
        self.server.make_folder(self.sites.place)
        self.server.remove(self._partial)
        self.server.make_folder(self._partial)
        tables = database.bytes_by_table(self.server.run(database.sizes(name)).stdout)
        groups = balanced(tables, PARTS)
        files = [f"part-{number}.sql.gz" for number in range(1, len(groups) + 1)]
        paths = [f"{self._partial}/{file}" for file in files]
        dumps = [database.dump_of(name, group) for group in groups]
        written = self.server.dump_parts(list(zip(dumps, paths, strict=True)))
        self._manifest["parts"] = [{"file": file, **facts} for file, facts in zip(files, written, strict=True)]
        self._manifest["tables"] = len(tables)
        # A dump counts no sequences, and neither does this.
        expected = len(self.server.run(database.tables(name)).stdout.splitlines())
        if (dumped := sum(facts["tables"] for facts in written)) != expected:
            raise SchoolctlError(
                f"Could not make the golden site `{self.profile}`",
                because=f"it has {expected} tables, but {dumped} were dumped",
                hint="run the same command again",
            )

    def _keep(self) -> None:
        self._manifest |= {**self.sites.identity(self.profile), "locale": self.locale}
        self.server.write(f"{self._partial}/{MANIFEST}", manifest_text(self._manifest))
        if self.server.exists(self._folder):
            self.server.exchange(self._partial, self._folder)
            self._drop_partial()
        else:
            self.server.rename(self._partial, self._folder)
        self.made = True

    def _drop_partial(self) -> None:
        self.server.remove(self._partial)


def balanced(sizes: Mapping[str, int], number: int) -> list[list[str]]:
    """Return the tables in so many groups, or one for each if they are fewer, that take about as long to load.

    sizes: bytes by table.
    """
    groups: list[list[str]] = [[] for _ in range(min(number, len(sizes)))]
    weights = [0] * len(groups)
    for table in sorted(sizes, key=lambda table: (-sizes[table], table)):
        lightest = weights.index(min(weights))
        groups[lightest].append(table)
        weights[lightest] += sizes[table] + _TABLE_BYTES
    return [sorted(group) for group in groups]


def most_common(locales: Sequence[Mapping[str, str] | None]) -> list[Mapping[str, str]]:
    """Return the locales that a golden site pays for: those of most schools, in the order of their first appearance."""
    by_profile = {profile_of(locale): locale for locale in locales if locale}
    counted = Counter(profile_of(locale) for locale in locales if locale)
    chosen = {profile for profile, _ in counted.most_common(LOCALES)}
    return [locale for profile, locale in by_profile.items() if profile in chosen]


def make_golden_sites(
    sites: GoldenSites,
    locales: Iterable[Mapping[str, str] | None],
    progress: Progress,
    *,
    again: bool = False,
    dry_run: bool = False,
) -> list[Report]:
    """Make the golden site of each locale, the plain one first, because the others begin from it.

    again: even where there is one; a damaged one is made anew in any case. One that fails does not stop the next,
    unless it is the plain one. Those of images that run no more are removed. Raises SchoolctlError if no bench runs.
    """
    if not sites.image:
        raise SchoolctlError(
            "Could not make golden sites",
            because=f"no bench runs on {sites.server.name}",
            hint="`schoolctl provision` starts it; `schoolctl status` says what is wrong",
        )
    if not dry_run:
        _clear_places(sites)
    plain: GoldenSite | None = None
    reports: list[Report] = []
    for locale in {profile_of(locale): locale for locale in (None, *locales)}.values():
        found = sites.serving(locale)
        damaged = found is not None and not sites.is_whole(found)
        making = MakeGolden(sites, locale, plain, again or damaged)
        began = time.monotonic()
        try:
            changed = run_steps(making.steps(), of_school(making.profile, progress), dry_run=dry_run)
        except UnreachableError:
            raise
        except SchoolctlError as fault:
            reports.append(Report(making.profile, fault=fault, seconds=time.monotonic() - began))
            if plain is None:
                break
        else:
            reports.append(Report(making.profile, {"changed": changed}, None, time.monotonic() - began))
            plain = plain or sites.serving(None)
    return reports


def _clear_places(sites: GoldenSites) -> None:
    """Remove what killed runs left half written, and the golden sites of images that run no more."""
    server, places = sites.server, sites.server.path("golden")
    for name in server.names_in(places):
        if f"{places}/{name}" != sites.place:
            server.remove(f"{places}/{name}")
    for name in server.names_in(sites.place):
        if name.endswith(PARTIAL):
            server.remove(f"{sites.place}/{name}")
