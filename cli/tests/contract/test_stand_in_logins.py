"""The stand-in bench and the drill agree on what is stored of a password, so that the one lets the other in."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).resolve().parents[3]
FOLDERS = (PROJECT / "molecule" / "shared" / "stand_in_bench", PROJECT / "roles" / "backup_schedule" / "files")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    for folder in FOLDERS:
        monkeypatch.syspath_prepend(str(folder))
    # No database is asked here.
    cursors = ModuleType("pymysql.cursors")
    cursors.Cursor = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pymysql", ModuleType("pymysql"))
    monkeypatch.setitem(sys.modules, "pymysql.cursors", cursors)
    yield importlib.import_module("stand_in.site")
    for name in [name for name in sys.modules if name.split(".")[0] == "stand_in"]:
        del sys.modules[name]


def test_a_password_that_a_drill_sets_opens_the_stand_in(site: ModuleType) -> None:
    drill = importlib.import_module("backup.drill")
    assert site.fits(drill.hashed("of this hour"), "of this hour")
    assert not site.fits(drill.hashed("of this hour"), "of another")


def test_the_stand_in_stores_passwords_as_a_bench_does(site: ModuleType) -> None:
    stored = site.hashed("Correct Horse 1")
    assert stored.startswith("$pbkdf2-sha256$29000$")
    assert site.fits(stored, "Correct Horse 1")


def test_what_passlib_stored_opens_the_stand_in(site: ModuleType) -> None:
    stored = "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ"
    assert site.fits(stored, "password")
    assert not site.fits(stored, "passwort")


@pytest.mark.parametrize("stored", ["", "unknown", "$argon2id$v=19$m=1$x", "$pbkdf2-sha256$many$x$y"])
def test_what_is_no_password_lets_nobody_in(site: ModuleType, stored: str) -> None:
    assert not site.fits(stored, "")
