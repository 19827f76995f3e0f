"""The files of a school that the edge reads: compare, write, put back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from schoolctl.remote.server import CommandFailedError, Server
from schoolctl.render.environment import render
from schoolctl.workflows.step import Step


@dataclass
class SiteFiles:
    """A school's list of files from the manifest, and what this run replaced of them."""

    server: Server
    templates: Path
    platform: Mapping[str, Any]
    school: Mapping[str, Any]
    _before: dict[str, str | None] = field(default_factory=dict)
    _refused: bool = False

    def opening(self, *, commits: bool = False) -> Step:
        """Return the step by which visitors reach the school. commits: a later failure does not shut it again."""
        return Step("Open its doors", is_done=self.are_in_force, do=self.write, undo=self.put_back, commits=commits)

    def are_in_force(self) -> bool:
        """Say whether every file reads as it should and the edge runs on them."""
        return self.are_written() and self.server.edge_is_current()

    def are_written(self) -> bool:
        """Say whether every file reads as it should."""
        return self.server.read_all(self._paths()) == [self.text(file) for file in self.school["files"]]

    def write(self) -> None:
        """Write the files and let the edge take them up; a tree that Nginx refuses leaves it as it was."""
        self.place()
        try:
            self.server.activate_edge()
        except CommandFailedError:
            self._refused = True
            raise

    def place(self) -> None:
        """Write the files that read otherwise; the edge runs on what it had until it is told."""
        # Before the writes: when one is interrupted, its answer is lost.
        texts = self.server.read_all(self._paths())
        for file, before in zip(self.school["files"], texts, strict=True):
            path, text = file["path"], self.text(file)
            self._before.setdefault(path, before)
            if before != text:
                self.server.write(path, text, mode=file["mode"], owner=file["owner"], group=file["group"])

    def put_back(self) -> None:
        """Put every file back as this run found it, and let the edge take that up."""
        self.unplace()
        try:
            self.server.activate_edge()
        except CommandFailedError:
            # Refused with this school's change and without it: the fault is elsewhere, and the change is not in force.
            if not self._refused:
                raise

    def unplace(self) -> None:
        """Put every file back as this run found it; the edge runs on what it had until it is told."""
        for file in self.school["files"]:
            path = file["path"]
            if path not in self._before:
                continue
            before = self._before[path]
            if before is None:
                self.server.remove(path)
            else:
                self.server.write(path, before, mode=file["mode"], owner=file["owner"], group=file["group"])
            del self._before[path]

    def remove(self) -> None:
        """Remove every file; the edge runs on what it had until it is told."""
        for file in self.school["files"]:
            self.server.remove(file["path"])

    def _paths(self) -> list[str]:
        return [file["path"] for file in self.school["files"]]

    def text(self, file: Mapping[str, str]) -> str:
        """Return what a file of the list shall read."""
        return render(self.templates, file["template"], {"platform": self.platform, "school": self.school})

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 that each file shall have, by path."""
        return {file["path"]: sha256(self.text(file).encode()).hexdigest() for file in self.school["files"]}
