from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import attempts
from lms_app.services.attempts import Override, Rules

NOW = datetime(2026, 3, 2, 9, 0)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def test_without_rules_there_is_always_another_attempt():
    assert attempts.obstacle(Rules(), 99, NOW, NOW) == ("", None)
    assert attempts.left(Rules(), 99) is None


def test_a_quiz_opens_and_closes_to_the_second():
    rules, second = Rules(opens_on=NOW, closes_on=NOW + DAY), timedelta(seconds=1)
    assert attempts.obstacle(rules, 0, None, NOW - second) == (attempts.NOT_YET, NOW)
    assert attempts.obstacle(rules, 0, None, NOW) == ("", None)
    assert attempts.obstacle(rules, 0, None, NOW + DAY - second) == ("", None)
    assert attempts.obstacle(rules, 0, None, NOW + DAY) == (attempts.CLOSED, None)


def test_attempts_are_counted_as_they_begin():
    assert attempts.obstacle(Rules(attempts=2), 1, NOW, NOW) == ("", None)
    assert attempts.obstacle(Rules(attempts=2), 2, NOW, NOW) == (attempts.NONE_LEFT, None)


def test_between_two_attempts_there_is_a_pause():
    rules = Rules(cooldown=30)
    assert attempts.obstacle(rules, 1, NOW, NOW + 29 * MINUTE) == (attempts.COOLING, NOW + 30 * MINUTE)
    assert attempts.obstacle(rules, 1, NOW, NOW + 30 * MINUTE) == ("", None)
    assert attempts.obstacle(rules, 0, None, NOW) == ("", None)


def test_an_attempt_ends_with_its_time_or_with_the_quiz():
    assert attempts.deadline(Rules(), NOW) is None
    assert attempts.deadline(Rules(limit=45), NOW) == NOW + 45 * MINUTE
    assert attempts.deadline(Rules(limit=45, closes_on=NOW + 20 * MINUTE), NOW) == NOW + 20 * MINUTE


def test_what_was_on_its_way_when_the_time_was_up_still_counts():
    assert not attempts.is_over(NOW, 30, NOW + timedelta(seconds=30))
    assert attempts.is_over(NOW, 30, NOW + timedelta(seconds=31))
    assert not attempts.is_over(None, 0, NOW + 999 * DAY)


def test_an_override_gives_more_time_more_attempts_and_other_dates():
    rules = Rules(attempts=1, limit=60, opens_on=NOW, closes_on=NOW + DAY)
    given_more = attempts.overridden(rules, Override(30, 1, closes_on=NOW + 2 * DAY))
    assert given_more == Rules(attempts=2, limit=90, opens_on=NOW, closes_on=NOW + 2 * DAY)


def test_an_override_limits_nothing_that_has_no_limit():
    assert attempts.overridden(Rules(), Override(30, 1)) == Rules()
    assert attempts.overridden(Rules(limit=5), None) == Rules(limit=5)


@pytest.mark.parametrize(
    ("method", "reached"),
    [(attempts.HIGHEST, 80), (attempts.LAST, 60), (attempts.FIRST, 40), (attempts.AVERAGE, 60)],
)
def test_several_attempts_count_as_the_quiz_says(method, reached):
    assert attempts.result(method, [Fraction(40), Fraction(80), Fraction(60)]) == reached
    assert attempts.result(method, []) is None


def test_a_third_is_not_rounded_before_it_is_judged():
    third = attempts.percent(Fraction(1), Fraction(3))
    assert not attempts.is_passed(third, 33.34)
    assert attempts.is_passed(third, 33.33)
    assert attempts.is_passed(Fraction(60), 60)
    assert not attempts.is_passed(None, 0)


def test_thirds_that_were_kept_with_nine_places_add_up_to_what_is_needed():
    kept = 3 * Fraction("0.333333333") + 1
    assert attempts.is_passed(attempts.percent(kept, Fraction(4)), 50)
    assert not attempts.is_passed(attempts.percent(kept, Fraction(4)), 50.001)


@pytest.mark.parametrize(("reached", "told"), [("59.996", 59), ("59.9999999", 60), ("60", 60), ("99.99", 99), ("0", 0)])
def test_a_percentage_that_does_not_reach_is_not_told_as_if_it_did(reached, told):
    assert attempts.shown(Fraction(reached)) == told
    assert attempts.is_passed(Fraction(reached), told)


percents = st.lists(st.fractions(0, 100), min_size=1, max_size=9)


@given(percents, st.sampled_from(attempts.METHODS))
def test_a_result_lies_among_the_attempts(found, method):
    assert min(found) <= attempts.result(method, found) <= max(found)


@given(st.fractions(-5, 500), st.fractions(0, 100))
def test_a_percentage_is_never_outside_of_0_and_100(points, most):
    assert 0 <= attempts.percent(points, most) <= 100


@given(st.integers(0, 500), st.integers(0, 9), st.integers(0, 9), st.integers(1, 9))
def test_nobody_gets_less_by_an_override(minutes, more, begun, allowed):
    rules = Rules(attempts=allowed, limit=30)
    other = attempts.overridden(rules, Override(minutes, more))
    assert attempts.left(other, begun) >= attempts.left(rules, begun)
    assert attempts.deadline(other, NOW) >= attempts.deadline(rules, NOW)
