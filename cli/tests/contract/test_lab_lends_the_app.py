"""A lab's server lends the checkout's app to a user of another number, and each sees all of it as its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from schoolctl.schools.platform import FRAPPE_UID, LAB_APP

SHARED = Path(__file__).parents[3] / "molecule" / "shared"
SERVER = SHARED / "images" / "server"
DEVELOPER = 1234

# Lends `here` at `there`, then does as the bench what the line says. What is mounted goes with the process.
AS_THE_BENCH = """
import os, subprocess, sys
lend, code, uid = sys.argv[1:]
subprocess.run([sys.executable, lend, "here", "there", uid], check=True)
os.chdir("there")
os.setgroups([])
os.setgid(int(uid))
os.setuid(int(uid))
os.umask(0o027)
exec(code)
"""


@pytest.fixture
def here(tmp_path):
    """A developer's folder with one file that nobody else may read."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root may mount, in a namespace of its own (apt install util-linux)")
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "hooks.py").write_text("his")
    for path in (folder / "hooks.py", folder):
        os.chown(path, DEVELOPER, DEVELOPER)
        path.chmod(0o700)
    return folder


def _as_the_bench(here, code):
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", AS_THE_BENCH, SERVER / "lend_lms_app.py", code, str(FRAPPE_UID)],
        cwd=here.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_the_developers_is_the_benchs_own(here):
    code = "found = os.stat('hooks.py'); print(found.st_uid, found.st_gid, open('hooks.py').read())"

    assert _as_the_bench(here, code).split() == [str(FRAPPE_UID), str(FRAPPE_UID), "his"]


def test_what_the_bench_writes_is_the_developers(here):
    _as_the_bench(here, "os.mkdir('doctype'); open('doctype/quiz.json', 'w').write('{}'); os.remove('hooks.py')")

    written = [here / "doctype", here / "doctype" / "quiz.json"]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in written} == {(DEVELOPER, DEVELOPER)}
    assert not (here / "hooks.py").exists()


def test_lending_changes_nothing_in_the_folder(here):
    before = {path: path.stat() for path in (here, here / "hooks.py")}
    _as_the_bench(here, "pass")

    assert {path: path.stat()[:6] for path in before} == {path: stat[:6] for path, stat in before.items()}


def test_the_server_lends_it_where_the_platform_and_the_lab_look_for_it():
    lab = yaml.safe_load((SHARED / "vars" / "lab.yml").read_text())
    unit = (SERVER / "lend-lms-app.service").read_text()

    assert lab["lab_lent_app"] == LAB_APP
    assert f"ExecStart=/usr/local/sbin/lend-lms-app {lab['lab_checkout_app']} {LAB_APP} {FRAPPE_UID}\n" in unit
    assert f"ConditionPathIsDirectory={lab['lab_checkout_app']}\n" in unit
