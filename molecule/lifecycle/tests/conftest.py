"""The lab that Molecule made for this scenario."""

import pytest
from journey import Journey, from_environment


@pytest.fixture(scope="session")
def lab() -> Journey:
    return from_environment()
