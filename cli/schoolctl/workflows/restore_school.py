"""Restore a school from a set: beside first, compared with the manifest, then swapped in one step."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schoolctl.bench import database, site
from schoolctl.errors import DeclarationError, RefusedError, SchoolctlError
from schoolctl.remote.server import CLOSED, RESTORING, Server
from schoolctl.transport.base import Command
from schoolctl.workflows import back_up_school
from schoolctl.workflows.claims import new_password, refuse_claim_of_others
from schoolctl.workflows.databases import drop_database
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Step
from schoolctl.workflows.visitors import expect_answer

DOING = "restore"


@dataclass
class RestoreSchool:
    """Put a school back to the state of a set; what was there is kept until the next good backup.

    set_id: None takes the newest.
    """

    server: Server
    school: Mapping[str, Any]
    files: SiteFiles
    set_id: str | None = None
    claim: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the places that the steps work on."""
        self._slug: str = self.school["slug"]
        self._live: str = self.school["site_dir"]
        # Where root alone may write: whoever gets into the bench must not lead the unpacking astray by a link.
        self._beside = self.server.path("archive", self._slug + RESTORING)

    def steps(self) -> list[Step]:
        """Return the story of a restore, in order."""
        return [
            Step("Settle what an interrupted restore left", is_done=self._nothing_left, do=self._settle),
            Step("Read the set", do=self._read_set),
            Step("Claim the name", do=self._claim_name, undo=lambda: self.server.remove_claim(self._slug)),
            Step("Make a database beside", do=self._make_database, undo=self._drop_database),
            Step("Load the set's database", do=self._load),
            Step("Unpack the set's files beside", do=self._unpack, undo=lambda: self.server.remove(self._beside)),
            Step("Swap", is_done=self._swapped, do=self._swap, commits=True),
            Step("Keep what was there", do=self._keep),
            Step("Clear its cache", do=lambda: self._run(site.clear_cache(self.school["site"]))),
            Step("Open its doors", is_done=self.files.are_in_force, do=self.files.write, undo=self.files.put_back),
            Step("See that it answers", do=self._see_that_it_answers),
            Step("Close the claim", do=lambda: self.server.remove_claim(self._slug)),
        ]

    # --- before the swap ---------------------------------------------------------------------------------------------

    def _nothing_left(self) -> bool:
        refuse_claim_of_others(self.server, self._slug, DOING)
        return self.server.claim(self._slug) is None

    def _settle(self) -> None:
        """Complete an interrupted restore that had swapped; clear away one that had not."""
        self.claim = self.server.claim(self._slug) or {}
        # Before the swap the folder beside has no configuration or that of the claim; only such a one may be removed.
        if self._swapped():
            # The set that was asked for then, should nobody name one now: a later backup may be the newest today.
            self.set_id = self.set_id or self.claim.get("set")
        if self._swapped() or self.server.database_of(self._beside) not in {None, self.claim["database"]}:
            self._keep()
        else:
            self.server.remove(self._beside)
            self._drop_database()
        self.server.remove_claim(self._slug)
        self.claim = {}

    def _read_set(self) -> None:
        sets = self.server.path("backups", self._slug)
        known = [name for name in self.server.names_in(sets) if not name.endswith(back_up_school.PARTIAL)]
        if not known:
            raise DeclarationError(
                f"Could not restore `{self._slug}`",
                because="it has no backup on the server",
                hint=f"make one with `schoolctl backup {self._slug}`",
            )
        chosen = self.set_id or known[-1]
        if chosen not in known:
            raise DeclarationError(
                f"There is no set `{chosen}` of `{self._slug}`", because=f"the server holds {', '.join(known)}"
            )
        self._set = f"{sets}/{chosen}"
        self.manifest = back_up_school.verify_set(self.server, self._set)
        self.set_id = chosen

    def _claim_name(self) -> None:
        if self.server.exists(self.server.path("archive", self._slug + CLOSED)):
            raise RefusedError(
                f"Could not restore `{self._slug}`",
                because="it is closed, and kept as it was",
                hint=f"open it again first: `schoolctl reopen {self._slug}`",
            )
        if self.server.exists(self._beside):
            raise RefusedError(
                f"Could not restore `{self._slug}`",
                because=f"{self._beside} is there, but no interrupted command owns it",
                hint="look at what it holds, then move it away",
            )
        self.claim = {"doing": DOING, "database": database.database_name(secrets.token_hex(6)), "set": self.set_id}
        self.server.write_claim(self._slug, self.claim)

    def _make_database(self) -> None:
        self._password = new_password()
        self._run(database.create(self.claim["database"], self._password))

    def _drop_database(self) -> None:
        drop_database(self.server, self.claim["database"])

    def _load(self) -> None:
        name = self.claim["database"]
        self.server.load(database.load(name), f"{self._set}/{self.manifest['database']['file']}")
        found = len(self.server.run(database.tables(name)).stdout.splitlines())
        expected = self.manifest["database"]["tables"]
        if found != expected:
            raise SchoolctlError(
                f"Could not restore `{self._slug}`",
                because=f"the set has {expected} tables, but {found} arrived; nothing was replaced",
                hint="choose another set with --set",
            )

    def _unpack(self) -> None:
        archive = f"{self._set}/{self.manifest['files']['file']}"
        back_up_school.unpack_files(self.server, archive, self._beside)

    # --- the swap and after ------------------------------------------------------------------------------------------

    def _swapped(self) -> bool:
        return bool(self.claim) and self.server.database_of(self._live) == self.claim["database"]

    def _swap(self) -> None:
        self.server.merge_site_config(
            f"{self._set}/{self.manifest['config']['file']}",
            self._beside,
            {**self.school["config"], "db_name": self.claim["database"], "db_password": self._password},
        )
        if self.server.exists(self._live):
            self.server.exchange(self._beside, self._live)
        else:
            self.server.rename(self._beside, self._live)

    def _keep(self) -> None:
        if self.server.exists(self._beside):
            archive = self.server.path("archive", self._slug)
            self.server.make_folder(archive)
            moment = self.server.stamp().strftime("%Y%m%dT%H%M%SZ")
            self.server.rename(self._beside, f"{archive}/{moment}-before-{self.claim['database']}")

    def _see_that_it_answers(self) -> None:
        expect_answer(self.server, self.school, f"`{self._slug}` is restored, but does not answer", within=60)

    def _run(self, command: Command) -> None:
        self.server.run(command)
