"""The lab that Molecule made for this scenario, with open schools, a vault beside it, and sets of them in there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from belongings import Belongings, put_in
from journey import Journey, from_environment
from vault import Vault, declare, vault_beside

HOSTS = {"tech-school": "tech-school.com", "cuisine-school": "cuisine-school.com"}


@pytest.fixture(scope="session")
def lab() -> Journey:
    return from_environment()


@pytest.fixture(scope="session")
def vault(lab: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    """Return the vault, which the lab's inventory names twice: as a target by SFTP, and as one that only takes."""
    folder: Path = tmp_path_factory.mktemp("vault")
    with vault_beside(lab, folder) as vault:
        declare(lab, vault.targets, vault.credentials)
        lab.schoolctl("provision", "--no-golden", "--tags", "backups")
        vault.let_in(lab)
        lab.schoolctl("backup-targets", "init")
        yield vault


@pytest.fixture(scope="session")
def schools(lab: Journey, vault: Vault) -> dict[str, Belongings]:
    """Return what every school has; a set of each is in every target."""
    for slug in HOSTS:
        lab.schoolctl("new-school", slug)
    found = {slug: put_in(lab, slug, host) for slug, host in HOSTS.items()}
    lab.schoolctl("backup", "--all", *(word for name in ("local", *vault.targets) for word in ("--to", name)))
    return found
