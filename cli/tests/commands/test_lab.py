import shutil
from pathlib import Path

import pytest

from tests.support.project import schoolctl

ROOT = Path(__file__).parents[3]
PLAY = """\
- hosts: localhost
  connection: local
  gather_facts: false
  vars: { ansible_python_interpreter: "{{ ansible_playbook_python }}" }
  tasks:
    - name: Write what was told
      ansible.builtin.copy:
        content: "{{ lab_name }} {{ lab_develop }}"
        dest: "{{ playbook_dir }}/../../told"
        mode: "0644"
"""


@pytest.mark.parametrize("name", ["", "production", "../lab", "lab;id", "Lab", "lab-", "lab-" + "a" * 30, "vps1"])
@pytest.mark.parametrize("command", ["up", "down", "status"])
def test_a_lab_takes_no_name_that_could_be_another_inventorys(project: Path, command: str, name: str) -> None:
    done = schoolctl(project, None, "lab", command, "--name", name)
    assert (done.code, done.stdout) == (2, "")
    assert "cannot be a lab's name" in done.stderr


@pytest.mark.parametrize(("options", "told"), [((), "no"), (("--develop",), "yes")])
def test_a_lab_is_made_to_develop_on_when_it_is_asked_for(
    project: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], told: str
) -> None:
    (project / "ansible.cfg").touch()
    (project / "molecule/shared").mkdir(parents=True)
    (project / "molecule/shared/create.yml").write_text(PLAY)
    # What is asked of Docker afterwards is not what this is about.
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    schoolctl(project, None, "lab", "up", "--name", "lab-dev", *options)
    assert (project / "told").read_text().split() == ["lab-dev", told]


def test_a_lab_is_made_though_the_secrets_of_another_one_cannot_be_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ansible.cfg", "molecule/shared/localhost.ini"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    (project / "molecule/shared/create.yml").write_text(PLAY)
    lab = project / "inventories/lab"
    (lab / "group_vars/all").mkdir(parents=True)
    (lab / "hosts.yml").write_text("all: {hosts: {lab: {}}}\n")
    (lab / "group_vars/all/vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    schoolctl(project, None, "lab", "up", "--name", "lab-dev")
    assert (project / "told").read_text().split() == ["lab-dev", "no"]


def test_a_machine_without_docker_is_told_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    done = schoolctl(project, None, "lab", "status")
    assert (done.code, done.stdout) == (1, "")
    assert "Docker on this machine does not answer" in done.stderr
