import json
from pathlib import Path

import pytest

from tests.support.project import schoolctl
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ServerModel

PLAY = """\
- hosts: all
  connection: local
  gather_facts: false
  vars: { ansible_python_interpreter: "{{ ansible_playbook_python }}" }
  tasks:
    - name: "demo_role : Write a greeting"
      ansible.builtin.copy: { content: "hello\\n", dest: "{{ inventory_dir }}/greeting", mode: "0644" }
    - name: "other_role : Say goodbye"
      ansible.builtin.assert: { that: "GOODBYE" }
"""


@pytest.fixture
def play(project: Path) -> Path:
    """A small playbook in the place of the real one; nothing is left to resolve."""
    (project / "ansible.cfg").touch()
    (project / "inventories/test/apps.lock.yml").write_text("apps: {}\n")
    (project / "playbooks/site.yml").write_text(PLAY.replace("GOODBYE", "true"))
    return project


def test_it_ends_with_what_changed_and_a_second_run_with_nothing(play: Path) -> None:
    first, second = (schoolctl(play, RecordingTransport(ServerModel()), "provision", "--json") for _ in range(2))
    assert first.code == second.code == 0, first.stderr
    assert json.loads(first.stdout)["changed"] == ["demo_role : Write a greeting"]
    assert json.loads(second.stdout)["changed"] == []
    assert "changed: demo_role : Write a greeting" in first.stderr
    assert "demo_role" in first.stderr
    assert "other_role" in first.stderr


def test_check_changes_nothing_and_says_what_would(play: Path) -> None:
    done = schoolctl(play, None, "provision", "--check")
    assert (done.code, done.stdout) == (0, "")
    assert "would change: demo_role : Write a greeting" in done.stderr
    assert not (play / "inventories/test/greeting").exists()


def test_a_failed_task_is_named_with_its_reason(play: Path) -> None:
    (play / "playbooks/site.yml").write_text(PLAY.replace("GOODBYE", "false"))
    done = schoolctl(play, RecordingTransport(ServerModel()), "provision")
    assert (done.code, done.stdout) == (1, "")
    assert "because: other_role : Say goodbye on vps1: Assertion failed" in done.stderr


KNOCK = """\
- hosts: all
  gather_facts: false
  vars: { ansible_host: 127.0.0.1, ansible_port: 1 }
  tasks:
    - name: Knock as the deploy user
      ansible.builtin.raw: "true"
      ignore_unreachable: IGNORED
    - name: "demo_role : Fail for a reason of its own"
      delegate_to: localhost
      ansible.builtin.fail: { msg: the true reason }
"""


def test_a_door_that_may_stay_closed_is_not_the_reason(play: Path) -> None:
    (play / "playbooks/site.yml").write_text(KNOCK.replace("IGNORED", "true"))
    done = schoolctl(play, RecordingTransport(ServerModel()), "provision")
    assert done.code == 1
    assert "because: demo_role : Fail for a reason of its own on vps1: the true reason" in done.stderr
    assert "✓ prepare" in done.stderr


def test_a_door_that_must_open_is_the_reason(play: Path) -> None:
    (play / "playbooks/site.yml").write_text(KNOCK.replace("IGNORED", "false"))
    done = schoolctl(play, RecordingTransport(ServerModel()), "provision")
    assert done.code == 1
    assert "because: Knock as the deploy user on vps1:" in done.stderr
    assert "✗ prepare" in done.stderr


def test_it_holds_the_lock_and_leaves_a_line_in_the_audit_log(play: Path, server: ServerModel) -> None:
    assert schoolctl(play, RecordingTransport(server), "provision").code == 0
    assert [line["result"] for line in server.audit if line["what"] == "provision"] == ["done"]
    assert not server.locked_by


def test_it_does_not_run_beside_another_command(play: Path, server: ServerModel) -> None:
    server.locked_by = "ann@desk has held the lock since 2026-01-31T02:00:00Z, doing: new-school x"
    done = schoolctl(play, RecordingTransport(server), "provision")
    assert done.code == 5
    assert "ann@desk" in done.stderr
    assert not (play / "inventories/test/greeting").exists()


def test_a_check_runs_beside_another_command(play: Path, server: ServerModel) -> None:
    server.locked_by = "ann@desk has held the lock since 2026-01-31T02:00:00Z, doing: new-school x"
    assert schoolctl(play, RecordingTransport(server), "provision", "--check").code == 0


def test_a_bare_server_has_no_lock_to_wait_for(play: Path) -> None:
    bare = RecordingTransport(ServerModel(provisioned=False))
    assert schoolctl(play, bare, "provision").code == 0
    assert (play / "inventories/test/greeting").exists()


def test_a_check_without_locked_apps_is_refused_and_writes_nothing(play: Path) -> None:
    (play / "inventories/test/apps.lock.yml").unlink()
    done = schoolctl(play, None, "provision", "--check")
    assert done.code == 3
    assert "schoolctl lock" in done.stderr
    assert not (play / "inventories/test/apps.lock.yml").exists()


def test_it_makes_golden_sites_for_a_new_image_and_only_then(play: Path, server: ServerModel) -> None:
    first, second = (
        json.loads(schoolctl(play, RecordingTransport(server), "provision", "--json").stdout) for _ in "ab"
    )
    assert [row["result"] for row in first["golden"]] == ["done"] * 3
    assert second["golden"] == []
    assert [line["what"] for line in server.audit].count("golden") == 1


@pytest.mark.parametrize("option", ["--no-golden", "--tags=host"])
def test_it_makes_no_golden_site_where_none_is_asked_for(play: Path, server: ServerModel, option: str) -> None:
    done = schoolctl(play, RecordingTransport(server), "provision", "--json", option)
    assert json.loads(done.stdout)["golden"] == []


@pytest.mark.parametrize("word", ["Ireland", "new-site"])
def test_a_golden_site_that_cannot_be_made_is_a_warning(play: Path, server: ServerModel, word: str) -> None:
    done = schoolctl(play, RecordingTransport(server, word=word), "provision")
    assert done.code == 0
    assert "warning: no golden site" in done.stderr
    assert f"{word} does not work today" in done.stderr
