"""A site in the making, beside its final place: all of it belongs to one claim, and can be taken back."""

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from schoolctl.bench import database, redis, site
from schoolctl.errors import RefusedError, SchoolctlError
from schoolctl.remote.server import MAKING, CommandFailedError, Server
from schoolctl.transport.base import Command
from schoolctl.transport.session import ServerFaultError
from schoolctl.workflows.claims import new_password, refuse_claim_of_others
from schoolctl.workflows.databases import drop_database
from schoolctl.workflows.golden_site import GoldenSite
from schoolctl.workflows.step import Step

# What bench expects in the folder of a site.
FOLDERS = ("public", "public/files", "private", "private/files", "private/backups", "locks", "logs")


class UnusableGoldenError(SchoolctlError):
    """Report a golden site that no school can begin from, whatever was promised of it."""

    def __init__(self, golden: GoldenSite, because: str) -> None:
        super().__init__(
            f"Could not load the golden site `{golden.profile}`",
            because=because,
            hint="`schoolctl golden` makes a damaged one anew",
        )
        self.golden = golden


@dataclass
class NewSite:
    """What is made for a site before anybody can reach it.

    name: of the claim, and with `.new` behind it of the site. doing: the command, as its claim says it. is_made: asks
    whether the site is in its final place, so that nothing is left to make. allow: called before anything is made;
    raises when it may not be.
    note: what else the claim shall say. from_pool: its database came out of the pool, loaded.
    """

    server: Server
    name: str
    doing: str
    is_made: Callable[[], bool]
    allow: Callable[[], None] = lambda: None
    note: Mapping[str, Any] = field(default_factory=dict)
    from_pool: bool = False
    claim: dict[str, Any] = field(default_factory=dict)

    @property
    def site(self) -> str:
        """The site's name as long as it is in the making."""
        return self.name + MAKING

    @property
    def folder(self) -> str:
        """Where it is made."""
        return self.server.path("sites", self.site)

    @property
    def database(self) -> str:
        """The name of its database."""
        return str(self.claim["database"])

    def beginning(self, golden: GoldenSite | None = None) -> list[Step]:
        """Return the steps up to an empty site: a claim, a database with its user, a folder with a configuration.

        golden: the database is a loaded copy of it out of the pool, if one is ready.
        """
        return [
            Step("Clear what an interrupted run left", is_done=self._nothing_left, do=self.clear),
            Step("Claim the name", is_done=self.is_made, do=partial(self._claim_name, golden), undo=self._unclaim),
            Step(
                "Make its database and user",
                is_done=self.is_made,
                do=partial(self._make_database, golden),
                undo=self.drop_database,
            ),
            Step("Make its folder", is_done=self.is_made, do=self._make_folder, undo=self.drop_folder),
        ]

    def installing(self, apps: Sequence[str], password: str) -> list[Step]:
        """Return the steps that fill it app by app, as bench does; password: the Administrator's."""
        return [Step(f"Install {app}", is_done=self.is_made, do=partial(self._install, app, password)) for app in apps]

    def loading(self, golden: GoldenSite) -> list[Step]:
        """Return the step that fills it with a copy of a golden site, unless it has one from the pool."""
        return [
            Step(
                "Load the golden site",
                is_done=lambda: self.from_pool or self.is_made(),
                do=partial(self._load, golden),
            )
        ]

    def run(self, command: Command) -> str:
        """Run a command and return what it prints; an error of it quotes no password of the site's database."""
        known = (self.claim["password"],) if "password" in self.claim else ()
        return self.server.run(replace(command, secrets=(*command.secrets, *known))).stdout

    # --- facts and deeds ---------------------------------------------------------------------------------------------

    def _nothing_left(self) -> bool:
        refuse_claim_of_others(self.server, self.name, self.doing)
        return self.is_made() or self.server.claim(self.name) is None

    def clear(self) -> None:
        """Remove all that the claim of an earlier run, or of this one, says was made."""
        self.claim = self.claim or self.server.claim(self.name) or {}
        self.drop_folder()
        self.drop_database()
        self.drop_claim()
        self.claim = {}

    def _claim_name(self, golden: GoldenSite | None) -> None:
        self.allow()
        if self.server.exists(self.folder):
            raise RefusedError(
                f"Could not claim `{self.name}`",
                because=f"{self.folder} is there, but no interrupted command owns it",
                hint="look at what it holds, then move it away",
            )
        self.claim = {"doing": self.doing, **self.note}
        taken = self.server.take_from_pool(golden.digest, self.name, self.claim) if golden else None
        self.from_pool = taken is not None
        self.claim["database"] = taken or database.database_name(secrets.token_hex(6))
        if not self.from_pool:
            self.server.write_claim(self.name, self.claim)

    def _unclaim(self) -> None:
        # Whether a database was taken is not known when the answer was lost: what the claim names is gone with it.
        self.claim = self.server.claim(self.name) or self.claim
        self.drop_database()
        self.drop_claim()

    def drop_claim(self) -> None:
        """Let go of the name."""
        self.server.remove_claim(self.name)

    def _make_database(self, golden: GoldenSite | None) -> None:
        # Never into the claim on the server, which holds no secrets.
        self.claim["password"] = password = new_password()
        if golden is not None and self.from_pool:
            self.from_pool = self._count_tables() == golden.tables
            if not self.from_pool:
                # Somebody was at it by hand. No school ever used it, so its name is free for another.
                self.drop_database()
        create = database.create_user if self.from_pool else database.create
        self.run(create(self.database, password))

    def _count_tables(self) -> int:
        try:
            return len(self.run(database.names_of_tables(self.database)).splitlines())
        except CommandFailedError:
            return 0  # there is no such database

    def drop_database(self) -> None:
        """Remove the database, its user and what Redis keeps of it, whatever of them exists."""
        if name := self.claim.get("database"):
            drop_database(self.server, name)

    def _make_folder(self) -> None:
        self.server.make_site_folders([self.folder, *(f"{self.folder}/{name}" for name in FOLDERS)])
        self.server.write_site_config(
            self.site,
            {
                "db_name": self.database,
                "db_password": self.claim["password"],
                "db_type": "mariadb",
                "encryption_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                # Not before it is in its place: jobs remember the site's name.
                "pause_scheduler": 1,
            },
        )

    def drop_folder(self) -> None:
        """Remove the folder, and jobs of the site."""
        self.server.remove(self.folder)
        self.server.run(redis.forget_jobs(self.site))

    def _install(self, app: str, password: str) -> None:
        if app == "frappe":
            self.run(site.new_site(self.site, self.database, password))
        else:
            self.run(site.install_app(self.site, app))

    def _load(self, golden: GoldenSite) -> None:
        try:
            self.server.load_parts(database.load(self.database).argv, golden.files)
        except ServerFaultError as fault:
            if fault.kind == "damaged":
                raise UnusableGoldenError(golden, fault.because) from None
            raise
        except CommandFailedError as fault:
            if because := database.refusal(fault.result.stderr):
                raise UnusableGoldenError(golden, because) from None
            raise
        found = len(database.bytes_by_table(self.server.run(database.sizes(self.database)).stdout))
        if found != golden.tables:
            raise UnusableGoldenError(golden, f"it has {golden.tables} tables, but {found} arrived")
