"""Each step of each workflow fails, is killed, and is run again, on a real server: no half school, no other touched."""

import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from journey import ROOT, Journey

from schoolctl.app import main
from schoolctl.context import Context
from schoolctl.remote.source import agent_source
from schoolctl.transport.session import ServerFaultError
from schoolctl.transport.ssh import SshTransport

NEIGHBOUR = "tech-school"
# Names of this run: what an earlier one left in the same lab is no longer new.
RUN = secrets.token_hex(2)
REFUSED = 5
UNREACHABLE = 4

# Without "See that it answers": it only asks, and is skipped where the school answers at once.
OPENING = (
    "Claim the name",
    "Make its database and user",
    "Make its folder",
    "Install frappe",
    "Install erpnext",
    "Install lms_app",
    "Make it the school's own",
    "Put it in its place",
    "Open its doors",
    "Close the claim",
)
RESTORING = (
    "Read the set",
    "Claim the name",
    "Make a database beside",
    "Load the set's database",
    "Unpack the set's files beside",
    "Swap",
    "Keep what was there",
    "Clear its cache",
    "Close the claim",
)
BACKING_UP = (
    "Begin a set",
    "Dump the database",
    "Pack the files",
    "Write its manifest",
    "Read it back",
    "Keep the set",
)


class FailingTransport(SshTransport):
    """Reach the real server, but let the nth operation that is not a mere question fail before it is sent."""

    QUESTIONS = frozenset(
        {"hello", "lock", "release", "exists", "read", "read_json", "list", "hash", "probe", "survey", "free"}
    )

    def __init__(self, lab: Journey, nth: int) -> None:
        super().__init__(lab.project.host, agent_source())
        self.left = nth

    def call(self, operation: str, **arguments: object) -> object:
        """Fail once, at the operation that was chosen."""
        if operation not in self.QUESTIONS:
            self.left -= 1
            if self.left == 0:
                raise ServerFaultError("injected", f"{operation} was made to fail")
        return super().call(operation, **arguments)


@pytest.fixture(scope="session", autouse=True)
def _neighbour_is_open(lab: Journey) -> None:
    lab.schoolctl("new-school", NEIGHBOUR)
    lab.schoolctl("backup", NEIGHBOUR)


@pytest.fixture(autouse=True)
def _neighbour_stays_as_it_was(lab: Journey, request: pytest.FixtureRequest) -> Iterator[None]:
    if "restore" in request.node.name or "backup" in request.node.name:
        yield
        return
    before = neighbour(lab)
    yield
    assert neighbour(lab) == before


def neighbour(lab: Journey) -> tuple[object, ...]:
    database = lab.on_server("cat", f"/srv/schools/sites/{NEIGHBOUR}/site_config.json")
    name = next(row["database"] for row in lab.json("schools") if row["slug"] == NEIGHBOUR)
    tables = "`, `".join(lab.sql(name, "SHOW TABLES;"))
    files = lab.on_server("find", f"/srv/schools/sites/{NEIGHBOUR}/public", "-type", "f")
    page = lab.visit("tech-school.com")
    return database, lab.sql(name, f"CHECKSUM TABLE `{tables}`;"), files, page.status if page else None


def orphans(lab: Journey) -> dict[str, object]:
    """Return what no school owns: sites being made, claims, databases and users that no site names, partial sets."""
    places = ("sites/*", "archive/*.closed", "archive/*/*")
    configs = f"cat {' '.join(f'/srv/schools/{place}/site_config.json' for place in places)} 2>/dev/null || true"
    claimed = set(re.findall(r"sch[0-9a-f]{12}", lab.on_server("sh", "-c", configs)))
    databases = set(lab.sql("mysql", "SHOW DATABASES LIKE 'sch%';"))
    users = set(lab.sql("mysql", "SELECT user FROM mysql.user WHERE user LIKE 'sch%';"))
    half_made = (
        "ls -d sites/*.new golden/*/*.partial archive/*.restored journal/*.json backups/*/*.partial 2>/dev/null || true"
    )
    listed = lab.on_server("sh", "-c", f"cd /srv/schools && {half_made}")
    return {"databases": databases - claimed, "users": users - claimed, "left": listed.split()}


NOTHING: dict[str, object] = {"databases": set(), "users": set(), "left": []}


@contextmanager
def announcing(lab: Journey, step: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a command up to the moment at which it says that a step begins."""
    silent = subprocess.DEVNULL
    with subprocess.Popen(
        lab.command(*arguments), cwd=ROOT, stderr=subprocess.PIPE, stdout=silent, stdin=silent, text=True
    ) as process:
        assert process.stderr is not None
        seen = []
        while not (seen and f"… {step}" in seen[-1]):
            seen.append(process.stderr.readline())
            assert seen[-1], f"`{step}` never began:\n{''.join(seen)}"
        yield process


def kill_at(lab: Journey, step: str, *arguments: str) -> None:
    """Run a command and kill it with SIGKILL as soon as it says that the step begins."""
    with announcing(lab, step, *arguments) as process:
        process.kill()
    assert process.returncode == -signal.SIGKILL


def run_again(lab: Journey, *arguments: str) -> None:
    """Run a command until the server has ended what the killed one had begun, and the lock is free."""
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run(lab.command(*arguments), cwd=ROOT, capture_output=True, text=True)
        if done.returncode != REFUSED or "lock" not in done.stderr or time.monotonic() > deadline:
            break
        time.sleep(0.3)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", range(len(OPENING)))
def test_a_new_school_killed_at_any_step_is_completed_by_the_same_command(lab: Journey, number: int) -> None:
    slug = f"killed-{number}-{RUN}"
    command = ("new-school", slug, "--domain", f"{slug}.example")
    kill_at(lab, OPENING[number], *command)
    run_again(lab, *command)
    page = lab.visit(f"{slug}.example")
    assert page is not None
    assert page.status == 200
    assert orphans(lab) == NOTHING


def test_a_new_school_that_fails_anywhere_leaves_nothing_or_a_school_that_the_same_command_completes(
    lab: Journey,
) -> None:
    slug = f"failing-{RUN}"
    command = ["--env", lab.name, "new-school", slug, "--domain", f"{slug}.example"]
    for nth in range(1, 200):
        transport = FailingTransport(lab, nth)
        code = main(command, Context(start=ROOT, transport=transport))
        if transport.left > 0:
            assert code == 0
            break
        assert code == 1
        found = orphans(lab)
        if lab.on_server("sh", "-c", f"test -e /srv/schools/sites/{slug} && echo whole || true").strip():
            assert found["databases"] == set()
            assert [path for path in found["left"] if ".new" in path] == []
        else:
            assert found == NOTHING, f"operation {nth}"
    assert nth > len(OPENING)
    page = lab.visit(f"{slug}.example")
    assert page is not None
    assert page.status == 200
    assert orphans(lab) == NOTHING


@pytest.mark.parametrize("step", BACKING_UP)
def test_a_backup_killed_at_any_step_leaves_no_half_set_after_the_next_one(lab: Journey, step: str) -> None:
    kill_at(lab, step, "backup", NEIGHBOUR)
    run_again(lab, "backup", NEIGHBOUR)
    assert orphans(lab) == NOTHING


@pytest.mark.parametrize("step", RESTORING)
def test_a_restore_killed_at_any_step_is_completed_by_the_same_command(lab: Journey, step: str) -> None:
    kill_at(lab, step, "restore", NEIGHBOUR, "--yes")
    page = lab.visit("tech-school.com")
    assert page is not None, "the school answers whatever happens"
    assert page.status == 200
    run_again(lab, "restore", NEIGHBOUR, "--yes")
    assert orphans(lab) == NOTHING


def test_a_damaged_set_is_refused_by_restore_before_anything_is_replaced(lab: Journey) -> None:
    made = lab.json("backup", NEIGHBOUR)
    lab.on_server("truncate", "-s", "-100", f"/srv/schools/backups/{NEIGHBOUR}/{made['set']}/database.sql.gz")
    before = neighbour(lab)
    refused = lab.schoolctl("restore", NEIGHBOUR, "--yes", code=1)
    assert "not what the manifest says" in refused.stderr
    assert neighbour(lab) == before
    assert orphans(lab) == NOTHING


def test_a_cut_connection_lets_the_work_in_hand_end_and_the_lock_fall_after_it(lab: Journey) -> None:
    command = ("new-school", f"cut-off-{RUN}", "--domain", f"cut-off-{RUN}.example")
    with announcing(lab, "Install frappe", *command) as process:
        lab.on_server("pkill", "-f", "sshd: deploy")
        said = process.stderr.read() if process.stderr else ""
    assert process.returncode == UNREACHABLE
    assert "run the same command again" in said
    run_again(lab, *command)
    assert orphans(lab) == NOTHING


def test_a_broken_file_of_one_school_leaves_the_edge_as_it_was(lab: Journey) -> None:
    lab.on_server("sh", "-c", "echo 'server { this is no nginx' > /srv/schools/edge/conf/schools/broken.conf")
    try:
        refused = lab.schoolctl("add-domain", NEIGHBOUR, "never.example", code=1)
        assert "schools-edge-activate" in refused.stderr
        assert "never.example" not in lab.project.schools_file.read_text()
        lab.on_server("docker", "restart", "schools-edge")
        time.sleep(2)
        page = lab.visit("tech-school.com")
        assert page is not None
        assert page.status == 200
    finally:
        lab.on_server("rm", "/srv/schools/edge/conf/schools/broken.conf")


def test_a_declared_school_without_a_site_gets_no_domain(lab: Journey) -> None:
    refused = lab.schoolctl("add-domain", "cuisine-school", "early.example", code=REFUSED)
    assert "new-school cuisine-school" in refused.stderr


def test_after_all_this_ansible_would_change_nothing(lab: Journey) -> None:
    assert lab.changes_left_for_ansible() == []
