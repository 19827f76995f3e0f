"""Change schools that are open: their rows first, then each thing on the server that follows from them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schoolctl.bench import database, site
from schoolctl.errors import RefusedError, SchoolctlError
from schoolctl.remote.server import CommandFailedError, Server, SiteFact
from schoolctl.schools import store
from schoolctl.schools.model import School
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Outcome, Progress, Step, run_steps
from schoolctl.workflows.visitors import expect_answer, unanswered

FOLLOW = "Let the edge follow"


@dataclass
class ChangeSchool:
    """Bring one school from what its row says to what it shall say, on the server too; a failure takes all of it back.

    before, after: equal ones put right what was changed by hand on the server. school: the facts of `after`.
    found: its site in a survey of this run; None where it is not open.
    """

    server: Server
    schools_file: Path
    before: School
    after: School
    school: Mapping[str, Any]
    files: SiteFiles
    found: SiteFact | None

    def steps(self) -> list[Step]:
        """Return the story of a change, in order."""
        return [*self.steps_before_edge(), *self.steps_from_edge()]

    def steps_from_edge(self) -> list[Step]:
        """Return what the edge and visitors have to do with it."""
        return [
            Step(FOLLOW, is_done=self.files.are_in_force, do=self.files.write, undo=self.files.put_back),
            Step(
                "See that it answers", is_done=lambda: not unanswered(self.server, self.school), do=self._expect_answer
            ),
        ]

    def steps_before_edge(self) -> list[Step]:
        """Return what comes before the edge hears of it: after these, many schools can share one reload."""
        return [
            Step("See that the school is open", is_done=lambda: self.found is not None, do=self._refuse_unopened),
            Step("Write it into schools.yml", is_done=self._declared, do=self._declare, undo=self._take_back_row),
            Step(
                "Write its site's settings",
                is_done=lambda: self.fact.config == self._settings(),
                do=lambda: self._merge(self.school["config"]),
                undo=lambda: self._merge({key: self.fact.config.get(key) for key in self.school["config"]}),
            ),
            Step(
                "Limit its database connections",
                is_done=lambda: self.fact.connections == self.school["connections"],
                do=lambda: self._limit_connections(self.school["connections"]),
                undo=lambda: self._limit_connections(self.fact.connections or 0),
            ),
            Step(
                "Give it its title",
                is_done=lambda: self.fact.title == self.after.title,
                do=lambda: self._give_title(self.after.title),
                undo=lambda: self._give_title(self.fact.title or self.before.title),
            ),
        ]

    @property
    def fact(self) -> SiteFact:
        """The site as found; every step after the first has one."""
        if self.found is None:
            raise self._unopened()
        return self.found

    def _expect_answer(self) -> None:
        expect_answer(self.server, self.school, f"`{self.after.slug}` is changed, but does not answer as it should")

    def _refuse_unopened(self) -> None:
        raise self._unopened()

    def _unopened(self) -> RefusedError:
        return RefusedError(
            f"Could not change `{self.after.slug}`",
            because=f"its site is not open on {self.server.name}",
            hint=f"run `schoolctl new-school {self.after.slug}` first",
        )

    def _declared(self) -> bool:
        return store.load(self.schools_file)[self.after.slug] == self.after

    def _declare(self) -> None:
        store.put(self.schools_file, self.after)

    def _take_back_row(self) -> None:
        store.put(self.schools_file, self.before)

    def _settings(self) -> dict[str, Any]:
        return {key: value for key, value in self.school["config"].items() if value is not None}

    def _merge(self, changes: Mapping[str, Any]) -> None:
        folder = self.school["site_dir"]
        self.server.merge_site_config(f"{folder}/site_config.json", folder, changes)

    def _limit_connections(self, number: int) -> None:
        if self.fact.database is not None:
            self.server.run(database.limit_connections(self.fact.database, number))

    def _give_title(self, title: str) -> None:
        self.server.run(site.execute(self.school["site"], site.PERSONALISE, {"title": title}))


def change_schools(
    server: Server, changes: Sequence[ChangeSchool], progress: Progress
) -> dict[str, SchoolctlError | bool]:
    """Change many schools with one reload of the edge; return by slug whether anything changed, or what went wrong.

    One school's failure takes back that school alone. If Nginx refuses the whole, each is tried by itself.
    """
    results: dict[str, SchoolctlError | bool] = {}
    done: dict[str, list[Step]] = {}
    for change in changes:
        slug = change.after.slug
        done[slug] = []
        try:
            changed = run_steps(change.steps_before_edge(), of_school(slug, progress), done=done[slug])
            results[slug] = change.files.place() or changed
        except SchoolctlError as fault:
            results[slug] = fault
    ready = [change for change in changes if not isinstance(results[change.after.slug], SchoolctlError)]
    began = time.monotonic()
    progress(FOLLOW, Outcome.STARTED, 0.0)
    try:
        server.activate_edge()
    except CommandFailedError:
        progress(FOLLOW, Outcome.FAILED, time.monotonic() - began)
        for change in ready:
            change.files.unplace()
        doubtful = ready
    else:
        progress(FOLLOW, Outcome.DONE, time.monotonic() - began)
        doubtful = [change for change in ready if unanswered(server, change.school)]
    for change in doubtful:
        slug = change.after.slug
        try:
            run_steps(change.steps_from_edge(), of_school(slug, progress), done=done[slug])
        except SchoolctlError as fault:
            results[slug] = fault
    return results


def of_school(slug: str, progress: Progress) -> Progress:
    """Return a progress that names the school before each step, and is silent about those that were done already."""

    def told(title: str, outcome: Outcome, seconds: float) -> None:
        if outcome is not Outcome.SKIPPED:
            progress(f"{slug}: {title}", outcome, seconds)

    return told
