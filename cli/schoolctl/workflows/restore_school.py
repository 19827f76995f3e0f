"""Restore a school from a set: beside first, compared byte for byte with what was stored, then swapped in one step."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schoolctl.bench import database, site
from schoolctl.errors import CommandUsageError, DeclarationError, RefusedError
from schoolctl.remote.backups import Backups, ComparedImage, Replayed
from schoolctl.remote.server import CLOSED, RESTORING, CallFailedError, Server
from schoolctl.remote.standing import BackupSet
from schoolctl.schools import store
from schoolctl.schools.changes import checked, declared_so
from schoolctl.schools.model import School, Schools
from schoolctl.transport.base import Command
from schoolctl.workflows.back_up_school import UPLOADS, make_site_folders, require_room
from schoolctl.workflows.claims import new_password, refuse_claim_of_others
from schoolctl.workflows.databases import drop_database
from schoolctl.workflows.fitness import (
    lost_secrets,
    refuse_differing,
    refuse_newer,
    refuse_newer_image,
    versions_of_image,
)
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Step
from schoolctl.workflows.visitors import expect_answer

DOING = "restore"
ONLY = ("db", "files")
# In the folder beside as long as it has not changed places with the school's.
_BESIDE = ".beside"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which set, and what of it.

    set_id: None takes the newest; with @ and a snapshot behind it where a name has several. at: the moment (ISO, UTC)
    that the school shall be as of. or_before: as near before it as there is a log. target: None takes any that has it.
    only: db or files; None takes both. of: whose set it is, if it is another school's. newer_image: also one that was
    made by newer code than runs.
    """

    set_id: str | None = None
    at: str | None = None
    target: str | None = None
    only: str | None = None
    of: str | None = None
    or_before: bool = False
    newer_image: bool = False

    @property
    def options(self) -> list[str]:
        """What a person types for it, but for the set and the names."""
        said = {"--at": self.at, "--from": self.target, "--only": self.only}
        words = [word for name, value in said.items() if value for word in (name, value)]
        flags = {"--or-before": self.or_before, "--newer-image": self.newer_image}
        return [*words, *(name for name, is_said in flags.items() if is_said)]


def moment(text: str) -> str:
    """Return a moment that a person typed as ISO time in UTC, to the second; without a zone it is UTC.

    Raises DeclarationError for what is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise DeclarationError(
            f"{text!r} is no moment",
            because="it takes ISO time, such as 2026-01-31T14:05:00Z or 2026-01-31T15:05+01:00",
        ) from None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")


def restored_copy(
    schools: Schools,
    slug: str,
    new: str,
    domain: str | None,
    title: str | None,
    stored: Callable[[], Mapping[str, Any]],
) -> School:
    """Return the row of a school that is opened from a set of another one: that of a run before, or a new one.

    stored: gives the row that the set has, asked where the inventory has none. A school that comes back under its own
    name has the names that led to it. Raises CommandUsageError without a domain, DeclarationError for a bad value or a
    row that says otherwise.
    """
    if declared := declared_so(schools, new, domain, title):
        return declared
    source = schools.get(slug)
    comes_back = source is None and new == slug
    if domain is None and not comes_back:
        raise CommandUsageError(f"Could not restore as `{new}`", because="--domain is missing")
    source = source or School.from_row(slug, stored())
    if comes_back and source.staging:
        raise RefusedError(
            f"Could not restore `{new}`",
            because="it was a copy for trying things out, and would come back as a school that sends mails",
            hint="`schoolctl clone SLUG NEW --staging` makes another one",
        )
    copy = replace(
        source,
        slug=new,
        title=title or source.title,
        domain=domain or source.domain,
        aliases=source.aliases if comes_back and domain in {None, source.domain} else (),
        state="active",
        keep_until="",
        reopen_as="",
        staging=None,
        certificate="",  # what the school brings is for its own names
    )
    return checked(schools, copy)[0]


@dataclass
class RestoreSchool:
    """Put a school back to the state of a set; what was there is kept until the next good backup.

    copy: its row where that is written first, with schools_file; None for a school that is declared. seconds: how long
    each part took. replayed: how far past its set it was brought. notes: what there is to say of it. lacks_trust:
    whether it got a certificate back that is not in force yet.
    """

    server: Server
    school: Mapping[str, Any]
    files: SiteFiles
    wanted: Wanted = Wanted()
    schools_file: Path | None = None
    copy: School | None = None
    claim: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    replayed: Replayed | None = None
    notes: list[str] = field(default_factory=list)
    made_site: bool = False
    lacks_trust: bool = False

    def __post_init__(self) -> None:
        """Name the places that the steps work on."""
        self.backups = Backups(self.server)
        self._slug: str = self.school["slug"]
        self._of = self.wanted.of or self._slug
        self._live: str = self.school["site_dir"]
        self._wish = f"restore `{self._slug}`"
        # Where root alone may write: whoever gets into the bench must not lead the unpacking astray by a link.
        self._beside = self.server.path("archive", self._slug + RESTORING)
        self._fetched = self.backups.fetched(self._slug)
        self._chosen: BackupSet | None = None
        self._set_id = self.wanted.set_id
        self._image: ComparedImage | None = None
        self._declares = self._was_swapped = False

    def steps(self) -> list[Step]:
        """Return the story of a restore, in order."""
        with_database = self.wanted.only != "files"
        return [
            Step("Settle what an interrupted restore left", is_done=self._nothing_left, do=self._settle),
            Step("Find the set", do=self._find_set),
            Step("Claim the name", do=self._claim_name, undo=lambda: self.server.remove_claim(self._slug)),
            *self._declaring(),
            Step("Fetch the set", do=self._fetch, undo=lambda: self.server.remove(self._fetched)),
            Step("See that it fits what runs", do=self._see_that_it_fits),
            *(self._loading() if with_database else ()),
            Step("Lay it out beside", do=self._lay_out, undo=lambda: self.server.remove(self._beside)),
            Step("Swap", is_done=self._swapped, do=self._swap, commits=True),
            Step("Keep what was there", do=self._keep),
            *(self._moving_in() if with_database else ()),
            # What comes after is no reason to shut them again.
            self.files.opening(commits=True),
            *self._certifying(),
            Step("Remove what was fetched", do=lambda: self.server.remove(self._fetched)),
            Step("See that it answers", do=self._see_that_it_answers),
            Step("Close the claim", do=lambda: self.server.remove_claim(self._slug)),
        ]

    @property
    def summary(self) -> dict[str, Any]:
        """What was restored, and how long each part of it took."""
        until = self.replayed.events_until if self.replayed else None
        snapshot = (self._set_id or "").partition("@")[2]
        return {
            "set": self._name,
            **({"snapshot": snapshot} if snapshot else {}),
            "taken": self.manifest.get("taken"),
            "as_of": until or self.manifest.get("taken"),
            "took": {part: round(seconds, 1 if seconds >= 1 else 3) for part, seconds in self.seconds.items()},
        }

    @property
    def has_log(self) -> bool:
        """Whether the set says from where on the databases' log goes on."""
        return bool(self.manifest.get("database", {}).get("log"))

    def _declaring(self) -> list[Step]:
        if self.copy is None:
            return []
        return [Step("Write it into schools.yml", is_done=self._declared, do=self._declare, undo=self._take_back_row)]

    def _loading(self) -> list[Step]:
        return [
            Step("Make a database beside", do=self._make_database, undo=self._drop_database),
            Step("Load the set's database", do=self._load),
            Step("Compare it with the set", do=self._compare),
            Step("See that its key opens what it stores", do=self._see_that_its_key_opens),
            *([Step(f"Bring it to {self.wanted.at}", do=self._replay)] if self.wanted.at else ()),
        ]

    def _certifying(self) -> list[Step]:
        # Only of a school that the edge knows does the server keep one.
        if self.school["certificate"] != "own":
            return []
        return [Step("Give it back the certificate that it brought", do=self._give_back_certificate)]

    def _moving_in(self) -> list[Step]:
        return [
            Step("Clear its cache", do=lambda: self._run(site.clear_cache(self.school["site"]))),
            Step("Bring it to the image that runs", is_done=self._has_versions, do=self._migrate),
            *([Step("Give it its title", do=self._give_title)] if self.copy else ()),
        ]

    # --- before the swap ---------------------------------------------------------------------------------------------

    def _nothing_left(self) -> bool:
        refuse_claim_of_others(self.server, self._slug, DOING)
        return self.server.claim(self._slug) is None

    def _settle(self) -> None:
        """Complete an interrupted restore that had swapped; clear away one that had not."""
        self.claim = self.server.claim(self._slug) or {}
        if self._swapped():
            # The set that was asked for then, should nobody name one now: a later backup may be the newest today.
            self._set_id = self._set_id or self.claim.get("set")
            self._was_swapped = True
        if self._swapped() or not self._is_only_beside():
            self._keep()
        else:
            self.server.remove(self._beside)
            self._drop_database()
        for name in (self._slug, f".{self._slug}.partial"):
            self.server.remove(self.backups.fetched(name))
        # A row that an interrupted run wrote is this run's to take back.
        self._declares = bool(self.claim.get("declares"))
        self.server.remove_claim(self._slug)
        self.claim = {}

    def _is_only_beside(self) -> bool:
        """Say whether the folder beside may be removed: no living site ever was what lies in it."""
        if not self.server.names_in(self._beside) or self.server.exists(f"{self._beside}/{_BESIDE}"):
            return True
        name = self.claim.get("database")
        return name is not None and self.server.database_of(self._beside) == str(name)

    def _find_set(self) -> None:
        known = self.backups.sets(self._of, self.wanted.target)
        if not known:
            raise DeclarationError(
                f"Could not {self._wish}",
                because=f"there is no set of `{self._of}` {self._where}",
                hint=f"make one with `schoolctl backup {self._of}`",
            )
        if self._set_id:
            fitting = [one for one in known if one.set_id == self._name]
        elif self.wanted.at:
            fitting = [one for one in known if one.taken <= self.wanted.at]
        else:
            fitting = known
        if not fitting:
            wanted = f"set `{self._set_id}`" if self._set_id else f"set from before {self.wanted.at}"
            raise DeclarationError(
                f"There is no {wanted} of `{self._of}` {self._where}",
                because=f"there are {', '.join(one.set_id for one in known[-10:])}",
            )
        self._chosen = fitting[-1]
        if self._set_id and self.wanted.at and self._chosen.taken > self.wanted.at:
            raise DeclarationError(
                f"Could not {self._wish}",
                because=f"the set {self._name} was taken at {self._chosen.taken}, after {self.wanted.at}",
                hint="leave --set out for the newest set before that moment, or choose an older one",
            )
        self._set_id = self._set_id or self._chosen.set_id

    @property
    def _name(self) -> str | None:
        return self._set_id and self._set_id.partition("@")[0]

    @property
    def _where(self) -> str:
        return f"in {self.wanted.target}" if self.wanted.target else "in any target"

    def _claim_name(self) -> None:
        if self.server.exists(self.server.path("archive", self._slug + CLOSED)):
            raise RefusedError(
                f"Could not {self._wish}",
                because="it is closed, and kept as it was",
                hint=f"open it again first: `schoolctl reopen {self._slug}`",
            )
        if self.server.exists(self._beside):
            raise RefusedError(
                f"Could not {self._wish}",
                because=f"{self._beside} is there, but no interrupted command owns it",
                hint="look at what it holds, then move it away",
            )
        there = self.server.exists(self._live)
        if there and self.copy is not None and not self._was_swapped:
            raise RefusedError(
                f"Could not {self._wish}",
                because=f"a site `{self._slug}` is on {self.server.name} already",
                hint="choose another slug",
            )
        if not there and self.wanted.only:
            raise RefusedError(
                f"Could not {self._wish}",
                because="its site is not there, so that nothing of it can stay",
                hint="leave --only out",
            )
        # A set travels compressed; on the disk it lies twice for a while, as a set and as a site.
        require_room(self.server, self._wish, needed=2 * ((self._chosen.bytes if self._chosen else None) or 0))
        self.claim = {"doing": DOING, "set": self._set_id, "options": self.wanted.options}
        if self.wanted.only != "files":
            self.claim["database"] = database.database_name(secrets.token_hex(6))
        if self.copy is not None:
            self.claim |= {"of": self._of, "options": ["--domain", self.copy.domain, *self.wanted.options]}
            self.claim["declares"] = self._declares or not self._declared()
        self.server.write_claim(self._slug, self.claim)

    def _declared(self) -> bool:
        return self.schools_file is not None and store.load(self.schools_file).get(self._slug) == self.copy

    def _declare(self) -> None:
        if self.schools_file is not None and self.copy is not None:
            store.put(self.schools_file, self.copy)

    def _take_back_row(self) -> None:
        if self.schools_file is not None and self.claim.get("declares"):
            store.drop(self.schools_file, self._slug)

    def _fetch(self) -> None:
        with self._timed("fetch"):
            self.manifest = self.backups.fetch(
                self._of,
                self._fetched,
                set_id=self._set_id,
                target=self.wanted.target,
                or_older=self.wanted.set_id is None,
            )
        if self.manifest["set"] != self._name:
            where = f"in {self.wanted.target}" if self.wanted.target else "in every target that has it"
            self.notes.append(
                f"warning: the set {self._set_id} is damaged {where}; {self.manifest['set']}, of"
                f" {self.manifest['taken']}, is the newest sound one."
            )
            self._set_id = self.claim["set"] = self.manifest["set"]
            self.server.write_claim(self._slug, self.claim)

    def _see_that_it_fits(self) -> None:
        slug = self.manifest["school"]["slug"]
        if slug != self._of:
            raise RefusedError(
                f"Could not {self._wish}",
                because=f"the set is one of `{slug}`",
                hint=f"`schoolctl restore {slug} --as NEW --domain D` opens it as a school of its own",
            )
        refuse_newer(self._wish, self.manifest.get("versions") or {}, versions_of_image(self.server))
        self._image = self.backups.compare_image(self.manifest)
        if self.wanted.only == "files":
            return
        if not self.wanted.newer_image:
            refuse_newer_image(self._wish, self._image)
        elif self._image.is_newer:
            self.notes.append(
                f"warning: {self._image.of_set}, by which its set was made, is newer than {self._image.runs}, by which"
                " it runs now."
            )

    def _make_database(self) -> None:
        self._password = new_password()
        self._run(database.create(self.claim["database"], self._password))
        if connections := self.school["connections"]:
            self._run(database.limit_connections(self.claim["database"], connections))

    def _drop_database(self) -> None:
        if name := self.claim.get("database"):
            drop_database(self.server, name)

    def _load(self) -> None:
        with self._timed("load"):
            self.backups.load(self._fetched, self.claim["database"])

    def _compare(self) -> None:
        with self._timed("compare"):
            differing = self.backups.compare(self._fetched, self.claim["database"])
        refuse_differing(self._wish, differing, "the set", "choose another set with --set")

    def _see_that_its_key_opens(self) -> None:
        if lost := lost_secrets(self.server, self.claim["database"], self._fetched):
            raise RefusedError(
                f"Could not {self._wish}",
                because=f"the set's encryption key does not open {lost} of the passwords that it stores",
                hint="choose another set with --set",
            )

    def _replay(self) -> None:
        until = str(self.wanted.at)
        if not self.has_log:
            self.notes.append(
                f"No log goes on from this set, so that it is as of {self.manifest['taken']}, not of {until}."
            )
            return
        try:
            with self._timed("replay"):
                self.replayed = self.backups.replay(
                    self._fetched, self.claim["database"], until, self.wanted.target, or_before=self.wanted.or_before
                )
        except CallFailedError as fault:
            raise RefusedError(
                f"Could not bring `{self._slug}` to {until}",
                because=fault.reason,
                hint=f"`--set {self._set_id}` restores it as of {self.manifest['taken']}",
                details=fault.details,
            ) from None
        if reached := self.replayed.reaches_until:
            self.notes.append(f"The log ends at {reached}, so that it is as of then, not of {until}.")
        self.notes.append(f"Its files are those of {self.manifest['taken']}: only the database has a log.")

    def _lay_out(self) -> None:
        self.server.make_site_folder(self._beside)
        if self.wanted.only != "db":
            self.server.write(f"{self._beside}/{_BESIDE}", "")
            make_site_folders(self.server, self._beside)
            lay_out_files(self.server, f"{self._fetched}/files", self._beside)
        if self.wanted.only == "files":
            changes = dict(self.school["config"])
            self.server.merge_site_config(f"{self._live}/site_config.json", self._beside, changes)
            return
        own = {"db_name": self.claim["database"], "db_password": self._password}
        self.server.merge_site_config(
            f"{self._fetched}/site_config.json", self._beside, {**self.school["config"], **own}
        )

    # --- the swap and after ------------------------------------------------------------------------------------------

    def _swapped(self) -> bool:
        if not self.claim:
            return False
        if "database" in self.claim:
            return self.server.database_of(self._live) == str(self.claim["database"])
        return not self._is_only_beside()

    def _swap(self) -> None:
        with self._timed("swap"):
            if self.wanted.only == "db":
                self.server.exchange(f"{self._beside}/site_config.json", f"{self._live}/site_config.json")
            elif self.server.exists(self._live):
                self.server.exchange(self._beside, self._live)
            else:
                self.server.rename(self._beside, self._live)
                self.made_site = True

    def _keep(self) -> None:
        self.server.remove(f"{self._live}/{_BESIDE}")
        if self.server.exists(self._beside):
            archive = self.server.path("archive", self._slug)
            self.server.make_folder(archive)
            stamp = self.server.stamp().strftime("%Y%m%dT%H%M%SZ")
            number = self.claim.get("database") or secrets.token_hex(6)
            self.server.rename(self._beside, f"{archive}/{stamp}-before-{number}")

    def _has_versions(self) -> bool:
        versions = self.manifest.get("versions")
        fits = not versions or bool(versions.items() <= versions_of_image(self.server).items())
        # Code may change without its version.
        return fits and not (self._image and self._image.is_other)

    def _migrate(self) -> None:
        with self._timed("migrate"):
            self._run(site.migrate(self.school["site"]))

    def _give_back_certificate(self) -> None:
        found = self.backups.give_back_certificate(self._slug, self._fetched)
        self.lacks_trust = found == "given back"
        if found == "missing":
            self.notes.append(
                "warning: the certificate that it brought is neither on the server nor in the set:"
                f" `schoolctl set-certificate {self._slug}` brings it."
            )

    def _give_title(self) -> None:
        self._run(site.execute(self.school["site"], site.PERSONALISE, {"title": self.school["title"]}))

    def _see_that_it_answers(self) -> None:
        expect_answer(self.server, self.school, f"`{self._slug}` is restored, but does not answer", within=60)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[part] = time.monotonic() - began

    def _run(self, command: Command) -> None:
        self.server.run(command)


def lay_out_files(server: Server, files: str, site_folder: str) -> None:
    """Give the bench the files of a set, and move them into a site's folder; root alone may write where both lie."""
    if not server.exists(files):
        return
    server.hand_over(files)
    for place in UPLOADS:
        kind = place.partition("/")[0]
        if server.exists(f"{files}/{kind}"):
            server.remove(f"{site_folder}/{place}")
            server.rename(f"{files}/{kind}", f"{site_folder}/{place}")
