"""Open a school: from a row in schools.yml to a site that answers."""

import base64
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from schoolctl.bench import database, redis, site
from schoolctl.errors import CommandUsageError, RefusedError
from schoolctl.remote.server import CLOSED, MAKING, Server
from schoolctl.transport.base import Command
from schoolctl.workflows.claims import new_password, refuse_claim_of_others
from schoolctl.workflows.databases import drop_database
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Step
from schoolctl.workflows.visitors import expect_answer, unanswered

DOING = "new-school"


def administrator_password(file: Path | None) -> tuple[str, bool]:
    """Return the administrator's password and whether it is new: from a file, or 192 random bits."""
    if file is None:
        return new_password(), True
    text = sys.stdin.read() if str(file) == "-" else _read(file)
    password = text.rstrip("\r\n")
    if len(password) < 10 or not password.isprintable():
        raise CommandUsageError(
            "Could not take the administrator's password", because="it needs at least 10 visible characters on one line"
        )
    return password, False


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise CommandUsageError("Could not read the administrator's password", because=f"{file}: {fault}") from None


@dataclass
class OpenSchool:
    """Make one site beside its final place, then put it there by one rename.

    Until that rename everything belongs to the claim in the server's journal: this run takes it back when a step
    fails, and the next run clears it away when this one was killed. After the rename a later run goes on to the end.
    """

    server: Server
    school: Mapping[str, Any]
    files: SiteFiles
    apps: Sequence[str]
    administrator_password: str
    claim: dict[str, Any] = field(default_factory=dict)
    made_site: bool = False

    def steps(self) -> list[Step]:
        """Return the story of opening, in order."""
        making = self.school["site"] + MAKING
        return [
            Step("Clear what an interrupted run left", is_done=self._nothing_left, do=self._clear_left),
            Step("Claim the name", is_done=self._opened, do=self._claim_name, undo=self._drop_claim),
            Step("Make its database and user", is_done=self._opened, do=self._make_database, undo=self._drop_database),
            Step("Make its folder", is_done=self._opened, do=self._make_folder, undo=self._drop_folder),
            Step(
                "Install frappe",
                is_done=self._opened,
                do=lambda: self._run(site.new_site(making, self.claim["database"], self.administrator_password)),
            ),
            *[self._install(making, app) for app in self.apps if app != "frappe"],
            Step("Make it the school's own", is_done=self._opened, do=self._personalise),
            Step("Put it in its place", is_done=self._opened, do=self._move, commits=True),
            Step("Open its doors", is_done=self.files.are_in_force, do=self.files.write, undo=self.files.put_back),
            Step("See that it answers", is_done=self._answers, do=self._see_that_it_answers),
            Step("Close the claim", is_done=lambda: self.server.claim(self.slug) is None, do=self._drop_claim),
        ]

    @property
    def slug(self) -> str:
        """The school's name, and its site's."""
        return str(self.school["slug"])

    # --- facts -------------------------------------------------------------------------------------------------------

    def _opened(self) -> bool:
        return self.server.exists(f"{self.school['site_dir']}/site_config.json")

    def _nothing_left(self) -> bool:
        refuse_claim_of_others(self.server, self.slug, DOING)
        return self._opened() or self.server.claim(self.slug) is None

    def _answers(self) -> bool:
        return unanswered(self.server, self.school) is None

    # --- deeds -------------------------------------------------------------------------------------------------------

    def _clear_left(self) -> None:
        left = self.server.claim(self.slug) or {}
        self.claim = left
        self._drop_folder()
        self._drop_database()
        self._drop_claim()
        self.claim = {}

    def _claim_name(self) -> None:
        if staging := self.school["staging"]:
            raise RefusedError(
                f"Could not open `{self.slug}`",
                because=f"its row declares a copy of `{staging['of']}`, which is never made empty",
                hint=f"run `schoolctl clone {staging['of']} {self.slug} --staging`",
            )
        if self.school["state"] == "closed" or self.server.exists(self.server.path("archive", self.slug + CLOSED)):
            raise RefusedError(
                f"Could not open `{self.slug}`",
                because="it was closed",
                hint=f"bring it back with `schoolctl reopen {self.slug}`, or end it with `schoolctl purge {self.slug}`",
            )
        if self.server.exists(self._making_folder()):
            raise RefusedError(
                f"Could not claim `{self.slug}`",
                because=f"{self._making_folder()} is there, but no interrupted command owns it",
                hint="look at what it holds, then move it away",
            )
        self.claim = {"doing": DOING, "database": database.database_name(secrets.token_hex(6))}
        self.server.write_claim(self.slug, self.claim)

    def _drop_claim(self) -> None:
        self.server.remove_claim(self.slug)

    def _make_database(self) -> None:
        # bench hands this password to the database client where `ps` can see it, so it is replaced before the end.
        self.claim["password"] = new_password()
        self._run(database.create(self.claim["database"], self.claim["password"]))

    def _drop_database(self) -> None:
        if name := self.claim.get("database"):
            drop_database(self.server, name)

    def _make_folder(self) -> None:
        self.server.make_site_folder(self._making_folder())
        self.server.write_site_config(
            self.school["site"] + MAKING,
            {
                "db_name": self.claim["database"],
                "db_password": self.claim["password"],
                "db_type": "mariadb",
                "encryption_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                # Not before it is in its place: jobs remember the site's name.
                "pause_scheduler": 1,
            },
        )

    def _drop_folder(self) -> None:
        self.server.remove(self._making_folder())
        self.server.run(redis.forget_jobs(self.school["site"] + MAKING))

    def _install(self, making: str, app: str) -> Step:
        return Step(f"Install {app}", is_done=self._opened, do=lambda: self._run(site.install_app(making, app)))

    def _personalise(self) -> None:
        making = self.school["site"] + MAKING
        config = self.server.path("sites", making, "site_config.json")
        arguments = {key: self.school[key] for key in ("title", "admin_email", "locale")}
        self._run(site.execute(making, site.PERSONALISE, arguments))
        self._run(site.enable_scheduler(making))
        password = new_password()
        self._run(database.set_password(self.claim["database"], password))
        self._run(database.limit_connections(self.claim["database"], self.school["connections"]))
        changes = {**self.school["config"], "db_password": password}
        self.server.merge_site_config(config, self._making_folder(), changes)

    def _move(self) -> None:
        self.server.rename(self._making_folder(), self.school["site_dir"])
        self.made_site = True

    def _see_that_it_answers(self) -> None:
        expect_answer(self.server, self.school, f"`{self.slug}` is made, but does not answer", within=60)

    def _run(self, command: Command) -> None:
        # Frappe may quote the password of its database in an error.
        known = (self.claim["password"],) if "password" in self.claim else ()
        self.server.run(replace(command, secrets=(*command.secrets, *known)))

    def _making_folder(self) -> str:
        return str(self.school["site_dir"]) + MAKING
