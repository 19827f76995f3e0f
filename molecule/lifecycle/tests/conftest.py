"""The lab that Molecule made for this scenario."""

import neighbours
import pytest
from journey import Journey, from_environment
from neighbours import Visitor


@pytest.fixture(scope="session")
def lab() -> Journey:
    return from_environment()


@pytest.fixture(scope="session")
def attacker(lab: Journey) -> Visitor:
    """Return a browser that may do everything in the school that attacks."""
    only_real(lab)
    return neighbours.administrator(lab, neighbours.ATTACKER, neighbours.ATTACKER_HOST)


@pytest.fixture(scope="session")
def victim(lab: Journey) -> Visitor:
    """Return a browser that may do everything in the school that must not notice."""
    only_real(lab)
    return neighbours.administrator(lab, neighbours.VICTIM, neighbours.VICTIM_HOST)


def only_real(lab: Journey) -> None:
    if not lab.is_real:
        pytest.skip("only real Frappe can show it")
