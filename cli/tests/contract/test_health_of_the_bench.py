"""How the services of the bench are asked whether they do what they are for; all around the program is made here."""

import importlib.util
import json
import socketserver
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from schoolctl.render.environment import render
from tests.support.edge import TEMPLATES

MINUTE_S = 60


@dataclass
class Bench:
    """The program, the sites that it sees, and how gunicorn answers for each; without an answer it hangs up."""

    program: ModuleType
    answers: dict[str, int | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    has_database: set[str] = field(default_factory=set)

    def add(self, site: str, answer: int | None, *, database: bool = True, **config: Any) -> None:
        """Add a site, how it answers, and whether its database opens."""
        folder = Path(self.program.SITES) / site
        folder.mkdir()
        (folder / "site_config.json").write_text(json.dumps({"db_name": site, "db_password": "x", **config}))
        self.answers[site] = answer
        if database:
            self.has_database.add(site)

    def fault(self) -> str:
        """Return what is wrong with gunicorn, however often it is asked."""
        faults = {self.program.fault_of_web() for _ in range(3)}
        assert len(faults) == 1 or "" not in faults
        return str(faults.pop())


@pytest.fixture
def program(tmp_path: Path) -> ModuleType:
    path = tmp_path / "health.py"
    path.write_text(render(TEMPLATES, "bench/health.py.j2", {}))
    spec = importlib.util.spec_from_file_location("health", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SITES = str(tmp_path / "sites")
    module.PROCESSES = str(tmp_path / "proc")
    module.NOTE = str(tmp_path / "note")
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "apps.txt").touch()
    return module


@pytest.fixture
def bench(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(program)

    class Visitor(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site = self.headers["X-Frappe-Site-Name"]
            bench.asked.append(site)
            if status := bench.answers.get(site, 404):
                assert self.path == "/api/method/ping"
                self.send_response(status)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    monkeypatch.setattr(program, "opens", lambda config: config["db_name"] in bench.has_database)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        program.DOOR = f"{folder}/bench"
        with Server(program.DOOR, Visitor) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield bench
            server.shutdown()


def test_a_bench_without_a_school_is_well_if_it_answers(bench: Bench) -> None:
    assert bench.fault() == ""
    Path(bench.program.DOOR).unlink()
    assert bench.fault() == "gunicorn does not answer"


@pytest.mark.parametrize("status", [200, 403, 404, 429, 500, 503])
def test_it_is_well_if_it_answers_for_a_school_whatever_ails_that(bench: Bench, status: int) -> None:
    bench.add("tech-school", status)
    assert bench.fault() == ""
    assert set(bench.asked) == {"tech-school"}


def test_it_is_ill_if_it_answers_for_no_school(bench: Bench) -> None:
    bench.add("tech-school", None)
    assert bench.fault() == "tech-school does not answer"


def test_one_school_that_is_ill_is_no_illness_of_the_bench(bench: Bench) -> None:
    bench.add("art-school", None)
    bench.add("tech-school", 200)
    assert bench.fault() == ""


def test_a_school_that_is_looked_after_is_not_asked(bench: Bench) -> None:
    bench.add("tech-school", None, maintenance_mode=1)
    assert bench.fault() == ""
    assert "tech-school" not in bench.asked


def test_a_school_without_its_database_tells_nothing_of_the_bench(bench: Bench) -> None:
    """The database's own check tells; and a server must be provisioned before its schools can be restored."""
    bench.add("tech-school", None, database=False)
    assert bench.fault() == ""
    Path(bench.program.DOOR).unlink()
    assert bench.fault() == "gunicorn does not answer"


def test_what_is_being_made_is_passed_over(bench: Bench) -> None:
    (Path(bench.program.SITES) / "tech-school").mkdir()
    for name in ("tech-school.new", "golden.site.new", "art-school.drill"):
        bench.add(name, 200)
    bench.add("art-school", 404, database=False)
    (Path(bench.program.SITES) / "art-school" / "site_config.json").write_text("{")
    assert bench.fault() == ""
    assert set(bench.asked) == {"none"}


def test_it_asks_few_schools_and_others_the_next_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        bench.add(f"school-{number:02}", None)
    seen = set()
    for second in range(0, 200, 10):
        monkeypatch.setattr(time, "time_ns", lambda second=second: second * 10**9)
        bench.asked.clear()
        assert bench.program.fault_of_web()
        assert len(bench.asked) == 2
        seen |= set(bench.asked)
    assert len(seen) > 4


def test_a_database_that_nobody_reaches_does_not_open(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class MySQLError(Exception):
        """As the library's own."""

    def connect(**_: object) -> None:
        raise MySQLError

    library = ModuleType("pymysql")
    library.MySQLError, library.connect = MySQLError, connect  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pymysql", library)
    assert program.opens({"db_name": "sch0", "db_password": "x"}) is False


@pytest.fixture
def at_work(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float, int | None], str]]:
    """Return a question: what is wrong with a worker that has waited so often, so many seconds from now?"""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as queue:
        threading.Thread(target=queue.serve_forever, daemon=True).start()
        program.QUEUE = queue.server_address

        def ask(later_s: float, waited: int | None) -> str:
            write_processes(Path(program.PROCESSES), waited)
            monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + later_s)
            return str(program.fault_of_work())

        yield ask
        queue.shutdown()


def write_processes(folder: Path, waited: int | None) -> None:
    """Write what the kernel tells of a container: its first process, a worker with one job, and this very program."""
    rows = {1: (0, 9), 31: (7, 5), 400: (0, 1)}
    if waited is not None:
        rows[7] = (1, waited)
    for number, (parent, switches) in rows.items():
        (folder / str(number)).mkdir(parents=True, exist_ok=True)
        text = f"Name:\tpython\nPPid:\t{parent}\nvoluntary_ctxt_switches:\t{switches}\nSeccomp:\t2\n"
        (folder / str(number) / "status").write_text(text)
    (folder / "uptime").touch()


def test_a_worker_that_looks_up_now_and_then_is_well(at_work: Callable[[float, int | None], str]) -> None:
    assert [at_work(minutes * MINUTE_S, minutes // 7) for minutes in range(60)] == [""] * 60


def test_one_that_has_not_stirred_for_long_is_ill_and_well_again_when_it_does(
    at_work: Callable[[float, int | None], str],
) -> None:
    assert [at_work(minutes * MINUTE_S, 5) for minutes in (0, 10, 20)] == [""] * 3
    assert at_work(21 * MINUTE_S, 5) == "it has not stirred for 21 minutes"
    assert at_work(22 * MINUTE_S, 6) == ""


def test_a_service_without_a_process_or_a_queue_is_ill(
    at_work: Callable[[float, int | None], str], program: ModuleType
) -> None:
    assert at_work(0, None) == "there is no process"
    program.QUEUE = ("127.0.0.1", 1)
    assert "the queue is out of reach" in at_work(0, 5)
