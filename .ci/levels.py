"""Run the levels of proof one after the other and end with one line for each: passed, failed, skipped and why.

`make check` runs the quick ones, `make test` all that this machine allows. What a check prints goes to
.cache/test-logs/; of a failed one the tail is shown. Every lab that is made here is taken away again.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / ".cache" / "test-logs"
TAIL = 40
# On a terminal the line in hand is drawn every second; in a log a long check says every two minutes that it lives.
HEARTBEAT = 120

# Scenarios that walk through the real schoolctl; all others prove a role.
JOURNEYS = ("lifecycle", "faults")
# The app is tested inside the bench of this journey, on the site of this school.
APP_JOURNEY = "lifecycle"
APP_SCHOOL = "tech-school"

# Programs that single tests ask for, and the Debian package of each; without one its tests say that they are skipped.
PROGRAMS = ("nginx=nginx-light", "ssh=openssh-client", "git=git")


@dataclass(frozen=True)
class Check:
    """One program whose exit code decides; several when `then` names more, run in turn until one fails.

    obstacle: says why the check cannot be run here, or nothing.
    """

    title: str
    argv: tuple[str, ...]
    then: tuple[tuple[str, ...], ...] = ()
    obstacle: Callable[[], str] = str


@dataclass(frozen=True)
class Level:
    """Checks that prove one kind of thing."""

    name: str
    checks: tuple[Check, ...]


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
            Level(name, (Check("pytest", ("pytest", "-rs", f"cli/tests/{folder}")),))
            for name, folder in (
                ("unit", "unit"),
                ("workflow", "workflows"),
                ("command", "commands"),
                ("contract", "contract"),
            )
        ),
        # Apart from the CLI's: the app brings its own settings, and none of its code may need the CLI.
        Level("rules", (Check("lms_app", ("pytest", "-rs", "lms_app/tests")),)),
    ]


def server_levels() -> list[Level]:
    """Return the levels that make servers: scenarios of molecule/, and the app inside a bench."""
    scenarios = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    journeys = [name for name in JOURNEYS if name in scenarios]
    return [
        Level("role", tuple(scenario(name) for name in scenarios if name not in JOURNEYS)),
        Level("journey", tuple(scenario(name) for name in journeys)),
        Level("app", (app_tests(),)),
    ]


def scenario(name: str) -> Check:
    """Return the whole sequence of a Molecule scenario; the app's bench stays until the end of the run."""
    test = ("molecule", "test", "--scenario-name", name)
    if name != APP_JOURNEY:
        return Check(name, test, obstacle=missing_engine)
    remove = ("molecule", "destroy", "--scenario-name", name)
    return Check(name, remove, then=((*test, "--destroy=never"),), obstacle=missing_engine)


def app_tests() -> Check:
    """Return the app's own tests, on the site that the journey opened."""
    bench = ("schoolctl", "--env", lab_of(APP_JOURNEY), "bench", APP_SCHOOL, "--")
    return Check(
        "lms_app",
        (*bench, "set-config", "allow_tests", "1"),
        then=((*bench, "run-tests", "--app", "lms_app"),),
        obstacle=missing_bench,
    )


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


def run_level(level: Level) -> Tally:
    """Run a level's checks and return what they came to; a level without a check is a fault of its own."""
    tally = Tally()
    if not level.checks:
        print(f"  ✗ {level.name}: there is nothing to run", flush=True)
        tally.failed += 1
    for check in level.checks:
        tally.add(run_check(f"{level.name}: {check.title}", check, LOGS / f"{level.name}-{slug(check.title)}.log"))
    return tally


def run_check(title: str, check: Check, log: Path) -> Tally:
    """Run one check, its output into `log`, and return its tests; a program that counts none is one test itself."""
    if reason := check.obstacle():
        print(f"  - {title}  skipped: {reason}", flush=True)
        return Tally(skipped=1, reasons={reason: None})
    began = time.monotonic()
    code = 0
    with log.open("wb") as output:
        for argv in (check.argv, *check.then):
            code = code or follow(title, argv, output.fileno(), log, began)
    text = log.read_text(encoding="utf-8", errors="replace")
    tally = count(text)
    if code and not tally.failed:
        tally.failed = 1
    if not (tally.passed or tally.failed or tally.skipped):
        tally.passed = 1
    numbers = f"{tally.passed} passed" + "".join(
        f", {number} {word}" for number, word in ((tally.failed, "failed"), (tally.skipped, "skipped")) if number
    )
    print(f"  {'✗' if tally.failed else '✓'} {title}  {numbers}  {time.monotonic() - began:.1f} s", flush=True)
    if tally.failed:
        tally.faults = [f"{title}: {name}" for name in failing(text)] or [title]
        print("".join(f"    | {line}\n" for line in text.splitlines()[-TAIL:]) + f"    all of it: {log}", flush=True)
    return tally


def follow(title: str, argv: tuple[str, ...], output: int, log: Path, began: float) -> int:
    """Run a program to its end and show meanwhile where it is; return its exit code."""
    plain = {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1", "PY_COLORS": "0"}
    live, spoke = sys.stdout.isatty(), began
    process = subprocess.Popen(
        argv, cwd=ROOT, env=os.environ | plain, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )
    try:
        while True:
            try:
                return process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
            if live:
                print(f"\r\033[K  … {title}  {now - began:.0f} s  {last_line(log)[:80]}", end="", flush=True)
            elif now - spoke >= HEARTBEAT:
                spoke = now
                print(f"  … {title}  {now - began:.0f} s  {last_line(log)[:100]}", flush=True)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        if live:
            print("\r\033[K", end="")


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
    """Return the tests that pytest names as failed, also where Molecule frames and wraps its lines; else Ansible's."""
    names = re.findall(r"^[\s│]*(?:FAILED|ERROR)\s(?:[\s│]*)(\S+::\S+)", text, re.MULTILINE)
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


def take_labs_away(levels: list[Level]) -> None:
    """Remove the labs that an interrupted or kept scenario left."""
    for name in scenario_names(levels):
        if (ROOT / ".lab" / lab_of(name)).exists():
            print(f"  removing the lab {lab_of(name)}", flush=True)
            subprocess.run(
                ["ansible-playbook", "molecule/shared/destroy.yml", "--extra-vars", f"lab_name={lab_of(name)}"],
                cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            )  # fmt: skip


def scenario_names(levels: list[Level]) -> Iterator[str]:
    """Yield the Molecule scenarios among the checks."""
    for level in levels:
        yield from (check.title for check in level.checks if check.argv[0] == "molecule")


def stop(number: int, _frame: object) -> None:
    """End the run as Ctrl-C does; what comes on top of it must not disturb the cleaning."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def main() -> int:
    """Run the chosen levels."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
    quick, servers = quick_levels(), server_levels()
    known = [level.name for level in (*quick, *servers)]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("levels", nargs="*", metavar="LEVEL", help=f"which ones; all when left out: {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help="only those that need no server")
    options = parser.parse_args()
    if unknown := set(options.levels) - set(known):
        parser.error(f"there is no level {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    chosen = [
        level
        for level in (quick if options.quick else [*quick, *servers])
        if not options.levels or level.name in options.levels
    ]
    LOGS.mkdir(parents=True, exist_ok=True)
    if not options.quick:
        subprocess.run([".ci/ensure-programs", *PROGRAMS], cwd=ROOT, check=False)
    tallies: dict[str, Tally] = {}
    try:
        # The quick ones share nothing, so two run at a time; servers share the machine, so they take turns.
        with ThreadPoolExecutor(max_workers=2) as pool:
            together = [level for level in chosen if level in quick]
            tallies |= zip([level.name for level in together], pool.map(run_level, together), strict=True)
        for level in chosen:
            if level not in quick:
                tallies[level.name] = run_level(level)
    except KeyboardInterrupt:
        print("\ninterrupted", flush=True)
        report(tallies)
        return 130
    finally:
        take_labs_away(chosen)
    return report(tallies)


if __name__ == "__main__":
    sys.exit(main())
