"""Measure what people wait for, and write docs/reference/benchmarks.md.

Parts: `cli` needs nothing. `server` makes a lab of its own, measures provisioning, the image and new schools there, and
takes it away again; `many` does so with fifty schools on the stand-in bench, for what commands on all of them cost. A
part that is run alone replaces its own section of the page.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
LAB = "lab-bench"
CONTAINER = f"schoolctl-lab-{LAB}"
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
IDLE_PROVISIONS = 3


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


def cli(_kind: str) -> list[Section]:
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
    return [Section("Start-up", machine(), "x python -c pass", rows)]


def server(kind: str) -> list[Section]:
    """Measure a lab of our own from bare to its schools, and take it away. kind: real, stand-in or auto."""
    timed([SCHOOLCTL, "lab", "down", "--name", LAB])
    try:
        say("making the lab")
        up, _ = timed([SCHOOLCTL, "lab", "up", "--name", LAB, "--bench", kind])
        return on_lab(up)
    finally:
        timed([SCHOOLCTL, "lab", "down", "--name", LAB])


def on_lab(up: float) -> list[Section]:
    """Measure everything on the lab that is up."""
    say("provisioning, cold")
    cold, progress = lab("provision", "--no-golden")
    cold_roles = parts_of(progress)
    say("making golden sites")
    golden, _ = lab("golden")
    say("provisioning, with nothing to do")
    idle = [lab("provision") for _ in range(IDLE_PROVISIONS)]
    idle_seconds = [seconds for seconds, _ in idle]
    idle_roles = [parts_of(words) for _, words in idle]
    note = f"{machine()} {bench_words()}"
    sections = [
        Section(
            "Provision",
            note,
            "x cold",
            [
                Row("`lab up`", [up]),
                Row("`provision`, bare server", [cold], cold),
                *medians([cold_roles], cold),
                Row("`golden`, without a locale and for two", [golden], cold),
                Row("`provision`, nothing to do", idle_seconds, cold),
            ],
        )
    ]
    if not is_stand_in():
        say("building the image again from warm caches")
        warm = build_again()
        built = cold_roles["bench_image"]
        sections.append(
            Section(
                "Image",
                note,
                "x cold",
                [
                    Row("build, no cache", [built], built),
                    Row("build, every layer cached", [warm], built),
                    Row("nothing to build", [roles["bench_image"] for roles in idle_roles], built),
                ],
            )
        )
    say("opening schools")
    opened, stock = [], []
    for number in range(1, SCHOOLS + 1):
        stock.append(open_school(f"stock-{number}", "--stock"))
        opened.append(open_school(f"bench-{number}"))
    again = [lab("new-school", "bench-1")[0] for _ in range(SCHOOLS)]
    listing = [lab("schools", "--json")[0] for _ in range(SCHOOLS)]
    whole = statistics.median(seconds for seconds, _ in stock)
    sections.append(
        Section(
            "A school",
            note,
            "x --stock",
            [
                Row("`new-school --stock`, app by app", [seconds for seconds, _ in stock], whole),
                *medians([parts_of(words) for _, words in stock], whole),
                Row("`new-school`, from a golden site", [seconds for seconds, _ in opened], whole),
                *medians([parts_of(words) for _, words in opened], whole),
                Row("`new-school`, already open", again, whole),
                Row("`schools`", listing, whole),
                Row("`backup`", [lab("backup", "bench-1")[0] for _ in range(SCHOOLS)], whole),
                Row("`restore`", [lab("restore", "bench-1", "--yes")[0]], whole),
            ],
        )
    )
    return sections


def open_school(slug: str, *options: str) -> tuple[float, str]:
    """Open a school whose set-up wizard is done, until its login page answers."""
    return lab("new-school", slug, "--domain", f"{slug}.example", *PLACE, *options)


def many(_kind: str) -> list[Section]:
    """Measure commands on fifty schools of the stand-in bench, in a lab of our own."""
    timed([SCHOOLCTL, "lab", "down", "--name", LAB])
    try:
        say("making the lab")
        timed([SCHOOLCTL, "lab", "up", "--name", LAB, "--bench", "stand-in"])
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
        return [Section("Fifty schools", note, "x show", rows_of_table)]
    finally:
        timed([SCHOOLCTL, "lab", "down", "--name", LAB])


def build_again() -> float:
    """Remove the image, keep what the builder remembers, and return the seconds that its role takes then."""
    compose = "/srv/schools/compose/compose.yml"
    answer = subprocess.run(
        ["docker", "exec", CONTAINER, "docker", "compose", "--file", compose, "config", "--images"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    image = next(name for name in answer.stdout.split() if name.startswith("schools/bench:"))
    in_lab("docker", "compose", "--file", compose, "down")
    in_lab("docker", "image", "rm", "--force", image)
    in_lab("rm", "-r", f"/srv/schools/assets/{image.rpartition(':')[2]}")
    _, words = lab("provision")
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


PARTS: dict[str, Callable[[str], list[Section]]] = {"cli": cli, "server": server, "many": many}


def write(sections: Iterable[Section]) -> None:
    """Put sections into the page; those that were not measured now stay as they were."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    kept = {part.partition("\n")[0]: f"## {part}" for part in old.split("\n## ")[1:]}
    kept |= {section.title: section.text() for section in sections}
    order = ("Start-up", "Provision", "Image", "A school", "Fifty schools")
    PAGE.write_text("\n".join([HEAD, *(kept[title].rstrip() + "\n" for title in order if title in kept)]), "utf-8")


def say(text: str) -> None:
    """Tell on stderr what is under way."""
    print(f"  … {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure the chosen parts, print their tables, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all when left out: {', '.join(PARTS)}")
    parser.add_argument("--bench", default="auto", help="which bench the lab runs: real, stand-in or auto")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for part in options.parts or PARTS:
        sections = PARTS[part](options.bench)
        print("\n".join(section.text() for section in sections), flush=True)
        write(sections)


if __name__ == "__main__":
    main()
