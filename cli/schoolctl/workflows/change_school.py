"""Change schools that are open: their rows first, then each thing on the server that follows from them."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schoolctl.bench import database, site
from schoolctl.errors import RefusedError, SchoolctlError, UnreachableError
from schoolctl.remote.server import Server, SiteFact
from schoolctl.schools import store
from schoolctl.schools.model import School
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Outcome, Progress, Step, run_steps, take_back
from schoolctl.workflows.visitors import expect_answer, unanswered

DECLARE = "Write it into schools.yml"
FOLLOW = "Let the edge follow"


@dataclass
class ChangeSchool:
    """Bring one school from what its row says to what it shall say, on the server too; a failure takes all of it back.

    before, after: equal ones put right what was changed by hand on the server. school: the facts of `after`.
    found: its site in a survey of this run; None where it is not open. rows_before: what schools.yml was, once it is
    changed.
    """

    server: Server
    schools_file: Path
    before: School
    after: School
    school: Mapping[str, Any]
    files: SiteFiles
    found: SiteFact | None
    rows_before: store.Snapshot | None = None

    def steps(self) -> list[Step]:
        """Return the story of a change, in order."""
        return [self.opening(), self.declaring(), *self.steps_on_site(), *self.steps_from_edge()]

    def steps_from_edge(self) -> list[Step]:
        """Return what the edge and visitors have to do with it."""
        return [self.following(), self.answering()]

    def placing(self) -> Step:
        """Return the step before `following` where many schools share that."""
        return Step("Write its files", is_done=self.files.are_written, do=self.files.place, undo=self.files.unplace)

    def following(self) -> Step:
        """Return the step by which visitors get what is asked for."""
        return Step(FOLLOW, is_done=self.files.are_in_force, do=self.files.write, undo=self.files.put_back)

    def answering(self) -> Step:
        """Return the step that looks at it as a visitor does."""
        return Step(
            "See that it answers", is_done=lambda: not unanswered(self.server, self.school), do=self._expect_answer
        )

    def opening(self) -> Step:
        """Return the step that refuses a school which is not open."""
        return Step("See that the school is open", is_done=self._may_change, do=self._refuse_unopened)

    def declaring(self) -> Step:
        """Return the step that writes the school's row."""
        return Step(DECLARE, is_done=self._declared, do=self._declare, undo=self._take_back_row)

    def steps_on_site(self) -> list[Step]:
        """Return what comes before the edge hears of it: after these, many schools can share one reload."""
        if self._is_put_away():
            return []
        return [
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

    def _may_change(self) -> bool:
        return self.found is not None or self._is_put_away()

    def _is_put_away(self) -> bool:
        """Say whether it is closed and shall stay so: what visitors are told of it can be put right."""
        return self.found is None and self.before == self.after and self.after.state == "closed"

    def _expect_answer(self) -> None:
        expect_answer(self.server, self.school, f"`{self.after.slug}` is changed, but does not answer as it should")

    def _refuse_unopened(self) -> None:
        raise self._unopened()

    def _unopened(self) -> RefusedError:
        closed = self.after.state == "closed"
        return RefusedError(
            f"Could not change `{self.after.slug}`",
            because="it is closed" if closed else f"its site is not open on {self.server.name}",
            hint=f"run `schoolctl {'reopen' if closed else 'new-school'} {self.after.slug}` first",
        )

    def _declared(self) -> bool:
        return store.load(self.schools_file)[self.after.slug] == self.after

    def _declare(self) -> None:
        self.rows_before = store.snapshot(self.schools_file)
        store.put(self.schools_file, self.after)

    def _take_back_row(self) -> None:
        if self.rows_before is not None:
            store.put_back(self.schools_file, self.rows_before, self.before)

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
    server: Server, changes: Sequence[ChangeSchool], progress: Progress, *, dry_run: bool = False
) -> dict[str, SchoolctlError | bool]:
    """Change many schools with one write of schools.yml and one reload of the edge.

    Return by slug whether anything changed, or what went wrong. One school's failure takes back that school alone. If
    Nginx refuses the whole, each is tried by itself. Ctrl-C takes back those that are not finished; a lost connection
    leaves them to the next run, which goes on from there.
    """
    results: dict[str, SchoolctlError | bool] = {}
    done: dict[str, list[Step]] = {change.after.slug: [] for change in changes}

    def attempt(change: ChangeSchool, steps: Sequence[Step]) -> bool:
        slug = change.after.slug
        try:
            changed = run_steps(steps, of_school(slug, progress), dry_run=dry_run, done=done[slug])
        except UnreachableError:
            raise
        except SchoolctlError as fault:
            results[slug] = fault
            return False
        # The first steps say it; those that follow only look, or do again what the whole could not.
        results.setdefault(slug, changed or bool(done[slug]))
        return True

    if dry_run:
        for change in changes:
            attempt(change, change.steps())
        return results
    try:
        _declare_all(changes, done, progress)
        stories = [(change, [change.opening(), *change.steps_on_site(), change.placing()]) for change in changes]
        ready = [change for change, steps in stories if attempt(change, steps)]
        following = _let_edge_follow(server, progress)
        if not following:
            for change in ready:
                with suppress(SchoolctlError):
                    change.files.unplace()
        for change in ready:
            if following:
                done[change.after.slug].append(change.following())
            if attempt(change, [change.answering()] if following else change.steps_from_edge()):
                done[change.after.slug].clear()
    except UnreachableError:
        raise
    except BaseException:
        _take_back_unfinished(server, changes, done, progress)
        raise
    return results


def _declare_all(changes: Sequence[ChangeSchool], done: Mapping[str, list[Step]], progress: Progress) -> None:
    """Write the rows of all schools that are open at once: each by itself would read the file again and again."""
    opened = [change for change in changes if change.found is not None]
    if not opened:
        return
    schools_file = opened[0].schools_file
    rows_before = store.snapshot(schools_file)
    pending = [change for change in opened if rows_before.schools[change.after.slug] != change.after]
    if not pending:
        return
    for change in pending:
        change.rows_before = rows_before
        done[change.after.slug].append(change.declaring())
    began = time.monotonic()
    progress(DECLARE, Outcome.STARTED, 0.0)
    store.put(schools_file, *(change.after for change in pending))
    progress(DECLARE, Outcome.DONE, time.monotonic() - began)


def _let_edge_follow(server: Server, progress: Progress) -> bool:
    """Let the edge take up all files at once; say whether it did."""
    began = time.monotonic()
    progress(FOLLOW, Outcome.STARTED, 0.0)
    try:
        server.activate_edge()
    except UnreachableError:
        raise
    except SchoolctlError:
        progress(FOLLOW, Outcome.FAILED, time.monotonic() - began)
        return False
    progress(FOLLOW, Outcome.DONE, time.monotonic() - began)
    return True


def _take_back_unfinished(
    server: Server, changes: Sequence[ChangeSchool], done: Mapping[str, list[Step]], progress: Progress
) -> None:
    unfinished = [change for change in changes if done[change.after.slug]]
    # First all files, so that one reload is enough and none is refused for another school's.
    with suppress(SchoolctlError):
        for change in unfinished:
            change.files.unplace()
        server.activate_edge()
    for change in reversed(unfinished):
        take_back(done[change.after.slug], of_school(change.after.slug, progress))


def of_school(slug: str, progress: Progress) -> Progress:
    """Return a progress that names the school before each step, and is silent about those that were done already."""

    def told(title: str, outcome: Outcome, seconds: float) -> None:
        if outcome is not Outcome.SKIPPED:
            progress(f"{slug}: {title}", outcome, seconds)

    return told
