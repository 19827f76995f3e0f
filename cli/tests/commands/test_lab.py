from pathlib import Path

import pytest

from tests.support.project import schoolctl


@pytest.mark.parametrize("name", ["", "production", "../lab", "lab;id", "Lab", "lab-", "lab-" + "a" * 30, "vps1"])
@pytest.mark.parametrize("command", ["up", "down", "status"])
def test_a_lab_takes_no_name_that_could_be_another_inventorys(project: Path, command: str, name: str) -> None:
    done = schoolctl(project, None, "lab", command, "--name", name)
    assert (done.code, done.stdout) == (2, "")
    assert "cannot be a lab's name" in done.stderr


def test_a_machine_without_docker_is_told_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    done = schoolctl(project, None, "lab", "status")
    assert (done.code, done.stdout) == (1, "")
    assert "Docker on this machine does not answer" in done.stderr
