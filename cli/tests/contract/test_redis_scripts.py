"""The scripts that forget a site's keys, run by a real Redis: its own keys go, those of names like it stay."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schoolctl.bench import redis
from schoolctl.transport.base import Command

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="Redis is not installed (apt install redis-server)"
)
PASSWORD = "a-pass_word-of-the-stack"
DATABASE, LIKE_IT = "sch0123456789ab", "sch0123456789ac"


class RedisHere:
    """A Redis of this machine, in place of the stack's container."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = str(probe.getsockname()[1])
        self._conf = folder / "schools.conf"
        self._conf.write_text(f'bind 127.0.0.1\nport {self._port}\nrequirepass {PASSWORD}\nsave ""\n')
        self.process = subprocess.Popen(["redis-server", self._conf], cwd=folder, stdout=subprocess.DEVNULL)

    def cli(self, *arguments: str) -> str:
        """Ask it as its own administrator."""
        done = subprocess.run(
            ["redis-cli", "-p", self._port, *arguments],
            env={**os.environ, "REDISCLI_AUTH": PASSWORD},
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def run(self, command: Command) -> int:
        """Return the number that a command prints."""
        return int(self.printed(command))

    def printed(self, command: Command) -> str:
        """Run a command as the container would, but for where it is."""
        shell = command.argv[4:]
        text = shell[2].replace("/etc/redis/schools.conf", str(self._conf))
        argv = ["sh", "-c", text.replace("redis-cli", f"redis-cli -p {self._port}"), *shell[3:]]
        done = subprocess.run(argv, input=command.stdin, capture_output=True, text=True, check=True)
        return done.stdout


@pytest.fixture
def here(tmp_path: Path) -> Iterator[RedisHere]:
    running = RedisHere(tmp_path)
    try:
        for _ in range(100):
            if running.cli("PING") == "PONG":
                break
            time.sleep(0.05)
        yield running
    finally:
        running.process.terminate()
        running.process.wait(10)


def enqueue(here: RedisHere, site: str, separator: str) -> None:
    """Leave what Frappe and RQ leave of three jobs: one waits, one runs, one is over."""
    for status in ("queued", "started", "finished"):
        name = f"{site}{separator}{status}"
        here.cli("HSET", f"rq:job:{name}", "status", status)
        here.cli("SADD", f"rq:job:{name}:dependents", "another")
        here.cli("XADD", f"rq:results:{name}", "*", "type", "1")
        here.cli("RPUSH", "rq:queue:bench:short", name)
        here.cli("ZADD", "rq:finished:bench:short", "1", name)


def test_what_is_cached_of_one_database_goes_and_of_another_stays(here: RedisHere) -> None:
    for name in (DATABASE, LIKE_IT):
        for number in range(3):
            here.cli("SET", f"{name}|key-{number}", "cached")
    here.cli("SET", "assets_json", "shared")
    assert here.run(redis.forget_cache(DATABASE)) == 3
    assert here.run(redis.forget_cache(DATABASE)) == 0
    assert sorted(here.cli("KEYS", "*").split()) == ["assets_json", *(f"{LIKE_IT}|key-{number}" for number in range(3))]


@pytest.mark.parametrize("separator", ["::", "||"])
def test_the_jobs_of_one_site_are_counted_and_forgotten_and_those_of_another_stay(
    here: RedisHere, separator: str
) -> None:
    for site in ("art", "art-school", "art.new"):
        enqueue(here, site, separator)
    assert here.run(redis.pending_jobs("art")) == 2
    assert here.run(redis.forget_jobs("art")) > 0
    assert here.run(redis.forget_jobs("art")) == here.run(redis.pending_jobs("art")) == 0
    left = [*here.cli("KEYS", "*").split(), *here.cli("LRANGE", "rq:queue:bench:short", "0", "-1").split()]
    left += here.cli("ZRANGE", "rq:finished:bench:short", "0", "-1").split()
    assert not [name for name in left if f"art{separator}" in name]
    assert here.run(redis.pending_jobs("art-school")) == here.run(redis.pending_jobs("art.new")) == 2


@pytest.mark.parametrize("separator", ["::", "||"])
def test_what_waits_and_what_failed_is_told_by_queue_and_by_site(here: RedisHere, separator: str) -> None:
    assert redis.queues_of(here.printed(redis.queues())) == redis.Queues({}, {}, {})
    enqueued = (datetime.now(UTC) - timedelta(minutes=20)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for number, site in enumerate(("art", "art", "art-school")):
        name = f"{site}{separator}{number}"
        here.cli("HSET", f"rq:job:{name}", "status", "queued", "enqueued_at", enqueued)
        here.cli("RPUSH", "rq:queue:bench:short", name)
        here.cli("ZADD", "rq:failed:bench:short", "1", name)
    here.cli("ZADD", "rq:failed:bench:long", "1", f"art{separator}x", "1", "nobody's")
    # Nobody knows the age of a job that is gone.
    here.cli("RPUSH", "rq:queue:bench:long", f"art{separator}gone")
    found = redis.queues_of(here.printed(redis.queues()))
    assert found.waiting == {"short": 3, "long": 1}
    assert found.oldest == {"short": pytest.approx(1200, abs=5)}
    assert found.failed == {"art": 3, "art-school": 1, "": 1}


def test_the_servers_own_program_says_the_same_with_the_name_behind_it() -> None:
    for key, command in (
        ("forget_cache", redis.forget_cache(DATABASE)),
        ("forget_jobs", redis.forget_jobs("art")),
        ("pending_jobs", redis.pending_jobs("art")),
    ):
        words = redis.SCRIPTS[key]
        assert [*words["argv"], command.argv[-1]] == [*command.argv]
        assert words["stdin"] == command.stdin


@pytest.mark.parametrize("name", ["", "*", "a[b]", "art school", "sch?"])
def test_a_name_that_could_stand_for_others_reaches_no_redis(name: str) -> None:
    with pytest.raises(ValueError, match="other sites"):
        redis.forget_jobs(name)
