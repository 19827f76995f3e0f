"""Import a school: from an export of ours, or what a stock bench backed up, to a site that answers."""

import base64
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schoolctl.bench import database, redis, site
from schoolctl.errors import CommandUsageError, RefusedError, SchoolctlError
from schoolctl.remote.backups import Backups, ComparedImage
from schoolctl.remote.server import CLOSED, CommandFailedError, Server
from schoolctl.schools import store
from schoolctl.schools.changes import checked, declared_so
from schoolctl.schools.model import School, Schools
from schoolctl.transport.base import Command
from schoolctl.workflows.back_up_school import make_site_folders, require_room
from schoolctl.workflows.claims import refuse_claim_of_others
from schoolctl.workflows.fitness import lost_secrets, refuse_newer, refuse_newer_image, versions_of_image
from schoolctl.workflows.new_site import NewSite
from schoolctl.workflows.portable import Archive, Files, Part
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Outcome, Progress, Step
from schoolctl.workflows.visitors import expect_answer, unanswered

DOING = "import"
# Of a site's configuration elsewhere: without the key no stored password could be read. Any other one may be somebody's
# account, or means something on that server alone.
_KEPT = ("encryption_key", "user_type_doctype_limit")


def imported_school(
    schools: Schools, archive: Archive, slug: str | None, domain: str | None, title: str | None
) -> School:
    """Return the row of a school that is imported: the declared one, or a new one by what it says of itself.

    Raises CommandUsageError if its slug or domain is not known, DeclarationError for a bad value or a row that says
    otherwise.
    """
    said = archive.manifest["school"] if archive.manifest else {}
    chosen = slug or said.get("slug")
    if not chosen:
        raise CommandUsageError(
            f"Could not import {archive.source.name}", because="it does not say its slug: --as is missing"
        )
    if declared := declared_so(schools, chosen, domain, title):
        return declared
    row = {key: value for key, value in said.items() if key in {"admin_email", "locale", "quota", "config", "backup"}}
    if not domain and not said.get("domain"):
        raise CommandUsageError(f"Could not import {archive.source.name}", because="--domain is missing")
    # Under another name, other names lead to it.
    if not domain:
        row |= {key: said[key] for key in ("domain", "aliases") if key in said}
    row |= {"domain": domain} if domain else {}
    row["title"] = title or said.get("title") or chosen.replace("-", " ").title()
    return checked(schools, School.from_row(chosen, row))[0]


@dataclass
class ImportSchool:
    """Make a site of what is on this machine beside its place, then put it there by one rename.

    copy: its row. apps: what every site has. options: what was asked for, as a person types it. lose_secrets: go on
    though stored passwords cannot be read. newer_image: go on though it was made by newer code than runs. progress:
    hears how far the sending is. Until the rename all belongs to the
    claim in the server's journal, as with a new school.
    """

    server: Server
    schools_file: Path
    archive: Archive
    copy: School
    school: Mapping[str, Any]
    files: SiteFiles
    apps: Sequence[str]
    progress: Progress
    options: Sequence[str] = ()
    lose_secrets: bool = False
    newer_image: bool = False
    image: ComparedImage | None = None
    made_site: bool = False
    lost: int = 0
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the places that the steps work on."""
        self._slug = self.copy.slug
        # Where root alone may write: whoever gets into the bench must not lead the unpacking astray by a link.
        self._incoming = Backups(self.server).fetched(self._slug) + ".import"
        self._beside = f"{self._incoming}/site"
        self._wish = f"import `{self._slug}`"
        self._declares = False
        self.making = NewSite(
            self.server, self._slug, DOING, self._is_made, self._begin, {"options": list(self.options)}
        )

    def steps(self) -> list[Step]:
        """Return the story of an import, in order."""
        making, made = self.making, self._is_made
        _, claiming, database_making, _ = making.beginning()
        sending = [self._sending(title, part) for title, part in self._parts()]
        return [
            Step("Clear what an interrupted import left", is_done=self._nothing_left, do=self._clear),
            claiming,
            Step("Write it into schools.yml", is_done=self._declared, do=self._declare, undo=self._take_back_row),
            database_making,
            Step("Make room for what comes", is_done=made, do=self._make_incoming, undo=self._drop_incoming),
            *sending,
            Step("Load its database", is_done=made, do=self._load),
            Step("See that it fits what runs", is_done=made, do=self._see_that_it_fits),
            Step("Lay out its files", is_done=made, do=self._lay_out),
            Step("Give it a configuration of its own", is_done=made, do=self._configure),
            Step("See that its key opens what it stores", is_done=made, do=self._see_that_its_key_opens),
            Step("Hand it to the bench", is_done=made, do=self._hand_over, undo=making.drop_folder),
            Step("Bring it to the image that runs", is_done=self._has_versions, do=self._migrate),
            *(self._installing(app) for app in self.apps),
            Step("Give it its title", is_done=made, do=self._give_title),
            Step("Put it in its place", is_done=made, do=self._move, commits=True),
            # What comes after is no reason to shut them again.
            self.files.opening(commits=True),
            Step("See that it answers", is_done=self._answers, do=self._see_that_it_answers),
            Step("Close the claim", is_done=lambda: self.server.claim(self._slug) is None, do=making.drop_claim),
        ]

    # --- facts -------------------------------------------------------------------------------------------------------

    def _is_made(self) -> bool:
        return self.server.exists(f"{self.school['site_dir']}/site_config.json")

    def _nothing_left(self) -> bool:
        refuse_claim_of_others(self.server, self._slug, DOING)
        claim = self.server.claim(self._slug)
        if claim is None and self._is_made():
            raise RefusedError(
                f"Could not {self._wish}",
                because=f"a site `{self._slug}` is open on {self.server.name} already",
                hint="choose another slug with --as",
            )
        return claim is None or self._is_made()

    def _declared(self) -> bool:
        return store.load(self.schools_file).get(self._slug) == self.copy

    def _has_versions(self) -> bool:
        if self._is_made():
            return True
        # Code may change without its version, and a stock bench does not say which it ran.
        is_same = self.image is not None and self.image.relation == "same"
        return is_same and self.versions.items() <= versions_of_image(self.server).items()

    def _answers(self) -> bool:
        return unanswered(self.server, self.school) is None

    def _parts(self) -> list[tuple[str, Part]]:
        archive = self.archive
        kinds = (("public", archive.public), ("private", archive.private))
        return [
            ("Send its database", archive.database),
            *((f"Send its {kind} files", files.part) for kind, files in kinds if files),
        ]

    # --- before it is in its place -----------------------------------------------------------------------------------

    def _clear(self) -> None:
        self._declares = bool((self.server.claim(self._slug) or {}).get("declares"))
        self._drop_incoming()
        self.making.clear()

    def _begin(self) -> None:
        if self.school["staging"] or self.school["state"] == "closed":
            raise RefusedError(f"Could not {self._wish}", because="its row declares a copy, or a closed school")
        if self.server.exists(self.server.path("archive", self._slug + CLOSED)):
            raise RefusedError(
                f"Could not {self._wish}",
                because=f"`{self._slug}` was closed, and is kept as it was",
                hint=f"`schoolctl reopen {self._slug}` brings it back, `schoolctl purge {self._slug}` ends it",
            )
        # As it comes, unpacked, and as a database.
        require_room(self.server, self._wish, needed=3 * self.archive.bytes)
        self.making.note = {**self.making.note, "declares": self._declares or not self._declared()}

    def _declare(self) -> None:
        store.put(self.schools_file, self.copy)

    def _take_back_row(self) -> None:
        if self.making.note.get("declares"):
            store.drop(self.schools_file, self._slug)

    def _make_incoming(self) -> None:
        self._drop_incoming()
        self.server.make_folder(self._incoming.rpartition("/")[0])
        self.server.make_folder(self._incoming)

    def _drop_incoming(self) -> None:
        self.server.remove(self._incoming)

    def _sending(self, title: str, part: Part) -> Step:
        return Step(title, is_done=self._is_made, do=lambda: self._send(title, part))

    def _send(self, title: str, part: Part) -> None:
        path, sent, told = f"{self._incoming}/{self._plain(part)}", 0, time.monotonic()
        for piece in part.pieces():
            self.server.append(path, sent, piece)
            sent += len(piece)
            if time.monotonic() - told >= 1:
                told = time.monotonic()
                self.progress(f"{title}: {100 * sent // part.size} %", Outcome.GOING_ON, 0.0)
        if self.server.sha256(path) != part.sha256():
            raise SchoolctlError(
                f"Could not {self._wish}", because=f"{part.name} arrived otherwise", hint="run the same command again"
            )

    def _plain(self, part: Part) -> str:
        kinds = {"public": self.archive.public, "private": self.archive.private}
        found = [kind for kind, files in kinds.items() if files and files.part == part]
        return f"{found[0]}.tar" if found else "database.sql.gz"

    def _load(self) -> None:
        making = self.making
        self.server.load(
            database.load_as_owner(making.database, making.claim["password"]), f"{self._incoming}/database.sql.gz"
        )

    def _see_that_it_fits(self) -> None:
        found = set(self.server.run(database.names_of_tables(self.making.database)).stdout.splitlines())
        plain = {
            line.partition("\t")[0]
            for line in self.server.run(database.tables(self.making.database)).stdout.splitlines()
        }
        # What answers there is run with the rights of whoever asks, and these are asked with an administrator's.
        if disguised := sorted(found & database.ASKED_BY_THE_SERVER - plain):
            raise RefusedError(
                f"Could not {self._wish}",
                because=f"`{disguised[0]}` is a view in it, which could act in the server's name; Frappe makes a table",
                hint="import nothing from there that you have not looked into",
            )
        try:
            self.versions = database.versions_of(self.server.run(database.versions(self.making.database)).stdout)
        except CommandFailedError as fault:
            raise RefusedError(
                f"Could not {self._wish}",
                because="its database is none of a Frappe site",
                details=fault.details,
            ) from None
        refuse_newer(self._wish, self.versions, versions_of_image(self.server))
        if self.archive.manifest:
            self.image = Backups(self.server).compare_image(self.archive.manifest)
            if not self.newer_image:
                refuse_newer_image(self._wish, self.image)
        if missing := sorted(set(self.archive.tables) - found):
            raise SchoolctlError(
                f"Could not {self._wish}",
                because=f"{len(missing)} tables did not arrive, {missing[0]} among them",
                hint="export it once more",
            )

    def _lay_out(self) -> None:
        self.server.make_site_folder(self._beside)
        make_site_folders(self.server, self._beside)
        for kind, files in (("public", self.archive.public), ("private", self.archive.private)):
            if files:
                self._unpack(kind, files)

    def _unpack(self, kind: str, files: Files) -> None:
        folder = f"{self._beside}/{kind}/files"
        options = [f"--strip-components={files.depth}", *(["--gzip"] if files.is_packed else [])]
        argv = ("tar", "--extract", "--no-same-owner", *options, f"--directory={folder}")
        self.server.run(Command((*argv, f"--file={self._incoming}/{kind}.tar")))
        found = self.server.hand_over(folder)
        if found != files.count:
            raise SchoolctlError(
                f"Could not {self._wish}",
                because=f"{files.part.name} has {files.count} files, but {found} arrived",
                hint="run the same command again",
            )

    def _configure(self) -> None:
        brought = {key: self.archive.config[key] for key in _KEPT if key in self.archive.config}
        if self.archive.key is None:
            brought["encryption_key"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        source = f"{self._incoming}/site_config.json"
        self.server.write(source, json.dumps(brought) + "\n")
        making = self.making
        own = {"db_name": making.database, "db_password": making.claim["password"], "db_type": "mariadb"}
        # Not before it is in its place: jobs remember the site's name.
        self.server.merge_site_config(source, self._beside, {**self.school["config"], **own, "pause_scheduler": 1})

    def _see_that_its_key_opens(self) -> None:
        self.lost = lost_secrets(self.server, self.making.database, self._beside)
        if not self.lost or self.lose_secrets:
            return
        why = (
            "came without its encryption_key" if self.archive.key is None else "has the encryption_key of another site"
        )
        raise RefusedError(
            f"Could not {self._wish}",
            because=f"it {why}: {self.lost} stored passwords, as those of mail accounts, could never be read again",
            hint="bring its site_config_backup.json, or say --lose-secrets and enter them anew",
        )

    def _hand_over(self) -> None:
        self.server.rename(self._beside, self.making.folder)
        self._drop_incoming()

    def _migrate(self) -> None:
        self.making.run(site.migrate(self.making.site))

    def _installing(self, app: str) -> Step:
        return Step(
            f"Install {app}",
            is_done=lambda: self._is_made() or app in self.versions,
            do=lambda: self._install(app),
        )

    def _install(self, app: str) -> None:
        self.making.run(site.install_app(self.making.site, app))

    def _give_title(self) -> None:
        self.making.run(site.execute(self.making.site, site.PERSONALISE, {"title": self.copy.title}))
        if connections := self.school["connections"]:
            self.making.run(database.limit_connections(self.making.database, connections))
        # Last: the bench had to leave the site's jobs alone as long as it had another name.
        changes = {"pause_scheduler": self.school["config"]["pause_scheduler"]}
        self.server.merge_site_config(f"{self.making.folder}/site_config.json", self.making.folder, changes)

    def _move(self) -> None:
        self.server.rename(self.making.folder, self.school["site_dir"])
        self.made_site = True
        self.server.run(redis.forget_jobs(self.making.site))

    def _see_that_it_answers(self) -> None:
        expect_answer(self.server, self.school, f"`{self._slug}` is imported, but does not answer", within=60)
