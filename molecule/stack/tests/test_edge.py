"""What edge_nginx promises: whatever is broken or interrupted, the schools that were reachable stay reachable."""

import http.client
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import SCHOOLS

EDGE = "/srv/schools/edge"
HOSTS = [school["domain"] for school in SCHOOLS.values()]
TECH = HOSTS[0]
SCHOOL_FILE = f"{EDGE}/conf/schools/tech-school.conf"


@pytest.fixture
def changed(lab):
    """Change the desired tree harmlessly, as often as asked; put it back at the end."""
    before = lab.on_server("cat", SCHOOL_FILE)

    def change() -> None:
        _write(lab, SCHOOL_FILE, f"{before}\n# {time.monotonic_ns()}\n")

    yield change
    _write(lab, SCHOOL_FILE, before)
    assert _activate(lab).returncode == 0
    assert [lab.visit(host).status for host in HOSTS] == [200] * len(HOSTS)


def test_each_school_answers_by_its_name_and_an_unknown_host_gets_no_answer(lab):
    for host in HOSTS:
        assert lab.visit(host).status == 200
    assert lab.visit("unknown.com") is None
    assert lab.visit("tech-school") is None


def test_the_bench_follows_the_host_and_not_the_visitor(lab):
    own, forged = (
        lab.visit(TECH, "/learn", headers=headers) for headers in ({}, {"X-Frappe-Site-Name": "cuisine-school"})
    )

    assert own.status == forged.status == 200
    assert own.body == forged.body != lab.visit(HOSTS[1], "/learn").body


def test_a_realtime_server_listens_to_its_own_pages_only(lab):
    path = "/socket.io/?EIO=4&transport=polling"

    assert lab.visit(TECH, path, headers={"Origin": f"http://{TECH}:{lab.port}"}).status == 200
    assert lab.visit(TECH, path, headers={"Origin": f"http://{HOSTS[1]}:{lab.port}"}).status == 403


def test_assets_come_from_the_edge_itself(lab):
    asset = lab.on_server("sh", "-c", "cd /srv/schools/assets/current/ && find . -name '*.css' | head -n 1").strip()
    page = lab.visit(TECH, f"/assets/{asset.removeprefix('./')}")

    assert page.status == 200
    assert page.headers["cache-control"].startswith("public")


def test_a_public_file_is_read_and_a_private_one_is_not(lab):
    for place in ("public", "private"):
        file = f"/srv/schools/sites/tech-school/{place}/files/seen.txt"
        _write(lab, file, place)
        lab.on_server("chown", "frappe:frappe", file)
        lab.on_server("chmod", "0640", file)

    assert lab.visit(TECH, "/files/seen.txt").body == "public"
    assert lab.visit(TECH, "/private/files/seen.txt").status == 403
    assert lab.visit(TECH, "/protected/private/files/seen.txt").status == 404


def test_guests_are_given_a_page_while_the_bench_does_nothing(lab):
    for _ in range(2):
        assert lab.visit(TECH, made_now=False).status == 200
    lab.on_server("docker", "pause", "schools-web")
    try:
        guest = lab.visit(TECH, made_now=False)
        assert guest.status == 200
        assert "sid=" not in guest.headers.get("set-cookie", "")
    finally:
        lab.on_server("docker", "unpause", "schools-web")


def test_no_guest_sees_a_page_of_a_school_that_is_suspended_by_now(lab):
    for _ in range(2):
        assert lab.visit(TECH, made_now=False).status == 200
    lab.schoolctl("suspend", "tech-school")
    try:
        page = lab.visit(TECH, made_now=False)
        assert page.status == 503
        assert "is paused" in page.body
    finally:
        lab.schoolctl("resume", "tech-school")
    assert lab.visit(TECH, made_now=False).status == 200


def test_a_classroom_behind_one_address_logs_in_and_a_guesser_is_slowed(lab):
    with ThreadPoolExecutor(30) as pupils:
        first = list(pupils.map(lambda _: _log_in(lab, TECH), range(30)))
    # The stand-in and Frappe alike: a wrong name or password is 401.
    assert first == [401] * 30

    guesses = [_log_in(lab, TECH) for _ in range(60)]
    assert 429 in guesses
    assert lab.visit(TECH).status == 200
    assert lab.visit(HOSTS[1]).status == 200


def test_the_same_tree_twice_changes_nothing(lab):
    assert _activate(lab).stdout == "unchanged\n"


def test_a_check_only_says_what_would_happen(lab, changed):
    before = lab.on_server("readlink", f"{EDGE}/live")
    changed()

    assert _activate(lab, "--check").stdout == "would change\n"
    assert lab.on_server("readlink", f"{EDGE}/live") == before


@pytest.mark.usefixtures("changed")
@pytest.mark.parametrize(
    "text", ["server {", "server { listen 8080; server_name x.com; proxy_pas http://y; }", "include nowhere.conf;"]
)
def test_a_broken_file_is_reported_and_what_was_in_force_stays(lab, text: str):
    before = lab.on_server("readlink", f"{EDGE}/live")
    _write(lab, SCHOOL_FILE, text)
    with lab.hammered(*HOSTS) as hammer:
        answer = _activate(lab)

    assert answer.returncode == 1
    assert "[emerg]" in answer.stderr
    assert answer.stdout == ""
    assert lab.on_server("readlink", f"{EDGE}/live") == before
    assert hammer.failures == []
    assert _activate(lab).returncode == 1, "it is reported until it is mended"


@pytest.mark.usefixtures("changed")
@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        (f"{EDGE}/conf/hosts/tech-school.map", " tech-school;", " tech-schol;", f"{TECH} would get no answer"),
        (SCHOOL_FILE, f"server_name {TECH}", "server_name tech-schol.com", f"{TECH} would get no answer"),
        (f"{EDGE}/conf/nginx.conf", "location = /alive", "location = /alife", "the edge does not say that it is alive"),
    ],
)
def test_a_tree_with_which_somebody_gets_no_answer_is_swapped_back(lab, file: str, old: str, new: str, complaint: str):
    right, before = lab.on_server("cat", file), lab.on_server("readlink", f"{EDGE}/live")
    assert old in right
    _write(lab, file, right.replace(old, new))
    try:
        answer = _activate(lab)

        assert answer.returncode == 1
        assert complaint in answer.stderr
        assert answer.stderr.endswith("swapped back\n")
        assert lab.on_server("readlink", f"{EDGE}/live") == before
        assert [lab.visit(host).status for host in HOSTS] == [200] * len(HOSTS)
        assert len(lab.on_server("ls", f"{EDGE}/trees").split()) == 1
    finally:
        _write(lab, file, right)
    assert _activate(lab).stdout == "unchanged\n"


def test_killed_at_any_moment_the_next_run_finishes(lab, changed):
    started = time.monotonic()
    changed()
    assert _activate(lab).stdout == "changed\n"
    whole = time.monotonic() - started

    for part in range(1, 13):
        changed()
        with lab.hammered(*HOSTS) as hammer:
            lab.on_server(
                *("sh", "-c", f"timeout --signal=KILL {whole * part / 12:.3f} schools-edge-activate || true"),
            )
            assert _activate(lab).stdout in ("changed\n", "unchanged\n")
        assert hammer.failures == []
        assert lab.on_server("diff", "--recursive", f"{EDGE}/conf/", f"{EDGE}/live/") == ""
    changed()
    assert _activate(lab).stdout == "changed\n"
    assert len(lab.on_server("ls", f"{EDGE}/trees").split()) == 1


def test_a_swap_that_was_never_loaded_is_loaded_by_the_next_run(lab):
    lab.on_server("rm", f"{EDGE}/loaded")

    assert _activate(lab).stdout == "changed\n"
    assert _activate(lab).stdout == "unchanged\n"


def test_no_request_fails_while_trees_are_swapped(lab, changed):
    with lab.hammered(*HOSTS) as hammer:
        for _ in range(10):
            changed()
            assert _activate(lab).stdout == "changed\n"

    assert hammer.failures == []
    assert hammer.requests > 50


def test_a_tree_is_tested_while_the_edge_is_down(lab, changed):
    lab.on_server("docker", "stop", "schools-edge")
    try:
        changed()
        assert _activate(lab).stdout == "changed\n"
        _write(lab, SCHOOL_FILE, "server {")
        assert _activate(lab).returncode == 1
    finally:
        lab.on_server("docker", "start", "schools-edge")
        _until(lambda: lab.visit(TECH) is not None)


def test_a_bench_that_is_recreated_is_found_again(lab):
    lab.on_server("docker", "stop", "--time=1", "schools-web")
    page = lab.visit(TECH)
    lab.on_server("docker", "start", "schools-web")

    assert page.status in (502, 504)
    assert "Back in a moment" in page.body
    _until(lambda: lab.visit(TECH).status == 200)


def test_files_that_come_and_go_meanwhile_are_no_reason_to_fail(lab, changed):
    coming_and_going = f"""
        cd {EDGE}/conf/hosts
        while [ ! -e {EDGE}/enough ]; do
            echo "# nobody" > .passing.map.new; mv .passing.map.new passing.map; rm passing.map
        done
    """
    others = subprocess.Popen(["docker", "exec", lab.container, "sh", "-c", coming_and_going])
    try:
        for _ in range(15):
            changed()
            done = _activate(lab)
            assert done.returncode == 0, done.stderr
    finally:
        lab.on_server("touch", f"{EDGE}/enough")
        others.wait(30)
        lab.on_server("rm", "-f", f"{EDGE}/enough", f"{EDGE}/conf/hosts/passing.map")


def test_files_of_a_school_that_nobody_declares_are_named_and_left_alone(lab, play):
    orphan = f"{EDGE}/conf/hosts/gone-school.map"
    _write(lab, orphan, "gone.com gone-school;\n")
    said = play("schools")

    assert f"Left alone, declared by no school: {orphan}" in said
    lab.on_server("rm", orphan)
    assert _activate(lab).returncode == 0


def _activate(lab, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["docker", "exec", lab.container, "schools-edge-activate", *arguments], capture_output=True, text=True
    )


def _log_in(lab, host: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=60)
    try:
        headers = {"Host": f"{host}:{lab.port}", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/api/method/login", "usr=nobody&pwd=guess", headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _write(lab, path: str, text: str) -> None:
    lab.on_server("tee", path, stdin=text)


def _until(holds) -> None:
    for _ in range(60):
        if holds():
            return
        time.sleep(0.5)
    raise TimeoutError("it did not come back")
