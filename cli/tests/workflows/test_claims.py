import importlib
import pkgutil

import pytest

from schoolctl import workflows
from schoolctl.app import COMMANDS
from schoolctl.workflows import make_golden
from schoolctl.workflows.claims import again

MODULES = [
    importlib.import_module(f"schoolctl.workflows.{module.name}") for module in pkgutil.iter_modules(workflows.__path__)
]
DOING = sorted({module.DOING for module in MODULES if hasattr(module, "DOING")})


@pytest.mark.parametrize("doing", DOING)
def test_every_command_that_leaves_claims_can_be_run_again_by_its_name(doing: str) -> None:
    found = again("tech-school", {"doing": doing, "of": "cuisine-school", "set": "20260101T000000Z"})
    assert found is not None
    assert found.words[0] == doing
    # A golden site is made for all schools.
    assert ("tech-school" in found.words) is (doing != make_golden.DOING)
    assert doing in COMMANDS


def test_a_restore_goes_on_with_its_own_set_and_asks_nothing_again() -> None:
    found = again("tech-school", {"doing": "restore", "set": "20260101T000000Z"})
    assert str(found) == "schoolctl restore tech-school --set 20260101T000000Z"
    assert found is not None
    assert found.consent == ("--yes",)


@pytest.mark.parametrize("claim", [{}, {"doing": None}, {"doing": "nonsense"}])
def test_what_is_not_known_is_not_run(claim: dict[str, object]) -> None:
    assert again("tech-school", claim) is None
