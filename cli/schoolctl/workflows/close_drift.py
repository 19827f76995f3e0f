"""Close the differences between promise and fact, with the steps of the single commands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from schoolctl.errors import DeclarationError, SchoolctlError
from schoolctl.remote.server import CLOSED, Server, Survey
from schoolctl.transport.base import Command
from schoolctl.workflows.bulk import Report, do_each
from schoolctl.workflows.change_school import ChangeSchool, change_schools, of_school
from schoolctl.workflows.claims import new_password
from schoolctl.workflows.databases import drop_database
from schoolctl.workflows.find_drift import Drift, Promise
from schoolctl.workflows.open_school import OpenSchool
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Progress, Step, run_steps

# In the order in which they need each other: a site knows its database.
_KINDS = ("site", "closed", "database", "user", "file")


@dataclass
class CloseDrift:
    """Open schools that are missing, change those that differ, start containers, and remove what was named.

    files_of: a school's files, written through one of the connections. apps: what a new school gets, in order. tell:
    hears in words what somebody should know besides.
    """

    servers: Sequence[Server]
    promise: Promise
    survey: Survey
    files_of: Callable[[Server, str], SiteFiles]
    schools_file: Path
    apps: Sequence[str]
    progress: Progress
    tell: Callable[[str], None]

    @property
    def server(self) -> Server:
        """The connection for what is done one after the other."""
        return self.servers[0]

    def run(self, drifts: Sequence[Drift], remove: Sequence[str], *, dry_run: bool = False) -> list[Report]:
        """Close these differences, as far as it can be done without asking; return what became of each school."""
        slugs = list(dict.fromkeys(drift.slug for drift in drifts if drift.slug))
        closable = {drift.slug for drift in drifts if drift.applies}
        missing = [drift.slug for drift in drifts if drift.slug and drift.subject == "site" and drift.applies]
        steps = [*self._removals(drifts, remove), *self._starts(drifts), *self._edge(drifts)]
        run_steps(steps, self.progress, dry_run=dry_run)
        if dry_run:
            for drift in drifts:
                if drift.applies and drift.slug:
                    run_steps([Step(f"{drift.slug}: {drift.subject}", do=_nothing)], self.progress, dry_run=True)
            return [Report(slug, slug in closable) for slug in slugs]
        reports = {report.slug: report for report in self._open(missing)}
        changing = [self._change(slug) for slug in slugs if slug in closable and slug not in missing]
        # Without a school to change, too: the edge may run on older files, which no school's difference shows.
        for slug, result in change_schools(self.server, changing, self.progress).items():
            reports[slug] = Report(slug, fault=result) if isinstance(result, SchoolctlError) else Report(slug, True)
        for drift in drifts:
            if drift.slug and drift.slug not in reports:
                fault = SchoolctlError(
                    f"`{drift.slug}` still differs", because=f"{drift.subject} is {drift.found}", hint=drift.remedy
                )
                reports[drift.slug] = Report(drift.slug, fault=fault)
        return [reports[slug] for slug in slugs]

    def _open(self, slugs: Sequence[str]) -> list[Report]:
        def open_one(slug: str, server: Server) -> bool:
            # Nobody is there to read a password; `schoolctl login` lets in.
            files = self.files_of(server, slug)
            opening = OpenSchool(server, files.school, files, self.apps, new_password())
            return opening.run(of_school(slug, self.progress), lambda text: self.tell(f"{slug}: {text}"))

        return do_each(slugs, self.servers, open_one, tell=lambda _: None)

    def _change(self, slug: str) -> ChangeSchool:
        school, files = self.promise.schools[slug], self.files_of(self.server, slug)
        found = self.survey.sites.get(slug)
        return ChangeSchool(self.server, self.schools_file, school, school, files.school, files, found)

    def _starts(self, drifts: Sequence[Drift]) -> list[Step]:
        stopped = [drift for drift in drifts if drift.applies and drift.subject.startswith("container ")]
        names = [drift.subject.removeprefix("container ") for drift in stopped]
        return [Step(f"Start {name}", do=partial(self._start, name)) for name in names]

    def _start(self, container: str) -> None:
        self.server.run(Command(("docker", "start", container)))

    def _edge(self, drifts: Sequence[Drift]) -> list[Step]:
        """Return the step that writes the edge's own files anew, if any differs; the schools' reload is theirs too."""
        if not any(drift.slug is None and drift.subject.startswith("file ") for drift in drifts):
            return []
        edge = self.promise.edge
        return [Step("Write the edge's own files", is_done=edge.are_written, do=self._place_edge, undo=edge.unplace)]

    def _place_edge(self) -> None:
        self.promise.edge.place()

    def _removals(self, drifts: Sequence[Drift], names: Sequence[str]) -> list[Step]:
        known = [drift.subject for drift in drifts if drift.is_orphan]
        for name in names:
            if name not in known:
                raise DeclarationError(
                    f"Could not remove `{name}`",
                    because=f"what no row claims is: {', '.join(known) or 'nothing'}",
                    hint="see `schoolctl plan`",
                )
        ordered = sorted(names, key=lambda name: _KINDS.index(name.partition(":")[0]))
        return [Step(f"Remove {name}", do=partial(self._remove, name)) for name in ordered]

    def _remove(self, orphan: str) -> None:
        kind, _, name = orphan.partition(":")
        if kind in {"database", "user"}:
            drop_database(self.server, name)
        elif kind == "file":
            self.server.remove(name)
        else:
            sites = {"site": self.survey.sites, "closed": self.survey.closed}
            site = sites[kind][name]
            # The bench may write a site's configuration, so what it names is no proof of whose database that is.
            others = {other.database for group in sites.values() for other in group.values() if other is not site}
            if site.database is not None and site.database not in others:
                drop_database(self.server, site.database)
            self.server.remove(
                self.server.path("sites", name) if kind == "site" else self.server.path("archive", name + CLOSED)
            )


def _nothing() -> None:
    pass
