"""What every command is handed: the chosen project, its server, and how to speak. Made once, in app.py."""

import getpass
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from schoolctl.bench import database
from schoolctl.errors import UnreachableError
from schoolctl.remote import dns
from schoolctl.remote.server import CommandFailedError, Server, Survey, UnprovisionedError
from schoolctl.render import context
from schoolctl.schools import project
from schoolctl.schools.model import School
from schoolctl.schools.platform import FRAPPE_UID
from schoolctl.schools.project import Project
from schoolctl.transport.base import Transport
from schoolctl.transport.session import ServerFaultError
from schoolctl.ui import Ui
from schoolctl.workflows.change_school import ChangeSchool
from schoolctl.workflows.site_files import SiteFiles


@dataclass
class Context:
    """One run of schoolctl."""

    env: str | None = None
    ui: Ui = field(default_factory=Ui)
    start: Path = field(default_factory=Path.cwd)
    transport: Transport | None = None
    resolver: dns.Resolver = dns.resolve

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
        """The inventory's server; connects at the first need."""
        chosen = self.project
        platform = chosen.platform
        return Server(
            self.transport or self._connect(),
            name=chosen.host.name,
            root=platform.root,
            frappe_uid=FRAPPE_UID,
            database_client=database.CLIENT,
            http_port=platform.edge.http_port,
        )

    @contextmanager
    def locked(self, what: str, wish: str, *, dry_run: bool = False) -> Iterator[Server]:
        """Hold the server's lock for a command that changes something.

        what: the command, for the audit log. wish: what the user wanted, as in "Could not <wish>".
        A dry run only asks, so it neither waits for the lock nor leaves a line.
        """
        if dry_run:
            yield self.server
            return
        try:
            with self.server.locked(f"{getpass.getuser()}@{socket.gethostname()}", what):
                yield self.server
        except (CommandFailedError, ServerFaultError) as fault:
            # These know which operation failed, but not what it was for.
            fault.what = f"Could not {wish}"
            fault.hint = fault.hint or f"mend that, then run `schoolctl {what}` again; -v shows more"
            raise

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

    def url(self, school: School) -> str:
        """Return a school's canonical address."""
        return context.url(school, self.project.platform.edge.public_http_port)

    def site_files(self, school: School) -> SiteFiles:
        """Return the files that a school needs on the server."""
        return SiteFiles(self.server, self._templates, self._platform_facts, self.school_facts(school))

    def change(self, before: School, after: School, survey: Survey) -> ChangeSchool:
        """Return the change of one school from its row as it is to its row as it shall be."""
        return ChangeSchool(
            self.server,
            self.project.schools_file,
            before,
            after,
            self.school_facts(after),
            self.site_files(after),
            survey.sites.get(after.slug),
        )

    @property
    def interactive(self) -> bool:
        """Whether a person sits at the terminal and can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def close(self) -> None:
        """End the connection, if there is one."""
        if "server" in self.__dict__:
            self.server.close()

    @cached_property
    def _platform_facts(self) -> dict[str, Any]:
        return context.platform_context(self.project.platform)

    @property
    def _templates(self) -> Path:
        return self.root / "templates"

    def _connect(self) -> Transport:
        from schoolctl.remote.source import agent_source
        from schoolctl.transport.ssh import SshTransport

        return SshTransport(self.project.host, agent_source())
