"""What every command is handed: the chosen project, its server, and how to speak. Made once, in app.py."""

import getpass
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schoolctl.bench import database
from schoolctl.errors import SchoolctlError, UnreachableError
from schoolctl.remote import dns
from schoolctl.remote.server import CallFailedError, CommandFailedError, Server, Survey, UnprovisionedError
from schoolctl.render import context
from schoolctl.schools import inventory_files, project
from schoolctl.schools.inventory_files import InventoryFiles
from schoolctl.schools.model import School
from schoolctl.schools.platform import FRAPPE_UID
from schoolctl.schools.project import Project
from schoolctl.transport.base import Transport
from schoolctl.transport.session import ServerFaultError
from schoolctl.ui import Ui
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Outcome

# These are loaded by the few commands that need them: every other one would wait for them.
if TYPE_CHECKING:
    from schoolctl.remote import visits
    from schoolctl.workflows.change_school import ChangeSchool
    from schoolctl.workflows.close_drift import CloseDrift
    from schoolctl.workflows.diagnose import Finding
    from schoolctl.workflows.examine_server import ExamineServer
    from schoolctl.workflows.find_drift import Drift, Promise
    from schoolctl.workflows.golden_site import GoldenSite


@contextmanager
def _wishing(what: str, wish: str) -> Iterator[None]:
    try:
        yield
    except (CallFailedError, CommandFailedError, ServerFaultError) as fault:
        # These know which operation failed, but not what it was for.
        fault.what = f"Could not {wish}"
        fault.hint = fault.hint or f"mend that, then run `schoolctl {what}` again; -v shows more"
        raise


@dataclass
class Context:
    """One run of schoolctl."""

    env: str | None = None
    ui: Ui = field(default_factory=Ui)
    start: Path = field(default_factory=Path.cwd)
    transport: Transport | None = None
    resolver: dns.Resolver = dns.resolve
    visit: "visits.Visit | None" = None
    _more_servers: list[Server] = field(default_factory=list)

    @cached_property
    def root(self) -> Path:
        """The checkout."""
        return project.find_root(self.start)

    @cached_property
    def project(self) -> Project:
        """The checkout with the chosen inventory."""
        return project.choose(self.root, self.env)

    @cached_property
    def server(self) -> Server:
        """The inventory's server; from here on schoolctl connects, and the first question waits for it."""
        chosen = self.project
        platform = chosen.platform
        return Server(
            self.transport or self._connect(),
            name=chosen.host.name,
            root=platform.root,
            frappe_uid=FRAPPE_UID,
            database_client=database.CLIENT,
            https_port=platform.edge.https_port,
        )

    def reach(self) -> Server:
        """Begin to reach the server, load meanwhile what renders the schools' files, and return the server."""
        server = self.server
        for school in [*self.project.schools().values()][:1]:
            self.site_files(school).digests()
        return server

    @contextmanager
    def locked(self, what: str, wish: str, *, dry_run: bool = False) -> Iterator[Server]:
        """Hold the server's lock for a command that changes something.

        what: the command, for the audit log. wish: what the user wanted, as in "Could not <wish>".
        A dry run only asks, so it neither waits for the lock nor leaves a line.
        """
        if dry_run:
            yield self.server
            return
        with (
            self.handing_over(),
            _wishing(what, wish),
            self.server.locked(self._who, what),
            self.ui.also_telling(self._note),
        ):
            try:
                yield self.server
            finally:
                self._end_more_servers()

    @contextmanager
    def handing_over(self) -> Iterator[None]:
        """Hand the inventory over to the backups in the end, if it has changed meanwhile: by a failed command too."""
        before = inventory_files.read(self.project.inventory)
        try:
            yield
        except UnreachableError:
            raise
        except SchoolctlError:
            self._hand_over_since(before)
            raise
        self._hand_over_since(before)

    def _hand_over_since(self, before: InventoryFiles) -> None:
        if inventory_files.read(self.project.inventory) != before:
            self.hand_over_inventory()

    def hand_over_inventory(self) -> None:
        """Let the backups have the inventory as it is now, behind the command; that they cannot is only a warning.

        So is Ctrl-C meanwhile: the command has done its work, and what it has to tell, a password even, is told once.
        """
        from schoolctl.remote.backups import Backups
        from schoolctl.workflows.keep_inventory import KeepInventory

        try:
            KeepInventory(Backups(self.server), self.project.inventory).hand_over()
        except KeyboardInterrupt:
            reason = "it was interrupted; the next command that changes it, or `backup`, hands it over"
        except SchoolctlError as fault:
            reason = fault.reason
        else:
            return
        self.ui.say(f"warning: the inventory as it is now is not with the backups: {reason}")

    @contextmanager
    def recorded(self, what: str, wish: str) -> Iterator[Server]:
        """Leave a line in the audit log for a command that touches nothing which another one may be changing."""
        with _wishing(what, wish), self.server.recorded(self._who, what):
            yield self.server

    def attach(self, argv: Sequence[str], what: str, *, tty: bool) -> int:
        """Run a program on the server with this terminal's streams; the audit log gets its line. Return its code."""
        return self.server.attach(argv, tty=tty, who=self._who, what=what)

    def more_servers(self, count: int) -> list[Server]:
        """Return the server through further agents, at most so many: a server may let fewer in at once.

        Those opened while the lock is held work for it, and are ended before it is released.
        """
        opened: list[Server] = []
        for _ in range(count):
            try:
                opened.append(self.server.another())
            except UnreachableError:
                break  # if it is the connection itself, the next call says so
        self._more_servers += opened
        return opened

    @contextmanager
    def locked_if_provisioned(self, what: str, wish: str) -> Iterator[None]:
        """Hold the server's lock as `locked` does; a server that knows no lock yet has nothing to disturb either."""
        with ExitStack() as held:
            # A bare server lets nobody in as the deploy user. One that is down is the command's own to report.
            with suppress(UnreachableError, UnprovisionedError):
                held.enter_context(self.locked(what, wish))
            yield

    def school_facts(self, school: School) -> Mapping[str, Any]:
        """Return a school as templates see it."""
        return context.school_context(school, self._platform_facts, templates=self._templates)

    def locales(self) -> list[Mapping[str, str] | None]:
        """Return the locale of each school that is, or shall be, made new: copies and closed ones are not."""
        schools = [school for school in self.project.schools().values() if school.state != "closed"]
        return [self.school_facts(school)["locale"] for school in schools if not school.staging]

    def pooled(self) -> "list[GoldenSite]":
        """Return the golden sites whose loaded copies are kept ready."""
        from schoolctl.workflows.fill_pool import pooled
        from schoolctl.workflows.golden_site import GoldenSites

        return pooled(GoldenSites.of(self.server, self.project.app_names), self.locales())

    def refill_pool(self) -> None:
        """Let the server load what is missing in the pool, behind other commands; that it cannot is only a warning."""
        from schoolctl.workflows.fill_pool import begin_refill

        try:
            begin_refill(self.server, self.pooled(), self.project.platform.pool_size)
        except SchoolctlError as fault:
            self.ui.say(f"warning: the pool is not refilled: {fault.reason}")

    def certify(self, schools: Sequence[School]) -> None:
        """Get what these schools' certificates lack; that one cannot be had is only a warning."""
        from schoolctl.workflows.certify import warnings

        asking = [school.slug for school in schools if self.school_facts(school)["certificate"] != "self-signed"]
        if not asking:
            return
        standing, fault = self.certified(asking)
        for text in [f"warning: no certificate could be asked for: {fault}"] if fault else warnings(standing):
            self.ui.say(text)

    def certified(self, slugs: Sequence[str], *, force: bool = False) -> tuple[list[dict[str, Any]], str]:
        """Return how these schools' certificates stand once the server saw to them, or why it could not.

        force: replace also those that lack nothing.
        """
        from schoolctl.workflows.certify import certify

        return certify(self.server, slugs, self.ui.progress, force=force)

    def certify_later(self) -> None:
        """Let the server see by itself what the schools' certificates lack, behind other commands."""
        if self.project.platform.tls.certificates != "self-signed":
            with suppress(CommandFailedError):
                self.server.begin_certifying()

    def url(self, school: School) -> str:
        """Return a school's canonical address."""
        return context.url(school, self._platform_facts)

    def site_files(self, school: School, server: Server | None = None) -> SiteFiles:
        """Return the files that a school needs on the server, to be written through this or the first connection."""
        return SiteFiles(server or self.server, self._templates, self._platform_facts, self.school_facts(school))

    def change(self, before: School, after: School, survey: Survey) -> "ChangeSchool":
        """Return the change of one school from its row as it is to its row as it shall be."""
        from schoolctl.workflows.change_school import ChangeSchool

        return ChangeSchool(
            self.server,
            self.project.schools_file,
            before,
            after,
            self.school_facts(after),
            self.site_files(after),
            survey.sites.get(after.slug),
        )

    def promise(self) -> "Promise":
        """Return all that is declared."""
        from schoolctl.workflows.find_drift import Promise

        project = self.project
        schools = project.schools()
        return Promise(
            schools,
            {slug: self.site_files(school) for slug, school in schools.items()},
            SiteFiles(
                self.server,
                self._templates,
                self._platform_facts,
                context.edge_context(self._platform_facts, templates=self._templates),
            ),
            context.bench_image(project.platform, self.root, project.apps_lock),
            datetime.now(UTC).date().isoformat(),
        )

    def drift(self, survey: Survey, schools: Sequence[School] | None) -> list["Drift"]:
        """Return where the server differs from what is declared: everywhere, or at some schools alone."""
        from schoolctl.workflows.find_drift import find_drift

        drifts = find_drift(self.promise(), survey, self.server.read)
        if schools is None:
            return drifts
        slugs = {school.slug for school in schools}
        return [drift for drift in drifts if drift.slug in slugs]

    def examination(self, schools: Sequence[School], tell: "Callable[[Finding], None]") -> "ExamineServer":
        """Return what examines the server and these schools; tell: hears of each check at its end."""
        from schoolctl.remote.visits import Visitor
        from schoolctl.schools import vault
        from schoolctl.workflows.examine_server import ExamineServer

        project = self.project
        edge = project.platform.edge

        def look_up(names: Sequence[str]) -> list[dns.Finding]:
            host, public = project.host.address, edge.public_addresses
            return dns.check(names, server=host, public_addresses=public, resolver=self.resolver)

        return ExamineServer(
            self.server,
            [self.school_facts(school) for school in schools],
            next(iter(edge.public_addresses), project.host.address),
            look_up,
            self.visit or Visitor,
            self.more_servers,
            project.app_names,
            tell,
            vault.lacks_kit(project.inventory),
        )

    def closing(self, survey: Survey, jobs: int) -> "CloseDrift":
        """Return what closes differences, through as many connections as jobs."""
        from schoolctl.workflows.close_drift import CloseDrift

        project = self.project
        promise = self.promise()
        return CloseDrift(
            [self.server, *(self.more_servers(jobs - 1) if jobs > 1 else [])],
            promise,
            survey,
            lambda server, slug: self.site_files(promise.schools[slug], server),
            project.schools_file,
            project.app_names,
            self.ui.progress,
            self.ui.say,
        )

    @property
    def interactive(self) -> bool:
        """Whether a person sits at the terminal and can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def close(self) -> None:
        """End the connection, if there is one."""
        self._end_more_servers()
        if "server" in self.__dict__:
            self.server.close()

    def _end_more_servers(self) -> None:
        while self._more_servers:
            self._more_servers.pop().close()

    def _note(self, title: str, outcome: Outcome, seconds: float) -> None:
        if outcome is not Outcome.SKIPPED:
            self.server.note(title, outcome.value, seconds)

    @property
    def _who(self) -> str:
        return f"{getpass.getuser()}@{socket.gethostname()}"

    @cached_property
    def _platform_facts(self) -> dict[str, Any]:
        return context.platform_context(self.project.platform)

    @property
    def _templates(self) -> Path:
        # Resolved, because compiled templates are kept by this path.
        return (self.root / "templates").resolve()

    def _connect(self) -> Transport:
        from schoolctl.remote.source import agent_source
        from schoolctl.transport.ssh import SshTransport

        transport = SshTransport(self.project.host, agent_source())
        transport.begin()
        return transport
