"""Make a copy of a school to try things on: mute before it is in its place, and behind a password of its own."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from schoolctl.bench import database, redis, site
from schoolctl.errors import DeclarationError, RefusedError, SchoolctlError
from schoolctl.remote.backups import Backups
from schoolctl.remote.server import CLOSED, MAKING, Server
from schoolctl.schools import store
from schoolctl.schools.changes import checked
from schoolctl.schools.model import School, Schools, Staging
from schoolctl.transport.base import Command
from schoolctl.workflows import back_up_school
from schoolctl.workflows.claims import new_password, refuse_claim_of_others
from schoolctl.workflows.databases import drop_database
from schoolctl.workflows.fitness import refuse_differing
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Step
from schoolctl.workflows.visitors import expect_answer, unanswered

DOING = "clone"
# For so long a backup of the school that is under way is waited for: both would read it by the same user.
_PATIENCE_S = 900
# By this name, and a password of its own, the edge lets people in to a copy.
USER = "staging"


def staging_copy(
    schools: Schools, source: School, slug: str, domain: str | None, title: str | None, expires: str | None, usual: str
) -> School:
    """Return the row of a copy: the declared one if it agrees with what is given, or a new one.

    expires: the day (ISO, UTC) from which it is shut; `usual` when nobody chose. Raises DeclarationError for a row that
    is no copy of this school or says otherwise, a bad value, or a name that another school has.
    """
    declared = schools.get(slug)
    if declared is None:
        copy = replace(
            source,
            slug=slug,
            title=title or f"{source.title[:130]} (copy)",
            # The copy's own slug makes it unique, and shows which of several it is.
            domain=domain or f"{slug}.{source.domain}",
            aliases=(),
            state="active",
            keep_until="",
            reopen_as="",
            staging=Staging(source.slug, expires or usual),
            certificate="",  # what the school brings is for its own names
        )
        return checked(schools, copy)[0]
    if declared.staging is None or declared.staging.of != source.slug:
        raise DeclarationError(
            f"Could not make a copy of `{source.slug}`",
            because=f"schools.yml declares `{slug}` already, and not as its copy",
            hint="choose another slug",
        )
    said = {"domain": declared.domain, "title": declared.title, "expires": declared.staging.expires}
    for name, given in {"domain": domain, "title": title, "expires": expires}.items():
        if given is not None and given != said[name]:
            raise DeclarationError(
                f"`{slug}` is declared otherwise",
                because=f"schools.yml says {said[name]!r} for its {name}, the option says {given!r}",
                hint=f"leave the option out; to change a copy, edit its row and run `schoolctl apply {slug}`",
            )
    return declared


def password_line(user: str, password: str) -> str:
    """Return a line of Nginx's password file: a salted hash that Nginx itself knows, whatever C library it runs on.

    The password is 192 random bits, which no fast hash gives away.
    """
    salt = secrets.token_bytes(16)
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return f"{user}:{{SSHA}}{base64.b64encode(digest + salt).decode()}\n"


@dataclass
class CloneSchool:
    """Make a copy beside its place, mute it there, then put it there by one rename.

    source, school: the facts of the school and of the copy. copy: its row. files: the copy's. options: what was asked
    for, as a person types it. renew: give it a new password even if it has one. Until the rename everything belongs to
    the claim in the server's journal, as with a new school. The school itself is only read.
    """

    server: Server
    schools_file: Path
    source: Mapping[str, Any]
    copy: School
    school: Mapping[str, Any]
    files: SiteFiles
    options: Sequence[str] = ()
    renew: bool = False
    password: str = ""
    muted: Mapping[str, Any] = field(default_factory=dict)
    claim: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the places that the steps work on."""
        self.backups = Backups(self.server)
        self._slug = self.copy.slug
        self._making: str = self.school["site_dir"] + MAKING
        # Where root alone may write: whoever gets into the bench must not lead the unpacking astray by a link.
        self._beside = self.server.path("archive", self._slug + MAKING)
        self._dumped = f"{self._beside}/dump"
        self._auth = self.server.path("edge", "auth", self._slug)
        self._database_password = ""
        self._declares = False

    def steps(self) -> list[Step]:
        """Return the story of copying, in order."""
        making = self.school["site"] + MAKING
        return [
            Step("Clear what an interrupted run left", is_done=self._nothing_left, do=self._clear_left),
            Step("See that its time is not over", is_done=self._has_time, do=self._refuse_over),
            Step("See that the school can be copied", is_done=self._opened, do=self._look),
            Step("Claim the name", is_done=self._opened, do=self._claim_name, undo=self._drop_claim),
            Step("Write it into schools.yml", is_done=self._declared, do=self._declare, undo=self._take_back_row),
            Step("Make its database and user", is_done=self._opened, do=self._make_database, undo=self._drop_database),
            Step("Wait for its backup that is under way", is_done=self._is_at_rest, do=self._wait),
            Step("Dump the school's database", is_done=self._opened, do=self._dump, undo=self._drop_beside),
            Step("Load the dump", is_done=self._opened, do=self._load),
            Step("Compare it with the dump", is_done=self._opened, do=self._compare),
            Step("Copy its files", is_done=self._opened, do=self._copy_files),
            Step("Give it a configuration of its own", is_done=self._opened, do=self._configure),
            Step("Hand it to the bench", is_done=self._opened, do=self._hand_over, undo=self._drop_making),
            Step("Mute it", is_done=self._opened, do=lambda: self._mute(making)),
            Step("Give it its title", is_done=self._opened, do=lambda: self._give_title(making)),
            Step("Put it in its place", is_done=self._opened, do=self._move, commits=True),
            Step("Give its door a password", is_done=self._is_locked, do=self._lock),
            self.files.opening(),
            Step("See that it answers", is_done=self._answers, do=self._see_that_it_answers),
            Step("Close the claim", is_done=lambda: self.server.claim(self._slug) is None, do=self._drop_claim),
        ]

    # --- facts -------------------------------------------------------------------------------------------------------

    def _opened(self) -> bool:
        return self.server.exists(f"{self.school['site_dir']}/site_config.json")

    def _nothing_left(self) -> bool:
        refuse_claim_of_others(self.server, self._slug, DOING)
        self._refuse_taken_name()
        return self._opened() or self.server.claim(self._slug) is None

    def _refuse_taken_name(self) -> None:
        """Raise RefusedError if what has this name is closed, or a site that never was mute."""
        if self.server.exists(self.server.path("archive", self._slug + CLOSED)):
            raise RefusedError(
                f"Could not copy `{self.source['slug']}`",
                because=f"`{self._slug}` was closed, and is kept as it was",
                hint=f"`schoolctl reopen {self._slug}` brings it back, `schoolctl purge {self._slug}` ends it",
            )
        found = self.server.survey().sites.get(self._slug) if self._opened() else None
        if found is not None and not found.config.get("academy_staging"):
            raise RefusedError(
                f"Could not copy `{self.source['slug']}`",
                because=f"a site `{self._slug}` is open on {self.server.name}, and is no copy",
                hint="choose another slug; `schoolctl plan` shows what belongs to no row",
            )

    def _has_time(self) -> bool:
        # One that is in its place is completed: it is shut by itself, as any copy whose time is over.
        return not self._is_over() or self._opened()

    def _is_over(self) -> bool:
        return self.copy.staging is not None and self.copy.staging.expires <= self.server.stamp().date().isoformat()

    def _declared(self) -> bool:
        return store.load(self.schools_file).get(self._slug) == self.copy

    def _is_at_rest(self) -> bool:
        return self._opened() or self.backups.wait(self.source["slug"], 0) is None

    def _is_locked(self) -> bool:
        # As long as the claim is open, nobody has been told a password.
        told = self.server.claim(self._slug) is None and self.server.exists(self._auth)
        return self._opened() and told and not self.renew

    def _answers(self) -> bool:
        return unanswered(self.server, self.school) is None

    # --- deeds -------------------------------------------------------------------------------------------------------

    def _clear_left(self) -> None:
        self.claim = self.server.claim(self._slug) or {}
        self._drop_making()
        self._drop_beside()
        self._drop_database()
        self._declares = bool(self.claim.get("declares"))
        if self._is_over() and self._declares and self._declared():
            self._take_back_row()
        self._drop_claim()
        self.claim = {}

    def _refuse_over(self) -> None:
        again = f"run `schoolctl clone {self.source['slug']} {self._slug} --staging`"
        raise RefusedError(
            f"Did not copy `{self.source['slug']}`",
            because=f"`{self._slug}` was to be shut from {self.school['staging']['expires']} on, and that day has come",
            hint=f"set a later `expires` in its row, then {again}" if self._declared() else f"for another one, {again}",
        )

    def _look(self) -> None:
        refuse_claim_of_others(self.server, self.source["slug"], "")
        name = back_up_school.site_database(self.server, self.source)
        size = sum(database.bytes_by_table(self.server.run(database.sizes(name)).stdout).values())
        # For a while it lies there twice more, as a dump and as a database.
        back_up_school.require_room(self.server, f"copy `{self.source['slug']}`", needed=2 * size)

    def _claim_name(self) -> None:
        for folder in (self._making, self._beside):
            if self.server.exists(folder):
                raise RefusedError(
                    f"Could not claim `{self._slug}`",
                    because=f"{folder} is there, but no interrupted command owns it",
                    hint="look at what it holds, then move it away",
                )
        name = database.database_name(secrets.token_hex(6))
        self.claim = {"doing": DOING, "database": name, "of": self.source["slug"], "options": list(self.options)}
        # A row that was there before is a person's own, and never taken back.
        self.claim["declares"] = self._declares or not self._declared()
        self.server.write_claim(self._slug, self.claim)

    def _drop_claim(self) -> None:
        self.server.remove_claim(self._slug)

    def _declare(self) -> None:
        store.put(self.schools_file, self.copy)

    def _take_back_row(self) -> None:
        store.drop(self.schools_file, self._slug)

    def _make_database(self) -> None:
        self._database_password = new_password()
        self._run(database.create(self.claim["database"], self._database_password))
        self._run(database.limit_connections(self.claim["database"], self.school["connections"]))

    def _drop_database(self) -> None:
        if name := self.claim.get("database"):
            drop_database(self.server, name)

    def _wait(self) -> None:
        if busy := self.backups.wait(self.source["slug"], _PATIENCE_S):
            raise SchoolctlError(
                f"Could not copy `{self.source['slug']}`",
                because=busy,
                hint="run the same command again when that is done; what was made is taken back",
            )

    def _dump(self) -> None:
        self.server.make_folder(self._beside)
        # Between two steps of a backup it looks at rest.
        self.backups.dump(self.source["slug"], self._dumped, _PATIENCE_S)

    def _drop_beside(self) -> None:
        self.server.remove(self._beside)

    def _load(self) -> None:
        self.backups.load(self._dumped, self.claim["database"])

    def _compare(self) -> None:
        differing = self.backups.compare(self._dumped, self.claim["database"])
        refuse_differing(f"copy `{self.source['slug']}`", differing, "the school", "run the same command again")

    def _copy_files(self) -> None:
        packed = f"{self._beside}/files.tar"
        self.server.pack(self.source["site_dir"], back_up_school.UPLOADS, packed)
        back_up_school.unpack_files(self.server, packed, f"{self._beside}/site")

    def _configure(self) -> None:
        self.server.merge_site_config(
            f"{self.source['site_dir']}/site_config.json",
            f"{self._beside}/site",
            # Its encryption key stays that of the school: without it no stored password could be read.
            {**self.school["config"], "db_name": self.claim["database"], "db_password": self._database_password},
            # Any other key may be somebody's account: for payments, storage, mail, error reports.
            keep=("db_type", "encryption_key", "user_type_doctype_limit"),
        )

    def _hand_over(self) -> None:
        self.server.rename(f"{self._beside}/site", self._making)
        self._drop_beside()

    def _drop_making(self) -> None:
        self.server.remove(self._making)
        self.server.run(redis.forget_jobs(self.school["site"] + MAKING))

    def _mute(self, making: str) -> None:
        # Its last line: apps may say something of their own before.
        lines = self._run(site.execute(making, site.MUTE)).splitlines()
        try:
            self.muted = dict(json.loads(lines[-1]))
        except (IndexError, TypeError, ValueError):
            raise SchoolctlError(
                f"Could not copy `{self.source['slug']}`",
                because="nobody can say whether the copy is mute",
                hint="does the image hold the lms_app of this checkout? `schoolctl provision` brings it up to date",
            ) from None

    def _give_title(self, making: str) -> None:
        self._run(site.execute(making, site.PERSONALISE, {"title": self.copy.title}))

    def _move(self) -> None:
        self.server.rename(self._making, self.school["site_dir"])

    def _lock(self) -> None:
        password = new_password()
        group = str(self.files.platform["frappe_uid"])
        self.server.write(self._auth, password_line(USER, password), mode="0640", group=group)
        self.password = password

    def _see_that_it_answers(self) -> None:
        expect_answer(self.server, self.school, f"`{self._slug}` is made, but does not answer", within=60)

    def _run(self, command: Command) -> str:
        # Frappe may quote the password of its database in an error.
        known = (self._database_password,) if self._database_password else ()
        return self.server.run(replace(command, secrets=(*command.secrets, *known))).stdout
