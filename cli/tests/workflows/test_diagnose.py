import threading
import time
from collections.abc import Callable

import pytest

from schoolctl.errors import SchoolctlError
from schoolctl.workflows.diagnose import Check, Finding, Result, Seen, diagnose, each, grouped, named
from schoolctl.workflows.trouble import Trouble

TROUBLE = Trouble("harm", "fact", "way out")


def check(name: str, look: Callable[[], Seen] = Seen, within: float = 10) -> Check:
    return Check(name, f"Title of {name}", look, within)


def results(findings: list[Finding]) -> dict[str, Result]:
    return {finding.check.name: finding.result for finding in findings}


@pytest.fixture
def hanging() -> Callable[[], Seen]:
    def hang() -> Seen:
        threading.Event().wait(60)
        return Seen()

    return hang


def test_each_check_says_whether_what_it_looked_at_is_well() -> None:
    def fails() -> Seen:
        raise SchoolctlError("Could not do it", because="the fact")

    told: list[Finding] = []
    lanes = [
        [check("well"), check("ill", lambda: Seen([TROUBLE]))],
        [check("over", lambda: Seen(passed_over="why")), check("fails", fails)],
    ]
    found = diagnose(lanes, told.append)
    assert results(found) == {
        "well": Result.WELL,
        "ill": Result.ILL,
        "over": Result.PASSED_OVER,
        "fails": Result.UNKNOWN,
    }
    assert [finding.check.name for finding in found] == ["well", "ill", "over", "fails"]
    assert sorted(map(id, told)) == sorted(map(id, found))
    [trouble] = found[3].seen.troubles
    assert (trouble.what, trouble.because) == ("Not known: Title of fails", "the fact")


def test_what_hangs_is_unknown_with_what_waits_for_it_and_the_others_are_not(hanging: Callable[[], Seen]) -> None:
    began = time.monotonic()
    lanes = [[check("before"), check("hangs", hanging, 0.3), check("behind")], [check("beside")], []]
    found = diagnose(lanes, lambda _: None)
    assert time.monotonic() - began < 5
    assert results(found) == {
        "before": Result.WELL,
        "hangs": Result.UNKNOWN,
        "behind": Result.UNKNOWN,
        "beside": Result.WELL,
    }
    assert [finding.seen.troubles[0].because for finding in found[1:3]] == [
        "no answer within 0.3 s",
        "it waited for what was not answered: Title of hangs",
    ]


def test_every_check_has_its_own_time(hanging: Callable[[], Seen]) -> None:
    def slow() -> Seen:
        time.sleep(0.3)
        return Seen()

    lanes = [[check(str(number), slow, 1.0) for number in range(5)], [check("hangs", hanging, 0.1)]]
    assert [*results(diagnose(lanes, lambda _: None)).values()] == [Result.WELL] * 5 + [Result.UNKNOWN]


def test_a_bug_in_a_check_is_not_hidden() -> None:
    def bug() -> Seen:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        diagnose([[check("bug", bug)]], lambda _: None)
    with pytest.raises(ZeroDivisionError):
        each(lambda _: bug(), [1, 2, 3])


def test_lanes_are_looked_at_side_by_side_and_items_too() -> None:
    together = threading.Barrier(3, timeout=10)

    def meet() -> Seen:
        together.wait()
        return Seen()

    assert len(diagnose([[check(name, meet)] for name in "abc"], lambda _: None)) == 3
    assert each(lambda number: (together.wait(), number * number)[1], [1, 2, 3]) == [1, 4, 9]
    assert each(str, []) == []


def test_schools_with_one_fault_are_told_together() -> None:
    same, other = ("down", "mend {slug}"), ("up", "mend them all")
    faults = {"a": same, "b": other, "c": same, "d": other}
    assert grouped(faults, lambda schools: f"harm to {schools}") == [
        Trouble("harm to `a` and `c`", "down", "mend a, and the same for each of the others", ("a", "c")),
        Trouble("harm to `b` and `d`", "up", "mend them all", ("b", "d")),
    ]


@pytest.mark.parametrize(
    ("slugs", "words"),
    [("a", "`a`"), ("ab", "`a` and `b`"), ("abcd", "`a`, `b`, `c` and `d`"), ("abcdef", "`a`, `b`, `c` and 3 more")],
)
def test_few_schools_are_named_and_many_counted(slugs: str, words: str) -> None:
    assert named([*slugs]) == words
