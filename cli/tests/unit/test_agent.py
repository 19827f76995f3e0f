import base64
import fcntl
import gzip
import hashlib
import http.server
import json
import os
import pty
import resource
import signal
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schoolctl.context import Context
from schoolctl.errors import UnreachableError
from schoolctl.remote import agent as agent_module
from schoolctl.remote.server import Server
from schoolctl.transport.base import Command
from schoolctl.transport.session import TAKE, ServerFaultError
from schoolctl.workflows.step import Outcome
from tests.support.edge import sign_itself
from tests.support.local_agent import OWN, LocalAgent, LocalTransport, program

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


def test_words_that_are_held_reach_their_program_and_no_line_that_could_be_logged(agent: LocalAgent) -> None:
    words = ["sh", "-c", 'cat; echo "$0"; echo told >&2; exit 3', "hunter2 'a b' \u00e9"]
    place = agent("hold", argv=words)
    line = [sys.executable, "-I", "-c", TAKE, place]
    done = subprocess.run(line, input="typed ", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, f"typed {words[-1]}\n", "told\n")
    assert "hunter2" not in " ".join(line)


def test_a_program_whose_words_were_held_has_the_terminal_that_it_was_given(agent: LocalAgent) -> None:
    place = agent("hold", argv=["sh", "-c", "test -t 0 && test -t 1 && read word && echo got $word"])
    terminal, side = pty.openpty()
    process = subprocess.Popen([sys.executable, "-I", "-c", TAKE, place], stdin=side, stdout=side, stderr=side)
    os.write(terminal, b"this\n")
    assert process.wait(timeout=20) == 0
    os.close(side)
    assert "got this" in os.read(terminal, 4096).decode()
    os.close(terminal)


def test_words_that_are_held_lie_in_no_file_and_go_with_the_agent(root: Path) -> None:
    agent = LocalAgent(root)
    before = sorted(root.rglob("*"))
    place = agent("hold", argv=["echo", "hunter2"])
    assert sorted(root.rglob("*")) == before
    assert Path(place).exists()
    agent.end()
    assert not Path(place).exists()


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


def test_several_files_are_read_in_one_go_and_none_outside(agent: LocalAgent, root: Path) -> None:
    (root / "a").write_text("one")
    (root / "b").write_text("")
    assert agent("read_all", paths=[f"{root}/b", f"{root}/none", f"{root}/a"]) == ["", None, "one"]
    assert refused(agent, "read_all", paths=[f"{root}/a", "/etc/passwd"]).kind == "outside"


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


def test_a_document_of_thousands_of_schools_comes_back_whole_and_of_endless_complaints_the_end(
    agent: LocalAgent,
) -> None:
    script = (
        "import json, sys; print(json.dumps([{'slug': 'x' * 400}] * 5000)); sys.stderr.write('first' + 'e' * 10**6)"
    )
    done = agent("run", argv=[sys.executable, "-c", script])
    assert len(json.loads(done["stdout"])) == 5000
    assert len(done["stderr"]) == 200_000
    assert "first" not in done["stderr"]


def test_a_program_that_is_not_installed_is_named(agent: LocalAgent) -> None:
    fault = refused(agent, "run", argv=["no-such-program"])
    assert (fault.kind, fault.because) == ("no-program", "no-such-program is not installed on the server")


ECHO = ["sh", "-c", 'while read -r line; do echo "$line!"; done; touch "$0"']


def test_a_program_that_was_started_answers_one_line_after_the_other(agent: LocalAgent, root: Path) -> None:
    first, second = (agent("start", argv=[*ECHO, f"{root}/{name}"]) for name in ("one", "two"))
    said = [agent("ask", program=program, line=line) for program, line in ((first, "a"), (second, "b"), (first, "c"))]
    assert said == ["a!", "b!", "c!"]


def test_a_program_that_was_started_ends_with_the_agent(start: Start, root: Path) -> None:
    agent = start()
    agent("ask", program=agent("start", argv=[*ECHO, f"{root}/ended"]), line="a")
    agent.process.send_signal(signal.SIGKILL)
    wait_for(lambda: (root / "ended").exists())


def test_a_program_that_ended_instead_of_answering_is_told_with_its_last_words(agent: LocalAgent) -> None:
    program = agent("start", argv=["sh", "-c", "read line; echo 'out of memory' >&2; exit 4"])
    assert refused(agent, "ask", program=program, line="a").because == "it ended with 4: out of memory"
    gone = agent("start", argv=["true"])
    time.sleep(0.2)
    assert refused(agent, "ask", program=gone, line="a").kind == "ended"


def test_a_program_that_takes_too_long_to_answer_is_ended(agent: LocalAgent) -> None:
    slow = agent("start", argv=["sh", "-c", "read line; exec sleep 30"])
    began = time.monotonic()
    fault = refused(agent, "ask", program=slow, line="a", within=0.2)
    assert (fault.kind, fault.because) == ("timeout", "it gave no answer within 0.2 s")
    assert time.monotonic() - began < 5
    quick = agent("start", argv=["sh", "-c", 'read line; echo "$line!"'])
    assert agent("ask", program=quick, line="a", within=10) == "a!"


def test_a_program_that_takes_too_long_is_given_up(agent: LocalAgent) -> None:
    assert refused(agent, "run", argv=["sleep", "30"], timeout=0.1).kind == "timeout"


DUMP = "CREATE TABLE `a` (\n);\nCREATE TABLE `b` (\n);\nINSERT INTO `a` VALUES (1);\n-- Dump completed\n"


def test_a_whole_dump_is_counted_and_like_rows_give_like_bytes(agent: LocalAgent, root: Path) -> None:
    parts = [[["printf", "%s", DUMP], f"{root}/{name}.gz"] for name in ("one", "two")]
    first, second = agent("dump_parts", parts=parts)
    assert first["tables"] == 2
    assert first == second
    assert gzip.decompress((root / "one.gz").read_bytes()).decode() == DUMP


@pytest.mark.parametrize(
    "script", ["printf 'CREATE TABLE `a` (\\n'", "printf -- '-- Dump completed\\n'; echo lost >&2; exit 2", "true"]
)
def test_a_truncated_or_failed_dump_is_refused_and_leaves_no_file(agent: LocalAgent, root: Path, script: str) -> None:
    assert refused(agent, "dump_parts", parts=[[["sh", "-c", script], f"{root}/one.gz"]]).kind == "dump"
    assert not (root / "one.gz").exists()


def test_what_is_loaded_is_what_was_dumped(agent: LocalAgent, root: Path) -> None:
    agent("dump_parts", parts=[[["printf", "%s", DUMP], f"{root}/one.gz"]])
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


def test_parts_are_dumped_and_loaded_side_by_side(agent: LocalAgent, root: Path) -> None:
    # Each waits until the other has begun, so that one after the other neither would end.
    meet = 'touch "$1"; while [ ! -e "$2" ]; do sleep 0.01; done; printf %s "$3"'
    dumps = [
        [["sh", "-c", meet, "sh", f"{root}/{me}", f"{root}/{other}", DUMP], f"{root}/{me}.gz"]
        for me, other in (("one", "two"), ("two", "one"))
    ]
    written = agent("dump_parts", parts=dumps)
    assert [facts["tables"] for facts in written] == [2, 2]
    parts = [[path, facts["sha256"]] for (_, path), facts in zip(dumps, written, strict=True)]
    done = agent("load_parts", argv=["sh", "-c", f"cat >> {root}/loaded"], parts=parts)
    assert done["code"] == 0
    assert len((root / "loaded").read_text()) == 2 * len(DUMP)


def test_of_several_loads_the_one_that_failed_is_told(agent: LocalAgent, root: Path) -> None:
    parts = []
    for name in ("fine", "bad"):
        (root / f"{name}.gz").write_bytes(gzip.compress(name.encode()))
        parts.append([f"{root}/{name}.gz", agent("hash", path=f"{root}/{name}.gz")])
    done = agent(
        "load_parts", argv=["sh", "-c", 'read word; [ "$word" = fine ] || { echo no >&2; exit 3; }'], parts=parts
    )
    assert done == {"code": 3, "stdout": "", "stderr": "no\n"}


def test_no_part_is_loaded_when_one_is_not_what_it_was(agent: LocalAgent, root: Path) -> None:
    for name in ("fine", "changed"):
        (root / f"{name}.gz").write_bytes(gzip.compress(name.encode()))
    parts = [[f"{root}/fine.gz", agent("hash", path=f"{root}/fine.gz")], [f"{root}/changed.gz", "0" * 64]]
    assert refused(agent, "load_parts", argv=["sh", "-c", f"cat > {root}/loaded"], parts=parts).kind == "damaged"
    assert not (root / "loaded").exists()


def test_what_comes_first_is_read_before_what_is_loaded(agent: LocalAgent, root: Path) -> None:
    (root / "one.gz").write_bytes(gzip.compress(b"CREATE TABLE"))
    argv = ["sh", "-c", f"read first; cat > {root}/loaded; echo $first > {root}/first"]
    assert agent("load", argv=argv, path=f"{root}/one.gz", preface="a word\n")["code"] == 0
    assert (root / "loaded").read_text() == "CREATE TABLE"
    assert (root / "first").read_text() == "a word\n"


@pytest.mark.parametrize("size", [0, 5, 1 << 20, (1 << 20) + 7, 3 << 20])
def test_what_a_program_prints_arrives_piece_by_piece_and_whole(size: int, root: Path) -> None:
    (root / "big").write_bytes(os.urandom(size))
    transport = LocalTransport(root)
    server = Server(transport, name="vps1", root=str(root), frappe_uid=os.getuid(), database_client=())
    pieces = list(server.read_from(Command(("cat", str(root / "big")))))
    assert b"".join(pieces) == (root / "big").read_bytes()
    assert max(map(len, pieces)) <= 1 << 20
    transport.agent.end()


def test_a_program_that_fails_while_it_is_read_is_no_end(agent: LocalAgent) -> None:
    reader = agent("begin_reading", argv=["sh", "-c", "echo half; echo 'no such table' >&2; exit 3"])
    fault = refused(agent, "read_on", reader=reader)
    assert (fault.kind, fault.because) == ("ended", "it ended with 3: no such table")


def test_a_file_is_added_to_piece_by_piece_and_only_where_it_ends(agent: LocalAgent, root: Path) -> None:
    path = str(root / "backups" / "part")
    for offset, piece in ((0, b"one"), (3, b"two")):
        agent("append", path=path, offset=offset, piece=base64.b64encode(piece).decode())
    assert Path(path).read_bytes() == b"onetwo"
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert refused(agent, "append", path=path, offset=3, piece="").kind == "damaged"
    (root / "link").symlink_to("/etc/passwd")
    assert refused(agent, "append", path=f"{root}/link", offset=0, piece="").kind == "os"
    assert refused(agent, "append", path="/tmp/outside", offset=0, piece="").kind == "outside"


def test_files_that_are_handed_over_are_the_benchs_and_no_links_are_among_them(agent: LocalAgent, root: Path) -> None:
    folder = root / "backups" / "files"
    (folder / "public" / "deep").mkdir(parents=True)
    for name in ("public/a.png", "public/deep/b.png"):
        (folder / name).write_text(name)
        (folder / name).chmod(0o6777)
    assert agent("hand_over", path=str(folder), **OWN) == 2
    assert (folder / "public" / "a.png").stat().st_mode & 0o7777 == 0o640
    assert (folder / "public" / "deep").stat().st_mode & 0o7777 == 0o750
    (folder / "public" / "link").symlink_to("/etc/passwd")
    assert refused(agent, "hand_over", path=str(folder), **OWN).kind == "damaged"


def test_the_key_of_a_site_tells_which_values_it_opens_without_leaving_the_server(
    agent: LocalAgent, root: Path
) -> None:
    fernet = pytest.importorskip("cryptography.fernet")
    keys = [fernet.Fernet.generate_key() for _ in range(2)]
    tokens = [fernet.Fernet(key).encrypt(b"a password").decode() for key in (keys[0], keys[0], keys[1])]
    config = root / "sites" / "site_config.json"
    config.write_text(json.dumps({"encryption_key": keys[0].decode()}))
    assert agent("key_opens", config=str(config), tokens=[*tokens, "", "no token", tokens[0][:-8]]) == 2
    for other in ({}, {"encryption_key": ""}, {"encryption_key": "short"}, {"encryption_key": None}):
        config.write_text(json.dumps(other))
        assert agent("key_opens", config=str(config), tokens=tokens) == 0


def test_how_a_server_backs_up_is_told_without_its_secrets(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = root.parent / "backups.json"
    monkeypatch.setenv("SCHOOLS_BACKUP_SETTINGS", str(settings))
    agent = LocalAgent(root)
    assert agent("backups") is None
    (root / "key").write_text("hunter2")
    said = {"targets": {"local": {"environment": "hunter2"}}, "stale_hours": 30, "drill_days": 7, "database": {}}
    settings.write_text(json.dumps({**said, "key_file": f"{root}/key"}))
    (root / "backups" / "declared").mkdir()
    for slug, state in {"open-school": "active", "old-school": "closed"}.items():
        (root / "backups" / "declared" / f"{slug}.json").write_text(json.dumps({"row": {"state": state}}))
    found = agent("backups")
    assert (found["targets"], found["has_key"], list(found["expected"])) == (["local"], True, ["open-school"])
    assert "hunter2" not in json.dumps(found)
    (root / "key").unlink()
    assert agent("backups")["has_key"] is False
    settings.write_text("{")
    assert refused(agent, "backups").kind == "damaged"
    agent.end()


def test_a_program_that_is_not_there_is_said_when_it_is_started(agent: LocalAgent) -> None:
    fault = refused(agent, "start", argv=["/no/such/program", "serve"])
    assert (fault.kind, fault.because) == ("no-program", "/no/such/program is not installed on the server")


def test_the_disk_is_measured_where_the_schools_lie_and_nothing_stays() -> None:
    # On a disk, whatever the folders of tests lie in.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        agent = LocalAgent(Path(folder))
        waits = agent("sync_latency", count=20, within=5.0)
        assert len(waits) == 20
        assert all(wait > 0 for wait in waits)
        assert 0 < len(agent("sync_latency", count=10**6, within=0.1)) < 10**6
        agent.end()
        assert list(Path(folder).iterdir()) == []


# --- facts ------------------------------------------------------------------------------------------------------------


SQL_ANSWERS = """\
up
database\tsch0123456789ab
database\tsch0123456789ac
user\tsch0123456789ab\t5
title\tsch0123456789ab\tC389636F6C65
"""


def test_a_school_without_a_name_hides_none(start: Start, root: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "answers").write_text("up\ntitle\tsch0123456789ab\tNULL\ntitle\tsch0123456789ac\tC389636F6C65\n")
    program(tmp_path / "bin", "docker", f"case $1 in ps) ;; *) cat >/dev/null; cat {tmp_path}/answers;; esac")
    for name, database in (("nameless", "sch0123456789ab"), ("named", "sch0123456789ac")):
        (root / "sites" / name).mkdir()
        (root / "sites" / name / "site_config.json").write_text(json.dumps({"db_name": database}))

    argv = ["docker", "exec", "-i", "schools-db", "mariadb"]
    found = start(tmp_path / "bin")("survey", database_argv=argv, config_keys=[])

    assert {name: site["title"] for name, site in found["sites"].items()} == {"nameless": None, "named": "École"}


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
    (root / "backups" / "declared").mkdir(parents=True)
    (root / "backups" / "declared" / "a.json").write_text("{}")
    (root / "backups" / "standing.json").write_text('{"schools": {"a": {}}, "secret": "hunter2"}')
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
    assert found["backups"] == {"schools": {"a": {}}}
    declared = root / "backups" / "declared" / "a.json"
    assert found["files"] == {
        str(page): hashlib.sha256(b"a page").hexdigest(),
        str(declared): hashlib.sha256(b"{}").hexdigest(),
    }
    assert found["containers"]["schools-web"]["image"] == "schools/bench:1"
    assert (found["databases"], found["users"]) == (["sch0123456789ab", "sch0123456789ac"], ["sch0123456789ab"])
    assert "hunter2" not in json.dumps(found)
    assert "`sch0123456789ab`.tabSingles" in asked.read_text()


@pytest.mark.parametrize("kind", ["pipe", "link", "deep", "folder"])
def test_one_damaged_configuration_hides_no_other_site_and_holds_nobody_up(
    start: Start, root: Path, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin", "docker", "case $1 in ps) ;; *) exit 1;; esac")
    for name in ("good", "bad"):
        (root / "sites" / name).mkdir()
    (root / "sites/good/site_config.json").write_text('{"db_name": "sch0123456789ab"}')
    bad = root / "sites/bad/site_config.json"
    if kind == "pipe":
        os.mkfifo(bad)
    elif kind == "link":
        bad.symlink_to("/etc/passwd")
    elif kind == "deep":
        bad.write_text("[" * 200_000)
    else:
        bad.mkdir()
    found = start(tmp_path / "bin")("survey", database_argv=["docker", "exec", "-i", "schools-db"], config_keys=[])
    assert found["sites"]["good"]["database"] == "sch0123456789ab"
    assert found["sites"]["bad"]["database"] is None


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


def test_what_a_configuration_names_for_a_database_is_a_name_or_nothing(
    start: Start, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin", "docker", "case $1 in ps) ;; *) exit 1;; esac")
    for place in ("sites/a", "archive/b.closed", "archive/c/20260101T000000Z-before-x"):
        (root / place).mkdir(parents=True)
        (root / place / "site_config.json").write_text('{"db_name": ["sch0123456789ab"]}')
    found = start(tmp_path / "bin")("survey", database_argv=["docker", "exec"], config_keys=[])
    assert (found["sites"]["a"]["database"], found["closed"]["b"]["database"], found["kept"]) == (None, None, [])


def test_usage_tells_sizes_and_times_with_one_client_and_asks_for_no_name_that_is_not_ours(
    start: Start, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    asked = tmp_path / "asked.sql"
    row = "usage\tsch0123456789ab\t7\t2026-01-31 08:00:00.5\tNULL\t2026-01-31 09:00:00\tEurope/Paris"
    (tmp_path / "answer").write_text(f"up\n{row}\nusage\tsch0123456789ac\tNULL\tNULL\tNULL\tNULL\tNULL\n")
    answers = f"cat >>{asked}; echo asked >>{asked}; cat {tmp_path}/answer; exit 1"
    program(tmp_path / "bin", "docker", f"case $1 in ps) ;; *) {answers};; esac")
    hostile = "x`; DROP DATABASE mysql"
    for folder, name in {
        "sites/a": "sch0123456789ab",
        "sites/b": "sch0123456789ac",
        "sites/hostile": hostile,
        "sites/none": None,
        "archive/a.closed": "sch00000000c105",
        "archive/c.closed": "sch0123456789ac",
    }.items():
        (root / folder).mkdir(parents=True)
        (root / folder / "site_config.json").write_text(json.dumps({"db_name": name}))
    (root / "db" / "sch0123456789ab").mkdir(parents=True)
    (root / "sites" / "a" / "upload").write_bytes(bytes(300_000))
    (root / "archive" / "c.closed" / "upload").write_bytes(bytes(500_000))
    (root / "db" / "sch0123456789ab" / "tabUser.ibd").write_bytes(bytes(1_000_000))
    (root / "sites" / "hostile" / "elsewhere").symlink_to(root / "db")

    found = start(tmp_path / "bin")("survey", database_argv=["docker", "exec"], config_keys=[], usage=True)["usage"]

    assert 300_000 < found["a"].pop("files_bytes") < 400_000
    assert 1_000_000 <= found["a"].pop("database_bytes") < 1_100_000
    assert found["a"] == {
        "users": 7,
        "last_login": "2026-01-31 08:00:00.5",
        "last_active": None,
        "last_tick": "2026-01-31 09:00:00",
        "time_zone": "Europe/Paris",
    }
    assert (found["b"]["users"], found["b"]["database_bytes"]) == (0, None)
    assert (found["c"]["users"], 500_000 < found["c"]["files_bytes"] < 600_000) == (0, True)
    assert found["hostile"]["files_bytes"] < 100_000
    assert (found["hostile"]["users"], found["none"]["users"], found["none"]["database_bytes"]) == (None, None, None)
    assert "DROP" not in asked.read_text()
    assert asked.read_text().count("asked") == 1
    assert asked.read_text().count("information_schema") == 1


def test_a_survey_counts_no_bytes_unless_it_is_asked_to(start: Start, root: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    counted = tmp_path / "counted"
    program(tmp_path / "bin", "docker", "case $1 in ps) ;; *) echo up;; esac")
    program(tmp_path / "bin", "du", f"touch {counted}")
    (root / "sites" / "a").mkdir()
    (root / "sites" / "a" / "site_config.json").write_text('{"db_name": "sch0123456789ab"}')
    assert start(tmp_path / "bin")("survey", database_argv=["docker"], config_keys=[])["usage"] is None
    assert not counted.exists()


def test_what_a_survey_asks_of_programs_is_asked_at_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    both = tmp_path / "both"
    os.mkfifo(both)
    # Neither goes on before the other has begun.
    one, other = f"timeout 10 cat {both} >&2", f"timeout 10 sh -c 'echo >{both}' && echo up"
    program(tmp_path / "bin", "docker", f"case $1 in ps) {one};; *) {other};; esac")
    assert start(tmp_path / "bin")("survey", database_argv=["docker", "exec"], config_keys=[])["databases"] == []


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
def edge_port(tmp_path: Path) -> Iterator[int]:
    Edge.asked = 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Edge)
    sign_itself(tmp_path / "keys", ["edge"])
    speaking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    speaking.load_cert_chain(tmp_path / "keys" / "edge.pem")
    server.socket = speaking.wrap_socket(server.socket, server_side=True)
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


# --- what is written down ---------------------------------------------------------------------------------------------


def journals(root: Path) -> list[list[dict[str, object]]]:
    files = sorted((root / "journal" / "operations").glob("*.jsonl"))
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def told(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return lines without what differs from run to run."""
    return [{key: value for key, value in line.items() if key not in {"when", "seconds"}} for line in lines]


def note(agent: LocalAgent, step: str, outcome: str = "done") -> None:
    agent.session.tell("note", step=step, outcome=outcome, seconds=0.25)


def gated(agent: LocalAgent, root: Path) -> Path:
    """Set the agent to work until a file appears; return that file once the work goes on."""
    gate, begun = root / "gate", root / "begun"
    argv = ["sh", "-c", f"touch {begun}; while [ ! -e {gate} ]; do sleep 0.02; done"]
    agent.to_agent.write(json.dumps({"id": 9, "do": "run", "argv": argv}).encode() + b"\n")
    agent.to_agent.flush()
    wait_for(begun.exists)
    return gate


@needs_root
def test_the_journal_of_an_operation_tells_intent_steps_and_result_to_root_alone(start: Start, root: Path) -> None:
    agent = start()
    lock(agent, "new-school a")
    note(agent, "Claim the name", "started")
    note(agent, "Claim the name")
    agent("release", result="done")
    [lines] = journals(root)
    assert told(lines) == [
        {"who": "ann@desk", "what": "new-school a"},
        {"step": "Claim the name", "outcome": "started"},
        {"step": "Claim the name", "outcome": "done"},
        {"result": "done"},
    ]
    [file] = (root / "journal" / "operations").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert audit(root)[0]["operation"] == file.stem
    assert agent("operation", name=file.stem) == lines
    assert agent("state")["claims"] == {}


@needs_root
def test_the_journal_says_that_the_client_is_gone_and_how_far_it_was(start: Start, root: Path) -> None:
    first = start()
    lock(first)
    note(first, "Dump the database", "started")
    first.vanish()
    first.process.wait(timeout=10)
    assert told(journals(root)[0])[1:] == [
        {"step": "Dump the database", "outcome": "started"},
        {"result": "client gone"},
    ]


@needs_root
def test_an_agent_that_was_killed_leaves_a_journal_without_a_result_and_no_holder(start: Start, root: Path) -> None:
    first, second = start(), start()
    lock(first)
    note(first, "Dump the database", "started")
    first("hello")
    first.process.kill()
    first.process.wait()
    state = second("state")
    assert (root / "lock.json").exists()
    assert (state["holder"], state["last"]["what"], state["last"]["step"]) == (None, "backup a", "Dump the database")
    assert "result" not in state["last"]


@needs_root
def test_a_full_disk_cuts_the_journal_between_two_lines_and_never_stops_the_work(start: Start, root: Path) -> None:
    agent = start()
    lock(agent)
    [file] = (root / "journal" / "operations").iterdir()
    unlimited = resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (file.stat().st_size + 20, unlimited[1]))
    note(agent, "Dump the database")
    assert agent("exists", paths=[str(root / "sites")]) == [True]
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, unlimited)
    note(agent, "Pack the files")
    agent("release", result="done")
    assert told(journals(root)[0])[1:] == [{"step": "Pack the files", "outcome": "done"}, {"result": "done"}]


@needs_root
def test_the_lock_can_be_had_on_a_full_disk_and_names_no_earlier_holder(start: Start, root: Path) -> None:
    first, second = start(), start()
    (root / "lock.json").write_text('{"who": "old", "since": "long ago", "what": "x"}')
    unlimited = resource.prlimit(first.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(first.process.pid, resource.RLIMIT_FSIZE, (0, unlimited[1]))
    lock(first)
    assert refused(second, "lock", who="b", what="x", since="now").because == "another command holds the lock"


@needs_root
def test_a_journal_that_cannot_be_opened_stops_nothing(start: Start, root: Path) -> None:
    (root / "journal" / "operations").write_text("in the way")
    agent = start()
    lock(agent)
    note(agent, "Dump the database")
    agent("release", result="done")
    assert [line["result"] for line in audit(root)] == ["done"]


@needs_root
def test_the_newest_500_journals_are_kept(start: Start, root: Path) -> None:
    folder = root / "journal" / "operations"
    folder.mkdir()
    for number in range(510):
        (folder / f"20250101T000000Z-{number:06x}.jsonl").write_text("{}\n")
    lock(start())
    names = sorted(file.name for file in folder.iterdir())
    assert len(names) == 500
    assert names[0] == f"20250101T000000Z-{11:06x}.jsonl"
    assert not names[-1].startswith("2025")


@needs_root
def test_names_of_operations_sort_by_time_within_a_second_too(agent: LocalAgent) -> None:
    names = []
    for _ in range(10):
        names.append(agent("lock", who="a", what="b", since="c"))
        agent("release", result="done")
    assert names == sorted(names)
    assert len(set(names)) == 10


def test_a_note_without_a_lock_is_nothing(agent: LocalAgent, root: Path) -> None:
    note(agent, "Claim the name")
    assert agent("operation", name="20260131T020000Z-000000") is None
    assert not (root / "journal" / "operations").exists()


def test_no_name_of_an_operation_leads_elsewhere(agent: LocalAgent, root: Path) -> None:
    (root / "journal" / "operations").mkdir()
    (root / "journal" / "a.jsonl").write_text("{}")
    assert refused(agent, "operation", name="../../../etc/x").kind == "outside"
    (root / "journal" / "operations" / "b.jsonl").symlink_to("/etc/passwd")
    assert refused(agent, "operation", name="b").kind == "os"


def test_what_needs_no_lock_is_written_down_beside_one_who_holds_it(start: Start, root: Path) -> None:
    holder, other = start(), start()
    if os.geteuid() == 0:
        lock(holder)
    other("record", who="bob@desk", what="bench a migrate", since="now")
    other("release", result="exit code 3")
    other("record", who="bob@desk", what="bench a migrate", since="now")
    other.vanish()
    other.process.wait(timeout=10)
    assert [(line["what"], line["result"]) for line in audit(root)] == [
        ("bench a migrate", "exit code 3"),
        ("bench a migrate", "client gone"),
    ]
    assert "operation" not in audit(root)[0]


def test_history_finds_whole_words_and_passes_over_half_a_line(agent: LocalAgent, root: Path) -> None:
    whats = ["backup a", "backup a-b", "rename b a", "suspend --all", "backup b"]
    lines = [json.dumps({"what": what, "result": "done"}) for what in whats]
    (root / "audit.log").write_text("\n".join([*lines[:3], '{"what": "backup a', *lines[3:]]) + "\n")
    assert [line["what"] for line in agent("history", word="a", limit=9)] == ["backup a", "rename b a"]
    assert [line["what"] for line in agent("history", word="a", limit=1)] == ["rename b a"]
    assert [line["what"] for line in agent("history", word=None, limit=2)] == ["suspend --all", "backup b"]


def test_a_server_where_nothing_was_done_yet_has_no_history(agent: LocalAgent) -> None:
    assert agent("history", word=None, limit=9) == []
    state = agent("state")
    assert (state["holder"], state["working"], state["last"]) == (None, False, None)
    assert state["free"]["bytes"] > 0


# --- several agents of one command ------------------------------------------------------------------------------------


@needs_root
def test_the_lock_is_not_free_before_the_last_agent_of_a_command_that_was_cut_off_has_ended(
    start: Start, root: Path
) -> None:
    holder, worker, other = start(), start(), start()
    operation = holder("lock", who="ann@desk", what="backup --all", since="2026-01-31T02:00:00Z")
    worker("join", name=operation)
    gate = gated(worker, root)
    holder.vanish()
    worker.vanish()
    holder.process.wait(timeout=10)
    fault = refused(other, "lock", who="bob", what="x", since="now")
    assert fault.kind == "locked"
    assert fault.because == (
        "the work of a command that was cut off is not over yet: "
        "ann@desk began at 2026-01-31T02:00:00Z, doing: backup --all"
    )
    state = other("state")
    assert (state["working"], state["holder"]["who"], state["last"]["result"]) == (True, "ann@desk", "client gone")
    gate.touch()
    worker.process.wait(timeout=10)
    assert other("state")["holder"] is None
    lock(other)


@needs_root
def test_a_holder_that_is_killed_leaves_no_room_for_others_while_its_agents_work(start: Start) -> None:
    holder, worker, other = start(), start(), start()
    worker("join", name=holder("lock", who="ann@desk", what="backup --all", since="then"))
    holder.process.kill()
    holder.process.wait()
    assert "ann@desk began at then" in refused(other, "lock", who="bob", what="x", since="now").because
    worker.vanish()
    worker.process.wait(timeout=10)
    lock(other)


@needs_root
def test_nobody_joins_an_operation_that_does_not_hold_the_lock_any_more(start: Start) -> None:
    first, worker, second = start(), start(), start()
    old = first("lock", who="ann", what="x", since="then")
    first("release", result="done")
    assert refused(worker, "join", name=old).kind == "locked"
    lock(second)
    assert refused(worker, "join", name=old).kind == "locked"
    second("release", result="done")
    lock(first)  # whoever was refused holds nothing


@needs_root
def test_a_glance_at_the_lock_refuses_nobody(agent: LocalAgent, root: Path) -> None:
    with (root / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        release = threading.Timer(0.1, fcntl.flock, (file, fcntl.LOCK_UN))
        release.start()
        lock(agent)
        release.join()


@needs_root
def test_more_servers_work_for_the_command_that_holds_the_lock_and_end_before_it(root: Path, project: Path) -> None:
    settings = project / "inventories/test/group_vars/all/platform.yml"
    settings.write_text(settings.read_text().replace("/srv/schools", str(root)))
    transport = LocalTransport(root)
    context = Context(env="test", start=project, transport=transport)
    other = LocalAgent(root)
    with context.locked("backup --all", "back up"):
        servers = context.more_servers(3)
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(lambda server: server.exists(f"{root}/sites"), servers))
        assert found == [True] * 3
        assert other("state")["working"] is True
        context.ui.progress("a: Dump the database", Outcome.STARTED, 0.0)
    wait_for(lambda: not other("state")["working"])
    lock(other)
    assert told(journals(root)[0])[1:] == [
        {"step": "a: Dump the database", "outcome": "started"},
        {"result": "done"},
    ]
    context.close()
    for agent in (*transport.agents, other):
        agent.end()


# --- a school's own lines ---------------------------------------------------------------------------------------------


def request_line(stamp: int, **request: object) -> str:
    return f"2026-01-31T02:00:00.{stamp:09d}Z {json.dumps(request, separators=(',', ':'))}"


def edge(folder: Path, *lines: str) -> None:
    (folder / "log").write_text("\n".join(lines) + "\n")
    program(folder, "docker", f"echo \"$@\" >{folder}/asked; cat {folder}/log; echo 'nginx: school a, school b' >&2")


def test_the_edge_tells_of_one_school_and_never_of_another(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    edge(
        tmp_path / "bin",
        request_line(1, school="a", path="/one"),
        request_line(2, school="b", path="/b", agent='","school":"a","x":"'),
        request_line(3, school="a-b", path="/ab", agent="a"),
        'nginx: [emerg] "a" is not b',
        '2026-01-31T02:00:00.000000004Z {"school":"a"',
        request_line(5, school="b", agent="a", path="a"),
        request_line(6, school="a", path="/two", agent="x" * 9000),
    )
    agent = start(tmp_path / "bin")
    found = agent("edge_log", slug="a", lines=9, since=None)
    assert [request["path"] for request in found["requests"]] == ["/one", "/two"]
    assert len(found["requests"][1]["agent"]) == 4000
    assert [request["path"] for request in agent("edge_log", slug="a", lines=1, since=None)["requests"]] == ["/two"]


def test_whoever_follows_the_edge_hears_each_request_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    first = [request_line(1, school="a", path="/one"), request_line(2, school="b", path="/b")]
    edge(tmp_path / "bin", *first)
    agent = start(tmp_path / "bin")
    seen = agent("edge_log", slug="a", lines=9, since=None)["seen"]
    assert seen.endswith("2Z")
    assert agent("edge_log", slug="a", lines=9, since=seen) == {"requests": [], "seen": seen}
    edge(tmp_path / "bin", *first, request_line(3, school="a", path="/two"))
    found = agent("edge_log", slug="a", lines=9, since=seen)
    assert [request["path"] for request in found["requests"]] == ["/two"]
    asked = (tmp_path / "bin" / "asked").read_text()
    assert asked == f"logs --timestamps --since {seen} --tail 5000 schools-edge\n"


def test_an_edge_that_does_not_run_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin", "docker", "echo 'No such container' >&2; exit 1")
    assert refused(start(tmp_path / "bin"), "edge_log", slug="a", lines=9, since=None).kind == "docker"


@pytest.fixture
def logs(root: Path) -> Path:
    folder = root / "sites" / "a" / "logs"
    folder.mkdir(parents=True)
    (folder / "frappe.log").write_text("one\ntwo\nthree\n")
    (folder / "frappe.log.1").write_text("older\n")
    (folder / "scheduler.log").write_text("tick\nhalf a li")
    return folder


def test_the_last_lines_of_each_log_come_first_and_then_only_new_ones(agent: LocalAgent, logs: Path) -> None:
    ask = {"site": "a", "names": ["*.log"]}
    found = agent("site_logs", **ask, lines=2, seen=None)
    assert {name: log["lines"] for name, log in found.items()} == {
        "frappe.log": ["two", "three"],
        "scheduler.log": ["tick"],
    }
    seen = {name: log["seen"] for name, log in found.items()}
    with (logs / "scheduler.log").open("a") as file:
        file.write("ne\n")
    (logs / "frappe.log").rename(logs / "frappe.log.2")
    (logs / "frappe.log").write_text("after the turn\n")
    (logs / "pdf.log").write_text("new\n")
    found = agent("site_logs", **ask, lines=9, seen=seen)
    assert {name: log["lines"] for name, log in found.items()} == {
        "frappe.log": ["after the turn"],
        "scheduler.log": ["half a line"],
        "pdf.log": ["new"],
    }
    assert list(agent("site_logs", site="a", names=["scheduler.log"], lines=1, seen=None)) == ["scheduler.log"]


def test_a_long_log_is_read_from_its_end_and_begins_with_a_whole_line(agent: LocalAgent, logs: Path) -> None:
    (logs / "frappe.log").write_text("".join(f"{number:09d}\n" for number in range(100_000)))
    found = agent("site_logs", site="a", names=["frappe.log"], lines=1_000_000, seen=None)["frappe.log"]
    assert found["lines"][-1] == "000099999"
    assert {len(line) for line in found["lines"]} == {9}
    assert len(found["lines"]) < 20_001


def test_no_link_of_a_school_leads_to_the_lines_of_another(agent: LocalAgent, logs: Path, root: Path) -> None:
    (root / "sites" / "b").mkdir()
    (logs / "stolen.log").symlink_to(logs / "frappe.log")
    os.mkfifo(logs / "pipe.log")
    found = agent("site_logs", site="a", names=["*.log"], lines=9, seen=None)
    assert set(found) == {"frappe.log", "scheduler.log"}
    (root / "sites" / "b" / "logs").symlink_to(logs)
    (root / "sites" / "c").symlink_to(root / "sites" / "a")
    for site in ("b", "c", "../sites/a", "b/../a"):
        assert refused(agent, "site_logs", site=site, names=["*.log"], lines=9, seen=None).kind == "outside"


def test_a_site_without_logs_has_no_lines(agent: LocalAgent) -> None:
    assert agent("site_logs", site="nobody", names=["*.log"], lines=9, seen=None) == {}
