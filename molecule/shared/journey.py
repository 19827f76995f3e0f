"""What the journeys have in hand: one lab, the real schoolctl, and a visitor's eyes on the published port."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from schoolctl.schools import project
from schoolctl.schools.project import Project

ROOT = Path(__file__).resolve().parents[2]
SCHOOLCTL = Path(sys.executable).with_name("schoolctl")


@dataclass(frozen=True)
class Page:
    """What a visitor got: status, headers in lower case, body as text."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass
class Hammer:
    """Requests that were made while something happened: how many, and what went wrong."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Journey:
    """One lab, by the name of its inventory."""

    name: str

    @property
    def project(self) -> Project:
        """The lab's inventory, as schoolctl sees it."""
        return project.choose(ROOT, self.name)

    @cached_property
    def port(self) -> int:
        """Where visitors find the edge on this machine."""
        return self.project.platform.edge.public_http_port

    @cached_property
    def container(self) -> str:
        """The id of the container that is the lab's server."""
        return container_of(self.name)

    def forget_container(self) -> None:
        """Look for the container anew when it is asked for: the server is another one."""
        vars(self).pop("container", None)

    @property
    def is_real(self) -> bool:
        """Whether real Frappe runs here."""
        return not self.project.platform.bench_image

    def schoolctl(self, *arguments: str, code: int = 0, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run one command and expect its exit code."""
        done = self.run(*arguments, timeout=timeout)
        assert done.returncode == code, f"{arguments} gave {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def run(self, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, whatever that is."""
        return subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    def json(self, *arguments: str) -> Any:
        """Run one command and return what it says as JSON."""
        return json.loads(self.schoolctl("--json", *arguments).stdout)

    def command(self, *arguments: str) -> list[str]:
        """Return argv of one command for this lab."""
        return [str(SCHOOLCTL), "--env", self.name, *arguments]

    def visit(
        self, host: str, path: str = "/login", headers: Mapping[str, str] | None = None, *, made_now: bool = True
    ) -> Page | None:
        """Return a page of a host as a visitor gets it; None when nothing answers.

        made_now: it shall not be one that the edge has kept for guests since a moment ago.
        """
        own = {"Host": f"{host}:{self.port}", **({"Cache-Control": "no-cache"} if made_now else {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers={**own, **(headers or {})})
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
            return Page(answer.status, {key.lower(): value for key, value in answer.getheaders()}, body)
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    @contextmanager
    def hammered(self, *hosts: str) -> Iterator[Hammer]:
        """Keep asking every host for its login page while the block runs, and until some requests came after it.

        Each answer but 200 is a failure.
        """
        hammer, stop = Hammer(), threading.Event()

        def knock(host: str) -> None:
            while not stop.is_set():
                page = self.visit(host)
                hammer.requests += 1
                if page is None or page.status != 200:
                    hammer.failures.append(f"{host}: {page.status if page else 'no answer'}")
                time.sleep(0.02)

        threads = [threading.Thread(target=knock, args=(host,)) for host in hosts]
        for thread in threads:
            thread.start()
        try:
            yield hammer
            asked, deadline = hammer.requests, time.monotonic() + 60
            while hammer.requests < asked + 10 * len(hosts) and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def on_server(self, *argv: str, stdin: str = "") -> str:
        """Run a program on the server behind schoolctl's back and return its stdout."""
        done = subprocess.run(
            ["docker", "exec", "-i", self.container, *argv], input=stdin, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def sql(self, database: str, statement: str) -> list[str]:
        """Run a statement in a school's database and return the lines that it prints."""
        client = ("docker", "exec", "-i", "schools-db", "mariadb", "--batch", "--skip-column-names", database)
        return self.on_server(*client, stdin=statement).splitlines()

    def databases_of_schools(self) -> set[str]:
        """Return every database of a school, living or left over, without those that wait in the pool."""
        self.schoolctl("pool")  # nothing is being loaded when it has ended
        waiting = self.on_server("find", "/srv/schools/pool", "-name", "sch*", "-printf", "%f\n").split()
        found = set(self.sql("mysql", "SHOW DATABASES LIKE 'sch%';"))
        return found - {name.partition(".")[0] for name in waiting}

    def changes_left_for_ansible(self, *tags: str) -> list[str]:
        """Return the tasks that a check run of the whole site, or of some parts alone, would change."""
        parts = ("--tags", ",".join(tags)) if tags else ()
        answer = self.json("provision", "--check", *parts)
        changed: list[str] = answer["changed"]
        return changed


def container_of(lab: str) -> str:
    """Return the id of the container that is this checkout's lab of that name."""
    labels = (f"--filter=label=schoolctl.lab.{key}={value}" for key, value in (("project", ROOT), ("name", lab)))
    argv = ["docker", "ps", "--all", "--quiet", "--no-trunc", *labels]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def from_environment() -> Journey:
    """Return the lab of the Molecule scenario that runs."""
    return Journey(f"molecule-{os.environ['MOLECULE_SCENARIO_NAME']}")
