from pathlib import Path

import pytest

from tests.support.project import OTHER, copy_project, open_on
from tests.support.server_model import ServerModel


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own, of which nothing in this shell's environment knows."""
    for name in ("SCHOOLCTL_ENV", "SCHOOLCTL_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    return copy_project(tmp_path)


@pytest.fixture
def server(project: Path) -> ServerModel:
    """A provisioned server on which the other school is open already."""
    model = ServerModel()
    open_on(model, project, OTHER)
    return model
