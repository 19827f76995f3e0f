"""What bench_stack promises: every service runs, and none can do more than it must."""

import json
import re
import subprocess
import time

import pytest
from conftest import SCHOOLS

SERVICES = ["cache", "db", "edge", "queue", "realtime", "scheduler", "tools", "web", "worker-long", "worker-short"]


def test_every_service_runs_and_is_healthy(lab, containers):
    assert sorted(containers) == SERVICES
    for name in SERVICES:
        status = ("docker", "inspect", "--format={{.State.Health.Status}}", f"schools-{name}")
        for _ in range(30):
            if lab.on_server(*status).strip() != "starting":
                break
            time.sleep(1)
        assert lab.on_server(*status).strip() == "healthy", name


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_held_to_its_limits(containers, name: str):
    host, config = containers[name]["HostConfig"], containers[name]["Config"]

    assert host["Memory"] > 0
    assert host["CapDrop"] == ["ALL"]
    assert host["ReadonlyRootfs"]
    assert 0 < host["PidsLimit"] <= 1024
    assert not host["Privileged"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["LogConfig"]["Config"] == {"max-file": "3", "max-size": "10m"}
    assert config["User"].partition(":")[0] not in ("", "0", "root")


def test_only_the_edge_is_published(containers):
    published = {name for name, container in containers.items() if container["HostConfig"]["PortBindings"]}

    assert published == {"edge"}


def test_the_edge_cannot_reach_the_data(lab):
    for service, port in (("db", 3306), ("cache", 6379), ("queue", 6379)):
        assert not _connects(lab, "schools-edge", service, port)
        assert _connects(lab, "schools-web", service, port)


def test_what_keeps_data_or_listens_to_browsers_cannot_reach_the_world(lab, containers):
    for name in ("db", "cache", "queue", "realtime"):
        for network in containers[name]["NetworkSettings"]["Networks"]:
            assert lab.on_server("docker", "network", "inspect", "--format={{.Internal}}", network).strip() == "true"


def test_no_password_opens_the_whole_database(lab):
    powerful = "plugin <> 'unix_socket' AND (super_priv = 'Y' OR password = '')"
    accounts = lab.sql("mysql", f"SELECT CONCAT(user, '@', host) FROM user WHERE {powerful};")  # noqa: S608 - a constant

    assert [account for account in accounts if account != "mariadb.sys@localhost"] == []
    assert not _succeeds(lab, "schools-tools", "mariadb", "--host=db", "--user=root", "--execute=SELECT 1")


def test_a_schools_database_user_may_do_everything_in_its_own_database_and_nothing_elsewhere(lab):
    users = lab.sql("mysql", "SELECT user FROM global_priv WHERE user LIKE 'sch%';")

    assert len(users) >= len(SCHOOLS)
    for user in users:
        everywhere, *elsewhere = lab.sql("mysql", f"SHOW GRANTS FOR '{user}'@'%';")
        # Letters and digits alone: `_` and `%` would let it into databases whose names are alike.
        assert re.fullmatch(r"sch[0-9a-f]{12}", user)
        assert everywhere.startswith(f"GRANT USAGE ON *.* TO `{user}`@`%` IDENTIFIED BY PASSWORD ")
        assert elsewhere == [f"GRANT ALL PRIVILEGES ON `{user}`.* TO `{user}`@`%`"]


def test_nobody_else_has_rights_on_a_schools_database(lab):
    rights = lab.sql(
        "mysql", "SELECT user, db FROM db UNION SELECT user, db FROM tables_priv UNION SELECT user, db FROM procs_priv;"
    )

    assert [
        right for right in rights if right.split("\t")[1].startswith("sch") and len(set(right.split("\t"))) > 1
    ] == []
    assert lab.sql("mysql", "SELECT * FROM roles_mapping;") == []


def test_no_school_can_take_every_connection(lab):
    [limits] = lab.sql("mysql", "SELECT @@max_user_connections, @@max_connections;")
    of_one, of_all = map(int, limits.split())

    assert 0 < of_one < of_all


def test_redis_asks_for_the_password_and_shows_it_to_nobody(lab, containers):
    password = lab.on_server("cat", "/srv/schools/secrets/redis_password").strip()

    assert len(password) == 48
    for name in ("schools-cache", "schools-queue"):
        assert "NOAUTH" in lab.on_server("docker", "exec", name, "redis-cli", "ping")
    assert password not in json.dumps(containers)
    assert password not in lab.on_server("ps", "axeww", "-o", "args")


@pytest.mark.parametrize(
    ("path", "expected"),
    {
        "secrets/redis_password": "400 root root",
        "config/redis": "700 root root",
        "config/bench/health.py": "555 root root",
        "web": "750 frappe frappe",
        "sites": "1770 root frappe",
        "sites/common_site_config.json": "640 root frappe",
        "sites/tech-school/site_config.json": "600 frappe frappe",
        "edge/conf/schools/tech-school.conf": "644 root root",
    }.items(),
)
def test_what_is_on_the_disk_is_closed(lab, path: str, expected: str):
    assert lab.on_server("stat", "--format=%a %U %G", f"/srv/schools/{path}").strip() == expected


def test_the_edge_reads_what_schools_publish_and_not_how_they_are_set(lab):
    sites = "/srv/schools/sites/tech-school"

    assert _succeeds(lab, "schools-edge", "ls", f"{sites}/public/files")
    assert not _succeeds(lab, "schools-edge", "cat", f"{sites}/site_config.json")
    assert not _succeeds(lab, "schools-edge", "touch", f"{sites}/public/files/from-the-edge")


def test_the_bench_is_ill_when_it_answers_for_no_school_and_not_for_what_ails_the_schools(lab):
    databases = [
        json.loads(lab.on_server("cat", f"/srv/schools/sites/{slug}/site_config.json"))["db_name"] for slug in SCHOOLS
    ]
    spoilt, mended = "RENAME TABLE `{0}`.tabSingles TO `{0}`.spoilt;", "RENAME TABLE `{0}`.spoilt TO `{0}`.tabSingles;"
    assert _health(lab, "schools-web", "web") == (0, "")
    try:
        lab.sql("mysql", "".join(map(spoilt.format, databases)))
        assert _health(lab, "schools-web", "web") == (0, "")
    finally:
        lab.sql("mysql", "".join(map(mended.format, databases)))
    # All but the container's first process and the shell that says it.
    _in(lab, "schools-web", "kill -STOP -1")
    try:
        code, said = _health(lab, "schools-web", "web")
        assert code == 1
        assert said.endswith(" does not answer\n")
    finally:
        _in(lab, "schools-web", "kill -CONT -1")
    assert _health(lab, "schools-web", "web") == (0, "")


def test_a_database_that_is_away_is_no_illness_of_the_bench(lab):
    """The database's own check tells of it; nothing that waits for a well bench may wait because of it."""
    lab.on_server("docker", "pause", "schools-db")
    try:
        assert _health(lab, "schools-web", "web") == (0, "")
    finally:
        lab.on_server("docker", "unpause", "schools-db")


@pytest.mark.parametrize("name", ["schools-worker-short", "schools-worker-long", "schools-scheduler"])
def test_a_service_that_stands_still_for_long_is_ill_until_it_stirs(lab, name: str):
    first = "$(for each in /proc/[0-9]*; do grep -q '^PPid:.1$' $each/status && echo ${each#/proc/} && break; done)"
    _in(lab, name, f"kill -STOP {first}")
    try:
        assert _health(lab, name, "work") == (0, "")
        # As if the last look had been long ago.
        _in(lab, name, "set -- $(cat /tmp/schools-health); printf '%s %s -9999' $1 $2 > /tmp/schools-health")
        code, said = _health(lab, name, "work")
        assert code == 1
        assert "it has not stirred for" in said
    finally:
        _in(lab, name, f"kill -CONT {first}")
    for _ in range(90):
        if _health(lab, name, "work")[0] == 0:
            break
        time.sleep(1)
    assert _health(lab, name, "work") == (0, "")


def test_a_changed_setting_recreates_the_service_that_reads_it_and_leaves_the_others(lab, containers, play):
    """The server's file is spoilt and its hash with it, as after a change of the template."""
    lab.on_server("sh", "-c", "echo '# spoilt' >> /srv/schools/config/redis/queue.conf")
    lab.on_server("sed", "--in-place", "s/^QUEUE_CONFIG=.*/QUEUE_CONFIG=spoilt/", "/srv/schools/compose/.env")
    lab.on_server(
        "docker", "compose", "--project-directory", "/srv/schools/compose", "up", "--detach", "--wait", "queue"
    )
    play("bench")

    changed = {
        name
        for name, container in containers.items()
        if lab.on_server("docker", "inspect", "--format={{.Id}}", f"schools-{name}").strip() != container["Id"]
    }
    # Compose also recreates what depends on it: the bench, which is of no use without its queue.
    assert "queue" in changed
    assert not {"db", "cache", "edge"} & changed
    assert "spoilt" not in lab.on_server("cat", "/srv/schools/config/redis/queue.conf", "/srv/schools/compose/.env")


def _health(lab, container: str, of: str) -> tuple[int, str]:
    """Ask a service as Docker does; return exit code and what it says."""
    inside = ["docker", "exec", lab.container, "docker", "exec", container, "schools-health", of]
    done = subprocess.run(inside, capture_output=True, text=True)
    return done.returncode, done.stderr


def _in(lab, container: str, script: str) -> None:
    lab.on_server("docker", "exec", container, "sh", "-euc", script)


def _succeeds(lab, container: str, *argv: str) -> bool:
    inside = ["docker", "exec", lab.container, "docker", "exec", container, *argv]
    return subprocess.run(inside, capture_output=True).returncode == 0


def _connects(lab, container: str, host: str, port: int) -> bool:
    return _succeeds(lab, container, "timeout", "5", "bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}")
