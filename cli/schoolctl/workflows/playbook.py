"""Run a playbook and tell what happens by role."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schoolctl.errors import SchoolctlError
from schoolctl.schools.vault import VARIABLE, password_file
from schoolctl.workflows.step import Outcome, Progress


@dataclass
class PlaybookReport:
    """What a playbook run did.

    changed: the tasks that changed something, as `role : task`. failed: the message of each failed task.
    """

    changed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run_playbook(
    root: Path,
    playbook: str,
    progress: Progress,
    *,
    inventory: Path | None = None,
    check: bool = False,
    tags: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> PlaybookReport:
    """Run one playbook from the project's root; raises SchoolctlError with the failed tasks' own words."""
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), playbook]
    vault: dict[str, str] = {}
    if inventory is not None:
        argv += ["--inventory", str(inventory / "hosts.yml")]
        if opener := password_file(inventory):
            vault = {VARIABLE: str(opener.absolute())}
    if check:
        argv.append("--check")
    if tags:
        argv += ["--tags", tags]
    if extra:
        argv += ["--extra-vars", json.dumps(dict(extra))]
    environment = {
        **os.environ,
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl",
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        **vault,
    }
    began = time.monotonic()
    report, reader = PlaybookReport(), _Reader(progress)
    # A file, because Ansible would wait for ever on a pipe of warnings that nobody empties.
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(argv, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as run,
    ):
        if run.stdout is None:
            raise RuntimeError("the pipe asked for is missing")
        noise = [line for line in run.stdout if not reader.take(line, report)]
        errors.seek(0)
        words = errors.read()
    reader.end()
    report.failed += reader.unreachable
    report.seconds = time.monotonic() - began
    if run.returncode != 0:
        lines = report.failed or [line for line in (*noise, *words.splitlines()) if line.strip()]
        raise SchoolctlError(
            f"{playbook} did not finish",
            because=" | ".join(lines[:3]) or f"ansible-playbook exited with {run.returncode}",
            hint="mend that, then run it again: it goes on from there",
            details="\n".join([*lines, *words.splitlines()][-40:]),
        )
    return report


class _Reader:
    """Turn Ansible's event lines into progress by role."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._role = ""
        self._began = 0.0
        self._failed = False
        # What nobody has gone on from yet: Ansible does not say of an unreachable host whether the task ignores it.
        self.unreachable: list[str] = []

    def take(self, line: str, report: PlaybookReport) -> bool:
        """Account for one line; say whether it was an event."""
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError:
            return False
        kind = event.get("_event", "")
        task = event.get("task", {}).get("name", "")
        if kind in {"v2_playbook_on_task_start", "v2_playbook_on_handler_task_start"}:
            self.unreachable.clear()
            self._enter(task.partition(" : ")[0] if " : " in task else "prepare")
        for host, result in event.get("hosts", {}).items():
            if kind == "v2_runner_on_ok" and result.get("changed"):
                report.changed.append(task)
            elif kind == "v2_runner_on_unreachable":
                self.unreachable.append(f"{task} on {host}: {_words(result)}")
            elif kind == "v2_runner_on_failed" and not result.get("ignore_errors"):
                report.failed.append(f"{task} on {host}: {_words(result)}")
                self._failed = True
        return True

    def end(self) -> None:
        """Close the role in hand."""
        if self._role:
            outcome = Outcome.FAILED if self._failed or self.unreachable else Outcome.DONE
            self._progress(self._role, outcome, time.monotonic() - self._began)

    def _enter(self, role: str) -> None:
        if role == self._role:
            return
        self.end()
        self._role, self._began, self._failed = role, time.monotonic(), False
        self._progress(role, Outcome.STARTED, 0.0)


def _words(result: Mapping[str, Any]) -> str:
    texts: Sequence[Any] = [result.get(key) for key in ("msg", "stderr", "stdout")]
    return " ".join(str(text).strip() for text in texts if text) or "no reason given"
