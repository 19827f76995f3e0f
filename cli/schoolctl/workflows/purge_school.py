"""Purge a closed school: what was kept of it goes from disk, database, edge, Redis and schools.yml."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schoolctl.bench import redis
from schoolctl.errors import RefusedError, SchoolctlError
from schoolctl.remote.backups import Backups
from schoolctl.remote.server import CLOSED, MAKING, Server
from schoolctl.schools import store
from schoolctl.schools.model import School
from schoolctl.workflows.claims import refuse_claim_of_others
from schoolctl.workflows.databases import drop_database
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Step

DOING = "purge"


def is_expired(school: School, today: str) -> bool:
    """Say whether the days are over in which a closed school can be reopened for certain. today: ISO, UTC."""
    return school.state == "closed" and bool(school.keep_until) and school.keep_until < today


@dataclass
class PurgeSchool:
    """Remove everything of one closed school; nothing of it can be taken back, so a later run goes on to the end.

    files: those of its row. keep_backups: leave its backup sets where they are. left: targets that let nobody remove
    anything, so that its sets stay there until their owner lets them go.
    """

    server: Server
    schools_file: Path
    school: Mapping[str, Any]
    files: SiteFiles
    keep_backups: bool = False
    left: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Name the places that the steps work on."""
        self._slug: str = self.school["slug"]
        self._live: str = self.school["site_dir"]
        self._closed = self.server.path("archive", self._slug + CLOSED)
        self._kept = self.server.path("archive", self._slug)

    def steps(self) -> list[Step]:
        """Return the story of purging, in order."""
        return [
            Step("See that it is closed", is_done=self._is_closed, do=self._refuse_open),
            *self.removals(),
        ]

    def removals(self) -> list[Step]:
        """Return what comes after the look, for a school that has just been closed.

        Each finds for itself what is left to remove: folders go after what is known by their configurations alone.
        """
        return [
            Step("Claim the end", do=self._claim),
            Step("Forget its jobs", do=self._forget_jobs),
            Step("Drop its databases and users", do=self._drop_databases),
            Step("Remove what was kept of it", do=self._remove_kept),
            *([] if self.keep_backups else [Step("Remove its backup sets", do=self._erase_backups)]),
            Step("Take it off the edge", do=self._take_off_edge),
            Step("Remove its password file", do=self._remove_password_file),
            Step("Close the claim", do=lambda: self.server.remove_claim(self._slug)),
            Step("Take its row out of schools.yml", do=lambda: store.drop(self.schools_file, self._slug)),
        ]

    def is_under_way(self) -> bool:
        """Say whether an earlier run has begun to remove it."""
        claim = self.server.claim(self._slug)
        if claim is not None:
            return claim.get("doing") == DOING
        return self._is_put_away() and not self.server.exists(self._closed)

    def _is_closed(self) -> bool:
        refuse_claim_of_others(self.server, self._slug, DOING)
        return self._is_put_away()

    def _is_put_away(self) -> bool:
        return self.school["state"] == "closed" and not self.server.exists(f"{self._live}/site_config.json")

    def _refuse_open(self) -> None:
        raise RefusedError(
            f"Did not purge `{self._slug}`",
            because="it is not closed",
            hint=f"close it first, which makes a last backup: `schoolctl close-school {self._slug}`",
        )

    def _claim(self) -> None:
        options = ["--keep-backups"] if self.keep_backups else []
        self.server.write_claim(self._slug, {"doing": DOING, "options": options})

    def _forget_jobs(self) -> None:
        # Jobs remember the name that the site had while it was made.
        for site in (self._slug, self._slug + MAKING):
            self.server.run(redis.forget_jobs(site))

    def _drop_databases(self) -> None:
        for name in self._databases():
            drop_database(self.server, name)

    def _databases(self) -> Sequence[str]:
        """Return the databases that this school's folders name, and no other site's.

        The bench may write a site's configuration, so what it names is no proof of whose database that is.
        """
        closed = self.server.database_of(self._closed)
        kept = [self.server.database_of(f"{self._kept}/{name}") for name in self.server.names_in(self._kept)]
        survey = self.server.survey()
        others = {site.database for site in survey.sites.values()}
        others |= {site.database for slug, site in survey.closed.items() if slug != self._slug}
        others |= {claim.get("database") for slug, claim in survey.claims.items() if slug != self._slug}
        # What restores keep is told without whose it was, so this school's own are taken off.
        others |= set(Counter(survey.kept) - Counter(filter(None, kept)))
        return [name for name in dict.fromkeys([closed, *kept]) if name is not None and name not in others]

    def _remove_kept(self) -> None:
        # A bench that was still at work may have left a log where the site was.
        for folder in (self._closed, self._kept, self._live):
            self.server.remove(folder)

    def _erase_backups(self) -> None:
        facts = self.server.backup_facts()
        if facts is None:
            return  # nobody ever made one
        backups = Backups(self.server)
        self.server.remove(backups.fetched(self._slug))
        for_ever = {target.name for target in backups.targets() if target.append_only}
        found = backups.erase(self._slug)
        self.left = sorted(name for name in for_ever & found.keys() if found[name].fault)
        faults = {name: row.fault for name, row in found.items() if row.fault and name not in for_ever}
        if faults:
            raise SchoolctlError(
                f"Could not remove every backup set of `{self._slug}`",
                because="; ".join(f"{name}: {fault}" for name, fault in faults.items()),
                hint="mend that, then run the same command again; --keep-backups leaves them where they are",
            )

    def _remove_password_file(self) -> None:
        self.server.remove(self.server.path("edge", "auth", self._slug))

    def _take_off_edge(self) -> None:
        self.files.remove()
        self.server.activate_edge()
