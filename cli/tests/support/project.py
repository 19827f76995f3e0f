"""A project of two schools in a folder of its own, and runs of schoolctl in it."""

import io
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schoolctl import app
from schoolctl.bench import database
from schoolctl.context import Context
from schoolctl.remote.dns import Addresses, Resolver
from schoolctl.remote.server import Server
from schoolctl.schools.platform import FRAPPE_UID
from schoolctl.transport.base import Transport
from schoolctl.workflows.step import Outcome
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.support.visitor_model import visiting

CHECKOUT = Path(__file__).resolve().parents[3]
OTHER = "cuisine-school"


@dataclass(frozen=True)
class Run:
    """What one run of schoolctl left behind."""

    code: int
    stdout: str
    stderr: str


def copy_project(folder: Path) -> Path:
    """Copy the example inventory as `test`, with the templates, into an empty folder; its pool stays empty."""
    shutil.copytree(CHECKOUT / "inventories" / "example", folder / "inventories" / "test")
    set_pool_size(folder, 0)
    (folder / "playbooks").mkdir()
    (folder / "templates").symlink_to(CHECKOUT / "templates")
    return folder


def set_pool_size(project: Path, number: int) -> None:
    """Declare how many databases shall stand ready for each locale."""
    file = project / "inventories/test/group_vars/all/platform.yml"
    text, changed = re.subn(r"pool_size: \d+", f"pool_size: {number}", file.read_text())
    assert changed == 1
    file.write_text(text)


def leads_here(_: str) -> Addresses | None:
    """Answer as a DNS in which every name leads to the example's server."""
    return frozenset({"203.0.113.10"})


def schoolctl(project: Path, transport: Transport | None, *arguments: str, resolver: Resolver = leads_here) -> Run:
    """Run one command line as `main()` does, over a given transport, in a DNS of its own."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        visit = visiting(transport.server) if isinstance(transport, RecordingTransport) else None
        context = Context(start=project, transport=transport, resolver=resolver, visit=visit)
        code = app.main(list(arguments), context=context)
    return Run(code, out.getvalue(), err.getvalue())


def context(project: Path, transport: Transport) -> Context:
    return Context(env="test", start=project, transport=transport)


def plain_server(transport: Transport) -> Server:
    return Server(transport, name="vps1", root=ROOT, frappe_uid=FRAPPE_UID, database_client=database.CLIENT)


def open_on(server: ServerModel, project: Path, slug: str) -> None:
    """Open a declared school, with two uploaded files."""
    run = schoolctl(project, RecordingTransport(server), "new-school", slug)
    assert run.code == 0, run.stderr
    site = f"{ROOT}/sites/{slug}"
    server.folders |= {f"{site}/{name}" for name in ("public", "public/files", "private", "private/files")}
    server.put(f"{site}/public/files/badge.svg", f"badge of {slug}")
    server.put(f"{site}/private/files/marks.csv", f"marks of {slug}")


class Told:
    """Remember the progress of a workflow."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Outcome]] = []

    def __call__(self, title: str, outcome: Outcome, seconds: float) -> None:
        self.lines.append((title, outcome))

    def titles(self, outcome: Outcome) -> list[str]:
        return [title for title, told in self.lines if told is outcome]


@contextmanager
def untouched(server: ServerModel, slug: str = OTHER) -> Iterator[Any]:
    """Hold that nothing of another school changes meanwhile."""
    before = server.owned_by(slug)
    yield before
    assert server.owned_by(slug) == before
