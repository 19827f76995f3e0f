"""Each step of each workflow fails, is killed, and is run again, on a real server: no half school, no other touched."""

import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from in_process import InProcess
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
    "Find the set",
    "Claim the name",
    "Fetch the set",
    "See that it fits what runs",
    "Make a database beside",
    "Load the set's database",
    "Compare it with the set",
    "See that its key opens what it stores",
    "Lay it out beside",
    "Swap",
    "Keep what was there",
    "Remove what was fetched",
    "Clear its cache",
    "Close the claim",
)
BACKING_UP = ("Keep the inventory's files", "Write a set", "Store it in local")


class FailingTransport(SshTransport):
    """Reach the real server, but let the nth operation that is not a mere question fail before it is sent."""

    QUESTIONS = frozenset(
        {
            "hello",
            "lock",
            "release",
            "exists",
            "read",
            "read_all",
            "read_json",
            "list",
            "hash",
            "probe",
            "survey",
            "free",
            "pool",
        }
    )

    def __init__(self, lab: InProcess, nth: int) -> None:
        super().__init__(lab.project.host, agent_source(), beside=lab.connection())
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


# Asked before and after every test, so in one go: its settings, its files, the checksum of each table.
OF_THE_NEIGHBOUR = f"""
cd /srv/schools/sites/{NEIGHBOUR} && cat site_config.json && find public -type f
docker exec -i schools-db mariadb --batch --skip-column-names \\
    "$(python3 -c 'import json; print(json.load(open("site_config.json"))["db_name"])')"
"""
CHECKSUMS = """
SET SESSION group_concat_max_len = 1000000;
SELECT CONCAT('CHECKSUM TABLE ', GROUP_CONCAT('`', table_name, '`' ORDER BY table_name)) INTO @every_table
    FROM information_schema.tables WHERE table_schema = DATABASE();
PREPARE checksums FROM @every_table;
EXECUTE checksums;
"""


def neighbour(lab: Journey) -> tuple[object, ...]:
    page = lab.visit("tech-school.com")
    return lab.on_server("sh", "-ec", OF_THE_NEIGHBOUR, stdin=CHECKSUMS), page.status if page else None


PLACES = ("sites/*", "archive/*.closed", "archive/*/*")
HALF_MADE = (
    *("sites/*.new", "sites/*.drill", "golden/*/*.partial", "archive/*.restored", "journal/*.json"),
    *("backups/spool/.*.partial", "backups/spool/.*.ready", "backups/fetched/*", "backups/fetched/.*.partial"),
    *("pool/sch*.loading", "pool/sch*.taken", "pool/sch*.dropping"),
)
# Asked after every fault, so in one go: all settings of sites, databases, users, what is half made; lines in between.
OF_NOBODY = f"""
cd /srv/schools
cat {" ".join(f"{place}/site_config.json" for place in PLACES)} 2>/dev/null || true
ls pool/sch*.ready 2>/dev/null || true
echo ----
docker exec -i schools-db mariadb --batch --skip-column-names
echo ----
ls -d {" ".join(HALF_MADE)} 2>/dev/null || true
"""
OURS = """
SHOW DATABASES LIKE 'sch%';
SELECT '----';
SELECT user FROM mysql.user WHERE user LIKE 'sch%';
"""


def orphans(lab: Journey) -> dict[str, object]:
    """Return what no school owns: sites being made, claims, databases and users that no site names, partial sets."""
    configs, databases, users, left = lab.on_server("sh", "-ec", OF_NOBODY, stdin=OURS).split("----\n")
    claimed = set(re.findall(r"sch[0-9a-f]{12}", configs))
    return {"databases": set(databases.split()) - claimed, "users": set(users.split()) - claimed, "left": left.split()}


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
        done = lab.run(*arguments)
        if done.returncode != REFUSED or "lock" not in done.stderr or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert done.returncode == 0, done.stderr


def until_answers(lab: Journey) -> None:
    """Wait until the neighbour's login page is back."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        page = lab.visit("tech-school.com")
        if page is not None and page.status == 200:
            return
        time.sleep(0.2)
    raise AssertionError("the server did not come back")


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
    lab: InProcess,
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
        until_answers(lab)
    finally:
        lab.on_server("rm", "/srv/schools/edge/conf/schools/broken.conf")


def test_a_declared_school_without_a_site_gets_no_domain(lab: Journey) -> None:
    refused = lab.schoolctl("add-domain", "cuisine-school", "early.example", code=REFUSED)
    assert "new-school cuisine-school" in refused.stderr


def test_after_all_this_ansible_would_change_nothing(lab: Journey) -> None:
    assert lab.changes_left_for_ansible() == []
