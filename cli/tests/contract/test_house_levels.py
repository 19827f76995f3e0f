"""The one line for each level tells the truth about what ran."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
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


def _run(levels, tmp_path, *programs, **how):
    first, *then = programs
    check = levels.Check("a check", first, then=tuple(then), **how)
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


@pytest.mark.parametrize("output", ["Ran 0 tests in 0.000s\n\nOK", "Testing is disabled for the site!"])
def test_a_program_that_is_there_to_run_tests_fails_without_any(levels, tmp_path, output):
    tally = _run(levels, tmp_path, _python(f"print({output!r})"), has_tests=True)

    assert (tally.passed, tally.failed) == (0, 1)
    assert tally.faults == ["level: a check: it ran no tests"]


def test_a_program_that_fails_is_a_failure_even_if_its_tests_passed(levels, tmp_path, capsys):
    tally = _run(levels, tmp_path, _python("import sys; print('2 passed in 1.0s'); print('then this'); sys.exit(1)"))

    assert (tally.passed, tally.failed) == (2, 1)
    assert "then this" in capsys.readouterr().out


def test_what_comes_after_a_failure_is_not_run(levels, tmp_path):
    mark = tmp_path / "mark"
    tally = _run(levels, tmp_path, _python("raise SystemExit(3)"), _python(f"open({str(mark)!r}, 'w')"))

    assert tally.failed == 1
    assert not mark.exists()


def test_the_apps_tests_must_be_some(levels):
    assert levels.app_tests().has_tests


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


def _run_levels(levels, tmp_path, monkeypatch, *chosen):
    monkeypatch.setattr(levels, "LOGS", tmp_path)
    tallies = {level.name: levels.Tally() for level in chosen}
    with ThreadPoolExecutor(max_workers=levels.AT_A_TIME) as pool:
        levels.run_levels(chosen, pool, tallies)
    return tallies


def test_a_level_without_checks_is_a_failure(levels, tmp_path, monkeypatch):
    assert _run_levels(levels, tmp_path, monkeypatch, levels.Level("empty", ()))["empty"].failed == 1


# It ends when the other has come as far; alone it would wait until its patience is at an end.
MEET = """
import pathlib, sys, time
own, other = map(pathlib.Path, sys.argv[1:])
own.touch()
give_up = time.monotonic() + 20
while not other.exists():
    if time.monotonic() > give_up: sys.exit("the other never came")
    time.sleep(0.05)
"""


def test_checks_run_beside_each_other_and_each_counts_for_its_own_level(levels, tmp_path, monkeypatch):
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    role = levels.Level("role", (levels.Check("one", (*_python(MEET), one, other)),))
    journey = levels.Level("journey", (levels.Check("other", (*_python(MEET), other, one)),))

    tallies = _run_levels(levels, tmp_path, monkeypatch, role, journey)

    assert {name: (tally.passed, tally.failed) for name, tally in tallies.items()} == {
        "role": (1, 0),
        "journey": (1, 0),
    }


def test_what_comes_after_a_check_begins_before_what_has_waited_longer(levels, tmp_path, monkeypatch):
    order = str(tmp_path / "order")
    waits = str(tmp_path / "waits")
    named = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + ' ')"
    first = levels.Check("first", (*_python(named), order, "first"))
    # It goes on until the second has begun; the third would have its turn only then.
    beside = levels.Check("beside", (*_python(MEET), waits, str(tmp_path / "begun")))
    third = levels.Check("third", (*_python(named), order, "third"))
    second = levels.Check(
        "second",
        (*_python(f"{named}; open({str(tmp_path / 'begun')!r}, 'w')"), order, "second"),
        after=frozenset({"first"}),
    )
    monkeypatch.setattr(levels, "AT_A_TIME", 2)

    tallies = _run_levels(
        levels,
        tmp_path,
        monkeypatch,
        levels.Level("journey", (first, beside, third)),
        levels.Level("app", (second,)),
    )

    assert {name: (tally.passed, tally.failed) for name, tally in tallies.items()} == {
        "journey": (3, 0),
        "app": (1, 0),
    }
    assert Path(order).read_text().split()[:2] == ["first", "second"]


# Tells how many of its kind it met, in a folder in which each has a mark while it runs.
COUNT = """
import os, pathlib, sys, time
folder, own = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1]) / str(os.getpid())
own.touch()
time.sleep(0.5)
print(len(list(folder.iterdir())), file=open(sys.argv[2], "a"))
own.unlink()
"""


def test_no_more_than_two_checks_have_servers_at_a_time_and_one_without_runs_beside_them(levels, tmp_path, monkeypatch):
    marks, met = tmp_path / "marks", tmp_path / "met"
    marks.mkdir()
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    counted = (*_python(COUNT), str(marks), str(met))
    servers = [levels.Check(f"server-{number}", counted, has_server=True) for number in range(5)]
    meets = levels.Check("meets", (*_python(MEET), one, other), has_server=True)
    without = levels.Check("without", (*_python(MEET), other, one))

    tallies = _run_levels(
        levels, tmp_path, monkeypatch, levels.Level("role", (*servers, meets)), levels.Level("unit", (without,))
    )

    assert (tallies["role"].passed, tallies["unit"].passed) == (6, 1)
    assert max(map(int, met.read_text().split())) == 2


def test_the_app_waits_for_the_bench_that_a_journey_leaves_and_the_browser_for_the_app(levels):
    after = {check.title: check.after for level in levels.server_levels() for check in level.checks}

    assert after.pop("lms_app") == {"lifecycle"}
    assert after.pop("browser") == {"lifecycle", "lms_app"}
    assert "lifecycle" in after
    assert set(after.values()) == {frozenset({"lab"})}


def test_every_check_of_a_level_of_servers_counts_as_one(levels):
    assert all(check.has_server for level in levels.server_levels() for check in level.checks)
    assert not any(check.has_server for level in levels.quick_levels() for check in level.checks)


def test_in_a_log_each_sign_of_life_is_a_line_that_names_its_check(levels, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(levels, "HEARTBEAT", 0)
    slow = _python("import time; print('waiting for the disk', flush=True); time.sleep(2.5)")
    _run_levels(
        levels,
        tmp_path,
        monkeypatch,
        levels.Level("role", (levels.Check("host", slow), levels.Check("stack", slow))),
    )

    said = capsys.readouterr().out.splitlines()

    for title in ("role: host", "role: stack"):
        alive = [line for line in said if line.startswith(f"  … {title}  ")]
        assert len(alive) >= 2
        assert all(line.endswith("s  waiting for the disk") for line in alive)
    assert all(line.startswith(("  … role: ", "  ✓ role: ")) for line in said)


def test_on_a_terminal_one_line_tells_of_all_that_is_in_hand_and_never_wraps(levels, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "70")
    log = tmp_path / "log"
    log.write_text("TASK [docker_engine : Install packages that are missing, one by one, all of them]\n")
    board = levels.Board()
    for title in ("role: host", "journey: faults"):
        board.begin(title, time.monotonic(), log)
    board.draw()

    [drawn] = capsys.readouterr().out.removeprefix("\r\033[K").splitlines()

    assert "role: host  0 s  TASK" in drawn
    assert "journey: faults  0 s  TASK" in drawn
    assert len(drawn) < 70


def test_an_interruption_ends_both_checks_with_all_that_they_started(tmp_path):
    # A grandchild, as Molecule's Ansible is, that would write its mark if it lived on.
    grandchild = "import time, sys, pathlib; time.sleep(4); pathlib.Path(sys.argv[1]).touch()"
    child = (
        "import subprocess, sys; print('began', flush=True);"
        f"subprocess.run([sys.executable, '-c', {grandchild!r}, sys.argv[1]])"
    )
    run = f"""
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("levels", {str(ROOT / ".ci" / "levels.py")!r})
levels = sys.modules["levels"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(levels)
levels.LOGS = pathlib.Path({str(tmp_path)!r})
checks = [
    levels.Check(name, (sys.executable, "-c", {child!r}, str(levels.LOGS / name)), has_server=True)
    for name in ("a", "b", "c")
]
sys.exit(levels.prove([levels.Level("one", tuple(checks[:1])), levels.Level("two", tuple(checks[1:]))]))
"""
    with subprocess.Popen([*_python(run)], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        logs = [tmp_path / "one-a.log", tmp_path / "two-b.log"]
        give_up = time.monotonic() + 20
        while not all(log.exists() and log.read_text() for log in logs):
            assert time.monotonic() < give_up
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)

    assert process.returncode == 130
    before, _, _ = said.partition("\ninterrupted\n")
    assert "one: a  interrupted" in before
    assert "two: b  interrupted" in before
    assert not (tmp_path / "two-c.log").exists(), "what waited for its turn was begun"
    time.sleep(4.5)
    assert not any((tmp_path / name).exists() for name in "abc")


def test_what_does_not_want_to_end_is_killed(levels, monkeypatch):
    monkeypatch.setattr(levels, "GRACE", 0.5)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(_python(deaf), stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline()

        levels.end_group(process)

        assert process.returncode == -signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


def test_images_are_made_before_all_else_where_a_level_needs_a_server_and_for_no_other(levels):
    def names(*chosen, quick=False):
        return [level.name for level in levels.choose(set(chosen), quick=quick)]

    assert names("lint", "types") == ["lint", "types"]
    assert names("lint", "role", quick=True) == ["lint"]
    assert names("role") == ["images", "role"]
    assert names("unit", "journey", "app") == ["images", "unit", "journey", "app"]
    assert [check.title for check in levels.images_level().checks] == ["lab"]


def test_nothing_is_run_on_what_could_not_be_made(levels, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(levels, "LOGS", tmp_path)
    mark = tmp_path / "mark"
    needed = levels.Level("images", (levels.Check("lab", _python("raise SystemExit(1)")),), needed=True)
    program = _python(f"open({str(mark)!r}, 'w')")
    role = levels.Level("role", (levels.Check("host", program, after=frozenset({"lab"}), has_server=True),))
    unit = levels.Level("unit", (levels.Check("pytest", _python("print('3 passed in 0.1s')")),))
    handlers = [signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)]
    try:
        code = levels.prove([needed, unit, role])
    finally:
        for name, handler in zip((signal.SIGINT, signal.SIGTERM), handlers, strict=True):
            signal.signal(name, handler)

    assert code == 1
    assert not mark.exists()
    said = capsys.readouterr().out
    assert "it needs `images`, which failed" in said
    assert said.splitlines()[-1] == "3 passed, 1 failed, 1 skipped"


def test_every_scenario_belongs_to_exactly_one_level(levels):
    scenarios = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}

    named = levels.scenario_names(levels.server_levels())

    assert sorted(named) == sorted(scenarios)


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


def test_a_failed_test_of_the_app_is_named_at_the_end(levels):
    faults = levels.failing("FAIL: test_it_is_read (lms_app.tests.test_pages.Pages)\n-----\nRan 2 tests in 0.1s")

    assert faults == ["lms_app.tests.test_pages.Pages::test_it_is_read"]


def test_the_quick_levels_name_their_failed_tests_too(levels):
    pytests = [check.argv for level in levels.quick_levels() for check in level.checks if "pytest" in check.argv]

    assert len(pytests) >= 5
    assert all("-rfEs" in argv for argv in pytests)


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
