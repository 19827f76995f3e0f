from pathlib import Path

import pytest

from tests.support.backup_server import empty_repository
from tests.support.mariadb_here import MariaDBHere
from tests.support.project import OTHER, copy_project, open_on
from tests.support.server_model import ServerModel


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an empty repository to be copied."""
    return empty_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="session")
def other_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give another one, of which restic does not think that it is the first."""
    return empty_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="session")
def mariadb_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the data folder of a MariaDB to be copied, since making one takes seconds."""
    made = MariaDBHere(tmp_path_factory.mktemp("mariadb"))
    made.make()
    return made.data


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
