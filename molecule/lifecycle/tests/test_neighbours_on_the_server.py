"""What a school's part of the server can reach when somebody got into it: database, Redis, networks, Docker.

The stronger the attacker, the less is left: whoever runs code in the bench is every school there.
"""

import json
import re
from collections.abc import Iterator

import pytest
from journey import Journey
from neighbours import ATTACKER, VICTIM, inside, open_doors, site_config

DENIED = {
    "1044": "access to a database",
    "1045": "access with this password",
    "1142": "a command on a table",
    "1227": "a privilege of administrators",
    "1410": "to give rights away",
    "1698": "access without the right system user",
}
BENCH = ("schools-web", "schools-worker-short", "schools-worker-long", "schools-scheduler", "schools-tools")


# --- database ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(lab: Journey) -> dict[str, str]:
    """Return name and password of the attacker's database user."""
    config = site_config(lab, ATTACKER)
    return {"name": config["db_name"], "password": config["db_password"]}


@pytest.fixture(scope="module")
def lookalikes(lab: Journey, own: dict[str, str]) -> Iterator[list[str]]:
    """Make databases whose names a wildcard, a prefix or a careless comparison would take for the attacker's own."""
    name = own["name"]
    names = [
        f"{name}x",
        name[:-1],
        f"{name[:-1]}_",
        f"{name[:-1]}%",
        f"{name[:5]}_{name[6:]}",
        f"x{name[1:]}",
        name.upper(),
    ]
    make = "CREATE DATABASE `{0}`; CREATE TABLE `{0}`.marks (mark INT); INSERT INTO `{0}`.marks VALUES (6);"
    lab.sql("mysql", "\n".join(make.format(each) for each in names))
    yield names
    lab.sql("mysql", "\n".join(f"DROP DATABASE `{each}`;" for each in names))


def told(lab: Journey, user: str, password: str, *statements: str) -> list[tuple[str, list[str]]]:
    """Run statements as a database user, each whatever came of the one before; return error code and rows of each."""
    program = (
        "import json, sys\n"
        "import pymysql\n"
        "user, password, *statements = json.load(sys.stdin)\n"
        "told = []\n"
        "try:\n"
        "    words = {'host': 'db', 'user': user, 'password': password, 'autocommit': True, 'local_infile': True}\n"
        "    connection = pymysql.connect(**words)\n"
        "except pymysql.MySQLError as fault:\n"
        "    told = [(str(fault.args[0]), [])] * len(statements)\n"
        "    statements = []\n"
        "for statement in statements:\n"
        "    with connection.cursor() as cursor:\n"
        "        try:\n"
        "            cursor.execute(statement)\n"
        "            told.append(('', ['\\t'.join(map(str, row)) for row in cursor.fetchall()]))\n"
        "        except pymysql.MySQLError as fault:\n"
        "            told.append((str(fault.args[0]), []))\n"
        "print(json.dumps(told))\n"
    )
    done = inside(lab, "schools-tools", "python3", "-c", program, stdin=json.dumps([user, password, *statements]))
    assert done.returncode == 0, done.stderr
    return [(code, rows) for code, rows in json.loads(done.stdout)]


def test_a_school_s_database_user_reaches_no_database_that_looks_like_its_own(
    lab: Journey, own: dict[str, str], lookalikes: list[str]
) -> None:
    statements = [
        form.format(name)
        for name in (*lookalikes, site_config(lab, VICTIM)["db_name"])
        for form in (
            "USE `{0}`",
            "SELECT * FROM `{0}`.marks",
            "INSERT INTO `{0}`.marks VALUES (1)",
            "CREATE TABLE `{0}`.more (mark INT)",
            "DROP TABLE `{0}`.marks",
            "DROP DATABASE `{0}`",
            "CREATE VIEW `{1}`.marks AS SELECT * FROM `{0}`.marks".replace("{1}", own["name"]),
            "RENAME TABLE `{0}`.marks TO `{1}`.marks".replace("{1}", own["name"]),
        )
    ]
    answers = told(lab, own["name"], own["password"], *statements)

    assert [statement for statement, (code, _) in zip(statements, answers, strict=True) if code not in DENIED] == []
    left = [lab.sql("mysql", f"SELECT mark FROM `{name}`.marks;") for name in lookalikes]  # noqa: S608 - names made here
    assert left == [["6"]] * len(lookalikes)


def test_a_school_s_database_user_reads_no_grants_no_files_and_no_questions_of_others(
    lab: Journey, own: dict[str, str]
) -> None:
    victim = site_config(lab, VICTIM)["db_name"]
    statements = [
        "SELECT * FROM mysql.global_priv",
        "SELECT * FROM mysql.user",
        "SELECT * FROM mysql.db",
        f"SHOW GRANTS FOR '{victim}'@'%'",
        f"SHOW CREATE USER '{victim}'@'%'",
        "SHOW ENGINE INNODB STATUS",
        "SELECT 1 INTO OUTFILE '/tmp/neighbours'",
        "CREATE USER neighbour@'%' IDENTIFIED BY 'x'",
        f"GRANT ALL ON `{victim}`.* TO '{own['name']}'@'%'",
        f"ALTER USER '{victim}'@'%' IDENTIFIED BY 'x'",
        f"CREATE DEFINER = '{victim}'@'%' VIEW `{own['name']}`.neighbours AS SELECT 1",
        f"CREATE DEFINER = 'root'@'localhost' VIEW `{own['name']}`.neighbours AS SELECT 1",
        "CREATE DATABASE neighbours",
        "CREATE DATABASE test",
        "SET GLOBAL general_log = 1",
        "SET GLOBAL local_infile = 1",
        "INSTALL SONAME 'ha_connect'",
        "SHUTDOWN",
    ]
    answers = told(lab, own["name"], own["password"], *statements)

    assert [statement for statement, (code, _) in zip(statements, answers, strict=True) if code not in DENIED] == []
    # Where the client may send a file of the bench, and where the server would read one of its own.
    local, load = told(
        lab,
        own["name"],
        own["password"],
        f"LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE `{own['name']}`.tabDefaultValue (name)",
        "SELECT LOAD_FILE('/etc/hostname')",
    )
    assert local[0] != ""
    assert load == ("", ["None"])


def test_a_school_s_database_user_sees_no_other_database_and_nobody_at_work(lab: Journey, own: dict[str, str]) -> None:
    victim = site_config(lab, VICTIM)
    busy = (
        "import json, pymysql, sys\n"
        "user, password, other, others = json.load(sys.stdin)\n"
        "at_work = pymysql.connect(host='db', user=other, password=others)\n"
        "with pymysql.connect(host='db', user=user, password=password).cursor() as cursor:\n"
        "    cursor.execute('SHOW DATABASES')\n"
        "    databases = [row[0] for row in cursor.fetchall()]\n"
        "    cursor.execute('SHOW PROCESSLIST')\n"
        "    people = [row[1] for row in cursor.fetchall()]\n"
        "    try:\n"
        "        cursor.execute(f'KILL {at_work.thread_id()}')\n"
        "    except pymysql.MySQLError as fault:\n"
        "        print(json.dumps([databases, people, fault.args[0]]))\n"
    )
    words = [own["name"], own["password"], victim["db_name"], victim["db_password"]]
    done = inside(lab, "schools-tools", "python3", "-c", busy, stdin=json.dumps(words))
    databases, people, refusal = json.loads(done.stdout)

    assert set(databases) == {"information_schema", own["name"]}
    assert set(people) == {own["name"]}
    assert refusal == 1095


@pytest.mark.parametrize("user", ["root", "mysql", "mariadb.sys", ""])
def test_nobody_administers_the_database_over_the_network(lab: Journey, own: dict[str, str], user: str) -> None:
    for password in ("", own["password"]):
        [(code, _)] = told(lab, user, password, "SELECT 1")
        assert code in DENIED


def test_the_password_of_one_school_opens_no_user_of_another(lab: Journey, own: dict[str, str]) -> None:
    [(code, _)] = told(lab, site_config(lab, VICTIM)["db_name"], own["password"], "SELECT 1")
    assert code in DENIED


# --- Redis ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", ["cache", "queue"])
@pytest.mark.parametrize(
    "greeting", ["", "AUTH wrong", "AUTH default wrong", "AUTH schools wrong", "HELLO 3 AUTH default wrong"]
)
def test_redis_says_nothing_without_its_password(lab: Journey, server: str, greeting: str) -> None:
    said = redis(
        lab, "schools-tools", server, greeting, "KEYS *", "CONFIG GET requirepass", "EVAL return(1) 0", "ACL LIST"
    )

    assert said
    assert all(line.startswith(("-NOAUTH", "-WRONGPASS", "-ERR")) for line in said), said


def redis(lab: Journey, container: str, server: str, *commands: str) -> list[str]:
    """Say some lines to Redis and return its answers."""
    lines = "".join(f"{command}\\r\\n" for command in (*commands, "QUIT") if command)
    talk = f"exec 3<>/dev/tcp/{server}/6379 && printf '{lines}' >&3 && timeout 3 cat <&3"
    said = inside(lab, container, "bash", "-c", talk).stdout.replace("\r", "").splitlines()
    return said[:-1] if said and said[-1] == "+OK" else said


# --- networks and Docker ----------------------------------------------------------------------------------------------


def test_the_edge_reaches_neither_database_nor_redis(lab: Journey) -> None:
    doors = [("db", 3306), ("cache", 6379), ("queue", 6379)]
    addresses = [(address_of(lab, f"schools-{server}"), port) for server, port in doors]

    assert open_doors(lab, "schools-tools", *doors) == doors
    assert open_doors(lab, "schools-edge", *doors, *addresses) == []


def test_nothing_but_the_edge_reaches_the_realtime_server(lab: Journey) -> None:
    """It believes whatever Origin it is told to ask: one that the edge did not check opens every school's events."""
    doors = [("realtime", 9000), (address_of(lab, "schools-realtime"), 9000)]

    assert ("realtime", 9000) in open_doors(lab, "schools-edge", *doors)
    for container in ("schools-web", "schools-worker-short", "schools-tools"):
        assert open_doors(lab, container, *doors) == []


def test_the_realtime_server_reaches_neither_database_nor_bench_nor_the_world(lab: Journey) -> None:
    needed, doors = [("queue", 6379), ("edge", 8090)], [("db", 3306), ("cache", 6379)]
    addresses = [(address_of(lab, f"schools-{server}"), port) for server, port in doors]

    assert open_doors(lab, "schools-realtime", *needed) == needed
    assert open_doors(lab, "schools-realtime", *doors, *addresses) == []
    assert "\t00000000\t00000000\t" not in inside(lab, "schools-realtime", "cat", "/proc/net/route").stdout


@pytest.mark.parametrize("container", [*BENCH, "schools-realtime", "schools-edge"])
def test_gunicorn_has_no_port_and_its_socket_is_the_edge_s_alone(lab: Journey, container: str) -> None:
    listening = inside(lab, "schools-web", "cat", "/proc/net/tcp", "/proc/net/tcp6").stdout
    # Docker's own resolver, on the loopback, is the one that listens.
    assert {line.split()[1].partition(":")[0] for line in listening.splitlines() if " 0A " in line} <= {"0B00007F"}

    seen = inside(lab, container, "sh", "-c", "ls /run/web/gunicorn.sock; cut -d' ' -f5 /proc/self/mountinfo").stdout
    assert ("/run/web" in seen) == (container in ("schools-web", "schools-edge"))


@pytest.fixture(scope="module")
def stranger(lab: Journey) -> Iterator[str]:
    """Run what somebody else may have on this server: a container of another project, with a database of its own."""
    image = lab.project.platform.images.redis
    lab.on_server("docker", "network", "create", "neighbours")
    lab.on_server(
        *("docker", "run", "--detach", "--rm", "--name", "neighbours", "--network", "neighbours"),
        *("--entrypoint", "redis-server", image, "--protected-mode", "no", "--save", ""),
    )
    yield "neighbours"
    lab.on_server("docker", "rm", "--force", "neighbours")
    lab.on_server("docker", "network", "rm", "neighbours")


def test_the_bench_and_another_project_on_the_server_do_not_reach_each_other(lab: Journey, stranger: str) -> None:
    theirs = (address_of(lab, stranger), 6379)
    services = {"db": 3306, "cache": 6379, "queue": 6379, "realtime": 9000, "edge": 8090}
    ours = [(address_of(lab, f"schools-{service}"), port) for service, port in services.items()]

    assert open_doors(lab, stranger, ("127.0.0.1", 6379), *ours) == [("127.0.0.1", 6379)]
    for container in ("schools-web", "schools-tools", "schools-edge", "schools-realtime"):
        assert open_doors(lab, container, theirs) == []


@pytest.mark.parametrize("container", [*BENCH, "schools-edge", "schools-realtime", "schools-db", "schools-queue"])
def test_no_container_has_a_way_to_docker(lab: Journey, container: str) -> None:
    script = "ls /var/run/docker.sock /run/docker.sock /run/containerd 2>/dev/null; cut -d' ' -f5 /proc/self/mountinfo"
    seen = inside(lab, container, "sh", "-c", script).stdout

    assert "/proc" in seen.split()
    assert not re.search(r"docker\.sock|containerd", seen)


def test_the_bench_reaches_no_port_of_the_server_but_those_that_are_public(lab: Journey) -> None:
    [gateway] = lab.on_server(
        "docker", "network", "inspect", "--format={{(index .IPAM.Config 0).Gateway}}", "schools_front"
    ).split()
    doors = [(gateway, port) for port in (2375, 2376, 3306, 6379, 8000, 9000)]

    assert open_doors(lab, "schools-web", *doors) == []


@pytest.mark.parametrize("file", ["common_site_config.json", "apps.txt"])
def test_the_bench_cannot_put_something_else_in_the_place_of_what_all_schools_share(lab: Journey, file: str) -> None:
    script = f"cd sites && touch neighbours && ! {{ mv -n {file} neighbours-{file} && mv neighbours-{file} {file}; }}"
    done = inside(
        lab, "schools-tools", "sh", "-c", f"{script}; told=$?; ! test -w {file} || told=1; rm neighbours; exit $told"
    )

    assert done.returncode == 0, "it could be moved away, or written to"


def address_of(lab: Journey, container: str) -> str:
    """Return a container's address on the first of its networks."""
    form = "--format={{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    return lab.on_server("docker", "inspect", form, container).split()[0]
