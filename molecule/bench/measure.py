"""Measure what people wait for, and write docs/reference/benchmarks.md.

Parts: `cli` needs nothing. `server` makes a lab of its own, measures provisioning, the image and new schools there,
also many at once, and takes it away again. `disk` does so for new schools on disks of which some are slow, `edge` for
what visitors wait for, `many`, with fifty schools on the stand-in bench, for what commands on all of them cost,
`backups` for what it takes to keep schools and to bring them back, beside the stock way. A part that is run alone
replaces its own section of the page.
"""

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "molecule" / "shared"))
import browser  # noqa: E402 - from the folder that scenarios share

PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
LAB = "lab-bench"
CONTAINER = f"schoolctl-lab-{LAB}"
COMPOSE = "/srv/schools/compose/compose.yml"
DATABASES = "/srv/schools/db"
SLOW = "/srv/schools-slow-disk"
IN_MEMORY = "/mnt/schools-db"
SCHOOLCTL = str(Path(sys.executable).with_name("schoolctl"))

HEAD = """\
# Benchmarks

Written by `make bench`; `make bench PART=cli` renews one part. Each section is one run on one machine: compare within
it, not across. Times are medians in seconds.
"""

CLI_RUNS = 15
SCHOOLS = 3
PLACE = ("--country=Ireland", "--language=en", "--timezone=Europe/Dublin", "--currency=EUR")
MANY = 50
BULK = 40
DELAYS_MS = (0, 1, 2)
VISIT_ROUNDS = 5
FIRST_PAGES = "A page in a fresh browser"
VISIT_S = 4
AT_ONCE = 16
IDLE_PROVISIONS = 3
ALIKE = 20
SMALL_SCHOOLS = 100
UPLOAD_KB = 200
VISITOR_S = 0.02
REPOSITORY = "/srv/schools/backups/repository"
# One is enough of what takes minutes on a slow disk.
STOCK_ON_DISK = 1

# Stands before the C library in the database, and waits before each order to have something safe.
SLOW_SYNC = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static int later(const char *name, int file) {
    usleep(atoi(getenv("SYNC_DELAY_US")));
    return ((int (*)(int)) dlsym(RTLD_NEXT, name))(file);
}
int fsync(int file) { return later("fsync", file); }
int fdatasync(int file) { return later("fdatasync", file); }
"""
SLOW_DATABASE = f"""\
services:
  db:
    environment: {{{{ LD_PRELOAD: {SLOW}/slow.so, SYNC_DELAY_US: "{{delay}}" }}}}
    volumes: ["{SLOW}:{SLOW}:ro"]
"""


@dataclass(frozen=True)
class Row:
    """One line of a table: the times of one thing, in seconds, and what to compare it with."""

    title: str
    seconds: Sequence[float]
    beside: float | None = None

    @property
    def median(self) -> float:
        """The middle of the times."""
        return statistics.median(self.seconds)

    def cells(self) -> list[str]:
        """Return title, median, number of runs and ratio as text."""
        ratio = f"{self.median / self.beside:.2f}" if self.beside else ""
        return [self.title, f"{self.median:.3g}", str(len(self.seconds)), ratio]


@dataclass(frozen=True)
class Section:
    """A table with a heading, the machine and what the ratio is to."""

    title: str
    note: str
    ratio: str
    rows: Sequence[Row]

    def text(self) -> str:
        """Return the section as Markdown."""
        lines = [f"## {self.title}", "", self.note, "", f"| | median | runs | {self.ratio} |", "|---|--:|--:|--:|"]
        lines += [f"| {' | '.join(row.cells())} |" for row in self.rows]
        return "\n".join(lines) + "\n"


def machine() -> str:
    """Return the size of this machine and the day, as one sentence."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{os.cpu_count()} cores, {memory:.0f} GB of memory, Python {python}, {datetime.now(UTC):%Y-%m-%d}."


def timed(argv: Sequence[str]) -> tuple[float, str]:
    """Run a program from the project's root; return its seconds and what it said on stderr. Raises if it fails."""
    began = time.perf_counter()
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise SystemExit(f"error: {' '.join(argv)} exited with {done.returncode}\n{done.stderr[-3000:]}")
    return seconds, done.stderr


def lab(*arguments: str) -> tuple[float, str]:
    """Run schoolctl on the lab."""
    return timed([SCHOOLCTL, "--env", LAB, *arguments])


def in_lab(*argv: str) -> None:
    """Run a program on the lab's server, behind schoolctl's back."""
    timed(["docker", "exec", CONTAINER, *argv])


def parts_of(progress: str) -> dict[str, float]:
    """Return the seconds of each step or role that schoolctl told of, those of the same name added up."""
    found: dict[str, float] = {}
    for title, seconds in re.findall(r"^  ✓ (.*)  ([0-9.]+) s$", progress, re.MULTILINE):
        found[title] = found.get(title, 0.0) + float(seconds)
    return found


def medians(runs: Iterable[dict[str, float]], beside: float) -> list[Row]:
    """Return a row for each part, in the order of its first appearance."""
    collected: dict[str, list[float]] = {}
    for run in runs:
        for title, seconds in run.items():
            collected.setdefault(title, []).append(seconds)
    return [Row(f"- {title}", seconds, beside) for title, seconds in collected.items()]


def cli(_kind: str) -> Iterator[Section]:
    """Measure how long schoolctl takes to begin, beside a Python that does nothing; the runs take turns."""
    programs = {
        "`python -c pass`": [sys.executable, "-c", "pass"],
        "`schoolctl --version`": [SCHOOLCTL, "--version"],
        "`schoolctl --help`": [SCHOOLCTL, "--help"],
        "`schoolctl new-school --help`": [SCHOOLCTL, "new-school", "--help"],
    }
    times: dict[str, list[float]] = {title: [] for title in programs}
    for turn in range(CLI_RUNS + 1):
        for title, argv in programs.items():
            seconds, _ = timed(argv)
            if turn:  # the first turn fills the caches of the disk
                times[title].append(seconds)
    nothing = statistics.median(times["`python -c pass`"])
    rows = [Row(title, seconds, nothing) for title, seconds in times.items()]
    yield Section("Start-up", machine(), "x python -c pass", rows)


@contextmanager
def own_lab(kind: str) -> Iterator[float]:
    """Make a lab of our own, give the seconds that it took, and take it away. kind: real, stand-in or auto."""
    timed([SCHOOLCTL, "lab", "down", "--name", LAB])
    try:
        say("making the lab")
        up, _ = timed([SCHOOLCTL, "lab", "up", "--name", LAB, "--bench", kind])
        yield up
    finally:
        timed([SCHOOLCTL, "lab", "down", "--name", LAB])


def server(kind: str) -> Iterator[Section]:
    """Measure a lab of our own from bare to its schools, and take it away. kind: real, stand-in or auto."""
    with own_lab(kind) as up:
        yield from on_lab(up)


def on_lab(up: float) -> Iterator[Section]:
    """Measure everything on the lab that is up."""
    say("provisioning, cold")
    cold, progress = lab("provision", "--no-golden")
    cold_roles = parts_of(progress)
    say("making golden sites")
    golden, _ = lab("golden")
    lab("pool")
    say("provisioning, with nothing to do")
    idle = [lab("provision") for _ in range(IDLE_PROVISIONS)]
    note = f"{machine()} {bench_words()}"
    yield Section(
        "Provision",
        note,
        "x cold",
        [
            Row("`lab up`", [up]),
            Row("`provision`, bare server", [cold], cold),
            *medians([cold_roles], cold),
            Row("`golden`, without a locale and for two", [golden], cold),
            Row("`provision`, nothing to do", [seconds for seconds, _ in idle], cold),
        ],
    )
    say("opening schools")
    ways = openings("bench", SCHOOLS, SCHOOLS)
    whole = ways["stock"].whole
    again = [lab("new-school", "bench-load-1")[0] for _ in range(SCHOOLS)]
    listing = [lab("schools", "--json")[0] for _ in range(SCHOOLS)]
    yield Section(
        "A school",
        note,
        "x --stock",
        [
            *ways["stock"].rows("`new-school --stock`, app by app", whole),
            *ways["load"].rows("`new-school`, a golden site is loaded", whole),
            *ways["pool"].rows("`new-school`, from the pool", whole),
            Row("`new-school`, already open", again, whole),
            Row("`schools`", listing, whole),
            Row("`backup`", [lab("backup", "bench-load-1")[0] for _ in range(SCHOOLS)], whole),
            Row("`restore`", [lab("restore", "bench-load-1", "--yes")[0]], whole),
        ],
    )
    yield in_bulk(note)
    if not is_stand_in():
        say("building the image again from warm caches")
        built, warm = cold_roles["bench_image"], build_again()
        rows = [
            Row("build, no cache", [built], built),
            Row("build, every layer cached", [warm], built),
            Row("nothing to build", [parts_of(words)["bench_image"] for _, words in idle], built),
        ]
        yield Section("Image", note, "x cold", rows)


@dataclass(frozen=True)
class Openings:
    """How long schools took that were opened one way, with what was said of each."""

    runs: Sequence[tuple[float, str]]

    @property
    def seconds(self) -> list[float]:
        """The time of each."""
        return [seconds for seconds, _ in self.runs]

    @property
    def whole(self) -> float:
        """The middle of the times."""
        return statistics.median(self.seconds)

    def rows(self, title: str, beside: float) -> list[Row]:
        """Return a row for the whole, and one for each step."""
        return [Row(title, self.seconds, beside), *medians([parts_of(words) for _, words in self.runs], beside)]


def openings(word: str, runs: int, stock_runs: int) -> dict[str, Openings]:
    """Open schools in each way, by turns: app by app, by loading a golden site, and with a database from the pool."""
    found: dict[str, list[tuple[float, str]]] = {"stock": [], "load": [], "pool": []}
    for number in range(1, runs + 1):
        lab("pool", "--size", "0")
        if number <= stock_runs:
            found["stock"].append(open_school(f"{word}-stock-{number}", "--stock"))
        found["load"].append(open_school(f"{word}-load-{number}"))
        lab("pool", "--size", "1")
        found["pool"].append(open_school(f"{word}-pool-{number}"))
    return {way: Openings(runs) for way, runs in found.items()}


def disk(kind: str) -> Iterator[Section]:
    """Measure new schools in a lab of our own while each wait of the database for its disk takes a known time."""
    with own_lab(kind):
        lab("provision")
        note = f"{machine()} {bench_words()} The databases lie in memory, so that only the wait that is added counts."
        move_databases_to_memory()
        for delay in DELAYS_MS:
            yield on_disk_with(delay, note)


def on_disk_with(delay: int, note: str) -> Section:
    """Open schools while each wait of the database for its disk takes so many ms."""
    say(f"opening schools on a disk that takes {delay} ms to have something safe")
    with slow_sync(delay):
        ways = openings(f"slow-{delay}", SCHOOLS, STOCK_ON_DISK)
    whole = ways["stock"].whole
    rows = [
        Row("`new-school --stock`, app by app", ways["stock"].seconds, whole),
        *ways["load"].rows("`new-school`, a golden site is loaded", whole),
        Row("`new-school`, from the pool", ways["pool"].seconds, whole),
    ]
    return Section(title_of_disk(delay), note, "x --stock", rows)


def title_of_disk(delay: int) -> str:
    """Return how the section is called of a disk whose waits take so many ms."""
    return f"A school on a disk that takes {delay} ms to have something safe"


def move_databases_to_memory() -> None:
    """Have the lab's databases in memory from now on: a machine's own disk lets them wait now long, now short."""
    compose = ("docker", "compose", "--file", COMPOSE)
    in_lab(*compose, "stop", "db")
    in_lab("mkdir", "-p", IN_MEMORY)
    in_lab("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", IN_MEMORY)
    in_lab("cp", "--archive", f"{DATABASES}/.", IN_MEMORY)
    in_lab("chown", "--reference", DATABASES, IN_MEMORY)
    in_lab("mount", "--bind", IN_MEMORY, DATABASES)
    # Made anew: a container keeps the folder that it was made with.
    in_lab(*compose, "up", "--detach", "--wait", "--no-deps", "--force-recreate", "db")


@contextmanager
def slow_sync(delay: int) -> Iterator[None]:
    """Let the database wait so many ms longer whenever it asks its disk to have something safe."""
    compose = ("docker", "compose", "--file", COMPOSE)
    in_lab("sh", "-c", "command -v gcc || { apt-get update && apt-get install --yes gcc libc6-dev; } >/dev/null")
    in_lab("mkdir", "-p", SLOW)
    for name, text in (("slow.c", SLOW_SYNC), ("slow.yml", SLOW_DATABASE.format(delay=delay * 1000))):
        subprocess.run(["docker", "exec", "-i", CONTAINER, "tee", f"{SLOW}/{name}"], input=text, text=True,
                       stdout=subprocess.DEVNULL, check=True)  # fmt: skip
    in_lab("gcc", "-shared", "-fPIC", "-o", f"{SLOW}/slow.so", f"{SLOW}/slow.c", "-ldl")
    try:
        in_lab(*compose, "--file", f"{SLOW}/slow.yml", "up", "--detach", "--wait", "--no-deps", "db")
        yield
    finally:
        in_lab(*compose, "up", "--detach", "--wait", "--no-deps", "db")


def in_bulk(note: str) -> Section:
    """Open many schools from a filled pool, and see what each of them takes of disk and memory."""
    place = "{country: Ireland, language: en, timezone: Europe/Dublin, currency: EUR}"
    file = ROOT / "inventories" / LAB / "group_vars" / "all" / "schools.yml"
    slugs = [f"bulk-{number}" for number in range(BULK)]
    rows = "".join(f"  {slug}:\n    title: {slug}\n    domain: {slug}.example\n    locale: {place}\n" for slug in slugs)
    # Without the school of another locale, for which as many databases would be loaded.
    declared = re.sub(r"  cuisine-school:\n(    .*\n)+\n?", "", file.read_text("utf-8"))
    file.write_text(declared.rstrip("\n") + "\n" + rows, "utf-8")
    say(f"filling the pool for {BULK} schools")
    filled, _ = lab("pool", "--size", str(BULK))
    say(f"opening {BULK} schools")
    before = memory_mb()
    seconds, _ = lab("apply", *slugs, "--yes", "--jobs", "4")
    disk = [row["bytes"] / 1e6 for row in json.loads(printed("schools")) if row["slug"].startswith("bulk-")]
    rows_of_table = [
        Row(f"`pool --size {BULK}`", [filled], seconds),
        Row(f"`apply --jobs 4`, {BULK} from the pool: {BULK / seconds * 60:.0f} a minute", [seconds], seconds),
        Row("- each", [seconds / BULK], seconds),
        Row("disk of a school, in MB", disk),
        Row("memory of all services for each of them, in MB", [(memory_mb() - before) / BULK]),
    ]
    return Section(f"{BULK} schools at once", note, "x apply", rows_of_table)


def memory_mb() -> float:
    """Return what all services of the platform take of the memory now."""
    argv = ["docker", "exec", CONTAINER, "docker", "stats", "--no-stream", "--format", "{{.MemUsage}}"]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    units = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0}
    found = [re.match(r"([0-9.]+)([KMG]iB)", line) for line in lines]
    return sum(float(used[1]) * units[used[2]] for used in found if used)


def printed(*arguments: str) -> str:
    """Return what schoolctl prints as JSON on the lab."""
    argv = [SCHOOLCTL, "--env", LAB, "--json", *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def open_school(slug: str, *options: str) -> tuple[float, str]:
    """Open a school whose set-up wizard is done, until its login page answers."""
    return lab("new-school", slug, "--domain", f"{slug}.example", *PLACE, *options)


def many(_kind: str) -> Iterator[Section]:
    """Measure commands on fifty schools of the stand-in bench, in a lab of our own."""
    with own_lab("stand-in"):
        lab("provision")
        rows = "".join(
            f"  many-{number}:\n    title: Many {number}\n    domain: many-{number}.example\n" for number in range(MANY)
        )
        file = ROOT / "inventories" / LAB / "group_vars" / "all" / "schools.yml"
        file.write_text(f"---\nschools:\n{rows}", "utf-8")
        say("opening fifty schools")
        opened, _ = lab("apply", "--all", "--yes", "--jobs", "4")
        say("commands on all of them")
        one = [lab("show", "many-1")[0] for _ in range(SCHOOLS)]
        beside = statistics.median(one)
        rests = [(lab("suspend", "--all")[0], lab("resume", "--all")[0]) for _ in range(SCHOOLS)]
        titles = ("`schools --json`", "`plan --json`", "`backup --all --jobs 4`")
        commands = (("schools", "--json"), ("plan", "--json"), ("backup", "--all", "--jobs", "4"))
        measured = [
            Row(title, [lab(*command)[0] for _ in range(SCHOOLS)], beside)
            for title, command in zip(titles, commands, strict=True)
        ]
        note = f"{machine()} {bench_words()}"
        rows_of_table = [
            Row("`show`, one of them", one, beside),
            *measured,
            Row("`suspend --all`", [suspended for suspended, _ in rests], beside),
            Row("`resume --all`", [resumed for _, resumed in rests], beside),
            Row("`apply --all --jobs 4`, all missing", [opened], beside),
        ]
        yield Section("Fifty schools", note, "x show", rows_of_table)


def edge(kind: str) -> Iterator[Section]:
    """Measure what visitors wait for, on a lab of our own: through the edge, and at the bench itself."""
    with own_lab(kind):
        lab("provision")
        open_school("visited")
        in_lab("sh", "-c", "command -v wrk || { apt-get update && apt-get install --yes wrk; } >/dev/null")
        yield from visits(f"{machine()} {bench_words()}")
        yield from first_pages(f"{machine()} {bench_words()}")


def visits(note: str) -> Iterator[Section]:
    """Ask for the same things in each way by turns: one visitor after another, then many at once."""
    web = said_in_lab("docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}",
                      "schools-web").split()[0]  # fmt: skip
    asset = said_in_lab(
        "sh", "-c", "cd /srv/schools/assets/current && find . -name '*.css' -size -40k | sort | head -n 1"
    )
    style = f"/assets/{asset.strip().removeprefix('./')}"
    in_lab("sh", "-c", "grep -q visited.example /etc/hosts || echo 127.0.0.1 visited.example >> /etc/hosts")
    host, now = ("Host: visited.example",), ("Cache-Control: no-cache",)
    ping = "/api/method/ping"
    ways = {
        "`/api/method/ping` at gunicorn": (f"http://{web}:8000{ping}", ("X-Frappe-Site-Name: visited",)),
        "`/api/method/ping` at gunicorn, a connection each": (
            f"http://{web}:8000{ping}", ("X-Frappe-Site-Name: visited", "Connection: close"),
        ),
        "`/api/method/ping` through the edge": (f"http://127.0.0.1{ping}", host),
        "`/login` for a guest, made each time": ("http://127.0.0.1/login", (*host, *now)),
        "`/login` for a guest, kept by the edge": ("http://127.0.0.1/login", host),
        "`/learn` for a guest, made each time": ("http://127.0.0.1/learn", (*host, *now)),
        "`/learn` for a guest, kept by the edge": ("http://127.0.0.1/learn", host),
        "a stylesheet": (f"http://127.0.0.1{style}", host),
        "a stylesheet over TLS": (f"https://visited.example{style}", ()),
        "a stylesheet over TLS, a handshake each": (f"https://visited.example{style}", ("Connection: close",)),
    }  # fmt: skip
    for title, many_at_once in (("A visit, one after another", 1), (f"A visit, {AT_ONCE} at once", AT_ONCE)):
        say(title)
        times: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(VISIT_ROUNDS + 1):
            for way, (address, headers) in ways.items():
                seconds = seconds_each(address, headers, many_at_once)
                if turn:  # the first turn fills the caches of the bench
                    times[way].append(seconds)
        beside = statistics.median(next(iter(times.values())))
        rows = [
            Row(f"{way}: {1 / statistics.median(seconds):.0f} a second", seconds, beside)
            for way, seconds in times.items()
        ]
        yield Section(title, f"{note} Time over number of answers, the load on the same cores.", "x gunicorn", rows)


def first_pages(note: str) -> Iterator[Section]:
    """Open pages in browsers that have never been there, then once more; nothing where there is no browser."""
    if browser.program() is None:
        say("installing chromium")
        if subprocess.run([".ci/ensure-programs", "chromium=chromium"], cwd=ROOT, check=False).returncode:
            say("no browser here: first pages are left out (apt install chromium)")
            return
    say("first pages of fresh browsers")
    settings = yaml.safe_load((ROOT / "inventories" / LAB / "group_vars" / "all" / "platform.yml").read_text("utf-8"))
    port = settings["platform"]["edge"]["public_https_port"]
    rows = []
    for path in ("/learn", "/login"):
        address = f"https://visited.example:{port}{path}"
        firsts, seconds = [], []
        for turn in range(VISIT_ROUNDS + 1):
            with browser.fresh_browser("visited.example", port) as window:
                first, second = window.visit(address), window.visit(address)
            if turn:  # the first turn fills the caches of the bench and of the edge
                firsts.append(first)
                seconds.append(second)
        beside = statistics.median(visit.seconds for visit in firsts)
        for title, found in (("first visit", firsts), ("second visit", seconds)):
            requests = statistics.median_high(visit.requests for visit in found)
            kilobytes = statistics.median_high(visit.bytes for visit in found) / 1000
            words = f"`{path}`, {title}: {requests} requests, {kilobytes:.1f} kB"
            rows.append(Row(words, [visit.seconds for visit in found], beside))
    version = subprocess.run([str(browser.program()), "--version"], capture_output=True, text=True, check=False).stdout
    how = "over TLS, without a network's delay: seconds until the page is loaded, and what came until it was silent"
    yield Section(FIRST_PAGES, f"{note} {version.strip()}, {how}.", "x first visit", rows)


def seconds_each(address: str, headers: Iterable[str], many_at_once: int) -> float:
    """Ask for an address again and again; return the seconds for each answer. Raises if one is no success."""
    lines = [word for header in headers for word in ("--header", header)]
    told = said_in_lab(
        "wrk",
        "--threads",
        "1",
        "--connections",
        str(many_at_once),
        "--duration",
        f"{VISIT_S}s",
        "--timeout",
        "60s",
        *lines,
        address,
    )
    found = re.search(r"^Requests/sec: +([0-9.]+)$", told, re.MULTILINE)
    if found is None or not float(found[1]) or "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"error: not every visit of {address} was answered\n{told}")
    return 1 / float(found[1])


def said_in_lab(*argv: str) -> str:
    """Run a program on the lab's server, and return what it prints."""
    return subprocess.run(["docker", "exec", CONTAINER, *argv], capture_output=True, text=True, check=True).stdout


def backups(kind: str) -> Iterator[Section]:
    """Measure sets, restores and drills of schools that are much alike, then sets of many small ones."""
    with own_lab(kind):
        lab("provision")
        place = "locale: {country: Ireland, language: en, timezone: Europe/Dublin, currency: EUR}"
        slugs = open_many("alike", ALIKE, place)
        say("giving each school files of its own")
        for slug in slugs:
            upload(slug)
        note = f"{machine()} {bench_words()} {ALIKE} schools; each has {UPLOAD_KB} kB of files that no other has."
        yield from keeping(slugs, note)
        yield bringing_back(slugs[:SCHOOLS], note)
    with own_lab("stand-in"):
        lab("provision")
        open_many("small", SMALL_SCHOOLS, "")
        say(f"backing up {SMALL_SCHOOLS} small schools")
        first, _ = lab("backup", "--all", "--jobs", "2")
        again, _ = lab("backup", "--all", "--jobs", "2")
        nightly, _ = timed(["docker", "exec", CONTAINER, "systemctl", "start", "schools-backups.service"])
        yield Section(
            f"{SMALL_SCHOOLS} schools backed up",
            f"{machine()} {bench_words()}",
            "x first",
            [
                Row("`backup --all --jobs 2`, the first", [first], first),
                Row("`backup --all --jobs 2`, nothing changed", [again], first),
                Row("the schedule's run on the server, nothing changed", [nightly], first),
            ],
        )


def keeping(slugs: Sequence[str], note: str) -> Iterator[Section]:
    """Back schools up three times in both ways by turns, once after a day's work, and weigh what lies there."""
    times: dict[str, list[float]] = {"ours": [], "stock": []}
    megabytes: dict[str, list[float]] = {"ours": [], "stock": []}
    for turn in ("first", "second", "unchanged"):
        if turn == "second":
            for slug in slugs:
                work_for_a_day(slug)
        say(f"backing up, {turn}")
        if not is_stand_in():
            times["stock"].append(stock_backups(slugs))
            megabytes["stock"].append(sum(weight(f"/srv/schools/sites/{slug}/private/backups") for slug in slugs))
        times["ours"].append(lab("backup", *slugs, "--jobs", "2", "--to", "local")[0])
        megabytes["ours"].append(weight(REPOSITORY))
    titles = ("the first", "the second, after a few changes", "with nothing changed")

    def rows(ours: str, stock: str, found: Mapping[str, Sequence[float]]) -> Iterator[Row]:
        for number, title in enumerate(titles):
            beside = found["stock"][number] if found["stock"] else None
            if beside is not None:
                yield Row(f"{stock}, {title}", [beside], beside)
            yield Row(f"{ours}, {title}", [found["ours"][number]], beside)

    yield Section(
        f"{ALIKE} schools backed up",
        note,
        "x bench backup",
        list(rows("`backup`", "`bench backup --with-files --compress`, one after the other", times)),
    )
    yield Section(
        f"Sets of {ALIKE} schools on disk, in MB",
        f"{note} All sets so far.",
        "x bench backup",
        list(rows("the repository", "what `bench backup` left", megabytes)),
    )


def bringing_back(slugs: Sequence[str], note: str) -> Section:
    """Restore schools and prove sets of them, and count how long a visitor of each was without an answer meanwhile."""
    say("restoring")
    restored, parts, gaps = [], [], []
    for slug in slugs:
        with visitor_of(f"{slug}.example") as longest:
            seconds, told = lab("restore", slug, "--yes")
        restored.append(seconds)
        parts.append(parts_of(told))
        gaps.append(longest[0])
    say("proving")
    proofs = [lab("verify-backup", slug)[0] for slug in slugs]
    whole = statistics.median(restored)
    return Section(
        "A school brought back",
        f"{note} A visitor asks for the login page every {VISITOR_S * 1000:.0f} ms, through the edge.",
        "x restore",
        [
            Row("`restore`", restored, whole),
            *medians(parts, whole),
            Row("longest time without an answer", gaps, whole),
            Row("`verify-backup`", proofs, whole),
        ],
    )


def open_many(word: str, number: int, more: str) -> list[str]:
    """Declare so many schools in place of those that are, open them, and return their slugs. more: for each row."""
    slugs = [f"{word}-{one}" for one in range(number)]
    line = f"    {more}\n" if more else ""
    rows = "".join(f"  {slug}:\n    title: {slug}\n    domain: {slug}.example\n{line}" for slug in slugs)
    file = ROOT / "inventories" / LAB / "group_vars" / "all" / "schools.yml"
    file.write_text(f"---\nschools:\n{rows}", "utf-8")
    say(f"opening {number} schools")
    lab("apply", "--all", "--yes", "--jobs", "4")
    return slugs


def upload(slug: str) -> None:
    """Put a file into a school that no other has."""
    file = f"/srv/schools/sites/{slug}/private/files/upload-{time.monotonic_ns()}.bin"
    in_lab("sh", "-c", f"head -c {UPLOAD_KB}k /dev/urandom > {file} && chown 11000:11000 {file}")


def work_for_a_day(slug: str) -> None:
    """Change a few rows of a school, and give it another file."""
    config = json.loads(said_in_lab("cat", f"/srv/schools/sites/{slug}/site_config.json"))
    rows = ", ".join(f"('day-{number}', 'day-{number}', 'x', 'day')" for number in range(50))
    statement = f"INSERT INTO `tabDefaultValue` (name, defkey, defvalue, parent) VALUES {rows};"  # noqa: S608
    in_lab("docker", "exec", "schools-db", "mariadb", config["db_name"], "--execute", statement)
    upload(slug)


def stock_backups(slugs: Sequence[str]) -> float:
    """Back schools up as Frappe does, one after the other; return the seconds."""
    began = time.perf_counter()
    for slug in slugs:
        in_lab("docker", "exec", "schools-tools", "bench", "--site", slug, "backup", "--with-files", "--compress")
    return time.perf_counter() - began


def weight(folder: str) -> float:
    """Return how much lies in a folder of the lab's server, in MB."""
    return int(said_in_lab("du", "--summarize", "--bytes", folder).split()[0]) / 1e6


@contextmanager
def visitor_of(host: str) -> Iterator[list[float]]:
    """Let a visitor ask for the login page again and again; the list has the longest time without an answer then."""
    port = http_port()
    stop, found = threading.Event(), [0.0]

    def visit() -> None:
        answered = time.perf_counter()
        while not stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("GET", "/login", headers={"Host": f"{host}:{port}", "Cache-Control": "no-cache"})
                status = connection.getresponse().status
            except (OSError, http.client.HTTPException):
                status = 0
            finally:
                connection.close()
            now = time.perf_counter()
            if status == 200:
                found[0] = max(found[0], now - answered)
                answered = now
            time.sleep(VISITOR_S)
        found[0] = max(found[0], time.perf_counter() - answered)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield found
    finally:
        stop.set()
        visitor.join()


def http_port() -> int:
    """Return the port of this machine at which the lab's edge answers."""
    argv = ["docker", "port", CONTAINER, "80/tcp"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return int(said.split()[0].rpartition(":")[2])


def build_again() -> float:
    """Remove the image, keep what the builder remembers, and return the seconds that its role takes then."""
    answer = subprocess.run(
        ["docker", "exec", CONTAINER, "docker", "compose", "--file", COMPOSE, "config", "--images"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    image = next(name for name in answer.stdout.split() if name.startswith("schools/bench:"))
    in_lab("docker", "compose", "--file", COMPOSE, "down")
    in_lab("docker", "image", "rm", "--force", image)
    in_lab("rm", "-r", f"/srv/schools/assets/{image.rpartition(':')[2]}")
    _, words = lab("provision", "--no-golden")
    return parts_of(words)["bench_image"]


def is_stand_in() -> bool:
    """Say whether the lab runs the stand-in bench."""
    settings = ROOT / "inventories" / LAB / "group_vars" / "all" / "platform.yml"
    return bool(yaml.safe_load(settings.read_text(encoding="utf-8"))["platform"].get("bench_image"))


def bench_words() -> str:
    """Return which bench was measured."""
    if is_stand_in():
        return "**Stand-in bench**: what schoolctl and Ansible cost, without Frappe."
    return "Real Frappe and ERPNext."


PARTS: dict[str, Callable[[str], Iterator[Section]]] = {
    "cli": cli,
    "server": server,
    "disk": disk,
    "edge": edge,
    "many": many,
    "backups": backups,
}


def write(section: Section) -> None:
    """Put a section into the page; those that were not measured now stay as they were."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    kept = {part.partition("\n")[0]: f"## {part}" for part in old.split("\n## ")[1:]}
    kept[section.title] = section.text()
    visiting = ("A visit, one after another", f"A visit, {AT_ONCE} at once")
    order = (
        *("Start-up", "Provision", "Image", "A school", *map(title_of_disk, DELAYS_MS), f"{BULK} schools at once"),
        *(*visiting, FIRST_PAGES, "Fifty schools"),
        *(f"{ALIKE} schools backed up", f"Sets of {ALIKE} schools on disk, in MB"),
        *("A school brought back", f"{SMALL_SCHOOLS} schools backed up"),
        *("Guests of a large school", "Pupils of a large school"),
    )
    PAGE.write_text("\n".join([HEAD, *(kept[title].rstrip() + "\n" for title in order if title in kept)]), "utf-8")


def say(text: str) -> None:
    """Tell on stderr what is under way."""
    print(f"  … {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure the chosen parts, and print and write each table as soon as it is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all when left out: {', '.join(PARTS)}")
    parser.add_argument("--bench", default="auto", help="which bench the lab runs: real, stand-in or auto")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for part in options.parts or PARTS:
        for section in PARTS[part](options.bench):
            print(section.text(), flush=True)
            write(section)


if __name__ == "__main__":
    main()
