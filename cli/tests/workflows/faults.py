"""Count the calls of a command, then break each of them in turn."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from tests.support.project import OTHER, Run, copy_project, open_on, schoolctl
from tests.support.recording_transport import Break, RecordingTransport
from tests.support.server_model import ServerModel

Prepare = Callable[[ServerModel, Path], None]


@dataclass
class Broken:
    """A world in which one call of a command went wrong."""

    number: int
    project: Path
    server: ServerModel
    transport: RecordingTransport
    run: Run

    @property
    def at(self) -> str:
        return f"call {self.number}: {self.transport.calls[self.number].words}"


def each_world(folder: Path, prepare: Prepare) -> Iterator[tuple[Path, ServerModel]]:
    """Yield the prepared project and server again and again, each time fresh."""
    project, server = copy_project(folder / "prepared"), ServerModel()
    prepare(server, project)
    for number in itertools.count():
        yield shutil.copytree(project, folder / str(number), symlinks=True), deepcopy(server)


def each_break(folder: Path, prepare: Prepare, arguments: tuple[str, ...], how: Break) -> Iterator[Broken]:
    """Yield a fresh world for each call of the command, with that call broken; ends after the last one."""
    for number, (project, server) in enumerate(each_world(folder, prepare)):
        transport = RecordingTransport(server, at=number, how=how)
        run = schoolctl(project, transport, *arguments)
        if len(transport.calls) <= number:
            assert run.code == 0, run.stderr
            assert number > 10
            return
        yield Broken(number, project, server, transport, run)


def open_schools(*slugs: str) -> Prepare:
    def prepare(server: ServerModel, project: Path) -> None:
        for slug in slugs:
            open_on(server, project, slug)

    return prepare


def expect_opened_after_each_break(folder: Path, prepare: Prepare, arguments: tuple[str, ...], how: Break) -> None:
    """Break each call of a command that opens the first school; nothing is left, or the same command completes it."""
    slug, host = "tech-school", "tech-school.com"
    for broken in each_break(folder, prepare, arguments, how):
        server = broken.server
        if broken.run.code == 0:  # a break at the very end: all was done
            continue
        assert server.locked_by is None, broken.at
        assert server.visit("cuisine-school.com") == 200, broken.at
        if how is Break.FAILS and slug not in server.sites():
            assert server.orphans() == [], broken.at
        before = server.owned_by(OTHER)
        again = schoolctl(broken.project, RecordingTransport(server), *arguments)
        assert again.code == 0, f"{broken.at}\n{broken.run.stderr}\n{again.stderr}"
        assert server.visit(host) == 200, broken.at
        assert server.orphans() == [], broken.at
        assert server.owned_by(OTHER) == before, broken.at
        assert broken.transport.leaks() == [], broken.at
