"""Measure what pupils wait for in a school of the size that the app's budgets name, and write it into the page.

200 courses, 6,000 lessons, 5,000 pupils, 40,000 enrolments and a million traces of progress, on a lab of our own with
real Frappe, beside what Frappe itself answers on the same machine. The load is made on the same cores.
"""

import argparse
import http.client
import json
import re
import statistics
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import measure
from measure import Row, Section

SCHOOL = "crowd"
HOST = f"{SCHOOL}.example"
AT_ONCE, LOAD_S, ROUNDS = 8, 6, 3
# Of pupils that read: so many pages a second, for so long.
READS_A_SECOND, READING_S = 15, 20
STARTS, STARTS_S, ANSWERS = 150, 30, 150
NEVER_KEPT = ("Cache-Control: no-cache",)
# Tells the time within which 95 of 100 were answered, in microseconds.
PERCENTILE = 'done = function(summary, latency, requests) print("p95 " .. latency:percentile(95)) end\n'
LUA = "/tmp/p95.lua"  # noqa: S108 - in a lab that is taken away


@dataclass(frozen=True)
class Ask:
    """One request of somebody: a POST of JSON if there is a body, else a GET."""

    path: str
    authorization: str
    body: str | None = None


@dataclass(frozen=True)
class Answer:
    """What came of a request: its status, 0 for none, and how many seconds it took."""

    status: int
    seconds: float


def sections(kind: str) -> Iterator[Section]:
    """Fill a school of our own lab, and measure its pages and endpoints beside Frappe's."""
    with measure.own_lab(kind):
        measure.lab("provision")
        measure.open_school(SCHOOL)
        measure.say("filling the school")
        measure.lab("bench", SCHOOL, "--", "set-config", "allow_tests", "1")
        argv = [measure.SCHOOLCTL, "--env", measure.LAB, "bench", SCHOOL, "--", "execute", "lms_app.tests.crowd.show"]
        said = subprocess.run(argv, cwd=measure.ROOT, capture_output=True, text=True, check=True).stdout
        crowd = json.loads(next(line for line in said.splitlines() if line.startswith('{"course"')))
        note = f"{measure.machine()} {measure.bench_words()} 5,000 pupils, 200 courses, a million traces of progress."
        yield guests(crowd, note)
        yield pupils(crowd, note)


def guests(crowd: dict[str, str], note: str) -> Section:
    """Let guests ask, many at once and past the edge's own memory."""
    measure.say("guests")
    measure.in_lab("sh", "-c", "command -v wrk || { apt-get update && apt-get install --yes wrk; } >/dev/null")
    subprocess.run(["docker", "exec", "-i", measure.CONTAINER, "tee", LUA], input=PERCENTILE, text=True,
                   stdout=subprocess.DEVNULL, check=True)  # fmt: skip
    ways = {
        "`/api/method/ping`": "/api/method/ping",
        "Frappe's `/login`": "/login",
        "`/learn`": "/learn",
        "a course": crowd["course"],
    }
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(ROUNDS + 1):
        for way, path in ways.items():
            one = under_load(path)
            if turn:  # the first turn fills the caches of the bench
                found[way].append(one)
    ping = statistics.median(p95 for _, p95 in found["`/api/method/ping`"])
    rows = [
        Row(
            f"{way}: {statistics.median(rate for rate, _ in runs):.0f} a second, {weight(ways[way]) / 1000:.1f} kB",
            [p95 for _, p95 in runs],
            ping,
        )
        for way, runs in found.items()
    ]
    return Section("Guests of a large school", f"{note} {AT_ONCE} at once; 95 of 100 answers within.", "x ping", rows)


def under_load(path: str) -> tuple[float, float]:
    """Return answers a second, and the seconds within which 95 of 100 come. Raises if one is no success."""
    headers = [word for header in (f"Host: {HOST}", *NEVER_KEPT) for word in ("--header", header)]
    how = ("--threads", "1", "--connections", str(AT_ONCE), "--duration", f"{LOAD_S}s", "--timeout", "60s")
    told = measure.said_in_lab("wrk", *how, "--script", LUA, *headers, f"http://127.0.0.1{path}")
    rate = re.search(r"^Requests/sec: +([0-9.]+)$", told, re.MULTILINE)
    p95 = re.search(r"^p95 ([0-9.]+)$", told, re.MULTILINE)
    if rate is None or p95 is None or "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"error: not every visit of {path} was answered\n{told}")
    return float(rate[1]), float(p95[1]) / 1e6


def weight(path: str) -> int:
    """Return the bytes of a page's HTML on the wire."""
    connection = http.client.HTTPConnection("127.0.0.1", measure.http_port(), timeout=60)
    connection.request("GET", path, headers={"Host": HOST, "Accept-Encoding": "gzip"})
    return len(connection.getresponse().read())


def pupils(crowd: dict[str, list[dict[str, str]]], note: str) -> Section:
    """Let pupils read, report and sit a quiz, each as often as a full class would."""
    known = crowd["pupils"]
    keys = [pupil["authorization"] for pupil in known]

    def turns(number: int) -> Iterator[dict[str, str]]:
        return (known[turn % len(known)] for turn in range(number))

    reads = READS_A_SECOND * READING_S
    measure.say("pupils that read")
    pinged = paced((Ask("/api/method/ping", one["authorization"]) for one in turns(reads)), READS_A_SECOND)
    read = paced((Ask(one["path"], one["authorization"]) for one in turns(reads)), READS_A_SECOND)
    beat = paced(
        (posted("progress.beat", one["authorization"], lesson=one["lesson"], seconds=15) for one in turns(reads)),
        READS_A_SECOND,
    )
    measure.say("pupils that sit a quiz")
    started = paced((posted("quiz.start", key, quiz=str(crowd["quiz"])) for key in keys[:STARTS]), STARTS / STARTS_S)
    attempts = measure.said_in_lab(
        "docker", "exec", "schools-db", "mariadb", "--skip-column-names", "--batch", database(),
        "--execute", "SELECT name, student FROM `tabAcademy Quiz Attempt` ORDER BY creation",
    ).split()  # fmt: skip
    of_pupil = {student: attempt for attempt, student in zip(attempts[::2], attempts[1::2], strict=True)}
    answers = [
        posted("quiz.save_answer", keys[number - 1], attempt=attempt, position=1, seq=1, response=None)
        for student, attempt in of_pupil.items()
        if (number := int(student.rpartition("-")[2])) <= len(keys)
    ]
    saved = paced(iter(answers[:ANSWERS]), READS_A_SECOND)
    beside = p95(pinged)
    titles = {
        f"`/api/method/ping` of a pupil, {READS_A_SECOND} a second": pinged,
        f"a lesson, {READS_A_SECOND} a second (budget 0.25)": read,
        f"a beat, {READS_A_SECOND} a second": beat,
        f"{STARTS} starts of a quiz in {STARTS_S} s": started,
        f"{len(saved)} answers saved, {READS_A_SECOND} a second": saved,
    }
    rows = [Row(f"{title}: {failures(found)} failed", [p95(found)], beside) for title, found in titles.items()]
    return Section("Pupils of a large school", f"{note} 95 of 100 answers within.", "x ping", rows)


def posted(endpoint: str, authorization: str, **values: object) -> Ask:
    """Return the call of an endpoint of the app."""
    return Ask(f"/api/method/lms_app.api.{endpoint}", authorization, json.dumps(values))


def paced(asks: Iterable[Ask], a_second: float) -> list[Answer]:
    """Send requests at a steady pace, whether the ones before are answered or not; a late start counts as waiting."""
    own = threading.local()
    port = measure.http_port()

    def send(one: Ask, due: float) -> Answer:
        headers = {"Host": HOST, "Authorization": one.authorization, "Content-Type": "application/json"}
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            own.connection.request("POST" if one.body else "GET", one.path, one.body, headers)
            answer = own.connection.getresponse()
            answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            own.connection.close()
            status = 0
        return Answer(status, time.perf_counter() - due)

    began = time.perf_counter()
    with ThreadPoolExecutor(64) as pool:
        sent = []
        for number, one in enumerate(asks):
            due = began + number / a_second
            time.sleep(max(0.0, due - time.perf_counter()))
            sent.append(pool.submit(send, one, due))
        return [future.result() for future in sent]


def p95(answers: Sequence[Answer]) -> float:
    """Return the seconds within which 95 of 100 were answered."""
    return statistics.quantiles((answer.seconds for answer in answers), n=20)[-1]


def failures(answers: Sequence[Answer]) -> int:
    """Return how many were no success."""
    return sum(answer.status != 200 for answer in answers)


def database() -> str:
    """Return the name of the school's database."""
    return str(json.loads(measure.said_in_lab("cat", f"/srv/schools/sites/{SCHOOL}/site_config.json"))["db_name"])


def main() -> None:
    """Measure, and print and write each table as soon as it is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bench", default="real", help="which bench the lab runs; the app needs the real one")
    for section in sections(parser.parse_args().bench):
        print(section.text(), flush=True)
        measure.write(section)


if __name__ == "__main__":
    main()
