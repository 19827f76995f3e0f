"""The pool of loaded databases, as the real agent keeps it; the database is a folder with a file for each schema."""

import fcntl
import gzip
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from schoolctl.transport.session import ServerFaultError
from tests.support.local_agent import LocalAgent, program

# Reads one statement, or loads what it is fed into the schema that it is given. A file `stop` makes a load fail, a file
# `slow` makes it last.
CLIENT = """
cd "$(dirname "$0")"
if [ -n "$1" ]; then
    [ -e "$1" ] || exit 1
    while [ -e slow ]; do sleep 0.05; done
    [ ! -e stop ] || { printf 'CREATE TABLE a (\\n  b int\\n)\\nthe server has gone away\\n' >&2; exit 2; }
    # Never a file that was dropped meanwhile.
    dd of="$1" oflag=append conv=notrunc,nocreat 2>/dev/null
    exit
fi
read verb name
case "$verb" in
    create) [ ! -e "$name" ] && : > "$name" ;;
    drop) rm -f "$name" ;;
    tables) cat "$name" ;;
esac
"""
SQL = {"create": "create {0}\n", "drop": "drop {0}\n", "tables": "tables {0}\n"}
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
PARTS = ("t1\nt2\n", "t3\n")


@dataclass(frozen=True)
class World:
    """A server's root with a golden site and a database."""

    root: Path
    databases: Path
    client: list[str]

    def schemas(self) -> set[str]:
        return {path.name for path in self.databases.glob("sch*")}

    def whole(self) -> set[str]:
        return {
            name for name in self.schemas() if sorted((self.databases / name).read_text().split()) == ["t1", "t2", "t3"]
        }

    def pool(self, state: str) -> set[str]:
        return {path.stem for path in (self.root / "pool").glob(f"*.{state}")}

    def golden(self, agent: LocalAgent, size: int, profile: str = "plain", made: int = 1) -> dict[str, Any]:
        folder = self.root / "golden" / "0123456789ab" / profile
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_text(json.dumps({"profile": profile, "made": made}))
        parts = []
        for number, part in enumerate(PARTS):
            (folder / f"{number}.gz").write_bytes(gzip.compress(part.encode()))
            parts.append([f"{folder}/{number}.gz", agent("hash", path=f"{folder}/{number}.gz")])
        digest = agent("hash", path=f"{folder}/manifest.json")
        return {"profile": profile, "golden": digest, "parts": parts, "tables": 3, "size": size}

    def fill(self, agent: LocalAgent, *wanted: dict[str, Any], most: int | None = None, trim: bool = True) -> Any:
        return agent("fill", client=self.client, sql=SQL, wanted=list(wanted), most=most, trim=trim)

    def take(self, agent: LocalAgent, golden: dict[str, Any], slug: str) -> Any:
        claim = f"{self.root}/journal/{slug}.json"
        return agent("take", golden=golden["golden"], claim=claim, note={"doing": "new-school"})


@pytest.fixture
def world(tmp_path: Path) -> World:
    root, databases = tmp_path / "schools", tmp_path / "db"
    (root / "journal").mkdir(parents=True)
    databases.mkdir()
    return World(root, databases, [program(databases, "client", CLIENT)])


@pytest.fixture
def start(world: World) -> Iterator[Callable[[], LocalAgent]]:
    agents: list[LocalAgent] = []

    def begin() -> LocalAgent:
        agents.append(LocalAgent(world.root))
        return agents[-1]

    yield begin
    for agent in agents:
        agent.end()


@pytest.fixture
def agent(start: Callable[[], LocalAgent]) -> LocalAgent:
    return start()


def comes(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.02)


def test_it_is_filled_up_to_the_number_that_is_wanted_and_no_further(world: World, agent: LocalAgent) -> None:
    golden = world.golden(agent, 2)
    assert world.fill(agent, golden, most=1) == {"loaded": 1, "dropped": 0, "missing": 1}
    assert world.fill(agent, golden) == {"loaded": 1, "dropped": 0, "missing": 0}
    assert world.fill(agent, golden) == {"loaded": 0, "dropped": 0, "missing": 0}
    assert world.pool("ready") == world.whole() == world.schemas()
    assert len(world.schemas()) == 2


def test_those_that_are_too_many_are_dropped_only_when_that_is_asked_for(world: World, agent: LocalAgent) -> None:
    world.fill(agent, world.golden(agent, 3))
    fewer = world.golden(agent, 1)
    assert world.fill(agent, fewer, trim=False)["dropped"] == 0
    assert world.fill(agent, fewer)["dropped"] == 2
    assert len(world.schemas()) == len(world.pool("ready")) == 1


def test_those_of_a_golden_site_that_is_not_wanted_any_more_are_too_many(world: World, agent: LocalAgent) -> None:
    plain, ireland = world.golden(agent, 1, "plain"), world.golden(agent, 1, "ireland")
    world.fill(agent, plain, ireland)
    assert world.fill(agent, ireland, trim=False)["dropped"] == 0
    assert world.fill(agent, ireland)["dropped"] == 1
    assert [row["profile"] for row in agent("pool")["databases"]] == ["ireland"]


def test_those_of_a_golden_site_that_is_no_more_are_dropped_and_those_of_others_stay(
    world: World, agent: LocalAgent
) -> None:
    world.fill(agent, world.golden(agent, 1, "plain"), world.golden(agent, 1, "ireland"))
    [kept] = {row["database"] for row in agent("pool")["databases"] if row["profile"] == "ireland"}
    renewed = world.golden(agent, 1, "plain", made=2)
    assert world.fill(agent, renewed, trim=False) == {"loaded": 1, "dropped": 1, "missing": 0}
    assert kept in world.pool("ready")
    assert world.pool("ready") == world.schemas()


def test_a_taken_database_belongs_to_the_claim_and_to_nobody_else(world: World, agent: LocalAgent) -> None:
    golden = world.golden(agent, 2)
    world.fill(agent, golden)
    taken = world.take(agent, golden, "art-school")
    assert json.loads((world.root / "journal/art-school.json").read_text()) == {
        "doing": "new-school",
        "database": taken,
    }
    assert world.pool("ready") == world.whole() - {taken}
    assert world.pool("taken") == set()


def test_of_an_empty_pool_nothing_is_taken_and_nothing_claimed(world: World, agent: LocalAgent) -> None:
    golden = world.golden(agent, 0)
    assert world.take(agent, golden, "art-school") is None
    assert not (world.root / "journal/art-school.json").exists()
    world.fill(agent, world.golden(agent, 1, "ireland"))
    assert world.take(agent, golden, "art-school") is None, "one of another golden site is none of ours"


def test_many_who_take_at_once_each_get_their_own(world: World, start: Callable[[], LocalAgent]) -> None:
    agents = [start() for _ in range(4)]
    golden = world.golden(agents[0], 6)
    world.fill(agents[0], golden)
    with ThreadPoolExecutor(4) as pool:

        def take_two(number: int) -> list[str | None]:
            return [world.take(agents[number], golden, f"school-{number}-{turn}") for turn in range(2)]

        taken = [name for names in pool.map(take_two, range(4)) for name in names]
    assert len({name for name in taken if name}) == 6
    assert taken.count(None) == 2
    claimed = {json.loads(path.read_text())["database"] for path in (world.root / "journal").glob("*.json")}
    assert claimed == {name for name in taken if name}


def test_a_database_whose_claim_cannot_be_written_is_nobody_s_and_goes(world: World, agent: LocalAgent) -> None:
    golden = world.golden(agent, 1)
    world.fill(agent, golden)
    (world.root / "journal").rmdir()
    with pytest.raises(ServerFaultError):
        world.take(agent, golden, "art-school")
    (world.root / "journal").mkdir()
    assert world.take(agent, golden, "art-school") is None
    world.fill(agent, {**golden, "size": 0})
    assert world.schemas() == set()


@pytest.mark.parametrize("place", ["sites/art-school", "archive/art-school.closed", "archive/art-school/20260131"])
def test_a_database_that_a_site_names_is_neither_handed_out_nor_dropped(
    world: World, agent: LocalAgent, place: str
) -> None:
    golden = world.golden(agent, 2)
    world.fill(agent, golden)
    lived_in = min(world.schemas())
    (world.root / place).mkdir(parents=True)
    (world.root / place / "site_config.json").write_text(json.dumps({"db_name": lived_in}))
    assert world.take(agent, golden, "other") in world.whole() - {lived_in}
    assert world.take(agent, golden, "third") is None
    (world.root / "pool" / f"{lived_in}.ready").write_text(json.dumps({"golden": golden["golden"], "profile": "plain"}))
    assert world.fill(agent, {**golden, "size": 0})["dropped"] == 0
    assert lived_in in world.schemas()
    assert world.pool("ready") == set()


@pytest.mark.parametrize("claimed", [False, True], ids=["before its claim", "after its claim"])
def test_what_a_killed_taker_left_is_dropped_unless_its_claim_was_written(
    world: World, agent: LocalAgent, claimed: bool
) -> None:
    golden = world.golden(agent, 1)
    world.fill(agent, golden)
    [ready] = (world.root / "pool").glob("*.ready")
    ready.rename(ready.with_suffix(".taken"))
    if claimed:
        (world.root / "journal/art-school.json").write_text(json.dumps({"database": ready.stem}))
    assert world.take(agent, golden, "other") is None
    world.fill(agent, {**golden, "size": 0})
    assert world.schemas() == ({ready.stem} if claimed else set())
    assert world.pool("taken") == world.pool("dropping") == set()


def test_a_load_that_fails_hands_out_nothing_and_the_next_filling_clears_it(world: World, agent: LocalAgent) -> None:
    golden = world.golden(agent, 1)
    (world.databases / "stop").touch()
    with pytest.raises(ServerFaultError, match="gone away"):
        world.fill(agent, golden)
    assert world.take(agent, golden, "art-school") is None
    (world.databases / "stop").unlink()
    assert world.fill(agent, golden) == {"loaded": 1, "dropped": 1, "missing": 0}
    assert world.pool("ready") == world.whole() == world.schemas()


def test_one_with_a_table_too_few_is_never_handed_out(world: World, agent: LocalAgent) -> None:
    golden = world.golden(agent, 1) | {"tables": 4}
    with pytest.raises(ServerFaultError, match="4 tables, but 3"):
        world.fill(agent, golden)
    assert world.pool("ready") == set()


def test_a_part_that_is_not_what_it_was_is_not_loaded(world: World, agent: LocalAgent) -> None:
    golden = world.golden(agent, 1)
    Path(golden["parts"][1][0]).write_bytes(gzip.compress(b"t9\n"))
    with pytest.raises(ServerFaultError, match="not what it was"):
        world.fill(agent, golden)
    assert world.pool("ready") == set()


def test_a_part_that_the_disk_does_not_give_back_is_as_good_as_changed(world: World, agent: LocalAgent) -> None:
    golden = world.golden(agent, 1)
    part = Path(golden["parts"][1][0])
    part.unlink()
    part.mkdir()
    with pytest.raises(ServerFaultError, match=r"1\.gz cannot be read: ") as fault:
        agent("load_parts", argv=world.client, parts=golden["parts"])
    assert fault.value.kind == "damaged"


def test_golden_sites_that_are_out_of_service_are_told_and_those_half_put_away_are_not(
    world: World, agent: LocalAgent
) -> None:
    for profile in ("plain", "ireland", "ireland.partial"):
        world.golden(agent, 1, profile)
    assert agent("state")["unserviceable"] == []
    note = {"since": "2026-01-31T02:00:00Z", "because": "0.gz is not what it was"}
    for profile in ("ireland", "ireland.partial"):
        manifest = {"profile": "ireland", "out_of_service": note}
        (world.root / "golden" / "0123456789ab" / profile / "manifest.json").write_text(json.dumps(manifest))
    assert agent("state")["unserviceable"] == [{"profile": "ireland", **note}]


def test_an_agent_that_is_killed_in_mid_load_leaves_what_the_next_filling_drops(
    world: World, start: Callable[[], LocalAgent]
) -> None:
    first, second = start(), start()
    golden = world.golden(first, 1)
    (world.databases / "slow").touch()
    first.session.tell("fill", client=world.client, sql=SQL, wanted=[golden], most=None, trim=False)
    comes(lambda: len(world.pool("loading")) == 1)
    with pytest.raises(ServerFaultError, match="being filled"):
        world.fill(second, golden)
    assert second("pool")["filling"]
    first.process.send_signal(signal.SIGKILL)
    (world.databases / "slow").unlink()
    comes(lambda: not second("pool")["filling"])
    assert world.take(second, golden, "art-school") is None
    assert world.fill(second, golden) == {"loaded": 1, "dropped": 1, "missing": 0}
    assert world.pool("ready") == world.whole()


def refill(world: World, agent: LocalAgent, *wanted: dict[str, Any]) -> bool:
    return bool(agent("refill", client=world.client, sql=SQL, wanted=list(wanted)))


def test_a_refill_goes_on_when_its_client_is_gone_and_says_how_it_ended(
    world: World, start: Callable[[], LocalAgent]
) -> None:
    agent, other = start(), start()
    golden = world.golden(agent, 2)
    assert refill(world, agent, golden)
    agent.vanish()
    comes(lambda: other("pool")["last"] is not None)
    assert other("pool")["last"]["fault"] is None
    assert len(world.whole()) == 2
    assert not refill(world, other, golden), "there is nothing left to do"


def test_what_is_wanted_while_the_pool_is_being_filled_is_filled_by_who_does(
    world: World, start: Callable[[], LocalAgent]
) -> None:
    first, second = start(), start()
    plain, ireland = world.golden(first, 1, "plain"), world.golden(first, 2, "ireland")
    (world.databases / "slow").touch()
    assert refill(world, first, plain)
    comes(lambda: len(world.pool("loading")) == 1)
    assert not refill(world, second, ireland), "there is one at work already"
    (world.databases / "slow").unlink()
    comes(lambda: second("pool")["last"] is not None)
    waiting = [row["profile"] for row in second("pool")["databases"]]
    assert sorted(waiting) == ["ireland", "ireland", "plain"]


@needs_root
def test_a_golden_site_that_is_made_anew_while_a_refill_waits_is_no_fault(
    world: World, start: Callable[[], LocalAgent]
) -> None:
    agent = start()
    old = world.golden(agent, 1)
    agent("lock", who="ann@desk", what="golden --again", since="2026-01-31T02:00:00Z")
    assert refill(world, agent, old)
    comes(lambda: len(world.pool("loading")) == 1)
    new = world.golden(agent, 1, made=2)
    Path(new["parts"][0][0]).write_bytes(gzip.compress(b"t1\nt2\n", 1))
    new["parts"][0][1] = agent("hash", path=new["parts"][0][0])
    assert not refill(world, agent, new)
    agent("release", result="done")
    comes(lambda: agent("pool")["last"] is not None)
    assert agent("pool")["last"]["fault"] is None
    assert [row["golden"] for row in agent("pool")["databases"] if row["state"] == "ready"] == [new["golden"]]


@needs_root
def test_schools_that_open_during_a_refill_are_made_up_for(world: World, start: Callable[[], LocalAgent]) -> None:
    agent = start()
    golden = world.golden(agent, 3)
    world.fill(agent, golden)
    world.take(agent, golden, "first")
    agent("lock", who="ann@desk", what="new-school a", since="2026-01-31T02:00:00Z")
    assert refill(world, agent, golden)
    comes(lambda: len(world.pool("loading")) == 1)
    for slug in ("second", "third"):
        world.take(agent, golden, slug)
    agent("release", result="done")
    comes(lambda: len(world.pool("ready")) == 3)


def test_a_refill_that_fails_says_why_in_one_line(world: World, agent: LocalAgent) -> None:
    (world.databases / "stop").touch()
    assert refill(world, agent, world.golden(agent, 1))
    comes(lambda: agent("pool")["last"] is not None)
    assert agent("pool")["last"]["fault"] == "loading ended with 2: the server has gone away"
    (world.databases / "stop").unlink()
    world.fill(agent, world.golden(agent, 1))
    assert agent("pool")["last"] is None


@needs_root
def test_a_refill_waits_for_the_command_at_work_and_holds_no_lock_of_it(
    world: World, start: Callable[[], LocalAgent]
) -> None:
    agent, other = start(), start()
    golden = world.golden(agent, 1)
    agent("lock", who="ann@desk", what="new-school a", since="2026-01-31T02:00:00Z")
    assert refill(world, agent, golden)
    comes(lambda: len(world.pool("loading")) == 1)
    time.sleep(0.7)
    assert world.pool("ready") == set()
    agent("release", result="done")
    other("lock", who="bob@desk", what="backup b", since="2026-01-31T02:00:00Z")
    other("release", result="done")
    comes(lambda: len(world.pool("ready")) == 1)


def test_taking_does_not_wait_for_a_filling(world: World, agent: LocalAgent) -> None:
    golden = world.golden(agent, 1)
    world.fill(agent, golden)
    with (world.root / "pool/filling").open() as filling:
        fcntl.flock(filling, fcntl.LOCK_EX)
        assert world.take(agent, golden, "art-school") in world.whole()
        assert not refill(world, agent, golden)
