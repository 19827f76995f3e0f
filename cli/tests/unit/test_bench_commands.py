import ast
from collections.abc import Callable

import pytest

from schoolctl.bench import database, site
from schoolctl.errors import SchoolctlError
from schoolctl.transport.base import Command

NAME, SECRET = "sch0123456789ab", "correct-horse_battery42"
BENCH = ("docker", "exec", "-i", "schools-tools", "bench")

COMMANDS = {
    "new site": (
        site.new_site("a.new", NAME, SECRET),
        (*BENCH, "new-site", "a.new", "--force", "--no-setup-db", "--db-name", NAME),
    ),
    "install": (site.install_app("a.new", "erpnext"), (*BENCH, "--site", "a.new", "install-app", "erpnext")),
    "scheduler": (site.enable_scheduler("a"), (*BENCH, "--site", "a", "enable-scheduler")),
    "cache": (site.clear_cache("a"), (*BENCH, "--site", "a", "clear-cache")),
    "create": (database.create(NAME, SECRET), database.CLIENT),
    "password": (database.set_password(NAME, SECRET), database.CLIENT),
    "drop": (database.drop(NAME), database.CLIENT),
    "exists": (database.exists(NAME), database.CLIENT),
    "tables": (database.tables(NAME), database.CLIENT),
}


@pytest.mark.parametrize(("command", "argv"), COMMANDS.values(), ids=COMMANDS)
def test_each_command_is_its_argv_and_no_secret_is_in_it(command: Command, argv: tuple[str, ...]) -> None:
    assert command.argv == argv
    assert SECRET not in " ".join(command.argv)
    if SECRET in command.stdin:
        assert command.secrets == (SECRET,)


def test_the_administrators_password_is_typed_twice_on_stdin() -> None:
    assert site.new_site("a", NAME, SECRET).stdin == f"{SECRET}\n{SECRET}\n"


def test_a_databases_user_may_do_everything_there_and_nothing_elsewhere() -> None:
    grants = [line for line in database.create(NAME, SECRET).stdin.splitlines() if line.startswith("GRANT")]
    assert grants == [f"GRANT ALL PRIVILEGES ON `{NAME}`.* TO '{NAME}'@'%';"]


def test_dropping_what_is_not_there_is_no_error() -> None:
    # The database, the user of its school, and the reader of its dumps.
    assert database.drop(NAME).stdin.count("IF EXISTS") == 3


HOSTILE = [
    "", "mysql", "sch", "sch0123456789AB", "sch0123456789ab ", "sch0123456789ab\n", "sch0123456789abc",
    "sch_123456789ab", "sch%", "sch0123456789ab`; DROP DATABASE mysql; --", "../sch0123456789ab", "--all-databases",
]  # fmt: skip


ASKING: dict[str, Callable[[str], Command]] = {
    "drop": database.drop,
    "exists": database.exists,
    "tables": database.tables,
    "load": database.load,
    "load as owner": lambda name: database.load_as_owner(name, SECRET),
    "versions": database.versions,
    "secrets": database.stored_secrets,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("make", ASKING.values(), ids=ASKING)
def test_no_other_name_ever_reaches_sql(make: Callable[[str], Command], name: str) -> None:
    with pytest.raises(SchoolctlError):
        make(name)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_other_name_gets_a_user(name: str) -> None:
    with pytest.raises(SchoolctlError):
        database.create(name, SECRET)
    with pytest.raises(SchoolctlError):
        database.set_password(name, SECRET)


def test_what_comes_from_outside_is_loaded_by_the_databases_own_user_in_a_sandbox_with_no_password_in_sight() -> None:
    command = database.load_as_owner(NAME, SECRET)
    words = " ".join(command.argv)
    assert "--sandbox --local-infile=0" in words
    assert command.argv[-1] == NAME
    assert SECRET not in words
    assert command.stdin == f"{SECRET}\n"


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("CREATE TABLE a\nERROR 1273 (HY000) at line 7: Unknown collation: 'x'", True),
        ("ERROR 1064 (42000) at line 1: You have an error in your SQL syntax", True),
        ("ERROR 2013 (HY000) at line 7: Lost connection to server during query", False),
        ("ERROR 1114 (HY000) at line 7: The table 'tabUser' is full", False),
        ('ERROR 1005 (HY000) at line 3: Can\'t create table `a`.`b` (errno: 28 "No space left on device")', False),
        ('ERROR 1030 (HY000) at line 9: Got error 28 "No space left on device" from storage engine InnoDB', False),
        ("ERROR 1203 (42000): User root already has more than 'max_user_connections' active connections", False),
        ("ERROR 1290 (HY000) at line 1: The MariaDB server is running with the --read-only option", False),
        ("Error response from daemon: container 4f is not running", False),
        ("", False),
    ],
)
def test_what_mariadb_refuses_is_told_from_its_own_failures(said: str, refused: bool) -> None:
    assert database.refusal(said) == (said.splitlines()[-1] if refused else None)


@pytest.mark.parametrize("password", ["", "short", "x' OR '1'='1' -- long", "a" * 65, "back\\slash-long-enough"])
def test_a_password_that_sql_would_have_to_escape_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="escape"):
        database.create(NAME, password)


@pytest.mark.parametrize(
    "title", ["Tech School", "L'école \"d'été\"", "a\\b", "{curly}", "__import__('os').system('id')"]
)
def test_text_handed_to_a_function_is_a_literal_whatever_it_says(title: str) -> None:
    argv = site.execute("a", "lms_app.setup.personalise", {"title": title}).argv
    assert argv[:-1] == (*BENCH, "--site", "a", "execute", "lms_app.setup.personalise", "--kwargs")
    assert ast.literal_eval(argv[-1]) == {"title": title}


def test_a_command_of_the_user_is_passed_word_for_word() -> None:
    words = ["execute", "x; rm -rf /", "--kwargs", "{'a': '$(id)'}", "--site", "other"]
    assert site.passthrough("a", words, tty=False) == (*BENCH, "--site", "a", *words)
    assert site.passthrough("a", words, tty=True)[2] == "-it"
