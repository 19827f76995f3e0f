"""The one line for each level tells the truth about what ran."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def levels():
    spec = importlib.util.spec_from_file_location("levels", ROOT / ".ci" / "levels.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["levels"] = module
    spec.loader.exec_module(module)
    return module


def _python(code):
    return (sys.executable, "-c", code)


def _run(levels, tmp_path, *programs, obstacle=str):
    first, *then = programs
    check = levels.Check("a check", first, then=tuple(then), obstacle=obstacle)
    return levels.run_check("level: a check", check, tmp_path / "log")


@pytest.mark.parametrize(
    ("output", "passed", "failed", "skipped"),
    [
        ("12 passed in 3.21s", 12, 0, 0),
        ("1 failed, 2 passed, 3 skipped, 1 error in 61.02s (0:01:01)", 2, 2, 3),
        ("============ 5 passed, 1 warning in 0.52s ============", 5, 0, 0),
        ("3 passed in 1.00s\n4 passed, 1 skipped in 2.00s", 7, 0, 1),
        ("Ran 6 tests in 1.204s\n\nOK", 6, 0, 0),
        ("Ran 6 tests in 1.204s\n\nFAILED (failures=1, errors=2, skipped=1)", 2, 3, 1),
        ("nothing of the kind", 0, 0, 0),
    ],
)
def test_summaries_of_test_programs_are_added_up(levels, output, passed, failed, skipped):
    tally = levels.count(output)

    assert (tally.passed, tally.failed, tally.skipped) == (passed, failed, skipped)


def test_a_program_without_tests_counts_as_one(levels, tmp_path):
    assert _run(levels, tmp_path, _python("print('fine')")).passed == 1


def test_a_program_that_fails_is_a_failure_even_if_its_tests_passed(levels, tmp_path, capsys):
    tally = _run(levels, tmp_path, _python("import sys; print('2 passed in 1.0s'); print('then this'); sys.exit(1)"))

    assert (tally.passed, tally.failed) == (2, 1)
    assert "then this" in capsys.readouterr().out


def test_what_comes_after_a_failure_is_not_run(levels, tmp_path):
    mark = tmp_path / "mark"
    tally = _run(levels, tmp_path, _python("raise SystemExit(3)"), _python(f"open({str(mark)!r}, 'w')"))

    assert tally.failed == 1
    assert not mark.exists()


def test_an_obstacle_skips_with_its_reason(levels, tmp_path):
    tally = _run(levels, tmp_path, _python("raise SystemExit(1)"), obstacle=lambda: "no engine")

    assert (tally.passed, tally.failed, tally.skipped) == (0, 0, 1)
    assert list(tally.reasons) == ["no engine"]


def test_the_reasons_of_skipped_tests_are_told(levels, capsys):
    tally = levels.count("SKIPPED [2] cli/tests/contract/test_x.py:7: no nginx here\n4 passed, 2 skipped in 1.00s")
    code = levels.report({"contract": tally})

    assert code == 0
    assert "no nginx here" in capsys.readouterr().out


def test_the_last_line_is_the_sum_and_one_failure_decides(levels, capsys):
    code = levels.report({"unit": levels.Tally(passed=3), "role": levels.Tally(passed=1, failed=1, skipped=2)})

    assert code == 1
    assert capsys.readouterr().out.splitlines()[-1] == "4 passed, 1 failed, 2 skipped"


def test_a_level_without_checks_is_a_failure(levels):
    assert levels.run_level(levels.Level("empty", ())).failed == 1


def test_every_scenario_belongs_to_exactly_one_level(levels):
    scenarios = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}

    assert sorted(levels.scenario_names(levels.server_levels())) == sorted(scenarios)


@pytest.mark.parametrize(
    "line",
    [
        "FAILED tests/test_doors.py::test_it_is_closed - AssertionError",
        "  │ ERROR tests/test_doors.py::test_it_is_closed -",
        "  │ ERROR \n  │ tests/test_doors.py::test_it_is_closed - subprocess.CalledProcessError",
    ],
)
def test_failed_tests_are_named_at_the_end(levels, line, capsys):
    faults = levels.failing(f"F.\n{line}\n1 failed")

    assert faults == ["tests/test_doors.py::test_it_is_closed"]
    levels.report({"role": levels.Tally(failed=1, faults=["role: host: " + faults[0]])})
    assert "failed: role: host: tests/test_doors.py::test_it_is_closed" in capsys.readouterr().out


def test_a_failed_task_is_named_where_no_test_was_run_and_an_ignored_one_is_not(levels):
    faults = levels.failing(
        """
  │ TASK [Knock as the deploy user]
  │   ************************************************
  │ fatal: [lab]: UNREACHABLE! =>
  │     msg: 'Permission denied'
  │ ...ignoring
  │
  │ TASK [docker_engine : Install packages that are missing]
  │ fatal: [lab]: FAILED! =>
  │     changed: false
  │     msg: no lock on dpkg
"""
    )

    assert faults == ["`docker_engine : Install packages that are missing`: no lock on dpkg"]
