"""The lab that Molecule made for this scenario."""

from collections.abc import Iterator

import pytest
from in_process import InProcess
from journey import from_environment


@pytest.fixture(scope="session")
def lab() -> InProcess:
    return InProcess(from_environment().name)


@pytest.fixture(scope="module")
def golden_sites(lab: InProcess) -> Iterator[None]:
    """Golden sites for the tests of a module, and every declared school open: any drift is what a step left."""
    lab.schoolctl("golden")
    for slug in lab.project.schools():
        lab.schoolctl("new-school", slug)
    yield
    # Other tests rehearse the stock way.
    lab.schoolctl("pool", "--size", "0")
    lab.on_server("sh", "-c", "rm -r /srv/schools/golden/*")
