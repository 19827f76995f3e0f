from pathlib import Path

import pytest

from schoolctl.errors import CommandUsageError, DeclarationError
from schoolctl.schools import store
from schoolctl.workflows.declare_school import declare_school


@pytest.fixture
def file(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


def test_a_new_school_is_written_and_returned(file: Path) -> None:
    school = declare_school(file, "music", "music.example", None, ["www.music.example"], None)
    assert school == store.load(file)["music"]
    assert school.title == "Music"


def test_a_dry_run_checks_and_writes_nothing(file: Path) -> None:
    text = file.read_bytes()
    assert declare_school(file, "music", "music.example", None, [], None, dry_run=True).slug == "music"
    with pytest.raises(DeclarationError):
        declare_school(file, "music", "tech-school.com", None, [], None, dry_run=True)
    assert file.read_bytes() == text


def test_a_declared_school_is_returned_and_the_file_is_left_alone(file: Path) -> None:
    text = file.read_bytes()
    assert declare_school(file, "tech-school", None, None, [], None).domain == "tech-school.com"
    assert file.read_bytes() == text


def test_an_alias_that_the_row_lacks_is_a_contradiction(file: Path) -> None:
    with pytest.raises(DeclarationError) as raised:
        declare_school(file, "tech-school", None, None, ["other.example"], None)
    assert "leave --alias out" in raised.value.hint


def test_a_wrong_slug_is_told_before_a_missing_domain(file: Path) -> None:
    with pytest.raises(DeclarationError, match="a slug has 2 to 30 characters"):
        declare_school(file, "Music School", None, None, [], None)
    with pytest.raises(CommandUsageError):
        declare_school(file, "music", None, None, [], None)
