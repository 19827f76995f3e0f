import gzip
import hashlib
import http.server
import json
import os
import signal
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schoolctl.errors import UnreachableError
from schoolctl.remote import agent as agent_module
from schoolctl.transport.session import ServerFaultError
from tests.support.local_agent import OWN, LocalAgent, program

Start = Callable[..., LocalAgent]
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "schools"
    for name in ("sites", "journal", "backups"):
        (path / name).mkdir(parents=True)
    return path


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    agents: list[LocalAgent] = []

    def begin(path: Path | None = None) -> LocalAgent:
        agents.append(LocalAgent(root, path=path))
        return agents[-1]

    yield begin
    for agent in agents:
        agent.end()


@pytest.fixture
def agent(start: Start) -> LocalAgent:
    return start()


def refused(agent: LocalAgent, operation: str, **arguments: object) -> ServerFaultError:
    with pytest.raises(ServerFaultError) as raised:
        agent(operation, **arguments)
    return raised.value


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.02)


def lock(agent: LocalAgent, what: str = "backup a") -> None:
    agent("lock", who="ann@desk", what=what, since="2026-01-31T02:00:00Z")


def audit(root: Path) -> list[dict[str, object]]:
    file = root / "audit.log"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


# --- the session ------------------------------------------------------------------------------------------------------


@needs_root
def test_a_second_command_is_told_who_holds_the_lock_since_when_and_why(start: Start, root: Path) -> None:
    first, second = start(), start()
    lock(first)
    fault = refused(second, "lock", who="bob", what="restore b", since="now")
    assert fault.kind == "locked"
    assert fault.because == "ann@desk has held the lock since 2026-01-31T02:00:00Z, doing: backup a"
    first("release", result="done")
    lock(second)
    assert [line["result"] for line in audit(root)] == ["done"]


@needs_root
def test_a_holder_that_is_killed_frees_the_lock(start: Start) -> None:
    first, second = start(), start()
    lock(first)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    lock(second)


@needs_root
def test_the_lock_outlives_a_vanished_client_until_its_command_has_ended(start: Start, root: Path) -> None:
    first, second = start(), start()
    lock(first)
    gate, done = root / "gate", root / "done"
    first.to_agent.write(
        json.dumps(
            {"id": 9, "do": "run", "argv": ["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done; touch {done}"]}
        ).encode()
        + b"\n"
    )
    first.to_agent.flush()
    time.sleep(0.2)
    first.vanish()
    time.sleep(0.3)
    assert refused(second, "lock", who="bob", what="x", since="now").kind == "locked"
    assert audit(root) == []
    gate.touch()
    first.process.wait(timeout=10)
    assert done.exists()
    lock(second)
    assert audit(root)[0]["result"] == "client gone"
    assert audit(root)[0]["who"] == "ann@desk"


@needs_root
def test_signals_of_a_dying_login_do_not_end_the_work(start: Start, root: Path) -> None:
    agent = start()
    lock(agent)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        agent.process.send_signal(number)
    assert agent("exists", paths=[str(root / "sites")]) == [True]


@needs_root
def test_a_release_that_cannot_write_its_line_still_frees_the_lock(start: Start, root: Path) -> None:
    first, second = start(), start()
    lock(first)
    (root / "audit.log").mkdir()
    assert refused(first, "release", result="done").kind == "os"
    lock(second)


def test_a_server_without_the_root_folder_is_not_provisioned(tmp_path: Path) -> None:
    agent = LocalAgent(tmp_path / "nowhere")
    assert refused(agent, "lock", who="a", what="b", since="c").kind == "unprovisioned"
    assert agent.end() == ""


def test_a_bug_is_told_and_does_not_end_the_agent(agent: LocalAgent) -> None:
    fault = refused(agent, "hash", path=7)
    assert fault.kind == "bug"
    assert "Traceback" in fault.details
    assert agent("hello")["python"] >= [3, 10]


def test_an_operation_that_does_not_exist_is_told(agent: LocalAgent) -> None:
    assert refused(agent, "no_such_thing").kind == "bug"


def test_an_agent_that_died_is_a_lost_connection(agent: LocalAgent) -> None:
    agent.process.kill()
    agent.process.wait()
    with pytest.raises(UnreachableError, match="Lost the connection to vps1"):
        agent("hello")


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{root}", "{root}/..", "{root}/../x", "{root}/sites/../../x", "{root}/out/x", "x", ""]
)
@pytest.mark.parametrize("operation", ["read", "remove", "hash", "list"])
def test_no_path_leads_out_of_the_root(agent: LocalAgent, root: Path, path: str, operation: str) -> None:
    (root / "out").symlink_to("/etc")
    assert refused(agent, operation, path=path.format(root=root)).kind == "outside"


@pytest.mark.parametrize("operation", ["read", "hash"])
def test_a_link_in_a_files_place_is_not_followed(agent: LocalAgent, root: Path, operation: str) -> None:
    (root / "sites" / "site_config.json").symlink_to("/etc/passwd")
    assert refused(agent, operation, path=f"{root}/sites/site_config.json").kind == "os"


def test_neither_copy_nor_pack_follows_a_link_that_a_site_laid(agent: LocalAgent, root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (root / "sites" / "link").symlink_to(secret / "key")
    assert refused(agent, "copy", source=f"{root}/sites/link", target=f"{root}/copy", mode="0600", **OWN).kind == "os"
    (root / "sites" / "a" / "private").mkdir(parents=True)
    (root / "sites" / "a" / "private" / "files").symlink_to(secret)
    names = ["private/files"]
    fault = refused(agent, "pack", folder=f"{root}/sites/a", names=names, path=f"{root}/files.tar", **OWN)
    assert fault.kind == "outside"


def test_a_file_is_replaced_as_a_whole_with_its_mode(agent: LocalAgent, root: Path) -> None:
    path = root / "sites" / "a.json"
    assert agent("write", path=str(path), text="one", mode="0640", **OWN) is None
    first = path.stat().st_ino
    assert agent("write", path=str(path), text="two", mode="0600", **OWN) == "one"
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_ino != first
    assert sorted(os.listdir(root / "sites")) == ["a.json"]  # noqa: PTH208 - hidden ones too


def test_a_write_that_fails_leaves_the_old_file_and_no_candidate(agent: LocalAgent, root: Path) -> None:
    path = root / "sites" / "a.json"
    path.write_text("one")
    assert refused(agent, "write", path=str(path), text="two", mode="0600", owner="nobody-here", group="0").kind
    assert path.read_text() == "one"
    assert [entry.name for entry in (root / "sites").iterdir()] == ["a.json"]


@needs_root
def test_a_site_folder_belongs_to_the_bench(agent: LocalAgent, root: Path) -> None:
    new = {"path": f"{root}/sites/a", "mode": "0750", "owner": "11000", "group": "11000"}
    assert agent("make_folder", **new) is True
    assert agent("make_folder", **new) is False
    found = (root / "sites" / "a").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (11000, 11000, 0o750)


def test_merging_changes_and_removes_keys_and_keeps_the_rest(agent: LocalAgent, root: Path) -> None:
    (root / "a.json").write_text(json.dumps({"encryption_key": "k", "db_name": "old", "pause_scheduler": 1}))
    changes = {"db_name": "new", "pause_scheduler": None}
    agent("merge_json", source=f"{root}/a.json", target=f"{root}/b.json", changes=changes, mode="0600", **OWN)
    assert json.loads((root / "b.json").read_text()) == {"encryption_key": "k", "db_name": "new"}


@pytest.mark.parametrize(("text", "kind"), [("{", "damaged"), ("[1]", "damaged"), (None, "missing")])
def test_merging_a_damaged_file_is_refused(agent: LocalAgent, root: Path, text: str | None, kind: str) -> None:
    if text is not None:
        (root / "a.json").write_text(text)
    merge = {"source": f"{root}/a.json", "target": f"{root}/b.json", "changes": {}, "mode": "0600", **OWN}
    assert refused(agent, "merge_json", **merge).kind == kind
    assert not (root / "b.json").exists()


def test_only_the_named_keys_of_a_file_are_sent(agent: LocalAgent, root: Path) -> None:
    (root / "a.json").write_text(json.dumps({"db_name": "x", "db_password": "secret"}))
    assert agent("read_json", path=f"{root}/a.json", keys=["db_name", "host_name"]) == {"db_name": "x"}


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b""])
def test_a_damaged_json_file_reads_as_none(agent: LocalAgent, root: Path, content: bytes) -> None:
    (root / "a.json").write_bytes(content)
    assert agent("read_json", path=f"{root}/a.json", keys=["db_name"]) is None


def test_a_file_that_is_not_text_is_called_damaged(agent: LocalAgent, root: Path) -> None:
    (root / "a").write_bytes(b"\xff\xfe")
    assert refused(agent, "read", path=f"{root}/a").kind == "damaged"


def test_two_folders_change_places_in_one_step(agent: LocalAgent, root: Path) -> None:
    for name in ("one", "other"):
        (root / name).mkdir()
        (root / name / "here").write_text(name)
    agent("exchange", one=f"{root}/one", other=f"{root}/other")
    assert (root / "one" / "here").read_text() == "other"
    assert (root / "other" / "here").read_text() == "one"
    assert refused(agent, "exchange", one=f"{root}/one", other=f"{root}/absent").kind == "os"


def test_a_rename_never_replaces_what_is_there(agent: LocalAgent, root: Path) -> None:
    for name in ("a.new", "a"):
        (root / "sites" / name).mkdir()
    assert refused(agent, "rename", source=f"{root}/sites/a.new", target=f"{root}/sites/a").kind == "exists"
    (root / "sites" / "a").rmdir()
    agent("rename", source=f"{root}/sites/a.new", target=f"{root}/sites/a")
    assert agent("list", path=f"{root}/sites") == ["a"]


def test_removing_takes_a_whole_folder_but_only_the_name_of_a_link(agent: LocalAgent, root: Path) -> None:
    (root / "sites" / "a" / "b").mkdir(parents=True)
    (root / "sites" / "link").symlink_to(root / "backups")
    for name in ("a", "link", "absent"):
        agent("remove", path=f"{root}/sites/{name}")
    assert agent("list", path=f"{root}/sites") == []
    assert (root / "backups").is_dir()


def test_packing_holds_every_file_below_the_named_folders_and_nothing_else(agent: LocalAgent, root: Path) -> None:
    site = root / "sites" / "a"
    for name in ("public/files/b/deep.txt", "public/files/a.txt", "private/backups/old.sql", "site_config.json"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(name)
    names = ["public/files", "private/files"]
    told = agent("pack", folder=str(site), names=names, path=f"{root}/files.tar", **OWN)
    with tarfile.open(root / "files.tar") as archive:
        files = [entry.name for entry in archive if entry.isfile()]
    assert files == ["public/files/a.txt", "public/files/b/deep.txt"]
    assert told["files"] == 2
    assert told["sha256"] == agent("hash", path=f"{root}/files.tar")


def test_packing_reads_as_the_folders_owner_and_not_as_root(agent: LocalAgent, root: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can read as somebody else")
    folder = root / "sites" / "a" / "files"
    folder.mkdir(parents=True)
    (folder / "roots").write_text("secret")
    (folder / "roots").chmod(0o600)
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o755)
    settings = {"names": ["files"], "path": f"{root}/files.tar", "owner": "65534", "group": "65534"}
    assert refused(agent, "pack", folder=str(folder.parent), **settings).kind == "pack"
    assert not (root / "files.tar").exists()


def test_half_a_request_is_answered_with_a_fault_and_not_with_the_end() -> None:
    assert agent_module.answer(agent_module.Agent(), b'{"id": 1, "do"')["fault"]["kind"] == "garbled"


# --- programs ---------------------------------------------------------------------------------------------------------


def test_a_program_gets_stdin_and_its_code_and_words_come_back(agent: LocalAgent) -> None:
    done = agent("run", argv=["sh", "-c", "cat; echo oops >&2; exit 3"], stdin="secret")
    assert done == {"code": 3, "stdout": "secret", "stderr": "oops\n"}


def test_an_argument_is_never_read_by_a_shell(agent: LocalAgent, root: Path) -> None:
    argument = f"$(touch {root}/made); `touch {root}/made` && touch {root}/made"
    assert agent("run", argv=["echo", argument])["stdout"] == f"{argument}\n"
    assert not (root / "made").exists()


def test_a_program_that_is_not_installed_is_named(agent: LocalAgent) -> None:
    fault = refused(agent, "run", argv=["no-such-program"])
    assert (fault.kind, fault.because) == ("no-program", "no-such-program is not installed on the server")


def test_a_program_that_takes_too_long_is_given_up(agent: LocalAgent) -> None:
    assert refused(agent, "run", argv=["sleep", "30"], timeout=0.1).kind == "timeout"


DUMP = "CREATE TABLE `a` (\n);\nCREATE TABLE `b` (\n);\nINSERT INTO `a` VALUES (1);\n-- Dump completed\n"


def test_a_whole_dump_is_counted_and_like_rows_give_like_bytes(agent: LocalAgent, root: Path) -> None:
    first = agent("dump", argv=["printf", "%s", DUMP], path=f"{root}/one.gz")
    second = agent("dump", argv=["printf", "%s", DUMP], path=f"{root}/two.gz")
    assert first["tables"] == 2
    assert first == second
    assert gzip.decompress((root / "one.gz").read_bytes()).decode() == DUMP


@pytest.mark.parametrize(
    "script", ["printf 'CREATE TABLE `a` (\\n'", "printf -- '-- Dump completed\\n'; echo lost >&2; exit 2", "true"]
)
def test_a_truncated_or_failed_dump_is_refused_and_leaves_no_file(agent: LocalAgent, root: Path, script: str) -> None:
    assert refused(agent, "dump", argv=["sh", "-c", script], path=f"{root}/one.gz").kind == "dump"
    assert not (root / "one.gz").exists()


def test_what_is_loaded_is_what_was_dumped(agent: LocalAgent, root: Path) -> None:
    agent("dump", argv=["printf", "%s", DUMP], path=f"{root}/one.gz")
    done = agent("load", argv=["sh", "-c", f"cat > {root}/loaded"], path=f"{root}/one.gz")
    assert done["code"] == 0
    assert (root / "loaded").read_text() == DUMP


def test_a_program_that_stops_listening_tells_why(agent: LocalAgent, root: Path) -> None:
    (root / "big.gz").write_bytes(gzip.compress(os.urandom(1 << 20)))
    done = agent("load", argv=["sh", "-c", "echo 'ERROR 1064 at line 1' >&2; exit 1"], path=f"{root}/big.gz")
    assert done == {"code": 1, "stdout": "", "stderr": "ERROR 1064 at line 1\n"}


@pytest.mark.parametrize("damage", ["cut", "garbage", "not gzip"])
def test_a_damaged_file_is_never_half_loaded_in_silence(agent: LocalAgent, root: Path, damage: str) -> None:
    good = gzip.compress(os.urandom(200_000))
    bad = {"cut": good[:1000], "garbage": good[:40] + b"\xff" * 400 + good[440:], "not gzip": b"CREATE TABLE"}[damage]
    (root / "bad.gz").write_bytes(bad)
    assert refused(agent, "load", argv=["cat"], path=f"{root}/bad.gz").kind == "damaged"


# --- facts ------------------------------------------------------------------------------------------------------------


SQL_ANSWERS = """\
up
database\tsch0123456789ab
database\tsch0123456789ac
user\tsch0123456789ab\t5
title\tsch0123456789ab\tC389636F6C65
"""


def test_a_survey_tells_facts_and_no_secrets(start: Start, root: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    row = json.dumps({"Names": "schools-web", "Image": "schools/bench:1", "State": "running", "Status": "Up"})
    asked = tmp_path / "asked.sql"
    (tmp_path / "answers").write_text(SQL_ANSWERS)
    answers = f"cat >{asked}; cat {tmp_path}/answers"
    program(tmp_path / "bin", "docker", f"case $1 in ps) echo '{row}';; *) {answers};; esac")
    config = {"db_name": "sch0123456789ab", "db_password": "hunter2", "host_name": "http://a.example", "mute_emails": 1}
    for name, text in {"a": json.dumps(config), "broken": "{", "list": "[]", "binary": "\udcff"}.items():
        (root / "sites" / name).mkdir()
        (root / "sites" / name / "site_config.json").write_text(text, errors="surrogateescape")
    for place, name in {"gone.closed": "sch00000000c105", "b/20260101T000000Z-before-x": "sch0000000000ce"}.items():
        (root / "archive" / place).mkdir(parents=True)
        (root / "archive" / place / "site_config.json").write_text(json.dumps({"db_name": name}))
    (root / "journal" / "a.json").write_text('{"doing": "restore", "db_password": "hunter2"}')
    for name in ("20260101T000000Z", "20260102T000000Z.partial"):
        (root / "backups" / "a" / name).mkdir(parents=True)
    page = root / "edge" / "conf" / "pages" / "a.html"
    page.parent.mkdir(parents=True)
    page.write_text("a page")

    found = start(tmp_path / "bin")(
        "survey", database_argv=["docker", "exec", "-i", "schools-db", "mariadb"], config_keys=["mute_emails", "other"]
    )

    assert found["sites"]["a"] == {
        "database": "sch0123456789ab",
        "host_name": "http://a.example",
        "config": {"mute_emails": 1},
        "title": "École",
        "connections": 5,
    }
    assert found["sites"]["broken"] == found["sites"]["list"] == found["sites"]["binary"]
    assert found["closed"]["gone"]["database"] == "sch00000000c105"
    assert found["kept"] == ["sch0000000000ce"]
    assert found["claims"] == {"a": {"doing": "restore"}}
    assert found["backups"] == {"a": ["20260101T000000Z"]}
    assert found["files"] == {str(page): hashlib.sha256(b"a page").hexdigest()}
    assert found["containers"]["schools-web"]["image"] == "schools/bench:1"
    assert (found["databases"], found["users"]) == (["sch0123456789ab", "sch0123456789ac"], ["sch0123456789ab"])
    assert "hunter2" not in json.dumps(found)
    assert "`sch0123456789ab`.tabSingles" in asked.read_text()


def test_a_survey_says_so_when_the_database_is_silent(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin", "docker", "case $1 in ps) ;; *) exit 1;; esac")
    found = start(tmp_path / "bin")("survey", database_argv=["docker", "exec", "-i", "schools-db"], config_keys=[])
    assert (found["databases"], found["users"]) == (None, None)


def test_a_site_whose_configuration_names_sql_for_a_database_is_not_asked(
    start: Start, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    asked = tmp_path / "asked.sql"
    program(tmp_path / "bin", "docker", f"case $1 in ps) ;; *) cat >{asked}; echo up;; esac")
    (root / "sites" / "a").mkdir()
    (root / "sites" / "a" / "site_config.json").write_text(json.dumps({"db_name": "x`; DROP DATABASE mysql; --"}))
    start(tmp_path / "bin")("survey", database_argv=["docker", "exec"], config_keys=[])
    assert "DROP" not in asked.read_text()


class Edge(http.server.BaseHTTPRequestHandler):
    """Answer 200 to a known host from the third request on, and hang up on the others."""

    asked = 0

    def do_GET(self) -> None:
        Edge.asked += 1
        if self.headers["Host"] != "known.example":
            return  # as Nginx does with 444
        self.send_response(200 if Edge.asked >= 3 and self.path == "/login" else 502)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def edge_port() -> Iterator[int]:
    Edge.asked = 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Edge)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_probe_asks_until_the_wanted_answer_comes(agent: LocalAgent, edge_port: int) -> None:
    ask = {"host": "known.example", "port": edge_port, "path": "/login", "wanted": [200]}
    assert agent("probe", **ask, within=0) == 502
    assert agent("probe", **ask, within=10) == 200
    assert agent("probe", **{**ask, "host": "unknown.example"}, within=0) is None


def test_a_probe_of_a_port_where_nothing_listens_ends_in_time(agent: LocalAgent) -> None:
    began = time.monotonic()
    assert agent("probe", host="a.example", port=1, path="/login", wanted=[200], within=0.3) is None
    assert time.monotonic() - began < 5
