"""Open a school: from a row in schools.yml to a site that answers."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from schoolctl.bench import database, redis, site
from schoolctl.errors import CommandUsageError, RefusedError
from schoolctl.remote.server import CLOSED, Server
from schoolctl.schools.demo import DemoCourse
from schoolctl.workflows.claims import new_password
from schoolctl.workflows.golden_site import GoldenSite, GoldenSites
from schoolctl.workflows.new_site import NewSite, UnusableGoldenError
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Progress, Step, run_steps
from schoolctl.workflows.visitors import expect_answer, unanswered

DOING = "new-school"
# How long the link that new-school prints lets somebody in.
LOGIN_MINUTES = 10


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

    demo: courses to begin with. golden: the golden site that it begins from; None installs app by app. login: a link
    that lets its administrator in once, if this run made one; it is a secret. Until the rename everything belongs to
    the claim in the server's journal: this run takes it back when a step fails, and the next run clears it away when
    this one was killed. After the rename a later run goes on to the end.
    """

    server: Server
    school: Mapping[str, Any]
    files: SiteFiles
    apps: Sequence[str]
    administrator_password: str
    demo: Sequence[DemoCourse] = ()
    golden: GoldenSite | None = None
    made_site: bool = False
    login: str | None = None

    def __post_init__(self) -> None:
        """Name what is made before it is in its place."""
        self.making = NewSite(self.server, self.slug, DOING, self.is_made, self._begin, self._options())

    def steps(self) -> list[Step]:
        """Return the story of opening, in order."""
        making = self.making
        if self.golden is None:
            filling = making.installing(self.apps, self.administrator_password)
        else:
            filling = making.loading(self.golden)
        return [
            *making.beginning(self.golden),
            *filling,
            Step("Make it the school's own", is_done=self.is_made, do=self._personalise),
            Step("Put it in its place", is_done=self.is_made, do=self._move, commits=True),
            self.files.opening(),
            Step("See that it answers", is_done=self._answers, do=self._see_that_it_answers),
            Step("Close the claim", is_done=lambda: self.server.claim(self.slug) is None, do=making.drop_claim),
        ]

    def run(
        self, progress: Progress, tell: Callable[[str], None], *, stock: bool = False, dry_run: bool = False
    ) -> bool:
        """Open it, from the best golden site that can be loaded; return whether anything was done.

        One that cannot is put out of service. stock: app by app, whatever there is; where there is nothing else, that
        is told in words.
        """
        if stock or self.is_made():
            return run_steps(self.steps(), progress, dry_run=dry_run)
        sites = GoldenSites.of(self.server, self.apps)
        while True:
            self.golden = sites.best_for(self.school["locale"])
            if self.golden is None:
                tell(
                    "No golden site fits, so each app is installed by itself, which takes a minute or more;"
                    " `schoolctl golden` makes one for the next."
                )
            try:
                return run_steps(self.steps(), progress, dry_run=dry_run)
            except UnusableGoldenError as fault:
                # What was half loaded is taken back by now, or cleared by the next first step.
                tell(
                    f"The golden site `{fault.golden.profile}` cannot be loaded: {fault.because}."
                    " No school begins from it until `schoolctl golden` has made it anew."
                )
                out = partial(sites.put_out_of_service, fault.golden, fault.because)
                run_steps([Step(f"Put the golden site `{fault.golden.profile}` out of service", do=out)], progress)

    @property
    def slug(self) -> str:
        """The school's name, and its site's."""
        return str(self.school["slug"])

    def _options(self) -> dict[str, list[str]]:
        # What takes an interrupted run up has to know them.
        options = [word for course in self.demo for word in ("--with-demo", course.value)]
        return {"options": options} if options else {}

    # --- facts -------------------------------------------------------------------------------------------------------

    def is_made(self) -> bool:
        """Say whether its site is in its place."""
        return self.server.exists(f"{self.school['site_dir']}/site_config.json")

    def _answers(self) -> bool:
        return unanswered(self.server, self.school) is None

    # --- deeds -------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._refuse_what_is_no_new_school()
        if self.golden is not None:
            # Frappe starts while a database is loaded; with many schools it starts once.
            self.server.start(site.answer_calls())

    def _refuse_what_is_no_new_school(self) -> None:
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

    def _personalise(self) -> None:
        making = self.making
        arguments = {key: self.school[key] for key in ("title", "admin_email", "locale")}
        # A door that is shut opens by no link.
        arguments["login_minutes"] = LOGIN_MINUTES if self.school["state"] == "active" else None
        if self.demo:
            arguments["demo"] = [course.value for course in self.demo]
        changes = dict(self.school["config"])
        if self.golden is None:
            said = making.run(site.execute(making.site, site.PERSONALISE, arguments))
            making.run(site.enable_scheduler(making.site))
            # bench hands this password to the database client where `ps` can see it, so it is replaced at the end.
            changes["db_password"] = new_password()
            making.run(database.set_password(making.database, changes["db_password"]))
            self.login = self._link_in(_last_object(said))
        else:
            arguments["password_on_stdin"] = True
            password = self.administrator_password
            call = site.call(making.site, site.PERSONALISE, arguments, stdin=f"{password}\n")
            self.login = self._link_in(self.server.ask(site.answer_calls(password, making.claim["password"]), call))
        # Last: while it is made, bench takes more of them at once than a school may be allowed to.
        if connections := self.school["connections"]:
            making.run(database.limit_connections(making.database, connections))
        self.server.merge_site_config(f"{making.folder}/site_config.json", making.folder, changes)

    def _link_in(self, said: Any) -> str | None:
        path = said.get("login") if isinstance(said, dict) else None
        return f"{self.school['url']}{path}" if path else None

    def _move(self) -> None:
        self.server.rename(self.making.folder, self.school["site_dir"])
        self.made_site = True
        # Jobs that still wait for the site by the name of its making would find nothing.
        self.server.run(redis.forget_jobs(self.making.site))

    def _see_that_it_answers(self) -> None:
        expect_answer(self.server, self.school, f"`{self.slug}` is made, but does not answer", within=60)


def _last_object(said: str) -> Any:
    # The last line: apps may say something of their own before. That there is no link is no failure of opening.
    try:
        return json.loads(said.splitlines()[-1])
    except (IndexError, ValueError):
        return None
