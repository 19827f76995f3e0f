"""Run the levels of proof beside each other, and end with one line for each: passed, failed, skipped and why.

`make check` runs the quick ones, `make test` all that this machine allows. What a check prints goes to
.cache/test-logs/; of a failed one the tail is shown. Every lab that is made here is taken away again.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / ".cache" / "test-logs"
TAIL = 40
# A check with a server keeps a core busy. One without waits for most of its time, so a third runs beside two of those.
AT_A_TIME, SERVERS_AT_A_TIME = 3, 2
# On a terminal the line in hand is drawn every second; in a log a long check says every two minutes that it lives.
HEARTBEAT = 120
# How long the programs of an interrupted check may take to end by themselves.
GRACE = 20

# Scenarios that walk through the real schoolctl; all others prove a role.
JOURNEYS = ("lifecycle", "faults")
# Those that lose whole servers and make them anew: a level that is run when it is named, before a release.
REHEARSAL, REHEARSALS = "rehearsal", ("disaster",)
# What every server is made of comes first.
LAB_IMAGES = "lab"
# The app is tested inside the bench of this journey, on the site of this school.
APP_JOURNEY = "lifecycle"
APP_SCHOOL = "tech-school"

# Programs that single tests ask for, and the Debian package of each; without one its tests say that they are skipped.
PROGRAMS = (
    "nginx=nginx-light",
    "ssh=openssh-client",
    "git=git",
    "nmap=nmap",
    "mariadbd=mariadb-server",
    "redis-server=redis-server",
    "chromium=chromium",
)


@dataclass(frozen=True)
class Check:
    """One program whose exit code decides; several when `then` names more, run in turn until one fails.

    obstacle: says why the check cannot be run here, or nothing. has_tests: to run none is a failure, because the
    program itself does not mind. after: titles of the checks that have to end first, passed or not, if they are run.
    has_server: it makes a server, or works on one.
    """

    title: str
    argv: tuple[str, ...]
    then: tuple[tuple[str, ...], ...] = ()
    obstacle: Callable[[], str] = str
    has_tests: bool = False
    after: frozenset[str] = frozenset()
    has_server: bool = False


@dataclass(frozen=True)
class Level:
    """Checks that prove one kind of thing.

    needed: when it fails, no check with a server can be run.
    """

    name: str
    checks: tuple[Check, ...]
    needed: bool = False


@dataclass
class Tally:
    """What a level came to: numbers of tests, a reason for each kind of skip, and what failed, by name."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: dict[str, None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Count another tally in."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.reasons |= other.reasons
        self.faults += other.faults


def quick_levels() -> list[Level]:
    """Return the levels that need nothing but the virtual environment."""
    playbooks = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "playbooks").glob("*.yml"))
    return [
        Level(
            "lint",
            (
                Check("ruff", ("ruff", "check", "--quiet", ".")),
                Check("format", ("ruff", "format", "--check", "--quiet", ".")),
                Check("yamllint", ("yamllint", "--strict", ".")),
                Check("import-linter", ("lint-imports", "--no-logo")),
                Check(
                    "playbook syntax",
                    ("ansible-playbook", "--inventory=inventories/example/hosts.yml", "--syntax-check", *playbooks),
                ),
                Check("ansible-lint", ("ansible-lint", "-q", "--nocolor")),
            ),
        ),
        Level("types", (Check("mypy", ("mypy",)),)),
        *(
            Level(name, (Check("pytest", ("pytest", "-rfEs", f"cli/tests/{folder}")),))
            for name, folder in (
                ("unit", "unit"),
                ("workflow", "workflows"),
                ("command", "commands"),
                ("contract", "contract"),
            )
        ),
        # Apart from the CLI's: the app brings its own settings, and none of its code may need the CLI.
        Level("rules", (Check("lms_app", ("pytest", "-rfEs", "lms_app/tests")),)),
    ]


def server_levels() -> list[Level]:
    """Return the levels that make servers: scenarios of molecule/, and what is tested on the bench that one leaves."""
    found = (path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    roles = sorted(name for name in found if name not in (*JOURNEYS, *REHEARSALS))
    return [
        # The longest first: short ones fill up what is left at the end.
        Level("journey", tuple(scenario(name) for name in JOURNEYS)),
        Level("role", tuple(scenario(name) for name in roles)),
        Level("app", (app_tests(),)),
        Level("pages", (page_tests(),)),
        Level(REHEARSAL, tuple(scenario(name) for name in REHEARSALS)),
    ]


def images_level() -> Level:
    """Return what comes before every server: scenarios that start together must not build the same images at once."""
    make = ("ansible-playbook", "molecule/shared/images.yml")
    return Level("images", (Check(LAB_IMAGES, make, obstacle=missing_engine),), needed=True)


def scenario(name: str) -> Check:
    """Return the whole sequence of a Molecule scenario; the app's bench stays until the end of the run."""
    test = ("molecule", "test", "--scenario-name", name)
    first: tuple[str, ...] = test
    then: tuple[tuple[str, ...], ...] = ()
    if name == APP_JOURNEY:
        first, then = ("molecule", "destroy", "--scenario-name", name), ((*test, "--destroy=never"),)
    return Check(name, first, then, obstacle=missing_engine, after=frozenset({LAB_IMAGES}), has_server=True)


def app_tests() -> Check:
    """Return the app's own tests, on the site that the journey opened."""
    bench = ("schoolctl", "--env", lab_of(APP_JOURNEY), "bench", APP_SCHOOL, "--")
    return Check(
        "lms_app",
        (*bench, "set-config", "allow_tests", "1"),
        # Each test makes what it needs: Frappe would first make records for every DocType that one of ours leads to.
        then=((*bench, "run-tests", "--app", "lms_app", "--skip-test-records"),),
        obstacle=missing_bench,
        has_tests=True,
        after=frozenset({APP_JOURNEY}),
        has_server=True,
    )


def page_tests() -> Check:
    """Return the tests in a browser, at the schools that the journey opened.

    They come after the app's own: what they put into the schools would be in the way of those.
    """
    folder = "molecule/pages/tests"
    pages = ("pytest", "-rfEs", folder, f"--rootdir={folder}", f"--lab={lab_of(APP_JOURNEY)}")
    after = frozenset({APP_JOURNEY, app_tests().title})
    return Check("browser", pages, obstacle=missing_browser, has_tests=True, after=after, has_server=True)


def lab_of(name: str) -> str:
    """Return the name of a scenario's lab, which is its inventory's as well."""
    return f"molecule-{name}"


@cache
def missing_engine() -> str:
    """Return why no Docker engine can be had; nothing when one answers, or could be installed and started."""
    done = subprocess.run(["molecule/shared/ensure-docker"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    because = re.search(r"because: (.*)", done.stderr)
    return f"no Docker engine: {because[1] if because else 'ensure-docker ended with an error'}"


def missing_bench() -> str:
    """Return why there is no real bench to test the app in."""
    if reason := missing_engine():
        return reason
    platform = ROOT / "inventories" / lab_of(APP_JOURNEY) / "group_vars" / "all" / "platform.yml"
    if not platform.exists():
        return f"the journey `{APP_JOURNEY}` was not run, and the app needs its bench"
    if yaml.safe_load(platform.read_text(encoding="utf-8"))["platform"].get("bench_image"):
        return "Frappe's git repositories cannot be reached: the journey ran the stand-in bench"
    return ""


def missing_browser() -> str:
    """Return why no browser can look at a real bench's pages."""
    if reason := missing_bench():
        return reason
    return "" if shutil.which("chromium") else "Chromium is not installed"


class Board:
    """What is told while checks run: whole lines, and below them, on a terminal, one line of all that is in hand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_hand: dict[str, tuple[float, Path]] = {}

    def say(self, text: str) -> None:
        """Print whole lines."""
        with self._lock:
            print(("\r\033[K" if sys.stdout.isatty() else "") + text, flush=True)

    def begin(self, title: str, began: float, log: Path) -> None:
        """Take a check into the line of what is in hand."""
        with self._lock:
            self._in_hand[title] = (began, log)

    def end(self, title: str) -> None:
        """Take a check out of it."""
        with self._lock:
            del self._in_hand[title]

    def draw(self) -> None:
        """Draw the line of what is in hand; it never wraps, because a terminal cannot take a wrapped line back."""
        with self._lock:
            room = max(10, (shutil.get_terminal_size().columns - 1) // max(1, len(self._in_hand)))
            now = time.monotonic()
            words = (
                f"  … {title}  {now - began:.0f} s  {last_line(log)}"[:room].ljust(room)
                for title, (began, log) in self._in_hand.items()
            )
            print(f"\r\033[K{''.join(words).rstrip()}", end="", flush=True)


BOARD = Board()
# Set once, when the run is to end: only the main thread hears a signal.
INTERRUPTED = threading.Event()


def run_levels(levels: Sequence[Level], pool: Executor, tallies: dict[str, Tally]) -> None:
    """Run the checks of the levels beside each other, and add to what each level came to, by its name.

    What comes earlier begins earlier, where it may; what comes after another check begins as soon as that has ended,
    because what it needs is kept up for it.
    """
    every = [(level, check) for level in levels for check in level.checks]
    waiting = sorted(every, key=lambda one: not one[1].after)
    running: dict[Future[Tally], tuple[Level, Check]] = {}
    while waiting or running:
        for level, check in waiting[:]:
            in_hand = [one for _, one in running.values()]
            to_come = {one.title for one in (*in_hand, *(one for _, one in waiting))}
            servers = sum(one.has_server for one in in_hand)
            if len(in_hand) == AT_A_TIME or (check.has_server and servers == SERVERS_AT_A_TIME):
                continue
            if not to_come.isdisjoint(check.after):
                continue
            waiting.remove((level, check))
            if check.has_server and (lacking := failed_needs(levels, tallies)):
                tallies[level.name].add(Tally(skipped=1, reasons=lacking))
                continue
            title = f"{level.name}: {check.title}"
            running[pool.submit(run_check, title, check, log_of(level, check))] = level, check
        if running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                tallies[running.pop(future)[0].name].add(future.result())
    for level in levels:
        if not level.checks:
            BOARD.say(f"  ✗ {level.name}: there is nothing to run")
            tallies[level.name].failed += 1


def failed_needs(levels: Iterable[Level], tallies: Mapping[str, Tally]) -> dict[str, None]:
    """Return why no server can be made: the needed levels that failed."""
    return {
        f"it needs `{level.name}`, which failed": None
        for level in levels
        if level.needed and tallies[level.name].failed
    }


def log_of(level: Level, check: Check) -> Path:
    """Return where the output of a check goes."""
    return LOGS / f"{level.name}-{slug(check.title)}.log"


def run_check(title: str, check: Check, log: Path) -> Tally:
    """Run one check, its output into `log`, and return its tests; a program that counts none is one test itself."""
    if INTERRUPTED.is_set():
        return Tally()
    if reason := check.obstacle():
        BOARD.say(f"  - {title}  skipped: {reason}")
        return Tally(skipped=1, reasons={reason: None})
    began = time.monotonic()
    code = 0
    with log.open("wb") as output:
        BOARD.begin(title, began, log)
        try:
            for argv in (check.argv, *check.then):
                code = code or INTERRUPTED.is_set() or follow(title, argv, output.fileno(), log, began)
        finally:
            BOARD.end(title)
    if INTERRUPTED.is_set():
        BOARD.say(f"  - {title}  interrupted  {time.monotonic() - began:.1f} s")
        return Tally()
    text = log.read_text(encoding="utf-8", errors="replace")
    tally = count(text)
    if code and not tally.failed:
        tally.failed = 1
    none_ran = not (tally.passed or tally.failed or tally.skipped)
    if none_ran:
        tally.passed, tally.failed = (0, 1) if check.has_tests else (1, 0)
    numbers = f"{tally.passed} passed" + "".join(
        f", {number} {word}" for number, word in ((tally.failed, "failed"), (tally.skipped, "skipped")) if number
    )
    lines = [f"  {'✗' if tally.failed else '✓'} {title}  {numbers}  {time.monotonic() - began:.1f} s"]
    if tally.failed:
        names = ["it ran no tests"] if none_ran else failing(text)
        tally.faults = [f"{title}: {name}" for name in names] or [title]
        lines += [*(f"    | {line}" for line in text.splitlines()[-TAIL:]), f"    all of it: {log}"]
    BOARD.say("\n".join(lines))
    return tally


def follow(title: str, argv: tuple[str, ...], output: int, log: Path, began: float) -> int:
    """Run a program to its end and show meanwhile where it is; return its exit code.

    It has a process group of its own, so that an interruption ends it with all that it started.
    """
    plain = {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1", "PY_COLORS": "0"}
    live, spoke = sys.stdout.isatty(), began
    process = subprocess.Popen(
        argv,
        cwd=ROOT,
        env=os.environ | plain,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        while not INTERRUPTED.is_set():
            try:
                return process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
            if live:
                BOARD.draw()
            elif now - spoke >= HEARTBEAT:
                spoke = now
                BOARD.say(f"  … {title}  {now - began:.0f} s  {last_line(log)[:100]}")
    finally:
        if process.poll() is None:
            end_group(process)
    return process.returncode


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End a program and all that it started, kindly first, and come back when the last of them is gone."""
    for kind, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 5)):
        give_up = time.monotonic() + patience
        try:
            os.killpg(process.pid, kind)
            while time.monotonic() < give_up:
                process.poll()  # the group is not gone before its leader is reaped
                os.killpg(process.pid, 0)
                time.sleep(0.1)
        except ProcessLookupError:
            break
    process.wait()


def last_line(log: Path) -> str:
    """Return the last line with words of a log that is being written."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.strip(" *-") for line in reversed(lines) if re.search(r"\w{3}", line)), "")


def count(text: str) -> Tally:
    """Add up the summaries that pytest and unittest print, with the reasons that they give for skips."""
    tally = Tally()
    for summary in re.findall(
        r"^=* ?(\d+ (?:passed|failed|skipped|error|deselected).*) in [0-9.]+s", text, re.MULTILINE
    ):
        numbers = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", summary)}
        tally.passed += numbers.get("passed", 0)
        tally.failed += numbers.get("failed", 0) + numbers.get("error", 0) + numbers.get("errors", 0)
        tally.skipped += numbers.get("skipped", 0)
    for total, end in re.findall(r"^Ran (\d+) tests? in [0-9.]+s\s+((?:OK|FAILED).*)$", text, re.MULTILINE):
        numbers = {word: int(number) for word, number in re.findall(r"(\w+)=(\d+)", end)}
        failed = numbers.get("failures", 0) + numbers.get("errors", 0)
        tally.failed += failed
        tally.skipped += numbers.get("skipped", 0)
        tally.passed += int(total) - failed - numbers.get("skipped", 0)
    tally.reasons = dict.fromkeys(re.findall(r"^SKIPPED \[\d+\] \S+: (.*)$", text, re.MULTILINE))
    return tally


def failing(text: str) -> list[str]:
    """Return the tests that pytest (also framed by Molecule) or unittest names as failed; else the tasks of Ansible."""
    names = re.findall(r"^[\s│]*(?:FAILED|ERROR)\s(?:[\s│]*)(\S+::\S+)", text, re.MULTILINE)
    names += (f"{place}::{name}" for name, place in re.findall(r"^(?:FAIL|ERROR): (\w+) \((\S+)\)", text, re.MULTILINE))
    return list(dict.fromkeys(names)) or failing_tasks(text)


def failing_tasks(text: str) -> list[str]:
    """Return the tasks of Ansible that failed and were not ignored, each with the beginning of what it said."""
    found: list[tuple[str, str]] = []
    task = ""
    for line in (framed.strip(" │*") for framed in text.splitlines()):
        if named := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*?)]?$", line):
            task = named[1]
        elif line.startswith(("fatal: ", "failed: ")):
            found.append((task, ""))
        elif line.startswith("...ignoring"):
            found.pop()
        elif found and line.startswith("msg: ") and not found[-1][1]:
            found[-1] = (found[-1][0], f": {line.removeprefix('msg: ')[:200]}")
    return [f"`{name}`{said}" for name, said in found]


def slug(title: str) -> str:
    """Return a title as part of a file name."""
    return re.sub(r"\W+", "-", title).lower()


def report(tallies: dict[str, Tally]) -> int:
    """Print one line a level and the sum; return the exit code."""
    print(f"\n{'level':<10}{'passed':>8}{'failed':>8}{'skipped':>9}")
    total = Tally()
    for name, tally in tallies.items():
        total.add(tally)
        print(f"{name:<10}{tally.passed:>8}{tally.failed:>8}{tally.skipped:>9}  {'; '.join(tally.reasons)}".rstrip())
    # Said again at the end, because whoever reads a long log from its end must not have to search.
    for fault in total.faults:
        print(f"failed: {fault}")
    print(f"\n{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed else 0


def take_labs_away(levels: Iterable[Level]) -> None:
    """Remove the labs that an interrupted or kept scenario left."""
    for name in scenario_names(levels):
        if (ROOT / ".lab" / lab_of(name)).exists():
            print(f"  removing the lab {lab_of(name)}", flush=True)
            subprocess.run(
                ["ansible-playbook", "molecule/shared/destroy.yml", "--extra-vars", f"lab_name={lab_of(name)}"],
                cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            )  # fmt: skip


def scenario_names(levels: Iterable[Level]) -> Iterator[str]:
    """Yield the Molecule scenarios among the checks."""
    for level in levels:
        yield from (check.title for check in level.checks if check.argv[0] == "molecule")


def stop(number: int, _frame: object) -> None:
    """End the run as Ctrl-C does; what comes on top of it must not disturb the cleaning."""
    INTERRUPTED.set()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def prove(levels: Sequence[Level]) -> int:
    """Run the levels, and return the exit code."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
    LOGS.mkdir(parents=True, exist_ok=True)
    tallies = {level.name: Tally() for level in levels}
    try:
        # Left by an interruption, too, only when what ran has ended: it would go on making what is taken away.
        with ThreadPoolExecutor(max_workers=AT_A_TIME) as pool:
            run_levels(levels, pool, tallies)
    except KeyboardInterrupt:
        BOARD.say("\ninterrupted")
        report(tallies)
        return 130
    finally:
        take_labs_away(levels)
    return report(tallies)


def main() -> int:
    """Run the chosen levels."""
    known = [level.name for level in (*quick_levels(), *server_levels())]
    usual = [name for name in known if name != REHEARSAL]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "levels", nargs="*", metavar="LEVEL", help=f"of {', '.join(known)}; all but the last when left out"
    )
    parser.add_argument("--quick", action="store_true", help="only those that need no server")
    options = parser.parse_args()
    if unknown := set(options.levels) - set(known):
        parser.error(f"there is no level {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if not options.quick:
        subprocess.run([".ci/ensure-programs", *PROGRAMS], cwd=ROOT, check=False)
        subprocess.run([".ci/ensure-restic"], cwd=ROOT, check=False)
    return prove(choose(set(options.levels or usual), quick=options.quick))


def choose(names: set[str], *, quick: bool) -> list[Level]:
    """Return these levels, and first of all the images when one of them needs servers."""
    without, with_servers = (
        [level for level in levels if level.name in names]
        for levels in (quick_levels(), [] if quick else server_levels())
    )
    return [*([images_level()] if with_servers else []), *without, *with_servers]


if __name__ == "__main__":
    sys.exit(main())
